"""What several commands take: their options, and what the options together ask for."""

from __future__ import annotations

import math
import os
import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

from chaos.domain.scenario import MAX_SEED, Arm
from chaos.errors import UsageError, hint, nearest

if TYPE_CHECKING:
    from chaos.app import Wanted

MAX_SEEDS = 10_000


class Keep(StrEnum):
    """When an arm's data stays after the run; logs, journals and the registry's store always stay."""

    NEVER = "never"
    FAILED = "failed"
    ALWAYS = "always"


Target = Annotated[str, typer.Option("--target", help="A target's name or file.")]
Seed = Annotated[int | None, typer.Option("--seed", min=0, max=MAX_SEED, help="One seed.")]
OneSeed = Annotated[int, typer.Option("--seed", min=0, max=MAX_SEED, help="The seed.")]
Seeds = Annotated[str | None, typer.Option("--seeds", help="A range of seeds: 1..20.")]
_KEEP_HELP = "Whose data stays in the run's folder."
Kept = Annotated[Keep, typer.Option("--keep", help=_KEEP_HELP)]
KeptIfGiven = Annotated[
    Keep | None,
    typer.Option("--keep", help=_KEEP_HELP, show_default=Keep.FAILED.value),
]
Blind = Annotated[bool, typer.Option("--blind", help="Keep the faults' names off the screen.")]
Holes = Annotated[
    list[str] | None, typer.Option("--hole", help="Switch a layer off: freshness, or freshness@5d..8d.")
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", help="layer.freshness.warn_days=1, layer.*.mode=observe, fault.NAME.KEY=VALUE."),
]
Arms = Annotated[str | None, typer.Option("--arms", help="Only these arms: defended,control,…")]
Pace = Annotated[float | None, typer.Option("--day-seconds", help="Seconds in a simulated day.")]
Out = Annotated[Path | None, typer.Option("--out", help="The run's own folder (default runs/…).")]
Junit = Annotated[Path | None, typer.Option("--junit", help="Also write JUnit XML here.")]
Json = Annotated[bool, typer.Option("--json", help="Print results.json and nothing else.")]
Jobs = Annotated[int | None, typer.Option("--jobs", min=1, help="Worker processes in virtual time.")]
RerunVoid = Annotated[int, typer.Option("--rerun-void", min=0, help="Try a void trial again so often.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Compute arms without a fault anew.")]
Allow = Annotated[list[str] | None, typer.Option("--allow", help="A host beyond loopback to be touched.")]


def wanted(
    scenarios: list[str],
    target: str,
    seed: int | None,
    seeds: str | None,
    arms: str | None,
    holes: list[str] | None,
    sets: list[str] | None,
    day_seconds: float | None,
    out: Path | None,
    allow: list[str] | None,
    keep: Keep = Keep.FAILED,
) -> Wanted:
    """What the options ask for. Raises UsageError."""
    from chaos.app import Wanted
    from chaos.runner.overrides import parse_overrides

    if day_seconds is not None and not 0 < day_seconds < math.inf:
        raise UsageError("--day-seconds must be above 0")
    return Wanted(
        scenarios=tuple(scenarios),
        target=target,
        seeds=_seeds(seed, seeds),
        arms=_arms(arms),
        overrides=parse_overrides(holes or [], sets or []),
        day_seconds=day_seconds,
        allow=tuple(allow or []),
        out=out,
        keep=keep.value,
    )


class CampaignOptions(TypedDict):
    """How a campaign is done; fields as in `Wanted`."""

    jobs: int
    rerun_void: int
    cache: Path | None
    of_virtual_time: tuple[str, ...]


def campaign(jobs: int | None, rerun_void: int, no_cache: bool) -> CampaignOptions:
    """What the options about worker processes, void trials and the cache ask for."""
    from chaos.app import cache_folder

    cache = None if no_cache else cache_folder() / "arms"
    given = (("--jobs", jobs is not None), ("--no-cache", no_cache))
    return {
        "jobs": jobs or os.cpu_count() or 1,
        "rerun_void": rerun_void,
        "cache": cache,
        "of_virtual_time": tuple(option for option, is_given in given if is_given),
    }


def _seeds(seed: int | None, seeds: str | None) -> tuple[int, ...] | None:
    if seed is not None and seeds is not None:
        raise UsageError("--seed and --seeds exclude each other")
    if seed is not None:
        return (seed,)
    if seeds is None:
        return None
    match = re.fullmatch(r"(\d+)(?:\.\.(\d+))?", seeds)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if first > last:
        raise UsageError(f"--seeds {seeds}: write a range, as in 1..20")
    if last > MAX_SEED or last - first >= MAX_SEEDS:
        raise UsageError(f"--seeds {seeds}: a seed is at most {MAX_SEED}, a range at most {MAX_SEEDS:,} long")
    return tuple(range(first, last + 1))


def _arms(arms: str | None) -> tuple[Arm, ...]:
    if arms is None:
        return tuple(Arm)
    names = arms.split(",")
    for name in names:
        if name not in list(Arm):
            says = f"--arms {arms}: {name!r} is not one of {', '.join(Arm)}"
            raise UsageError(says + hint(nearest(name, Arm)))
        if names.count(name) > 1:
            raise UsageError(f"--arms {arms}: {name!r} is there twice")
    return tuple(Arm(name) for name in names)

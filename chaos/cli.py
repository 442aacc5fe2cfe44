"""The command line: thin. Every command says what it does in one line of help."""

from __future__ import annotations

import json
import math
import os
import re
import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypedDict

import typer
from typer.exceptions import TyperException

from chaos import app as application
from chaos import inspection
from chaos.capabilities import nearest
from chaos.domain.scenario import MAX_SEED, Arm
from chaos.errors import ArmFailed, ChaosError, Interrupted, UsageError

if TYPE_CHECKING:
    from chaos.domain.verdict import Results
    from chaos.reports.screen import Screen

cli = typer.Typer(
    name="mlchaos",
    help="Chaos testing for machine-learning systems, with a verdict about defensive layers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
stack = typer.Typer(help="The reference stack by itself, to look around.", no_args_is_help=True)
cli.add_typer(stack, name="stack")


MAX_SEEDS = 10_000


class Keep(StrEnum):
    """When an arm's data stays after the run; logs, journals and the registry's store always stay."""

    NEVER = "never"
    FAILED = "failed"
    ALWAYS = "always"


Target = Annotated[str, typer.Option("--target", help="A target's name or file.")]
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
) -> application.Wanted:
    """What the options ask for. Raises UsageError."""
    from chaos.runner.overrides import parse_overrides

    if day_seconds is not None and not 0 < day_seconds < math.inf:
        raise UsageError("--day-seconds must be above 0")
    return application.Wanted(
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


class _CampaignOptions(TypedDict):
    jobs: int
    rerun_void: int
    cache: Path | None


def _campaign(jobs: int | None, rerun_void: int, no_cache: bool) -> _CampaignOptions:
    cache = None if no_cache else application.cache_folder() / "arms"
    return {"jobs": jobs or os.cpu_count() or 1, "rerun_void": rerun_void, "cache": cache}


def _seeds(seed: int | None, seeds: str | None) -> tuple[int, ...] | None:
    if seed is not None and seeds is not None:
        raise UsageError("--seed and --seeds exclude each other")
    if seed is not None:
        return (seed,)
    if seeds is None:
        return None
    match = re.fullmatch(r"(\d+)\.\.(\d+)", seeds)
    if match is None or int(match[1]) > int(match[2]):
        raise UsageError(f"--seeds {seeds}: write a range, as in 1..20")
    if int(match[2]) > MAX_SEED or int(match[2]) - int(match[1]) >= MAX_SEEDS:
        raise UsageError(f"--seeds {seeds}: a seed is at most {MAX_SEED}, a range at most {MAX_SEEDS:,} long")
    return tuple(range(int(match[1]), int(match[2]) + 1))


def _arms(arms: str | None) -> tuple[Arm, ...]:
    if arms is None:
        return tuple(Arm)
    names = arms.split(",")
    for name in names:
        if name not in list(Arm):
            near = nearest(name, Arm)
            hint = f" (did you mean {near!r}?)" if near else ""
            raise UsageError(f"--arms {arms}: {name!r} is not one of {', '.join(Arm)}{hint}")
        if names.count(name) > 1:
            raise UsageError(f"--arms {arms}: {name!r} is there twice")
    return tuple(Arm(name) for name in names)


@cli.command()
def run(
    scenarios: Annotated[list[str], typer.Argument(help="Scenarios, by name or file.")],
    target: Target = "reference-local",
    seed: Annotated[int | None, typer.Option("--seed", min=0, max=MAX_SEED, help="One seed.")] = None,
    seeds: Annotated[str | None, typer.Option("--seeds", help="A range of seeds: 1..20.")] = None,
    arms: Arms = None,
    hole: Holes = None,
    set_: Sets = None,
    day_seconds: Pace = None,
    out: Out = None,
    keep: Annotated[Keep, typer.Option("--keep", help="Whose data stays in the run's folder.")] = Keep.FAILED,
    junit: Junit = None,
    json_: Json = False,
    allow: Allow = None,
    jobs: Jobs = None,
    rerun_void: RerunVoid = 0,
    no_cache: NoCache = False,
    into: Annotated[str | None, typer.Option("--into", help="Run it in a standing stack, by name.")] = None,
    pause_before: Annotated[
        str | None, typer.Option("--pause-before", help="Wait for Enter, with --into: inject,undo.")
    ] = None,
    blind: Annotated[bool, typer.Option("--blind", help="Keep the faults' names off the screen.")] = False,
) -> None:
    """Run scenarios against a target and give the verdict."""
    asked = wanted(scenarios, target, seed, seeds, arms, hole, set_, day_seconds, out, allow, keep)
    asked = replace(asked, junit=junit, blind=blind, **_campaign(jobs, rerun_void, no_cache))
    if into is not None:
        _visit(asked, into, pause_before, json_)
    elif pause_before is not None:
        raise UsageError("--pause-before waits in a standing stack; name one with --into")
    else:
        _run(asked, json_)


@cli.command()
def suite(
    names: Annotated[
        list[str] | None, typer.Argument(help="Folders, tags or scenarios; all if none.")
    ] = None,
    target: Target = "reference-local",
    seed: Annotated[int | None, typer.Option("--seed", min=0, max=MAX_SEED)] = None,
    seeds: Annotated[str | None, typer.Option("--seeds")] = None,
    day_seconds: Pace = None,
    out: Out = None,
    keep: Annotated[Keep, typer.Option("--keep")] = Keep.FAILED,
    junit: Junit = None,
    json_: Json = False,
    allow: Allow = None,
    jobs: Jobs = None,
    rerun_void: RerunVoid = 0,
    no_cache: NoCache = False,
) -> None:
    """Run every scenario, or those of a folder, a tag or a name, into one report."""
    chosen = application.choose(names or [], application.make_files())
    asked = wanted(chosen, target, seed, seeds, None, None, None, day_seconds, out, allow, keep)
    asked = replace(asked, junit=junit, list_not_run=True)
    _run(replace(asked, **_campaign(jobs, rerun_void, no_cache)), json_)


@cli.command()
def ablation(
    names: Annotated[
        list[str] | None, typer.Argument(help="Folders, tags or scenarios; all scenarios if none.")
    ] = None,
    target: Target = "reference-virtual",
    seed: Annotated[int | None, typer.Option("--seed", min=0, max=MAX_SEED)] = None,
    seeds: Annotated[str | None, typer.Option("--seeds")] = None,
    out: Out = None,
    keep: Annotated[Keep, typer.Option("--keep")] = Keep.NEVER,
    json_: Annotated[bool, typer.Option("--json", help="Print ablation.json and nothing else.")] = False,
    allow: Allow = None,
    jobs: Jobs = None,
    rerun_void: RerunVoid = 0,
    no_cache: NoCache = False,
) -> None:
    """Switch off the layers that decide each defended scenario: it must fail then."""
    from chaos.ablation import ablate
    from chaos.reports.ablation import plain
    from chaos.reports.screen import Screen

    files, catalogue = application.make_files(), application.make_catalogue()
    chosen = application.choose(names or [], files)
    asked = wanted(chosen, target, seed, seeds, None, None, None, None, out, allow, keep)
    asked = replace(asked, list_not_run=True, **_campaign(jobs, rerun_void, no_cache))
    found, folder = ablate(asked, files, catalogue, Screen(quiet=json_, fault_names=True))
    if json_:
        sys.stdout.write(found.model_dump_json(by_alias=True, indent=1) + "\n")
    else:
        for line in plain(found):
            sys.stdout.write(line + "\n")
        sys.stdout.write(f"table  {folder / 'ablation.md'}\n")
    raise typer.Exit(application.VERDICT_CODES[found.verdict])


def _run(asked: application.Wanted, as_json: bool) -> NoReturn:
    from chaos.execution import execute
    from chaos.reports.screen import Screen

    files, catalogue = application.make_files(), application.make_catalogue()
    planned = application.plan_run(asked, files, catalogue)
    application.check_can_start(asked, planned)
    screen = Screen(quiet=as_json, fault_names=not asked.blind)
    _tell(asked, as_json, screen, *execute(asked, planned, catalogue, screen))


def _visit(asked: application.Wanted, into: str, pause_before: str | None, as_json: bool) -> NoReturn:
    from chaos.reports.screen import Screen
    from chaos.standing.visit import Facilitator, pauses_of, plan_visit, visit

    pauses = pauses_of(pause_before)
    if asked.target != "reference-local":
        raise UsageError("--target has no meaning with --into: the stack has its own")
    planned, state = plan_visit(asked, into, application.make_files(), application.make_catalogue())
    application.check_can_start(asked, planned)
    if not planned.trials:
        lacking = planned.not_run[0]
        raise UsageError(f"{lacking.scenario}: {into} lacks {', '.join(lacking.needs)}")
    screen = Screen(quiet=as_json, fault_names=not asked.blind)
    screen.note(f"{into}: from day {planned.trials[0].arms[0].start_day:g} on")
    facilitator = Facilitator(screen.note, sys.stdin)
    _tell(asked, as_json, screen, *visit(planned, state, asked.out, pauses, screen, facilitator))


def _tell(
    asked: application.Wanted, as_json: bool, screen: Screen, results: Results, folder: Path
) -> NoReturn:
    if asked.junit is not None:
        from chaos.reports.junit import write_junit

        write_junit(results, asked.junit)
    if as_json:
        sys.stdout.write(results.model_dump_json(by_alias=True, indent=1) + "\n")
    else:
        screen.results(results, folder)
    raise typer.Exit(application.exit_code(results, folder))


@cli.command(name="list")
def list_(
    what: Annotated[
        str, typer.Argument(help="scenarios, faults, layers, probes or targets; all if none.")
    ] = "",
    target: Target = "reference-local",
) -> None:
    """List what can be named."""
    for line in inspection.listing(what, target):
        sys.stdout.write(line + "\n")


@cli.command()
def show(
    name: Annotated[str, typer.Argument(help="A scenario, fault, layer, probe or target.")],
    target: Target = "reference-local",
) -> None:
    """Explain one thing by name."""
    sys.stdout.write(inspection.explain(name, target) + "\n")


@cli.command()
def catalogue() -> None:
    """Print the catalogue as a page of documentation: everything built in that can be named."""
    from chaos.catalogue_page import page

    sys.stdout.write(page())


@cli.command()
def validate(
    files: Annotated[list[Path], typer.Argument(help="Scenario or target files.")],
    target: Annotated[str, typer.Option("--target", help="What scenarios are checked against.")] = "k9s",
) -> None:
    """Check files; reads them only, and starts and imports nothing that they name."""
    for line in inspection.validate(files, target):
        sys.stdout.write(line + "\n")


@cli.command()
def plan(
    scenario: Annotated[str, typer.Argument(help="A scenario, by name or file.")],
    target: Target = "reference-local",
    seed: Annotated[int, typer.Option("--seed", min=0, max=MAX_SEED)] = 1,
    arms: Arms = None,
    hole: Holes = None,
    set_: Sets = None,
    day_seconds: Pace = None,
    allow: Allow = None,
) -> None:
    """A dry run: what would be done in each arm, and when."""
    asked = wanted([scenario], target, seed, None, arms, hole, set_, day_seconds, None, allow)
    asked = replace(asked, list_not_run=True)
    for line in inspection.dry_run(asked):
        sys.stdout.write(line + "\n")


@cli.command()
def schema(
    what: Annotated[str, typer.Argument(help="scenario, target or results.")] = "scenario",
) -> None:
    """Print a JSON Schema."""
    sys.stdout.write(json.dumps(inspection.schema(what), indent=1) + "\n")


@cli.command()
def report(
    folder: Annotated[Path, typer.Argument(help="A run's folder.")],
    junit: Annotated[Path | None, typer.Option("--junit")] = None,
    json_: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Score and render a run again from its journals; nothing is run. Names journals that are damaged."""
    from chaos.reports.screen import Screen
    from chaos.results import journal_problems, write_reports

    results = write_reports(folder.resolve())
    for problem in journal_problems(folder.resolve()):
        sys.stderr.write(f"mlchaos: {problem}\n")
    if junit is not None:
        from chaos.reports.junit import write_junit

        write_junit(results, junit)
    if json_:
        sys.stdout.write(results.model_dump_json(by_alias=True, indent=1) + "\n")
    else:
        Screen(quiet=False).results(results, folder)


@cli.command()
def recover(
    folder: Annotated[Path, typer.Argument(help="A run's folder, or a folder of runs.")] = Path("runs"),
) -> None:
    """Undo and clean up what an interrupted run left."""
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    done = application.recover_all(folder)
    for run_folder, says in done.items():
        sys.stdout.write(f"{run_folder}: {says}\n")
    if not done:
        sys.stdout.write("nothing to recover\n")


Name = Annotated[str, typer.Option("--name", help="The name it stands under.")]
Into = Annotated[str, typer.Option("--into", help="A standing stack, by name.")]


@stack.command(name="up")
def stack_up(
    target: Target = "reference-local",
    name: Name = "k9s",
    seed: Annotated[int, typer.Option("--seed", min=0, max=MAX_SEED)] = 1,
    world: Annotated[str, typer.Option("--world")] = "default",
    days: Annotated[float, typer.Option("--days", min=1, max=90, help="Ends after so many days.")] = 90.0,
    day_seconds: Annotated[float, typer.Option("--day-seconds", help="Seconds in a simulated day.")] = 30.0,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return once it stands.")] = False,
) -> None:
    """Bring a stack up, say where everything is, and keep it until Ctrl-C or `stack down`."""
    from chaos.standing import up

    if not 0 < day_seconds < math.inf:
        raise UsageError("--day-seconds must be above 0")
    asked = up.Asked(name, application.make_files().target(target)[0], seed, world, days, day_seconds)
    if not detach:
        up.up(asked, _say)
        return
    up.check(asked)
    arguments = ["stack", "up", "--target", target, "--name", name, "--seed", str(seed), "--world", world]
    up.detach([*arguments, "--days", str(days), "--day-seconds", str(day_seconds)], name, _say)


@stack.command(name="status")
def stack_status(
    name: Annotated[str | None, typer.Option("--name", help="One of them, in detail.")] = None,
) -> None:
    """Which stacks stand; of one, which components answer, what is injected, and who has it."""
    from chaos.standing import up

    for line in up.status(name):
        _say(line)


@stack.command(name="down")
def stack_down(name: Name = "k9s") -> None:
    """Undo what is injected, and take a standing stack down."""
    from chaos.standing import up

    _say(up.down(name))


@cli.command()
def inject(
    fault: Annotated[str, typer.Argument(help="A fault of the catalogue.")],
    parameters: Annotated[list[str] | None, typer.Argument(help="Its parameters: link=events …")] = None,
    into: Into = "k9s",
    lasts: Annotated[str | None, typer.Option("--for", help="Undo it after so long: 2d, 6h.")] = None,
) -> None:
    """Inject a fault into a standing stack by hand."""
    from chaos.standing import by_hand, place

    spec = application.make_files().target(place.find(into).target)[0]
    wanted = by_hand.parameters_of(parameters or [])
    _say(by_hand.inject(into, fault, wanted, lasts, spec, application.make_catalogue()))


@cli.command()
def undo(
    id: Annotated[str, typer.Argument(help="What `inject` called it; the newest if left out.")] = "",
    into: Into = "k9s",
) -> None:
    """Undo what was injected into a standing stack by hand."""
    from chaos.standing import by_hand

    _say(by_hand.undo(into, id))


@cli.command()
def watch(
    into: Into = "k9s",
    blind: Annotated[bool, typer.Option("--blind", help="Keep the faults' names off the screen.")] = False,
) -> None:
    """Show what happens in a standing stack, until it ends or Ctrl-C."""
    from chaos.reports.screen import Screen
    from chaos.standing import by_hand

    screen = Screen(quiet=False, fault_names=not blind)
    by_hand.watch(into, lambda event: screen.event(event, into))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> NoReturn:
    """The command `mlchaos`: errors become one message and an exit code, never a traceback."""
    try:
        code = cli(standalone_mode=False)
    except ChaosError as error:
        sys.stderr.write(f"mlchaos: {error}\n")
        code = error.exit_code
    except TyperException as error:
        sys.stderr.write(f"mlchaos: {error.format_message()}\n")
        code = UsageError.exit_code
    except OSError as error:
        sys.stderr.write(f"mlchaos: {error}\n")  # such as a full disk
        code = ArmFailed.exit_code
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("mlchaos: interrupted\n")
        code = Interrupted.exit_code
    sys.exit(code if isinstance(code, int) else 0)

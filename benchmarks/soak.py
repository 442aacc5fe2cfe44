"""Every scenario that real processes can run, beside its verdict in virtual time, as a table in Markdown.

    python -m benchmarks.soak [SCENARIO …] [--day-seconds S] [--seed 1]

Without names: all but large ones, as in a suite. What the live target cannot do it leaves out by itself. Of a
quiet scenario only the arms with layers are run, since the others are not judged. A scenario about load has a
pace of its own, all others have 1.25 s a day, or as many as this machine needs now. Exits with 1 where a
verdict differs, or is void; a row says where another layer was first.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.comparison import run
from benchmarks.paces import told
from chaos.app import make_files
from chaos.domain.pace import pace_for
from chaos.domain.scenario import Kind
from chaos.domain.verdict import TrialResult, Verdict
from chaos.drivers.local.gauge import pieces_per_second

HEAD = "| scenario | real processes | virtual time | why not |\n|---|---|---|---|"
DAY_SECONDS = 1.25
LIVE, VIRTUAL = "reference-local", "reference-virtual"


@dataclass(frozen=True)
class Row:
    """One scenario on both."""

    scenario: str
    live: TrialResult
    virtual: TrialResult | None
    why: str

    @property
    def agrees(self) -> bool:
        """Whether both have one verdict: two that are void say nothing of one another."""
        same = self.virtual is not None and self.live.verdict is self.virtual.verdict
        return same and self.live.verdict is not Verdict.VOID

    @property
    def same_layer(self) -> bool:
        """Whether the same layers were the first to see the faults."""
        return self.virtual is not None and told(self.live) == told(self.virtual)

    def __str__(self) -> str:
        virtual = "not run" if self.virtual is None else told(self.virtual)
        why = self.why if self.same_layer or not self.agrees else "another layer first"
        cells = [f"`{self.scenario}`", told(self.live), virtual, why]
        return f"| {' | '.join(cells)} |{'' if self.agrees else ' **no**'}"


def table(live: Sequence[TrialResult], virtual: Sequence[TrialResult]) -> list[Row]:
    """A row for each scenario that was run live."""
    beside = {trial.scenario: trial for trial in virtual}
    return [Row(trial.scenario, trial, beside.get(trial.scenario), _why(trial)) for trial in live]


def _why(trial: TrialResult) -> str:
    if trial.verdict is Verdict.PASSED:
        return ""
    return "; ".join(f"{one.about}: {one.says}" for one in trial.reasons if one.verdict is trial.verdict)


@dataclass(frozen=True)
class Group:
    """Scenarios that are run alike: quiet ones apart, and those that have a pace of their own."""

    names: list[str]
    quiet: bool
    paced: bool


def groups(names: Sequence[str]) -> Iterator[Group]:
    """What is to be run, in groups. Raises UsageError for an unknown name."""
    files = make_files()
    known = [files.scenario(name)[0] for name in names or [one.name for one in files.scenarios()]]
    chosen = [one for one in known if names or not one.large]
    for quiet in (True, False):
        for paced in (True, False):
            found = [
                one.scenario
                for one in chosen
                if (one.kind is Kind.QUIET) is quiet and (one.day_seconds is not None) is paced
            ]
            if found:
                yield Group(found, quiet, paced)


def pace_now(day_seconds: float, pieces_per_second: float) -> float:
    """Seconds a day that both are given: `day_seconds`, or more on a machine that is slower now."""
    spec, _ = make_files().target(LIVE)
    assert spec.day_work is not None
    return pace_for(day_seconds, spec.day_work, pieces_per_second).day_seconds


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenarios", nargs="*")
    parser.add_argument("--day-seconds", type=float, help="of scenarios without a pace")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    seeds = f"{asked.seed}..{asked.seed}"
    day_seconds = asked.day_seconds or pace_now(DAY_SECONDS, pieces_per_second())
    print(f"{day_seconds:g} s a day\n", flush=True)
    rows: list[Row] = []
    print(HEAD, flush=True)
    with tempfile.TemporaryDirectory(prefix="mlchaos-soak-") as scratch:
        for number, group in enumerate(groups(asked.scenarios)):
            pace = () if group.paced else ("--day-seconds", f"{day_seconds:g}")
            # `suite` leaves out what the target cannot do, and `run` takes arms.
            command, arms = ("run", ("--arms", "defended,control")) if group.quiet else ("suite", ())
            found: list[Sequence[TrialResult]] = []
            for target, more in ((LIVE, ("--rerun-void", "1", *pace)), (VIRTUAL, pace)):
                out, options = Path(scratch) / f"{target}-{number}", ("--keep", "never", *arms, *more)
                found.append(run(target, seeds, group.names, out, *options, command=command).trials)
            for row in table(*found):
                print(row, flush=True)
                rows.append(row)
    same = sum(row.agrees for row in rows)
    layers = sum(row.same_layer for row in rows)
    print(
        f"\n{same} of {len(rows)} scenarios have one verdict on real processes and in virtual time, "
        f"{layers} the same first layers too."
    )
    return 0 if rows and same == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())

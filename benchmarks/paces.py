"""The same scenarios in virtual time at several paces, as a table in Markdown: a verdict rests on none.

    python -m benchmarks.paces [SCENARIO …] [--paces 1 2 60] [--seeds 1..1]

Without names: every scenario that can run in virtual time but those tagged `overload`, since how much load
a processor can take is a matter of seconds. Exits with 1 where a verdict differs. Another first layer is told
in its row, as by benchmarks.soak.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.comparison import run
from chaos.app import make_files
from chaos.domain.verdict import TrialResult

PACES = (1.0, 2.0, 60.0)
"""Seconds in a simulated day."""
OVERLOAD = "overload"


@dataclass(frozen=True)
class Row:
    """One trial at all paces: verdict, and detecting layers, at each."""

    scenario: str
    seed: int
    told: Mapping[float, str]

    @property
    def agrees(self) -> bool:
        """Whether all paces have one verdict."""
        return len({told.partition(" (")[0] for told in self.told.values()}) == 1

    def __str__(self) -> str:
        mark = "" if self.agrees else " **no**"
        if self.agrees and len(set(self.told.values())) > 1:
            mark = " another first layer"
        return f"| {self.scenario}, seed {self.seed} | {' | '.join(self.told.values())} |{mark}"


def measure(
    names: Sequence[str], paces: Sequence[float], seeds: str, folder: Path
) -> dict[float, Sequence[TrialResult]]:
    """The trials of a suite at each pace, run in folders of its own below `folder`."""
    return {
        pace: run(
            "reference-virtual",
            seeds,
            names,
            folder / f"{pace:g}",
            "--day-seconds",
            f"{pace:g}",
            "--keep",
            "never",
            command="suite",
        ).trials
        for pace in paces
    }


def head(paces: Sequence[float]) -> str:
    """The table's first two lines."""
    columns = " | ".join(f"{pace:g} s a day" for pace in paces)
    return f"| trial | {columns} |\n|{'---|' * (1 + len(paces))}"


def default_scenarios() -> list[str]:
    """Names of the scenarios without overload. What virtual time cannot do a run leaves out by itself."""
    files = make_files()
    found = [files.scenario(scenario.name)[0] for scenario in files.scenarios()]
    return [one.scenario for one in found if OVERLOAD not in one.tags and not one.large]


def table(by_pace: Mapping[float, Sequence[TrialResult]]) -> list[Row]:
    """A row for each trial that was run at any pace; one that a pace lacks is told as such."""
    keys = dict.fromkeys((trial.scenario, trial.seed) for trials in by_pace.values() for trial in trials)
    found = {
        (pace, trial.scenario, trial.seed): told(trial)
        for pace, trials in by_pace.items()
        for trial in trials
    }
    return [
        Row(name, seed, {pace: found.get((pace, name, seed), "not run") for pace in by_pace})
        for name, seed in keys
    ]


def told(trial: TrialResult) -> str:
    """Verdict, and first detecting layer of each fault."""
    layers = [fault.detection.layer if fault.detection else "nobody" for fault in trial.faults]
    return f"{trial.verdict.value} ({', '.join(layers)})" if layers else trial.verdict.value


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenarios", nargs="*")
    parser.add_argument("--paces", type=float, nargs="+", default=PACES, help="seconds a day")
    parser.add_argument("--seeds", default="1..1")
    options = parser.parse_args()
    names = options.scenarios or default_scenarios()
    with tempfile.TemporaryDirectory(prefix="mlchaos-paces-") as scratch:
        by_pace = measure(names, options.paces, options.seeds, Path(scratch))
    rows = table(by_pace)
    print(head(options.paces))
    for row in rows:
        print(row)
    return 1 if not rows or not all(row.agrees for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())

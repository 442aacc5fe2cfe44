"""The same scenarios on real processes and in virtual time, side by side, as a table in Markdown.

    python -m benchmarks.comparison [SCENARIO …] [--seeds 1..5]             runs both
    python -m benchmarks.comparison --live RUN [--live RUN …] --virtual RUN compares runs that are there

Without names: late-partition and slow-features. Verdict and detecting layer must agree seed by seed, exact
kinds of harm within what one daily cycle adds to them (`one_cycle`), mean quality within two standard
errors. Exits with 1 where they do not. Both have the same seconds a day: what a cycle costs in milliseconds
is a larger part of a shorter day.
"""

from __future__ import annotations

import argparse
import math
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos.domain.scenario import Arm, Harm
from chaos.domain.verdict import Results, TrialResult, Verdict

SCENARIOS = ("late-partition", "slow-features")
DAY_OF_VIEWS = 600.0
"""Page views a day in the world `default`."""
HEAD = "| scenario | | live | virtual | differ by | allowed |\n|---|---|---|---|---|---|"
ARMS = (Arm.DEFENDED, Arm.UNDEFENDED)


@dataclass(frozen=True)
class Row:
    """One thing measured on both; `agrees` is None for what is only shown."""

    scenario: str
    what: str
    live: str
    virtual: str
    differ: str = ""
    allowed: str = ""
    agrees: bool | None = None

    def __str__(self) -> str:
        mark = " **no**" if self.agrees is False else ""
        cells = [self.scenario, self.what, self.live, self.virtual, f"{self.differ}{mark}", self.allowed]
        return f"| {' | '.join(cells)} |"


def compare(live: Sequence[TrialResult], virtual: Sequence[TrialResult]) -> Iterator[Row]:
    """Rows for one scenario, from the trials of the seeds that both have. Raises ValueError for none."""
    pairs = [(one, other) for one in live for other in virtual if one.seed == other.seed]
    if not pairs:
        raise ValueError("no seed was run on both")
    name = pairs[0][0].scenario
    yield Row(name, "seeds", str(len(pairs)), str(len(pairs)))
    for what, of in (("verdict", _verdict), ("first detection by", _detector)):
        told = [(of(one), of(other)) for one, other in pairs]
        differ = sum(1 for one, other in told if one != other)
        first, second = (_counts([pair[side] for pair in told]) for side in (0, 1))
        yield Row(name, what, first, second, f"{differ} of {len(told)}", "0", differ == 0)
    first, second = (_spread([delay for pair in pairs for delay in _delays(pair[side])]) for side in (0, 1))
    yield Row(name, "delay of detection, d", first, second)
    for arm in ARMS:
        for kind in Harm:
            found = [(one.harm[arm][kind], other.harm[arm][kind]) for one, other in pairs]
            measured = [(float(a), float(b)) for a, b in found if a is not None and b is not None]
            if measured:
                yield from _harm(name, f"{kind.value}, {arm.value}", kind, measured)


def _harm(name: str, what: str, kind: Harm, pairs: Sequence[tuple[float, float]]) -> Iterator[Row]:
    live, virtual = [one for one, _ in pairs], [other for _, other in pairs]
    if not any(live) and not any(virtual):
        return
    differ = statistics.mean(live) - statistics.mean(virtual)
    first, second, by = _spread(live), _spread(virtual), f"{differ:+.1f}"
    if kind is not Harm.QUALITY_PCT_DAYS:
        limit = one_cycle(kind, min(statistics.mean(live), statistics.mean(virtual)))
        yield Row(name, what, first, second, by, f"{limit:.3g}", abs(differ) <= limit)
    elif len(pairs) < 2:
        yield Row(name, what, first, second, by, "more seeds needed")
    else:
        error = math.sqrt(sum(statistics.variance(side) / len(side) for side in (live, virtual)))
        yield Row(name, what, first, second, by, f"{2 * error:.1f} (2 SE)", abs(differ) <= 2 * error)


def one_cycle(kind: Harm, harm: float) -> float:
    """What one daily cycle more adds to a harm of this size, in its own unit.

    Stale days are an age summed over time: an age that has grown for a days comes to a²/2 of them, and the
    next day without a fresh model adds a + 1/2.
    """
    if kind is Harm.STALE_DAYS:
        return max(1.0, math.sqrt(2.0 * harm) + 0.5)
    return 1.0 if kind.value.endswith("_days") else DAY_OF_VIEWS


def _verdict(trial: TrialResult) -> str:
    return trial.verdict.value


def _detector(trial: TrialResult) -> str:
    return ", ".join(fault.detection.layer if fault.detection else "none" for fault in trial.faults)


def _delays(trial: TrialResult) -> list[float]:
    return [fault.detection.delay_days for fault in trial.faults if fault.detection is not None]


def _counts(words: Sequence[str]) -> str:
    return ", ".join(f"{words.count(word)} {word}" for word in sorted(set(words)))


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "-"
    decimals = 2 if max(map(abs, values)) < 10 else 0
    mean = f"{statistics.mean(values):.{decimals}f}"
    return mean if len(values) < 2 else f"{mean} ({min(values):.4g} to {max(values):.4g})"


def run(
    target: str, seeds: str, scenarios: Sequence[str], out: Path, *options: str, command: str = "run"
) -> Results:
    """A run of its own; its exit code is not ours, since a verdict that both share is what is looked for."""
    words = [command, *scenarios, "--target", target, "--seeds", seeds, "--out", str(out), "--json", *options]
    mlchaos = [sys.executable, "-c", "from chaos.cli import main; main()"]
    done = subprocess.run([*mlchaos, *words], check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1, 2):
        raise SystemExit(done.returncode)
    return Results.model_validate_json(done.stdout)


def run_virtual(like: Results, seeds: str, scenarios: Sequence[str], out: Path) -> Results:
    """A run in virtual time at the pace of a live one, which a slow machine may have made longer."""
    return run("reference-virtual", seeds, scenarios, out, "--day-seconds", f"{like.day_seconds:g}")


def check_pace(live: Sequence[Results], virtual: Sequence[Results]) -> None:
    """Raises SystemExit where not all days are equally long."""
    paces = sorted({f"{results.day_seconds:g} s" for results in (*live, *virtual)})
    if len(paces) > 1:
        raise SystemExit(f"days of {' and '.join(paces)} cannot be compared")


def table(live: Sequence[TrialResult], virtual: Sequence[TrialResult]) -> list[Row]:
    """All rows; void trials are left out, as a busy machine's they say nothing."""
    sides = [[trial for trial in side if trial.verdict is not Verdict.VOID] for side in (live, virtual)]
    names = list(dict.fromkeys(trial.scenario for trial in sides[0]))
    return [
        row
        for name in names
        for row in compare(*([trial for trial in side if trial.scenario == name] for side in sides))
    ]


def _read(folder: Path) -> Results:
    return Results.model_validate_json((folder / "results.json").read_text())


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenarios", nargs="*", default=SCENARIOS)
    parser.add_argument("--seeds", default="1..5")
    parser.add_argument("--live", type=Path, action="append", default=[], help="a run's folder")
    parser.add_argument("--virtual", type=Path, action="append", default=[], help="a run's folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlchaos-comparison-") as scratch:
        folder, seeds, scenarios = Path(scratch), options.seeds, options.scenarios
        live, virtual = ([_read(one) for one in found] for found in (options.live, options.virtual))
        live = live or [run("reference-local", seeds, scenarios, folder / "live", "--rerun-void", "2")]
        virtual = virtual or [run_virtual(live[0], seeds, scenarios, folder / "virtual")]
    check_pace(live, virtual)
    rows = table(*([trial for results in side for trial in results.trials] for side in (live, virtual)))
    print(HEAD)
    for row in rows:
        print(row)
    return 1 if any(row.agrees is False for row in rows) or not rows else 0


if __name__ == "__main__":
    sys.exit(main())

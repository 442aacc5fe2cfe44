"""What the answers of a trial, a few and a suite are made of: lines, and what they say alike."""

from __future__ import annotations

import os
import statistics
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.text import Text

from chaos.domain.scenario import Arm, Harm, Kind
from chaos.domain.verdict import FaultResult, Reason, Results, TrialResult, Verdict

STYLE = {Verdict.PASSED: "bold green", Verdict.FAILED: "bold red", Verdict.VOID: "bold yellow"}
NAME_COLUMNS = 17
FEW_SEEDS = 8
"""So many of those that did not pass are named in a line."""


def title(verdict: Verdict, says: str) -> Text:
    """A verdict and what it is about."""
    return Text.assemble((f" {verdict.value.upper()} ", f"{STYLE[verdict]} reverse"), "  ", (says, "bold"))


def pair(name: str, says: str, style: str = "") -> Text:
    """A name, and what there is to say about it."""
    return Text.assemble((f"{name:<{NAME_COLUMNS}}", "dim"), (says, style))


def to_copy(name: str, says: str, style: str = "") -> Text:
    """A pair that is whole however narrow the terminal: a path or a command is of no use without its end."""
    line = pair(name, says, style)
    line.overflow = "ignore"
    return line


def reasons_of(reasons: Sequence[Reason], width: int, most: int) -> Iterator[Text]:
    """What made the verdict, in at most `most` lines each."""
    broken = [r for r in reasons if r.verdict is Verdict.VOID and r.about.startswith("arm ")]
    for reason in broken:
        yield from _reason(reason, width, most + 1)
    rest = [r for r in reasons if r not in broken]
    for_that = [r for r in rest if r.verdict is Verdict.VOID and any(arm.says in r.says for arm in broken)]
    if for_that:
        names = ", ".join(r.about for r in for_that)
        yield from _reason(Reason(verdict=Verdict.VOID, about="not measured for that", says=names), width, 4)
    kept = [r for r in rest if r.verdict is Verdict.PASSED and r.about.startswith("budget ")]
    if len(kept) > 1:
        names = ", ".join(one.about.removeprefix("budget ") for one in kept)
        rest[rest.index(kept[0])] = Reason(verdict=Verdict.PASSED, about="budgets", says=f"kept: {names}")
    for reason in sorted(rest, key=lambda r: r.verdict is Verdict.PASSED):
        if reason not in for_that and not (len(kept) > 1 and reason in kept):
            lines = max(1, most - 1) if reason.verdict is Verdict.PASSED else most
            yield from _reason(reason, width, lines)


def _reason(reason: Reason, width: int, most: int) -> Iterator[Text]:
    first, *rest = textwrap.wrap(reason.says, max(20, width - 33)) or [""]
    if len(rest) >= most:
        rest = [*rest[: most - 1]]
        if rest:
            rest[-1] += " …"
        else:
            first += " …"
    style = STYLE[reason.verdict]
    yield Text.assemble((f"{reason.verdict.value:<7}", style), f" {reason.about[:24]:<24} ", first)
    for line in rest:
        yield Text(" " * 33 + line)


def paths(folder: Path, trial: TrialResult | None) -> Iterator[Text]:
    """Where the report and the journal lie."""
    yield to_copy("report", _short(folder / "report.html"), "bold")
    if trial is not None and trial.arms:
        yield to_copy("journal", _short(folder / trial.arms[0].journal))


def _short(path: Path) -> str:
    """Relative to where the user stands, where that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)


def not_run(results: Results) -> Iterator[Text]:
    """What was left out, and why; and what has not ended."""
    if results.unfinished:
        first, more = results.unfinished[0], len(results.unfinished) - 1
        rest = f" and {more} more trial{'' if more == 1 else 's'}" if more else ""
        says = f"{first.scenario}, seed {first.seed}{rest}: without them the run has not passed"
        yield pair("not ended", says, "yellow")
    for lacking in results.not_run:
        yield pair("not run", f"{lacking.scenario}: {lacking.why}", "dim")


def not_passed(trials: Sequence[TrialResult]) -> list[TrialResult]:
    """Those that did not pass, void ones last."""
    bad = (trial for trial in trials if trial.verdict is not Verdict.PASSED)
    return sorted(bad, key=lambda trial: trial.verdict is Verdict.VOID)


def others(bad: Sequence[TrialResult]) -> Iterator[Text]:
    """The seeds of trials that did not pass and were not told: they are repeated by the same command."""
    for name in dict.fromkeys(trial.scenario for trial in bad):
        for verdict in (Verdict.FAILED, Verdict.VOID):
            seeds = [trial.seed for trial in bad if trial.scenario == name and trial.verdict is verdict]
            if seeds:
                more = f" and {len(seeds) - FEW_SEEDS} more" if len(seeds) > FEW_SEEDS else ""
                first = ", ".join(map(str, seeds[:FEW_SEEDS]))
                yield pair(verdict.value, f"{name}, too, with --seed {first}{more}")


def detection_measured(trial: TrialResult, fault: FaultResult) -> bool:
    """Whether it is known who saw the fault, or that nobody did."""
    if trial.into:
        lived = all(reason.about != "arm" for reason in trial.reasons)
        return lived and (fault.prevented or fault.effective_day is not None)
    return suffered(trial, Harm.UNDETECTED_DAYS) is not None


def detections(trials: Sequence[TrialResult]) -> tuple[list[float], int]:
    """Delays of the faults that were detected, in days, and how many were not: a quiet scenario's changes are
    none, and where it was not measured nothing is known.
    """
    faults = [(trial, fault) for trial in trials for fault in trial.faults]
    delays = [fault.detection.delay_days for _, fault in faults if fault.detection is not None]
    missed = [
        fault
        for trial, fault in faults
        if fault.detection is None and trial.kind is not Kind.QUIET and detection_measured(trial, fault)
    ]
    return delays, len(missed)


def false_alarms_of(trial: TrialResult) -> float | None:
    """How many all layers gave together; None where none was counted."""
    counts = [layer.false_alarms for layer in trial.layers if layer.false_alarms is not None]
    return float(sum(counts)) if counts else None


def suffered(trial: TrialResult, kind: Harm) -> float | None:
    """A kind of harm in the defended arm, None where it was not measured."""
    return trial.harm.by_arm.get(Arm.DEFENDED, {}).get(kind)


def mean(values: Iterable[float | None]) -> float | None:
    """Of those that were measured, None where none was."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def not_recovered(trial: TrialResult) -> bool:
    """Whether it is known that the steady state did not come back, which is no lack of a measurement."""
    about = ("recovered", "steady state after")
    return any(one.verdict is Verdict.FAILED and one.about.startswith(about) for one in trial.reasons)


def amount(value: float | None, kind: Harm) -> str:
    """A harm for people: `-` where it was not measured, counts whole, days with one decimal."""
    if value is None:
        return "-"
    return f"{value:,.1f}" if kind.value.endswith("_days") else f"{value:,.0f}"

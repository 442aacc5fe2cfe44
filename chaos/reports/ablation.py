"""The ablation table, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from chaos.domain.ablation import Ablation, AblationRow
from chaos.domain.verdict import Verdict
from chaos.reports.json_report import dumps
from chaos.whole import write_whole

HEAD = ("scenario", "without", "failed", "with all layers", "fails on")
WORDS = {Verdict.PASSED: "decisive", Verdict.FAILED: "NOT DECISIVE", Verdict.VOID: "not told"}


def markdown(ablation: Ablation) -> str:
    """The table for documentation, its lines ending in a line break."""
    return "".join(f"{line}\n" for line in _markdown(ablation))


def _markdown(ablation: Ablation) -> Iterator[str]:
    yield "| " + " | ".join(HEAD) + " |"
    yield "|" + "---|" * len(HEAD)
    for row in ablation.rows:
        yield "| " + " | ".join(_cells(row)) + " |"
    yield ""
    yield summary(ablation)
    for name in ablation.undecided:
        yield f"Not ablated: `{name}` is defended and names no decisive layers."
    for lacking in ablation.not_run:
        yield f"Not run: `{lacking.scenario}`; {lacking.why}."


def _cells(row: AblationRow) -> tuple[str, ...]:
    failed = f"{row.counts.failed} of {row.counts.trials}"
    if row.counts.void:
        failed += f" ({row.counts.void} void)"
    complete = f"{row.complete.passed} of {row.complete.trials} passed"
    names = ", ".join(f"`{layer}`" for layer in row.without)
    return f"`{row.scenario}`", names, failed, complete, ", ".join(row.fails_on)


def summary(ablation: Ablation) -> str:
    """One sentence: how many of all trials failed without their decisive layers."""
    share = ablation.failed_share
    if share is None:
        return f"{ablation.verdict.value}: nothing was ablated."
    failed = sum(row.counts.failed for row in ablation.rows)
    trials = sum(row.counts.trials for row in ablation.rows)
    says = f"{failed} of {trials} trials failed without their decisive layers ({share:.1%})."
    return f"{ablation.verdict.value}: {says}"


def plain(ablation: Ablation) -> Iterator[str]:
    """The table for a terminal, rows that did not turn out as they should with their seeds."""
    width = max((len(row.scenario) for row in ablation.rows), default=8)
    for row in ablation.rows:
        _, _, failed, complete, fails_on = _cells(row)
        without = "without " + ", ".join(row.without)
        line = f"{row.scenario:<{width}}  {without:<32} {WORDS[row.verdict]:<13} {failed} failed; {complete}"
        if row.verdict is Verdict.PASSED:
            yield f"{line}; on {fails_on}" if fails_on else line
        else:
            yield f"{line}; seeds that did not fail: {', '.join(map(str, row.not_failed)) or 'none'}"
    for name in ablation.undecided:
        yield f"{name:<{width}}  names no decisive layers"
    for lacking in ablation.not_run:
        yield f"{lacking.scenario:<{width}}  not run: {lacking.why}"
    yield summary(ablation)


def write_ablation(ablation: Ablation, folder: Path) -> None:
    """Write ablation.json and ablation.md into a folder."""
    write_whole(folder / "ablation.json", dumps(ablation))
    write_whole(folder / "ablation.md", markdown(ablation))

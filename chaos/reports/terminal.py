"""The answer in one screen: at most 45 lines of at most 100 columns."""

from __future__ import annotations

import shlex
import statistics
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.text import Text

from chaos.domain.interval import share_interval
from chaos.domain.verdict import (
    Results,
    TrialResult,
    Verdict,
    combine,
)
from chaos.reports.pieces import (
    STYLE,
    detections,
    not_passed,
    not_run,
    others,
    paths,
    reasons_of,
    title,
    to_copy,
)
from chaos.reports.trial import one_trial

LINES = 45


def answer(results: Results, folder: Path, width: int = 100) -> list[Text]:
    """The lines to print; `folder` is where report.html lies."""
    # Less room for the tables, in steps, until everything fits.
    found: list[Text] = []
    for room in range(6):
        found = list(_lines(results, folder, width, room))
        if len(found) <= LINES:
            break
    return [_cut(line, width) for line in found[:LINES]]


def _lines(results: Results, folder: Path, width: int, room: int) -> Iterator[Text]:
    if len(results.trials) == 1:
        return one_trial(results, results.trials[0], folder, width, room)
    return _many(results, folder, width, room)


def _cut(line: Text, width: int) -> Text:
    if line.overflow is None:
        line.truncate(width, overflow="ellipsis")
    return line


def _many(results: Results, folder: Path, width: int, room: int) -> Iterator[Text]:
    names = list(dict.fromkeys(trial.scenario for trial in results.trials))
    says = f"{len(results.trials)} trials of {len(names)} scenario{'' if len(names) == 1 else 's'}"
    yield title(results.verdict, f"{says} · {results.target} · days of {results.day_seconds:g} s")
    yield Text("")
    for name in names:
        yield from _summary(name, [trial for trial in results.trials if trial.scenario == name], width)
    yield Text("")
    most = (24, 16, 10, 6, 3, 3)[room]
    head = f"{'scenario':<28}{'seed':>5}  {'verdict':<9}{'first detection':<22}{'delay':>7}{'contained':>11}"
    yield Text(head, style="dim")
    ordered = sorted(results.trials, key=lambda trial: trial.verdict is Verdict.PASSED)
    for trial in ordered[:most]:
        yield _row(trial)
    if len(ordered) > most:
        left = combine(trial.verdict for trial in ordered[most:])
        yield Text(f"and {len(ordered) - most} more in the report, {left.value} at worst", style="dim")
    yield Text("")
    bad = not_passed(results.trials)
    told = (4, 3, 2, 2, 1, 1)[room]
    for trial in bad[:told]:
        decisive = [reason for reason in trial.reasons if reason.verdict is trial.verdict]
        yield Text(f"{trial.scenario}, seed {trial.seed}", style="bold")
        yield from reasons_of(decisive[:2], width, 2)
        yield to_copy("repeat it", shlex.join(results.repeat(trial)))
    yield from others(bad[told:])
    yield from paths(folder, None)
    yield from not_run(results)


def _summary(name: str, trials: Sequence[TrialResult], width: int) -> Iterator[Text]:
    counts = ", ".join(
        f"{sum(1 for trial in trials if trial.verdict is verdict)} {verdict.value}"
        for verdict in Verdict
        if any(trial.verdict is verdict for trial in trials)
    )
    delays, missed = detections(trials)
    ratios = [f.containment.ratio for t in trials for f in t.faults if f.containment is not None]
    says = f"{counts} of {len(trials)}"
    told = [trial.verdict for trial in trials if trial.verdict is not Verdict.VOID]
    if len(told) > 1:
        low, high = share_interval(told.count(Verdict.PASSED), len(told))
        says += f" (share that passes: {low:.2f} to {high:.2f}, 95% interval)"
    if delays:
        says += f"; detected after {statistics.median(delays):.2f} d (at most {max(delays):.2f})"
    if missed:
        says += f", not detected {missed} times"
    if ratios:
        says += f"; contained {min(ratios):.2f} at least"
    first, *rest = textwrap.wrap(says, max(20, width - 30))
    yield Text.assemble((f"{name[:27]:<28}", "bold"), first)
    for line in rest:
        yield Text(" " * 28 + line)


def _row(trial: TrialResult) -> Text:
    found = next((fault.detection for fault in trial.faults if fault.detection is not None), None)
    held = next((fault.containment for fault in trial.faults if fault.containment is not None), None)
    seen = "-" if found is None else f"{found.layer}, day {found.day:.2f}"
    line = Text(f"{trial.scenario[:27]:<28}{trial.seed:>5}  ")
    line.append(f"{trial.verdict.value:<9}", style=STYLE[trial.verdict])
    line.append(f"{seen:<22}{'-' if found is None else f'{found.delay_days:.2f}':>7}")
    line.append(f"{'-' if held is None else f'{held.ratio:.2f}':>11}")
    return line

"""The answer of a suite: one line for each scenario, the price of the layers, and the share of all trials."""

from __future__ import annotations

import shlex
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.text import Text

from chaos.domain.interval import share_interval
from chaos.domain.verdict import Results, TrialResult, Verdict
from chaos.reports.pieces import STYLE, detections, not_passed, not_run, others, paths, title
from chaos.reports.price import Price, prices
from chaos.reports.slices import slices

FEW = 8
"""Up to so many scenarios the answer tells each trial."""
TOLD_TRIALS = 10
"""So many of the trials that did not pass are told, with the command that repeats them."""


def is_suite(results: Results) -> bool:
    """Whether there are too many scenarios to tell each trial."""
    return len({trial.scenario for trial in results.trials}) > FEW


def suite_answer(results: Results, folder: Path) -> Iterator[Text]:
    """The lines to print, none of them left out."""
    names = list(dict.fromkeys(trial.scenario for trial in results.trials))
    says = f"{len(results.trials)} trials of {len(names)} scenarios"
    yield title(results.verdict, f"{says} · {results.target} · days of {results.day_seconds:g} s")
    yield Text("")
    head = f"{'scenario':<28}{'passed':>7}{'failed':>7}{'void':>6}{'detected after':>20}{'contained':>11}"
    yield Text(head, style="dim")
    for name in names:
        yield _row(name, [trial for trial in results.trials if trial.scenario == name])
    if quiet := prices(results.trials):
        yield Text("")
        head = (
            f"{'price, where nothing is wrong':<34}{'false alarms':>14}{'blocked days':>14}{'stale days':>12}"
        )
        yield Text(head, style="dim")
        yield from map(_price, quiet)
    yield Text("")
    yield Text(_share(results.trials), style="bold")
    if idle := slices(results.trials).idle:
        yield Text(f"armed, and did nothing against any of these faults: {', '.join(idle)}", style="yellow")
    bad = not_passed(results.trials)
    for trial in bad[:TOLD_TRIALS]:
        yield from _told(results, trial)
    if len(bad) > TOLD_TRIALS:
        yield from others(bad[TOLD_TRIALS:])
    yield from paths(folder, None)
    yield from not_run(results)


def _row(name: str, trials: Sequence[TrialResult]) -> Text:
    counts = [sum(1 for trial in trials if trial.verdict is verdict) for verdict in Verdict]
    ratios = [f.containment.ratio for t in trials for f in t.faults if f.containment is not None]
    line = Text(f"{name[:27]:<28}")
    for number, verdict, width in zip(counts, Verdict, (7, 7, 6), strict=True):
        line.append(f"{number or '-':>{width}}", style=STYLE[verdict] if number else "dim")
    line.append(f"{_detected(trials):>20}")
    line.append(f"{f'{min(ratios):.2f}' if ratios else '-':>11}")
    return line


def _detected(trials: Sequence[TrialResult]) -> str:
    """The median delay, and of how many faults that is where not all were detected."""
    delays, missed = detections(trials)
    if not delays:
        return "never" if missed else "-"
    some = f" ({len(delays)} of {len(delays) + missed})" if missed else ""
    return f"{statistics.median(delays):.2f} d{some}"


def _price(price: Price) -> Text:
    shown = [
        "-" if value is None else f"{value:.2f}"
        for value in (price.false_alarms, price.false_block_days, price.stale_days)
    ]
    return Text(f"{price.scenario[:33]:<34}{shown[0]:>14}{shown[1]:>14}{shown[2]:>12}")


def _share(trials: Sequence[TrialResult]) -> str:
    passed = sum(1 for trial in trials if trial.verdict is Verdict.PASSED)
    judged = sum(1 for trial in trials if trial.verdict is not Verdict.VOID)
    says = f"{passed} of {len(trials)} trials passed ({passed / len(trials):.1%})"
    if judged:
        low, high = share_interval(passed, judged)
        says += f"; of those that could be judged between {low:.1%} and {high:.1%}"
    return says


def _told(results: Results, trial: TrialResult) -> Iterator[Text]:
    yield Text.assemble(
        (f"{trial.verdict.value:<7}", STYLE[trial.verdict]), f" {trial.scenario}, seed {trial.seed}"
    )
    for reason in [reason for reason in trial.reasons if reason.verdict is trial.verdict][:2]:
        yield Text(f"        {reason.about}: {reason.says}")
    yield Text(f"        repeat it: {shlex.join(results.repeat(trial))}", style="dim")

"""Two runs side by side: the same scenarios and seeds before and after something was changed."""

from __future__ import annotations

import math
import shlex
import statistics
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from rich.text import Text

from chaos.domain.ablation import count
from chaos.domain.comparison import (
    ComparedLayer,
    ComparedRun,
    ComparedScenario,
    Comparison,
    Figures,
    LayerRecord,
    Turn,
)
from chaos.domain.layer import Outcome
from chaos.domain.scenario import QUALITY_NOISE, Harm
from chaos.domain.verdict import Results, TrialResult, Verdict
from chaos.errors import UsageError
from chaos.reports.pieces import amount, detections, false_alarms_of, mean, pair, suffered

STYLE = {Turn.WORSE: "bold red", Turn.BETTER: "bold green", Turn.CHANGED: "yellow"}
_NAMES = 36

Key = tuple[str, int]


def compare(before: Results, after: Results) -> Comparison:
    """The trials that both have, by scenario and seed, in the order of the later run.

    Raises UsageError where there is none.
    """
    earlier, later = _by_key(before), _by_key(after)
    both = [key for key in later if key in earlier]
    if not both:
        raise UsageError(f"{before.run} and {after.run} have no scenario and seed in common")
    pairs = [(earlier[key], later[key]) for key in both]
    return Comparison(
        before=_run(before, len(earlier) - len(both)),
        after=_run(after, len(later) - len(both)),
        trials=len(both),
        scenarios=[
            _scenario(name, [one for one in pairs if one[1].scenario == name])
            for name in dict.fromkeys(name for name, _ in both)
        ],
        layers=_layers(pairs),
    )


def _by_key(results: Results) -> dict[Key, TrialResult]:
    return {(trial.scenario, trial.seed): trial for trial in results.trials}


def _run(results: Results, alone: int) -> ComparedRun:
    return ComparedRun(
        run=results.run,
        mlchaos=results.mlchaos,
        target=results.target,
        options=results.options,
        alone=alone,
    )


def _scenario(name: str, pairs: Sequence[tuple[TrialResult, TrialResult]]) -> ComparedScenario:
    before, after = (_figures([pair[side] for pair in pairs]) for side in (0, 1))
    return ComparedScenario(
        scenario=name,
        kind=pairs[0][1].kind,
        seeds=[later.seed for _, later in pairs],
        before=before,
        after=after,
        turn=_turn(before, after, len(pairs)),
    )


def _turn(before: Figures, after: Figures, seeds: int) -> Turn:
    if before.counts.passed != after.counts.passed:
        return Turn.WORSE if after.counts.passed < before.counts.passed else Turn.BETTER
    return Turn.CHANGED if any(_differences(before, after, seeds)) else Turn.SAME


def _figures(trials: Sequence[TrialResult]) -> Figures:
    faults = [fault for trial in trials for fault in trial.faults]
    delays, missed = detections(trials)
    return Figures(
        counts=count(trials),
        undetected=missed,
        detected_after_days=_median(delays),
        contained=mean(fault.containment.ratio for fault in faults if fault.containment is not None),
        recovered_after_days=_median(
            [fault.recovery.delay_days for fault in faults if fault.recovery is not None]
        ),
        false_alarms=mean(map(false_alarms_of, trials)),
        harm={kind: mean(suffered(trial, kind) for trial in trials) for kind in Harm},
    )


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def _layers(pairs: Sequence[tuple[TrialResult, TrialResult]]) -> list[ComparedLayer]:
    before, after = (_records([pair[side] for pair in pairs]) for side in (0, 1))
    names = dict.fromkeys([*after, *before])
    return [ComparedLayer(layer=name, before=before.get(name), after=after.get(name)) for name in names]


def _records(trials: Sequence[TrialResult]) -> dict[str, LayerRecord]:
    found = [layer for trial in trials for layer in trial.layers]
    records: dict[str, LayerRecord] = {}
    for name in dict.fromkeys(layer.layer for layer in found):
        mine = [layer for layer in found if layer.layer == name]
        outcomes = Counter(layer.outcome for layer in mine if layer.outcome is not None)
        counted = [layer.false_alarms for layer in mine if layer.false_alarms is not None]
        records[name] = LayerRecord(
            modes=[mode for mode, _ in Counter(layer.mode for layer in mine).most_common()],
            outcomes=dict(outcomes),
            false_alarms=sum(counted) if counted else None,
        )
    return records


# --- in words --------------------------------------------------------------------------------------------


def lines(found: Comparison, width: int) -> Iterator[Text]:
    """What differs, for a terminal; what does not is counted."""
    yield pair("before", _told(found.before))
    yield pair("after", _told(found.after))
    turns = Counter(one.turn for one in found.scenarios)
    told = ", ".join(f"{turns[turn]} {turn.value}" for turn in Turn if turns[turn])
    yield pair("in both", f"{found.trials} trials; scenarios: {told}", "bold")
    yield Text("")
    for turn, style in STYLE.items():
        for one in found.scenarios:
            if one.turn is turn:
                says = "; ".join(_differences(one.before, one.after, len(one.seeds)))
                yield from _entry(turn.value, one.scenario, says, width, style)
    for layer in found.layers:
        if says := "; ".join(_layer_differences(layer)):
            yield from _entry("layer", layer.layer, says, width, "")


def _told(run: ComparedRun) -> str:
    options = shlex.join(run.options) or f"--target {run.target}"
    more = f"; {run.alone} more that the other has not" if run.alone else ""
    return f"{run.run}, mlchaos {run.mlchaos}: {options}{more}"


def _entry(word: str, name: str, says: str, width: int, style: str) -> Iterator[Text]:
    first, *rest = textwrap.wrap(says, max(30, width - _NAMES))
    yield Text.assemble((f"{word:<9}", style), (f"{name[:26]:<27}", "bold"), first)
    for line in rest:
        yield Text(" " * _NAMES + line)


def _differences(before: Figures, after: Figures, seeds: int) -> Iterator[str]:
    verdicts = [
        f"{verdict.value} {earlier} → {later}"
        for verdict, earlier, later in zip(Verdict, _counts(before), _counts(after), strict=True)
        if earlier != later
    ]
    if verdicts:
        yield f"{', '.join(verdicts)} of {before.counts.trials}"
    for name, earlier, later, unit in (
        ("detected after", before.detected_after_days, after.detected_after_days, " d"),
        ("contained", before.contained, after.contained, ""),
        ("recovered after", before.recovered_after_days, after.recovered_after_days, " d"),
        ("false alarms", before.false_alarms, after.false_alarms, ""),
    ):
        if _shown(earlier) != _shown(later):
            yield f"{name} {_shown(earlier)} → {_shown(later)}{unit}"
    if before.undetected != after.undetected:
        yield f"not detected {before.undetected} → {after.undetected} times"
    yield from _harms(before.harm, after.harm, seeds)


def _counts(figures: Figures) -> tuple[int, ...]:
    return figures.counts.passed, figures.counts.failed, figures.counts.void


def _harms(
    before: Mapping[Harm, float | None], after: Mapping[Harm, float | None], seeds: int
) -> Iterator[str]:
    for kind in Harm:
        earlier, later = before.get(kind), after.get(kind)
        told = amount(earlier, kind), amount(later, kind)
        if told[0] != told[1] and not _is_noise(kind, earlier, later, seeds):
            yield f"{kind.value} {told[0]} → {told[1]}"


def _is_noise(kind: Harm, before: float | None, after: float | None, seeds: int) -> bool:
    if kind is not Harm.QUALITY_PCT_DAYS or before is None or after is None:
        return False
    return abs(after - before) < QUALITY_NOISE / math.sqrt(seeds)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{round(value, 2) + 0.0:.2f}"  # no sign before a zero


def _layer_differences(layer: ComparedLayer) -> Iterator[str]:
    before, after = layer.before, layer.after
    if before is None or after is None:
        there = after or before
        told = "" if there is None else f": {', '.join(_record(there))}"
        yield f"only {'after' if before is None else 'before'}{told}"
        return
    if before.modes != after.modes:
        yield f"{_modes(before)} → {_modes(after)}"
    for outcome in Outcome:
        earlier, later = before.outcomes.get(outcome, 0), after.outcomes.get(outcome, 0)
        if earlier != later:
            yield f"{outcome.value} {earlier} → {later}"
    if before.false_alarms != after.false_alarms:
        counted = ["-" if one.false_alarms is None else str(one.false_alarms) for one in (before, after)]
        yield f"false alarms {' → '.join(counted)}"


def _modes(record: LayerRecord) -> str:
    return " and ".join(mode.value for mode in record.modes)


def _record(record: LayerRecord) -> Iterator[str]:
    yield _modes(record)
    yield from (f"{outcome.value} {number}" for outcome, number in record.outcomes.items())
    if record.false_alarms:
        yield f"false alarms {record.false_alarms}"

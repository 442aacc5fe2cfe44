"""What users suffered in one arm: every kind of harm, from the journal. None is what was not measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from chaos.domain.event import Partition, Snapshot, Version, ViewRow, Views
from chaos.domain.layer import Stage
from chaos.domain.scenario import Arm, Harm, Kind
from chaos.domain.target import DataLink
from chaos.domain.verdict import WorstSegment
from chaos.scoring.arms import ArmView, named
from chaos.scoring.lineage import defective_builds, defective_from

NORMAL_AGE_DAYS = 1.5
"""A model or snapshot is replaced daily, after training and a canary; older than this it is stale."""
QUALITY_WINDOW_DAYS = 7
NEWCOMERS = 0.01
"""So many of the views meet a customer without features of their own, with no fault to blame."""
NEWCOMERS_RATIO = 3.0
"""Where more of them do (customers who return after longer than a window of days), a fault's share is so many
times that of the days before it."""
UNTOLD_DAYS = 0.25
"""Views are told of by the tick; where so many days lack them, they were not counted."""
DUE_BY_END_DAYS = 0.5
"""A partition written this long before the end of an arm was due at the sink within it."""

PER_SEGMENT = (Harm.DEFECTIVE_VIEWS, Harm.ERROR_VIEWS, Harm.SLOW_VIEWS, Harm.ABANDONED_VIEWS)
OF_VIEWS = (*PER_SEGMENT, Harm.STALE_DAYS, Harm.QUALITY_PCT_DAYS)
"""What is known by views alone: counted in them, or how old what answered them was, or how good."""


def harm_of(view: ArmView, control: ArmView | None) -> dict[Harm, float | None]:
    """All kinds but `undetected_days`, which rests on the detection.

    An arm cut short has no numbers, and one that told nothing of its views for a while has none of views, nor
    of the age of what answered them: harm that nobody counted is not harm that was not done.
    """
    if view.cut_short:
        return dict.fromkeys(Harm)
    counts = _counts(view)
    measured = not untold(view)
    lineage = _tells_what_answered(view)
    known = {kind: measured and (lineage or kind is not Harm.DEFECTIVE_VIEWS) for kind in PER_SEGMENT}
    return {
        **{kind: sum(one[kind] for one in counts.values()) if known[kind] else None for kind in PER_SEGMENT},
        Harm.STALE_DAYS: stale_days(view) if measured else None,
        Harm.LOST_EVENTS: lost_events(view),
        Harm.UNDETECTED_DAYS: None,
        Harm.FALSE_BLOCK_DAYS: false_block_days(view) if view.plan.layers else None,
        Harm.QUALITY_PCT_DAYS: quality_pct_days(view, control),
    }


def untold(view: ArmView) -> str:
    """The first span of more than `UNTOLD_DAYS` of which nothing is told of views; empty where none is.

    An hour may go by without a view. An arm without one has shown nobody anything that could be counted.
    Where several components tell of theirs, each goes on to, but for those that a fault may have silenced.
    """
    every = view.journal.of(Views)
    if not any(row.n for views in every for row in views.rows):
        every = []
    spans: dict[str, list[tuple[float, float]]] = {}
    for views in every:
        spans.setdefault(views.component, []).append((views.start_day, views.end_day))
    told = sorted(span for mine in spans.values() for span in mine)
    if gap := _gap(view, told, view.plan.start_day):
        return f"the {view.arm.value} arm tells of no views {gap}"
    for component in sorted(spans.keys() - named(view)):
        mine = sorted(spans[component])
        if gap := _gap(view, mine, mine[0][0]):
            return f"the {view.arm.value} arm tells of no views at {component} {gap}"
    return ""


def _gap(view: ArmView, spans: Iterable[tuple[float, float]], since_day: float) -> str:
    """From when to when there is nothing in some spans, by their start; empty where that is never long."""
    reach = since_day
    for start, end in [*spans, (view.plan.days, view.plan.days)]:
        if start - reach > UNTOLD_DAYS:
            return f"from day {reach:.2f} to day {start:.2f}"
        reach = max(reach, end)
    return ""


def _tells_what_answered(view: ArmView) -> bool:
    """Whether the target tells which version or build answered, or of features that are defaults."""
    lineage = bool(view.journal.of(Version)) or bool(view.journal.of(Partition))
    return lineage or any(
        row.build or row.defaulted for views in view.journal.of(Views) for row in views.rows
    )


def worst_segments(view: ArmView, control: ArmView | None) -> dict[Harm, WorstSegment | None]:
    """For each kind that is known by segment, the one with the most harm for its number of views."""
    found: dict[Harm, WorstSegment | None] = dict.fromkeys(Harm)
    if view.cut_short or untold(view):
        return found
    counts = _counts(view)
    segments = sorted(counts)
    for kind in PER_SEGMENT:
        rates = [
            (counts[segment][kind] / counts[segment]["views"], segment, counts[segment][kind])
            for segment in segments
            if counts[segment][kind] > 0
        ]
        if rates:
            _, segment, value = max(rates, key=lambda item: (item[0], -item[1]))
            found[kind] = WorstSegment(segment=segment, value=value)
    quality = [(quality_pct_days(view, control, segment), segment) for segment in segments]
    known = [(value, segment) for value, segment in quality if value is not None]
    if known:
        value, segment = max(known, key=lambda item: (item[0], -item[1]))
        found[Harm.QUALITY_PCT_DAYS] = WorstSegment(segment=segment, value=value) if value > 0 else None
    return found


# --- views -----------------------------------------------------------------------------------------------


def _counts(view: ArmView) -> dict[int, dict[Harm | str, float]]:
    """By segment: the kinds that are counted in views, and all `views`."""
    defects = defects_of(view)
    found: dict[int, dict[Harm | str, float]] = {}
    for views in view.journal.of(Views):
        for row in views.rows:
            totals = found.get(row.segment)
            if totals is None:
                totals = found[row.segment] = {**dict.fromkeys(PER_SEGMENT, 0.0), "views": 0.0}
            totals["views"] += row.n
            totals[Harm.ERROR_VIEWS] += row.errors
            totals[Harm.SLOW_VIEWS] += row.slow
            totals[Harm.ABANDONED_VIEWS] += row.abandoned
            totals[Harm.DEFECTIVE_VIEWS] += defective_views(views, row, defects)
    return found


@dataclass(frozen=True)
class Defects:
    """What makes a view defective: the version or build that answered, or replaced feature values."""

    versions: Mapping[int, float]
    replaced: tuple[tuple[float, float], ...]
    builds: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def defects_of(view: ArmView) -> Defects:
    """Defective versions by lineage, and the spans of faults in which feature values were replaced.

    A newcomer's features are defaults in normal operation: they were replaced only in a span in which their
    share of the views is above `NEWCOMERS`, and `NEWCOMERS_RATIO` times that of the days before any fault.
    What comes after one is no measure: a platform that stays broken would set its own.
    """
    spans = [(span.start, span.end) for span in view.spans]
    inside = [partial(_within, span) for span in spans]
    normal = _defaulted(view, lambda day: day < view.first_injection)
    least = max(NEWCOMERS, NEWCOMERS_RATIO * normal)
    replaced = [span for span, within in zip(spans, inside, strict=True) if _defaulted(view, within) > least]
    return Defects(defective_from(view), tuple(replaced), defective_builds(view))


def _within(span: tuple[float, float], day: float) -> bool:
    return span[0] <= day <= span[1]


def _defaulted(view: ArmView, counts: Callable[[float], bool]) -> float:
    """The share of views with default features on the days that count."""
    total = defaulted = 0
    for views in view.journal.of(Views):
        if counts((views.start_day + views.end_day) / 2):
            total += sum(row.n for row in views.rows)
            defaulted += sum(row.defaulted for row in views.rows)
    return defaulted / total if total else 0.0


def defective_views(views: Views, row: ViewRow, defects: Defects) -> int:
    """Views of a row that were answered by a defective version or build, or with replaced feature values."""
    if views.end_day > defects.versions.get(row.version, math.inf):
        return row.n - row.errors
    middle = (views.start_day + views.end_day) / 2
    if row.build in defects.builds:
        start, end = defects.builds[row.build]
        return row.n - row.errors if start <= middle <= end else 0
    return row.defaulted if any(start <= middle <= end for start, end in defects.replaced) else 0


# --- age -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Age:
    """How old the serving model and the newest snapshot were in the middle of an interval, in days.

    None where no version answered yet, or where no snapshot is told of.
    """

    start_day: float
    end_day: float
    version: int | None
    model_days: float | None
    features_days: float | None


def ages_of(view: ArmView) -> list[Age]:
    """Ages through the arm. Of what was there before the scenario began, age counts from day 0."""
    trained = {version.version: version.trained_day for version in view.journal.of(Version)}
    built = sorted(snapshot.day for snapshot in view.journal.of(Snapshot))
    served: dict[tuple[float, float], dict[int, int]] = {}
    for views in view.journal.of(Views):
        tally = served.setdefault((round(views.start_day, 3), views.end_day), {})
        for row in views.rows:
            if row.version > 0:
                tally[row.version] = tally.get(row.version, 0) + row.n
    ages: list[Age] = []
    version: int | None = None
    for (start, end), tally in sorted(served.items()):
        if tally:
            version = max(sorted(tally), key=lambda number: tally[number])
        middle = (start + end) / 2
        newest = max((day for day in built if day <= middle), default=0.0)
        model_days = None if version is None else middle - trained.get(version, 0.0)
        ages.append(Age(start, end, version, model_days, middle - newest if built else None))
    return ages


def stale_days(view: ArmView) -> float | None:
    """Σ over time of the days by which the older of model and features is beyond `NORMAL_AGE_DAYS`.

    None for a target that has neither versions nor snapshots: what it answers with has no age.
    """
    known = [
        (max(days for days in (age.model_days, age.features_days) if days is not None), age)
        for age in ages_of(view)
        if age.model_days is not None or age.features_days is not None
    ]
    if not known:
        return None
    return math.fsum(max(0.0, days - NORMAL_AGE_DAYS) * (age.end_day - age.start_day) for days, age in known)


# --- events ----------------------------------------------------------------------------------------------


def lost_events(view: ArmView) -> float | None:
    """Rows acknowledged and written at the source that were due at the sink and never arrived there.

    Of several data links each loses its own; what one delivers is not what another has lost.
    """
    told, links = view.journal.of(Partition), list(view.plan.data_links.values())
    if len(links) < 2:
        return _lost(view, told)
    each = [_lost(view, [one for one in told if _is_of(one, link)]) for link in links]
    known = [lost for lost in each if lost is not None]
    return sum(known) if known else None


def _is_of(partition: Partition, link: DataLink) -> bool:
    return partition.component in (link.from_ if partition.state == "written" else (link.to,))


def _lost(view: ArmView, partitions: Iterable[Partition]) -> float | None:
    written: dict[int, tuple[float, int]] = {}
    arrived: dict[int, int] = {}
    for partition in partitions:
        day = partition.partition_day
        if partition.state == "written":
            at, rows = written.get(day, (partition.day, 0))
            written[day] = (at, max(rows, partition.rows))
        elif partition.state == "delivered":
            arrived[day] = max(arrived.get(day, 0), partition.rows)
    if not written:
        return None
    due = {day: rows for day, (at, rows) in written.items() if at + DUE_BY_END_DAYS <= view.plan.days}
    return float(sum(max(0, rows - arrived.get(day, 0)) for day, rows in due.items()))


# --- blocks ----------------------------------------------------------------------------------------------


def false_block_days(view: ArmView) -> float:
    """Days on which a layer kept something back with no fault to blame; one that only observes, would have.

    All of them in the arms without a fault and in a quiet scenario; else those before the first injection.
    """
    whole = not view.arm.has_fault or view.plan.kind is Kind.QUIET
    until = view.last_day if whole else view.first_injection
    mine = [one for one in view.episodes if blocks(view, one.layer)]
    acted = [(one.would_have_acted_day if one.acted_day is None else one.acted_day, one.end) for one in mine]
    spans = sorted((day, min(end, until)) for day, end in acted if day is not None and day < until)
    total, reach = 0.0, -math.inf
    for start, end in spans:
        total += max(0.0, end - max(start, reach))
        reach = max(reach, end)
    return total


def blocks(view: ArmView, layer: str) -> bool:
    """Whether a layer is there to keep something back: to prevent or to contain."""
    planned = view.plan.layers.get(layer)
    return planned is not None and bool({Stage.PREVENT, Stage.CONTAIN} & set(planned.stages))


# --- quality ---------------------------------------------------------------------------------------------


def quality_days(view: ArmView) -> int:
    """Whole days over which quality is summed: at most a week from the first injection."""
    start = view.first_injection if view.spans else 0.0
    return max(0, min(QUALITY_WINDOW_DAYS, math.floor(view.plan.days - start + view.plan.late_days)))


def quality_pct_days(view: ArmView, control: ArmView | None, segment: int | None = None) -> float | None:
    """Σ over days of 100 · (1 − r ÷ r_control), r = Σ served value ÷ Σ best slate over the same views."""
    if control is None or control.cut_short or untold(view) or untold(control) or not view.plan.truth:
        return None
    if view.arm is Arm.CONTROL:
        return 0.0
    start = view.first_injection if view.spans else 0.0
    days = quality_days(view)
    mine, theirs = (served_share(one, start, days, segment) for one in (view, control))
    if not days or any(value is None for value in [*mine, *theirs]):
        return None
    return math.fsum(
        100 * (1 - a / b) for a, b in zip(mine, theirs, strict=True) if a is not None and b is not None and b
    )


def served_share(view: ArmView, start: float, days: int, segment: int | None = None) -> list[float | None]:
    """r for each of `days` days from `start` on; None for a day without a view."""
    served, best = [0.0] * days, [0.0] * days
    for views in view.journal.of(Views):
        index = math.floor((views.start_day + views.end_day) / 2 - start)
        if not 0 <= index < days:
            continue
        for row in _rows(views.rows, segment):
            served[index] += row.served_value
            best[index] += row.best_value
    return [a / b if b > 0 else None for a, b in zip(served, best, strict=True)]


def _rows(rows: Iterable[ViewRow], segment: int | None) -> Iterable[ViewRow]:
    return rows if segment is None else (row for row in rows if row.segment == segment)


def undetected_days(
    view: ArmView, effective: Mapping[str, float | None], detected: Mapping[str, float]
) -> float | None:
    """Days in which a fault had its effect and nothing had said so, summed over faults.

    Both maps are by fault; one without a detection is undetected until its undo. None where an effect was
    not measured.
    """
    if not view.arm.has_fault or not view.spans:
        return 0.0
    total = 0.0
    for span in view.spans:
        since = effective.get(span.key)
        if since is None:
            return None
        until = detected.get(span.key, span.end)
        total += max(0.0, min(until, span.end) - since)
    return total

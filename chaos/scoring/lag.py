"""A machine that cannot keep up makes a trial void: what was late is then not the system under test.

One that stands still for a moment, has others to serve, or is too slow for the load only takes a failure's
word away: what passed has passed in spite of it, unless it rests on harm of another arm that may be the
machine's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from chaos.domain.event import (
    LATE_DAYS,
    SPELL_DAYS,
    WAIT_LIMIT_MS,
    Contention,
    Lag,
    Saturation,
    Stall,
    ViewRow,
    Views,
    Waiting,
)
from chaos.domain.scenario import Arm, Harm
from chaos.scoring.arms import ArmView, named

E = TypeVar("E", Stall, Contention, Saturation)


def worst_lag(view: ArmView) -> float | None:
    """The largest lateness in days, of any component that no fault names; None where none was reported."""
    return max((lag.lag_days for lag in _counted(view)), default=None)


def worst_wait(view: ArmView) -> float | None:
    """The largest average wait for a processor, in ms a turn, of any component that no fault names.

    None where it was not measured.
    """
    return max((waiting.wait_ms for waiting in _waits(view)), default=None)


def busy(views: Mapping[Arm, ArmView]) -> str:
    """Why the machine makes the trial void; empty where it does not.

    Late timers say that a component could not keep its own time; waits for a processor, that views were slow
    though timers were not late.
    """
    for arm, view in views.items():
        late = [lag for lag in _counted(view) if lag.lag_days > LATE_DAYS and lag.over_days > SPELL_DAYS]
        if late:
            worst = max(late, key=lambda lag: lag.lag_days)
            return (
                f"the machine was too busy: in the {arm.value} arm {worst.component} ran up to "
                f"{worst.lag_days:.2f} d late for {worst.over_days:.2f} d around day {worst.day:.2f} "
                f"(allowed: {LATE_DAYS:g} d for {SPELL_DAYS:g} d)"
            )
    for arm, view in views.items():
        waits = [waiting for waiting in _waits(view) if waiting.wait_ms > WAIT_LIMIT_MS]
        if waits:
            longest = max(waits, key=lambda waiting: waiting.wait_ms)
            return (
                f"the machine was too busy: in the {arm.value} arm {longest.process} waited "
                f"{longest.wait_ms:.1f} ms for a processor each time, on average over "
                f"{longest.over_days:.2f} d (allowed: {WAIT_LIMIT_MS:g} ms)"
            )
    return ""


def disturbed(views: Mapping[Arm, ArmView]) -> str:
    """What the machine did to the trial for a moment, in a sentence; empty where it did nothing."""
    return _stalled(views) or _crowded(views) or _saturated(views)


def undisturbed(view: ArmView, kind: Harm) -> float | None:
    """How much harm of views an arm has from ticks in which the machine did not disturb it.

    None where it disturbed none, and for a kind that it cannot bring about.
    """
    counted = _OF_THE_MACHINE.get(kind)
    ticks = _undisturbed_ticks(view)
    if counted is None or ticks is None:
        return None
    return float(sum(counted(row) for views in ticks for row in views.rows))


def as_usual(view: ArmView, kind: Harm) -> float | None:
    """How much harm of views an arm would have without a fault, had the machine disturbed none of its ticks:
    their share of the views there is that of all others.

    None where it disturbed none, and for a kind that it cannot bring about; 0 where it disturbed them all.
    """
    counted = _OF_THE_MACHINE.get(kind)
    ticks = _undisturbed_ticks(view)
    if counted is None or ticks is None:
        return None
    calm, every = ([row for one in told for row in one.rows] for told in (ticks, view.journal.of(Views)))
    seen = sum(row.n for row in calm)
    if not seen:
        return 0.0
    usual = sum(counted(row) for row in calm) / seen * sum(row.n for row in every)
    return float(min(usual, sum(counted(row) for row in every)))


def _undisturbed_ticks(view: ArmView) -> list[Views] | None:
    """What was told of views while the machine did not disturb an arm; None where it disturbed none."""
    moments = list(_moments(view))
    if not moments:
        return None
    return [
        views
        for views in view.journal.of(Views)
        if not any(start < views.end_day and views.start_day < end for start, end in moments)
    ]


_OF_THE_MACHINE: Mapping[Harm, Callable[[ViewRow], int]] = {
    Harm.ERROR_VIEWS: lambda row: row.errors,
    Harm.SLOW_VIEWS: lambda row: row.slow,
    Harm.ABANDONED_VIEWS: lambda row: row.abandoned,
}


def _moments(view: ArmView) -> Iterator[tuple[float, float]]:
    """From when to when the machine disturbed an arm, and as long again, until what piled up is answered.

    A load that it was too slow for is not among them: that there is so much is the fault's own doing.
    """
    day_ms = 1000.0 * view.plan.day_seconds
    spans = [
        *((one.day, one.stalled_ms / day_ms) for one in _stalls(view)),
        *((one.day, one.over_days) for one in view.journal.of(Contention)),
    ]
    yield from ((day - days, day + days) for day, days in spans)


def _stalled(views: Mapping[Arm, ArmView]) -> str:
    return _worst(
        [(arm, stall) for arm, view in views.items() for stall in _stalls(view)],
        lambda stall: stall.stalled_ms,
        lambda stall: (
            f"the machine let {stall.process} stand still for {stall.stalled_ms:.0f} ms on day "
            f"{stall.day:.2f}"
        ),
    )


def _crowded(views: Mapping[Arm, ArmView]) -> str:
    return _worst(
        [(arm, span) for arm, view in views.items() for span in view.journal.of(Contention)],
        lambda span: span.taken_share,
        lambda span: (
            f"others took {span.taken_share:.0%} of the machine's processors, and none was idle, for "
            f"{span.over_days:.2f} d around day {span.day:.2f}"
        ),
    )


def _saturated(views: Mapping[Arm, ArmView]) -> str:
    """Of processes that a fault names, too: a load that the machine cannot send puts nothing to the test."""
    return _worst(
        [(arm, span) for arm, view in views.items() for span in view.journal.of(Saturation)],
        lambda span: span.wanted_share,
        lambda span: (
            f"the machine was too slow for the load: {span.process} ran, or waited to, for "
            f"{min(span.wanted_share, 1.0):.0%} of {span.over_days:.2f} d around day {span.day:.2f}"
        ),
    )


def _worst(told: Sequence[tuple[Arm, E]], size: Callable[[E], float], says: Callable[[E], str]) -> str:
    """What there is to say of the largest, and how many more there were."""
    if not told:
        return ""
    arm, worst = max(told, key=lambda one: size(one[1]))
    more = {1: "", 2: " (and once more)"}.get(len(told), f" (and {len(told) - 1} times more)")
    return f"{says(worst)} of the {arm.value} arm{more}"


def _stalls(view: ArmView) -> list[Stall]:
    slowed = named(view)
    return [stall for stall in view.journal.of(Stall) if stall.process not in slowed]


def _waits(view: ArmView) -> list[Waiting]:
    slowed = named(view)
    return [waiting for waiting in view.journal.of(Waiting) if waiting.process not in slowed]


def _counted(view: ArmView) -> list[Lag]:
    slowed = named(view)
    return [lag for lag in view.journal.of(Lag) if lag.component not in slowed]

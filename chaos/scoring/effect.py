"""Whether a fault bit, by its own probe: what did not happen cannot have been withstood."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chaos.domain.event import Effect
from chaos.domain.scenario import Arm
from chaos.scoring.arms import ArmView, FaultSpan

SAME_READING_DAYS = 0.06


@dataclass(frozen=True)
class EffectFinding:
    """`seen` None where nothing was measured; `day` is the first verified effect, in `arm`, and `delay_days`
    how long after the injection there. A fault that waits for an action begins on another day in each arm.
    """

    seen: bool | None
    day: float | None
    arm: Arm | None
    says: str
    delay_days: float = 0.0


def find_effect(views: Mapping[Arm, ArmView], key: str) -> EffectFinding:
    """The first verified effect of a fault in the undefended arm.

    A reading counts where the same probe sees nothing at that time in the twin without the fault, and is not
    what it saw just before the injection, which is another fault's. Where one
    of the two was not run, an effect seen in the defended arm proves the bite as well; that none was seen
    there proves nothing, since a layer may have prevented it.
    """
    undefended, defended = views.get(Arm.UNDEFENDED), views.get(Arm.DEFENDED)
    why = "was not run" if undefended is None else undefended.trouble
    found = EffectFinding(None, None, None, f"whether {key} bit was not measured: the undefended arm {why}")
    if undefended is not None and not undefended.trouble:
        found = _finding(undefended, views.get(Arm.BARE), key)
        if Arm.BARE in views:
            return found
    if found.seen is None and defended is not None and not defended.trouble:
        instead = _finding(defended, views.get(Arm.CONTROL), key)
        if instead.seen:
            return instead
    return found


def _finding(view: ArmView, twin: ArmView | None, key: str) -> EffectFinding:
    span = view.span(key)
    if span is None or span.injected_day is None:
        return EffectFinding(None, None, None, f"{key} was not injected in the {view.arm.value} arm")
    if span.refused:
        by = span.refused[0].by
        says = f"{by} refused {key} in the {view.arm.value} arm too, so it could not bite"
        return EffectFinding(False, None, view.arm, says)
    readings = readings_of(view, span)
    told = [reading for reading in readings if reading.seen is not None]
    if not told:
        says = f"the effect probe of {key} gave no data in the {view.arm.value} arm"
        return EffectFinding(None, None, view.arm, says)
    seen = [reading for reading in told if reading.seen]
    lacks = "nothing was run" if twin is None else "it gave no data"
    every = () if twin is None else twin.journal.of(Effect)
    theirs = [e for e in every if e.fault == key and e.seen is not None]
    compared = [reading for reading in seen if _near(reading, theirs)]
    if seen and not compared:
        other = Arm.BARE if view.arm is Arm.UNDEFENDED else Arm.CONTROL
        says = f"what the probe of {key} saw cannot be compared: {lacks} in the {other.value} arm"
        return EffectFinding(None, None, view.arm, says)
    elsewhere = [e for e in theirs if e.seen]
    before = readings_before(view, span)
    for reading in compared:
        if not _near(reading, elsewhere) and not _the_same(before[-1:], reading):
            delay = max(0.0, reading.day - span.injected_day)
            says = (
                f"{key} took effect on day {reading.day:.2f}, {delay:.2f} d after injection "
                f"({view.arm.value} arm)"
            )
            return EffectFinding(True, reading.day, view.arm, says, delay)
    says = f"{key} had no effect in the {view.arm.value} arm: its probe looked {len(told)} times"
    if seen:
        says += ", and saw only what it sees without the fault"
        says += " or saw before it" if any(e.seen for e in before[-1:]) else ""
    return EffectFinding(False, None, view.arm, says)


def readings_of(view: ArmView, span: FaultSpan) -> list[Effect]:
    """The readings of a fault's effect probe from its injection on."""
    return [e for e in view.journal.of(Effect) if e.fault == span.key and e.day >= span.start - 1e-6]


def readings_before(view: ArmView, span: FaultSpan) -> list[Effect]:
    """Those from before it."""
    return [e for e in view.journal.of(Effect) if e.fault == span.key and e.day < span.start - 1e-6]


def seen_in(view: ArmView, span: FaultSpan, after_days: float = 0.0) -> bool | None:
    """Whether the probe saw an effect in this arm; None where it gave no data, or none any more by the time
    at which an effect could be seen: `after_days` after the injection.
    """
    told = [reading for reading in readings_of(view, span) if reading.seen is not None]
    if any(reading.seen for reading in told):
        return True
    late = span.start + after_days - SAME_READING_DAYS
    return False if any(reading.day >= late for reading in told) else None


def _the_same(before: Iterable[Effect], reading: Effect) -> bool:
    """Whether it was seen before the injection, and has not changed since: another fault's doing."""
    return any(earlier.seen and earlier.value == reading.value for earlier in before)


def _near(reading: Effect, others: Iterable[Effect]) -> bool:
    return any(abs(other.day - reading.day) <= SAME_READING_DAYS for other in others)

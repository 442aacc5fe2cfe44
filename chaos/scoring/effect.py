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
    """`seen` None where nothing was measured; `day` is the first verified effect, in `arm`."""

    seen: bool | None
    day: float | None
    arm: Arm | None
    says: str


def find_effect(views: Mapping[Arm, ArmView], key: str) -> EffectFinding:
    """The first verified effect of a fault in the undefended arm.

    A reading counts where the same probe sees nothing at that time in the twin without the fault. Where the
    undefended arm was not run, an effect seen in the defended arm proves the bite as well; that none was seen
    there proves nothing, since a layer may have prevented it.
    """
    undefended = views.get(Arm.UNDEFENDED)
    if undefended is not None and not undefended.trouble:
        return _finding(undefended, views.get(Arm.BARE), key)
    defended = views.get(Arm.DEFENDED)
    if defended is not None and not defended.trouble:
        found = _finding(defended, views.get(Arm.CONTROL), key)
        if found.seen:
            return found
    why = "was not run" if undefended is None else undefended.trouble
    return EffectFinding(None, None, None, f"whether {key} bit was not measured: the undefended arm {why}")


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
    every = () if twin is None else twin.journal.of(Effect)
    theirs = [e for e in every if e.fault == key and e.seen is not None]
    compared = [reading for reading in seen if twin is None or _near(reading, theirs)]
    if twin is not None and seen and not compared:
        says = f"what the probe of {key} saw cannot be compared: it gave no data in the {twin.arm.value} arm"
        return EffectFinding(None, None, view.arm, says)
    elsewhere = [e for e in theirs if e.seen]
    for reading in compared:
        if not _near(reading, elsewhere):
            delay = max(0.0, reading.day - span.injected_day)
            says = (
                f"{key} took effect on day {reading.day:.2f}, {delay:.2f} d after injection "
                f"({view.arm.value} arm)"
            )
            return EffectFinding(True, reading.day, view.arm, says)
    says = f"{key} had no effect in the {view.arm.value} arm: its probe looked {len(told)} times"
    if seen:
        says += ", and saw only what it sees without the fault"
    return EffectFinding(False, None, view.arm, says)


def readings_of(view: ArmView, span: FaultSpan) -> list[Effect]:
    """The readings of a fault's effect probe from its injection on."""
    return [e for e in view.journal.of(Effect) if e.fault == span.key and e.day >= span.start - 1e-6]


def seen_in(view: ArmView, span: FaultSpan, after_days: float = 0.0) -> bool | None:
    """Whether the probe saw an effect in this arm; None where it gave no data, or none any more by the time
    at which an effect could be seen: `after_days` after the injection.
    """
    told = [reading for reading in readings_of(view, span) if reading.seen is not None]
    if any(reading.seen for reading in told):
        return True
    late = span.start + after_days - SAME_READING_DAYS
    return False if any(reading.day >= late for reading in told) else None


def delay_of(views: Mapping[Arm, ArmView], key: str) -> float:
    """How long after its injection a fault took effect in the undefended arm, in days; 0 where it did not."""
    found, undefended = find_effect(views, key), views.get(Arm.UNDEFENDED)
    span = None if undefended is None else undefended.span(key)
    if found.day is None or span is None or found.arm is not Arm.UNDEFENDED:
        return 0.0
    return max(0.0, found.day - span.start)


def _near(reading: Effect, others: Iterable[Effect]) -> bool:
    return any(abs(other.day - reading.day) <= SAME_READING_DAYS for other in others)

"""The first signal that can be put down to a fault, and whose it was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from chaos.domain.layer import Stage
from chaos.domain.scenario import Arm
from chaos.domain.verdict import Detection
from chaos.scoring.arms import ArmView, FaultSpan
from chaos.scoring.effect import find_effect, seen_in
from chaos.scoring.episodes import Episode, Firing, also_fired

TAIL_DAYS = 1.0
"""A daily gate sees a fault's last day in the cycle after it; what fires later is not about the fault."""


def attributable(views: Mapping[Arm, ArmView], span: FaultSpan) -> list[Firing] | None:
    """What fired in the defended arm from the injection on and not at that time in the control arm.

    By day. A layer whose door refused the fault saw it, too. None where one of the two arms was not measured.
    """
    defended, control = views.get(Arm.DEFENDED), views.get(Arm.CONTROL)
    if defended is None or control is None or defended.trouble or control.trouble:
        return None
    found = [
        firing
        for firing in defended.firings
        if _during(span, firing.day) and not also_fired(control.firings, firing.layer, firing.day)
    ]
    found += [
        Firing(refused.by, refused.day, refused.day, refused.says)
        for refused in span.refused
        if refused.by in defended.plan.layers
    ]
    detecting = {name for name, layer in defended.plan.layers.items() if Stage.DETECT in layer.stages}
    # At a slow pace what follows within milliseconds has the same day: what detects is ahead of what follows.
    return sorted(found, key=lambda firing: (firing.day, firing.layer not in detecting))


def acted(views: Mapping[Arm, ArmView], span: FaultSpan) -> list[Episode]:
    """Episodes in which a layer acted in the defended arm on a fault, and not then in the control arm."""
    defended, control = views.get(Arm.DEFENDED), views.get(Arm.CONTROL)
    if defended is None or control is None or defended.trouble or control.trouble:
        return []
    theirs = [
        Firing(one.layer, one.acted_day, one.end, "") for one in control.episodes if one.acted_day is not None
    ]
    found = [
        one
        for one in defended.episodes
        if one.acted_day is not None
        and _during(span, one.acted_day)
        and not also_fired(theirs, one.layer, one.acted_day)
    ]
    return sorted(found, key=lambda one: (one.acted_day or 0.0, one.layer))


def _during(span: FaultSpan, day: float) -> bool:
    return span.start <= day <= span.end + TAIL_DAYS


def prevented(views: Mapping[Arm, ArmView], span: FaultSpan | None) -> bool:
    """Whether a fault was refused at the target's door, or bit in the undefended arm while its probe saw
    nothing in the defended one.
    """
    view = views.get(Arm.DEFENDED)
    if view is None or span is None or view.trouble or span.injected_day is None:
        return False
    if span.refused:
        return True
    bite = find_effect(views, span.key)
    would = bite.seen is True and bite.arm is Arm.UNDEFENDED
    return would and seen_in(view, span, bite.delay_days) is False


def first_of(
    firings: Iterable[Firing], span: FaultSpan, effective_day: float | None, expected: Iterable[str]
) -> Detection | None:
    """The first of some firings as a detection; the delay counts from `effective_day`, else the injection."""
    firing = next(iter(firings), None)
    if firing is None:
        return None
    since = span.start if effective_day is None else effective_day
    return Detection(
        layer=firing.layer,
        day=firing.day,
        delay_days=max(0.0, firing.day - since),
        expected=firing.layer in list(expected),
    )

"""What became of each layer: one outcome against the faults, and its false alarms beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from chaos.domain.event import Refused, Signal
from chaos.domain.layer import Mode, Outcome, Stage
from chaos.domain.plan import ArmPlan, PlannedLayer, TrialPlan
from chaos.domain.scenario import Arm, Kind
from chaos.domain.verdict import LayerResult
from chaos.scoring.arms import ArmView, FaultSpan
from chaos.scoring.detection import TAIL_DAYS, acted, attributable, prevented
from chaos.scoring.episodes import Firing, alerts_of, also_fired
from chaos.scoring.harm import blocks

BRING_UP_DAYS = 1.0

BEST_FIRST = (
    Outcome.PREVENTED,
    Outcome.CONTAINED,
    Outcome.DETECTED,
    Outcome.MISSED,
    Outcome.NOT_REACHED,
    Outcome.NOT_ARMED,
)


@dataclass(frozen=True)
class FalseAlarms:
    """Firings with no fault to blame; `counted` is False where an arm that they are counted in is missing."""

    firings: tuple[Firing, ...]
    counted: bool
    where: str

    def of(self, layer: str) -> int | None:
        """How many of one layer."""
        return sum(1 for firing in self.firings if firing.layer == layer) if self.counted else None


def false_alarms(plan: TrialPlan, views: Mapping[Arm, ArmView]) -> FalseAlarms:
    """All firings of the control arm and those of the defended arm before the first injection; an alert that
    no layer's firing explains counts like one.

    In a quiet scenario, all firings of the defended arm, and each refusal of the benign change. The first day
    is left out, unless what fired then goes on for another: processes that have just been started are slow
    once, in every arm, and that is the harness's doing and no alarm's fault.
    """
    defended, control = views.get(Arm.DEFENDED), views.get(Arm.CONTROL)
    if plan.scenario.kind is Kind.QUIET:
        counted = defended is not None and not defended.trouble
        return FalseAlarms(_settled(defended) + refusals(defended), counted, "in the defended arm")
    firings = list(_settled(control))
    if defended is not None:
        firings += [firing for firing in _settled(defended) if firing.day < defended.first_injection]
    counted = all(view is not None and not view.trouble for view in (defended, control))
    where = "in the control arm or before the fault"
    return FalseAlarms(tuple(firings), counted, where)


def _settled(view: ArmView | None) -> tuple[Firing, ...]:
    if view is None:
        return ()
    late, every = 2 * BRING_UP_DAYS, (*view.firings, *unexplained(view))
    return tuple(one for one in every if one.day >= BRING_UP_DAYS or one.until > late)


def unexplained(view: ArmView) -> tuple[Firing, ...]:
    """Alerts that somebody was told of though no layer fired then, under their own names."""
    return tuple(
        Firing(first.name, first.sent_day, math.inf if resolved is None else resolved, "", alert=True)
        for first, resolved in ((one.first, one.resolved_day) for one in alerts_of(view.journal))
        if not (first.layer and also_fired(view.firings, first.layer, first.sent_day))
    )


def refusals(view: ArmView | None) -> tuple[Firing, ...]:
    """Refusals by whoever has not said so as a layer besides."""
    refused = view.journal.of(Refused) if view else []
    return tuple(
        Firing(one.by, one.day, one.day, one.says)
        for one in refused
        if view is not None and not also_fired(view.firings, one.by, one.day)
    )


def not_armed(plan: TrialPlan, defended: ArmView | None) -> list[str]:
    """Layers that the scenario or the command line took away, and expected ones that are off."""
    layers = _planned(plan)
    expected = plan.expect.detected.by if plan.expect.detected else []
    wanted = sorted({*plan.not_armed, *expected, *plan.expect.missed_by})
    spans = defended.spans if defended is not None else ()
    return [name for name in wanted if name not in layers or _off(plan, name, layers[name], spans)]


def never_armed(plan: ArmPlan) -> bool:
    """Whether not one layer was on, ever: what layers cost is no question then, and cannot fail."""
    return all(_never_on(plan, name, layer) for name, layer in plan.layers.items())


def can_block(view: ArmView) -> bool:
    """Whether the target has a layer that could keep something back."""
    return any(blocks(view, name) for name in view.plan.layers)


def never_blocking(view: ArmView) -> bool:
    """Whether no layer that could keep something back was on, ever."""
    return all(
        _never_on(view.plan, name, one) for name, one in view.plan.layers.items() if blocks(view, name)
    )


def mute(view: ArmView) -> str:
    """Why no false alarm can have been raised; empty where one can.

    Alerts of a target without layers can be one, where it has a watchdog: if that was not heard, the arm's
    word does not count.
    """
    if not never_armed(view.plan) or (view.plan.watchdog and not view.plan.layers):
        return ""
    return "no layer was armed that could have raised one"


def _never_on(plan: ArmPlan, name: str, layer: PlannedLayer) -> bool:
    modes = [hole for hole in plan.holes if hole.layer == name and hole.key == "mode"]
    off = [hole for hole in modes if hole.value == Mode.OFF.value]
    if layer.mode is Mode.OFF:
        return len(off) == len(modes)
    reach = plan.start_day
    for hole in sorted(off, key=lambda one: one.from_day):
        if hole.from_day <= reach:
            reach = max(reach, math.inf if hole.until_day is None else hole.until_day)
    return reach >= plan.days


def _planned(plan: TrialPlan) -> Mapping[str, PlannedLayer]:
    arm = next((arm for arm in plan.arms if arm.arm is Arm.DEFENDED), None)
    return arm.layers if arm is not None else {}


def _off(plan: TrialPlan, name: str, layer: PlannedLayer, spans: Sequence[FaultSpan]) -> bool:
    """Off for the whole run, or by a hole that is open for as long as every fault lasts."""
    if layer.mode is Mode.OFF:
        return True
    arm = next((arm for arm in plan.arms if arm.arm is Arm.DEFENDED), None)
    if arm is None:
        return False
    late = arm.late_days
    holes = [
        (hole.from_day - late, math.inf if hole.until_day is None else hole.until_day + late)
        for hole in arm.holes
        if hole.layer == name and hole.key == "mode" and hole.value == Mode.OFF.value
    ]
    return bool(spans) and all(
        any(start <= span.start and span.end <= end for start, end in holes) for span in spans
    )


def layer_results(
    plan: TrialPlan, views: Mapping[Arm, ArmView], ratio: float | None, alarms: FalseAlarms
) -> list[LayerResult]:
    """A row for each layer of the target, in the order of its file."""
    defended = views.get(Arm.DEFENDED)
    expected = plan.expect.detected.by if plan.expect.detected else []
    rows: list[LayerResult] = []
    for name, layer in _planned(plan).items():
        since = 0.0 if defended is None or plan.scenario.kind is Kind.QUIET else defended.first_injection
        mine = [one for one in defended.episodes if one.layer == name] if defended else []
        fired = [one.day for one in defended.firings if one.layer == name] if defended else []
        rows.append(
            LayerResult(
                layer=name,
                mode=layer.mode,
                stages=layer.stages,
                expected=["detect"] if name in expected else [],
                outcome=_outcome(plan, views, name, layer, ratio),
                first_fired_day=_first(fired, since),
                first_acted_day=_first((one.acted_day for one in mine), since),
                would_have_acted_day=_first((one.would_have_acted_day for one in mine), since),
                false_alarms=alarms.of(name),
            )
        )
    return rows


def _first(days: Iterable[float | None], since: float) -> float | None:
    return min((day for day in days if day is not None and day >= since), default=None)


def _outcome(
    plan: TrialPlan, views: Mapping[Arm, ArmView], name: str, layer: PlannedLayer, ratio: float | None
) -> Outcome | None:
    defended = views.get(Arm.DEFENDED)
    if defended is None:
        return Outcome.NOT_ARMED if layer.mode is Mode.OFF else None
    if _off(plan, name, layer, defended.spans):
        return Outcome.NOT_ARMED
    if plan.scenario.kind is Kind.QUIET or not defended.spans or defended.trouble:
        return None
    each = [_against(views, defended, span, name, layer, ratio) for span in defended.spans]
    known = [outcome for outcome in each if outcome is not None]
    return next((outcome for outcome in BEST_FIRST if outcome in known), None)


def _against(
    views: Mapping[Arm, ArmView],
    defended: ArmView,
    span: FaultSpan,
    name: str,
    layer: PlannedLayer,
    ratio: float | None,
) -> Outcome | None:
    if any(refused.by == name for refused in span.refused):
        return Outcome.PREVENTED
    said = [signal.day for signal in defended.journal.of(Signal) if signal.layer == name]
    said += [firing.day for firing in defended.firings if firing.layer == name and firing.alert]
    spoke = any(span.start <= day <= span.end + TAIL_DAYS for day in said)
    running = any(one.layer == name and one.start <= span.start <= one.end for one in defended.episodes)
    if not spoke and not running:
        return Outcome.NOT_REACHED
    found = attributable(views, span)
    if found is None:
        return None
    acts = any(one.layer == name for one in acted(views, span))
    if acts and blocks(defended, name):
        if prevented(views, span):
            return Outcome.PREVENTED
        if Stage.CONTAIN in layer.stages and (ratio is None or ratio > 0):
            return Outcome.CONTAINED
    if acts or any(firing.layer == name for firing in found):
        return Outcome.DETECTED
    return Outcome.MISSED

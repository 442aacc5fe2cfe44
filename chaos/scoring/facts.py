"""Everything measured about a trial, before anything is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chaos.domain.plan import TrialPlan
from chaos.domain.scenario import Arm, Harm, Kind
from chaos.domain.verdict import Contamination, Detection, LoopResult, Recovery
from chaos.journal import Journal
from chaos.scoring.arms import ArmView, FaultSpan, views_of
from chaos.scoring.containment import Contained, contain
from chaos.scoring.contamination import contamination_of
from chaos.scoring.detection import attributable, first_of, prevented
from chaos.scoring.effect import EffectFinding, find_effect
from chaos.scoring.episodes import Firing
from chaos.scoring.harm import harm_of, undetected_days, untold
from chaos.scoring.lag import busy, disturbed
from chaos.scoring.layers import FalseAlarms, false_alarms, not_armed
from chaos.scoring.loop import loop_of
from chaos.scoring.recovery import recovery_of
from chaos.scoring.steady import Held, steady_after, steady_before


@dataclass(frozen=True)
class FaultFacts:
    """One fault: its span in the defended arm, its effect, who saw it, and how it ended."""

    key: str
    span: FaultSpan | None
    effect: EffectFinding
    prevented: bool
    firings: list[Firing] | None
    first: Detection | None
    held: Held
    recovery: Recovery | None

    @property
    def effective_day(self) -> float | None:
        """When it took effect, or would have, in the defended arm."""
        return _effective(self.effect, self.span)

    @property
    def since_day(self) -> float | None:
        """What delays count from: the verified effect, or the injection of a prevented fault."""
        if self.prevented and self.span is not None:
            return self.span.start
        return self.effective_day


@dataclass(frozen=True)
class Facts:
    """One trial, measured."""

    plan: TrialPlan
    views: Mapping[Arm, ArmView]
    faults: tuple[FaultFacts, ...]
    before: Mapping[Arm, Held]
    after: Mapping[Arm, Held]
    harm: Mapping[Arm, Mapping[Harm, float | None]]
    contained: Contained | None
    alarms: FalseAlarms
    loop: LoopResult | None
    contamination: Mapping[Arm, Contamination | None]
    not_armed: list[str]
    untold: str
    busy: str
    disturbed: str

    @property
    def kind(self) -> Kind:
        """The scenario's kind."""
        return self.plan.scenario.kind

    def trouble(self, *arms: Arm) -> str:
        """Why the word of these arms does not count; empty where all of them were measured."""
        missing = [arm.value for arm in arms if arm not in self.views]
        if missing:
            return f"the {' and '.join(missing)} arm{'s were' if len(missing) > 1 else ' was'} not run"
        for arm in arms:
            if trouble := self.views[arm].trouble:
                return f"the {arm.value} arm {trouble}"
        return ""


def gather(plan: TrialPlan, journals: Mapping[Arm, Journal]) -> Facts:
    """Measure a trial from its journals. Raises InvalidInput where a journal's plan cannot be read."""
    views = views_of(journals)
    faults = tuple(_fault(plan, views, use.key) for use in plan.scenario.faults)
    control = views.get(Arm.CONTROL)
    harm = {arm: harm_of(view, control) for arm, view in views.items()}
    detected = {fault.key: fault.first.day for fault in faults if fault.first is not None}
    for arm, view in views.items():
        harm[arm][Harm.UNDETECTED_DAYS] = _undetected(arm, view, faults, detected)
    wanted = plan.expect.contained
    return Facts(
        plan=plan,
        views=views,
        faults=faults,
        before={arm: steady_before(view) for arm, view in views.items()},
        after={arm: _after(view) for arm, view in views.items()},
        harm=harm,
        contained=contain(harm, wanted.of) if wanted is not None else None,
        alarms=false_alarms(plan, views),
        loop=_loop(plan, views),
        contamination={arm: contamination_of(view) for arm, view in views.items()},
        not_armed=not_armed(plan, views.get(Arm.DEFENDED)),
        untold=next((says for view in views.values() if (says := untold(view))), ""),
        busy=busy(views),
        disturbed=disturbed(views),
    )


def _loop(plan: TrialPlan, views: Mapping[Arm, ArmView]) -> LoopResult | None:
    slow, twin = views.get(Arm.UNDEFENDED), views.get(Arm.BARE)
    if plan.expect.loop is None or slow is None or twin is None:
        return None
    return loop_of(slow, twin)


def _fault(plan: TrialPlan, views: Mapping[Arm, ArmView], key: str) -> FaultFacts:
    defended = views.get(Arm.DEFENDED)
    span = defended.span(key) if defended is not None else None
    effect = find_effect(views, key)
    stopped = prevented(views, span)
    expected = plan.expect.detected.by if plan.expect.detected else []
    if defended is None or span is None:
        held: tuple[Held, Recovery | None] = (Held(None, "the defended arm was not run"), None)
        return FaultFacts(key, None, effect, stopped, None, None, *held)
    firings = attributable(views, span)
    since = None if stopped else _effective(effect, span)
    measured = firings is not None and (stopped or effect.day is not None)
    first = first_of(firings or [], span, since, expected) if measured else None
    return FaultFacts(key, span, effect, stopped, firings, first, *recovery_of(defended, span))


def _effective(effect: EffectFinding, span: FaultSpan | None) -> float | None:
    """When a fault took effect in an arm of its own days: as long after its injection as where it bit."""
    if span is None or effect.day is None:
        return effect.day
    return span.start + effect.delay_days


def _undetected(
    arm: Arm,
    view: ArmView,
    faults: tuple[FaultFacts, ...],
    detected: Mapping[str, float],
) -> float | None:
    if view.cut_short:
        return None
    effective = {fault.key: _effective(fault.effect, view.span(fault.key)) for fault in faults}
    if arm is not Arm.DEFENDED:
        return undetected_days(view, effective, {})
    nobody_there = bool(view.spans) and not view.plan.layers and not detected
    if nobody_there or any(fault.firings is None for fault in faults):
        return None
    done = {fault.key: fault.span.start for fault in faults if fault.prevented and fault.span is not None}
    return undetected_days(view, effective, {**detected, **done})


def _after(view: ArmView) -> Held:
    if view.cut_short:
        return Held(None, f"the {view.arm.value} arm {view.trouble}")
    failed = next((span for span in view.spans if span.undo_failed), None)
    if failed is not None:
        return Held(None, f"the undo of {failed.key} failed: {failed.undo_failed}")
    return steady_after(view, view.last_undo)

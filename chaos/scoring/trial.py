"""From a trial's journals to its result, and from trials to a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chaos.domain.plan import TrialPlan
from chaos.domain.scenario import Arm
from chaos.domain.verdict import (
    Containment,
    FaultResult,
    Harms,
    TrialResult,
    combine,
)
from chaos.journal import Journal
from chaos.scoring.arms import cut_off
from chaos.scoring.detection import acted
from chaos.scoring.episodes import Episode
from chaos.scoring.expectations import expectations
from chaos.scoring.facts import Facts, FaultFacts, gather
from chaos.scoring.grounds import arm_reasons, grounds, held_against, held_back, judged_on
from chaos.scoring.harm import blocks, worst_segments
from chaos.scoring.integrity import broken_requirements
from chaos.scoring.layers import layer_results
from chaos.scoring.standing import score_standing
from chaos.scoring.telling import alert_results, arm_result


def score_trial(plan: TrialPlan, journals: Mapping[Arm, Journal]) -> TrialResult:
    """Judge one trial. Paths of journals are relative to the run's folder, in which trials have their own.

    Arms that are missing were not measured. Raises InvalidInput where a journal's plan cannot be read.
    """
    if plan.into:
        return score_standing(plan, journals.get(Arm.DEFENDED))
    facts = gather(plan, journals)
    scenario = plan.scenario
    # What was to be contained and was not measured was contained by nobody.
    ratio = None if facts.contained is None else facts.contained.ratio or 0.0
    rows = layer_results(plan, facts.views, ratio, facts.alarms)
    containing = _containing(facts)
    solid = list(grounds(facts))
    asked = list(expectations(facts, rows, containing))
    reasons = [
        *arm_reasons(facts),
        *solid,
        *(held_against(facts.disturbed, judged_on(solid, reason)) for reason in asked),
    ]
    verdict = combine(reason.verdict for reason in reasons)
    defended, control = facts.views.get(Arm.DEFENDED), facts.views.get(Arm.CONTROL)
    return TrialResult(
        scenario=scenario.scenario,
        kind=scenario.kind,
        teaches=scenario.teaches,
        source=scenario.source,
        seed=plan.seed,
        days=scenario.days,
        verdict=verdict,
        reasons=reasons,
        faults=[_fault(facts, fault, containing) for fault in facts.faults],
        layers=rows,
        alerts=[alert for view in facts.views.values() for alert in alert_results(view)],
        harm=Harms.of(facts.harm, worst_segments(defended, control) if defended is not None else {}),
        arms=[arm_result(view, facts.before[arm], facts.after[arm]) for arm, view in facts.views.items()],
        loop=facts.loop,
        not_armed=facts.not_armed,
        contamination=dict(facts.contamination),
        integrity={arm: broken_requirements(view) for arm, view in facts.views.items()},
        pass_share=scenario.pass_share,
        day_seconds=plan.arms[0].day_seconds if plan.arms else None,
        held_back=held_back(verdict, solid, asked),
        interrupted=cut_off(plan, facts.views.values()),
    )


def _containing(facts: Facts) -> list[Episode]:
    """Episodes in which a layer that is there to contain acted on a fault, by day."""
    defended = facts.views.get(Arm.DEFENDED)
    if defended is None:
        return []
    return [
        one
        for fault in facts.faults
        if fault.span is not None
        for one in acted(facts.views, fault.span)
        if blocks(defended, one.layer)
    ]


def _fault(facts: Facts, fault: FaultFacts, containing: Sequence[Episode]) -> FaultResult:
    wanted, found = facts.plan.expect.contained, facts.contained
    containment = None
    if wanted is not None and found is not None and found.ratio is not None and not facts.trouble(*Arm):
        by = list(dict.fromkeys(one.layer for one in containing)) if found.ratio > 0 else []
        containment = Containment(of=wanted.of, ratio=found.ratio, by=by)
    span = fault.span
    return FaultResult(
        fault=fault.key,
        injected_day=span.injected_day if span is not None else None,
        effective_day=fault.effective_day,
        undone_day=span.undone_day if span is not None else None,
        prevented=fault.prevented,
        detection=fault.first,
        containment=containment,
        recovery=fault.recovery,
    )

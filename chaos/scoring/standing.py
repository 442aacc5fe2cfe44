"""Scores a run against a standing stack: one arm, compared with nothing but the time before the fault."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from chaos.domain.event import Effect, Views
from chaos.domain.plan import TrialPlan
from chaos.domain.scenario import Alerted, Arm, Harm, Kind
from chaos.domain.verdict import (
    Detection,
    FaultResult,
    Harms,
    LayerResult,
    Reason,
    ServiceLevel,
    TrialResult,
    combine,
)
from chaos.journal import Journal
from chaos.scoring.arms import ArmView, FaultSpan, cut_off, view_of
from chaos.scoring.containment import number
from chaos.scoring.detection import TAIL_DAYS, first_of
from chaos.scoring.effect import readings_before, readings_of
from chaos.scoring.episodes import Firing, alerts_of
from chaos.scoring.expectations import failed, judge_alerts, judge_unsteady, passed, void
from chaos.scoring.grounds import LAG, held_against, held_back, judged_on, looked_for, lost
from chaos.scoring.harm import false_block_days
from chaos.scoring.integrity import broken_requirements
from chaos.scoring.lag import busy, disturbed
from chaos.scoring.layers import can_block, mute, never_blocking, refusals, unexplained
from chaos.scoring.recovery import recovery_of
from chaos.scoring.steady import Held, steady_after, steady_before
from chaos.scoring.telling import alert_results, arm_result

NOTHING = "nothing that the scenario expects can be measured on a stack that stands"
ONE_ARM = "not measured on a stack that stands: there is no arm without the layers, or the fault, to compare"


def score_standing(plan: TrialPlan, journal: Journal | None) -> TrialResult:
    """Judge a trial that was run into a standing stack; None where not even its header was written.

    Containment and budgets need arms to compare, so they are named as not measured; the verdict rests on the
    steady state, on who saw the fault, on recovery and on false alarms before it.
    """
    view = None if journal is None else view_of(journal)
    grounds: list[Reason] = []
    asked: list[Reason] = []
    if view is None:
        reasons = [void("arm", "the run did not begin")]
    else:
        grounds = list(_grounds(plan, view))
        disturbing = disturbed({Arm.DEFENDED: view})
        asked = list(_expectations(plan, view)) or [void("expected", NOTHING)]
        judged = (judged_on(grounds, reason) for reason in asked)
        reasons = [*grounds, *(held_against(disturbing, reason) for reason in judged)]
    verdict = combine(reason.verdict for reason in reasons)
    scenario = plan.scenario
    return TrialResult(
        scenario=scenario.scenario,
        kind=scenario.kind,
        teaches=scenario.teaches,
        source=scenario.source,
        seed=plan.seed,
        days=scenario.days,
        verdict=verdict,
        reasons=reasons,
        faults=[_fault(plan, view, span) for span in view.spans] if view is not None else [],
        layers=_layers(plan, view) if view is not None else [],
        alerts=list(alert_results(view)) if view is not None else [],
        harm=Harms(),
        integrity={} if view is None else {view.arm: broken_requirements(view)},
        arms=[arm_result(view, steady_before(view), _after(view))] if view is not None else [],
        not_armed=plan.not_armed,
        pass_share=scenario.pass_share,
        into=plan.into,
        service_levels=list(service_levels(view)) if view is not None else [],
        not_measured=list(_not_measured(plan)),
        day_seconds=plan.arms[0].day_seconds if plan.arms else None,
        held_back=held_back(verdict, grounds, asked),
        interrupted=cut_off(plan, [] if view is None else [view]),
    )


# --- grounds ---------------------------------------------------------------------------------------------


def _grounds(plan: TrialPlan, view: ArmView) -> Iterator[Reason]:
    if view.trouble:
        yield void("arm", f"the run {view.trouble}")
    if late := busy({Arm.DEFENDED: view}):
        yield void(LAG, late)
    before = steady_before(view)
    yield (
        passed("steady state before", f"held on day {before.since_day:.2f}")
        if before.ok and before.since_day is not None
        else void("steady state before", before.says)
    )
    for key, says in view.failed_undos.items():
        yield void("undo", f"the undo of {key} failed: {says}")
    yield from (void("undo", says) for says in lost(view))
    for span in view.spans:
        if plan.scenario.kind is not Kind.QUIET or looked_for([view], span.key):
            yield _effect(view, span)


def _effect(view: ArmView, span: FaultSpan) -> Reason:
    about = _about(view, "effect", span)
    if span.injected_day is None:
        return void(about, f"{span.key} was not injected")
    if span.refused:
        return passed(about, f"{span.refused[0].by} refused {span.key}: {span.refused[0].says}")
    earlier = _told_before(view, span)
    if not earlier:
        return void(about, f"the effect probe of {span.key} gave no data before the injection")
    day = _effective(view, span)
    if day is None and any(one.seen for one in earlier):
        return void(about, f"the effect probe of {span.key} saw the same before the injection")
    if day is None:
        return void(about, f"{span.key} was not seen to have an effect, and no other arm tells why")
    return passed(about, f"{span.key} took effect on day {day:.2f}, {day - span.start:.2f} d after injection")


def _effective(view: ArmView, span: FaultSpan) -> float | None:
    """The first reading that shows the effect and was not to be had before: what the probe saw then already
    has to have stood still, as a count does, for another value to tell of anything.
    """
    earlier = _told_before(view, span)
    there = any(one.seen for one in earlier)
    if there and (len(earlier) == 1 or len({(one.seen, one.value) for one in earlier}) > 1):
        return None
    known = {one.value for one in earlier} if there else set()
    return next((one.day for one in readings_of(view, span) if one.seen and one.value not in known), None)


def _told_before(view: ArmView, span: FaultSpan) -> list[Effect]:
    return [one for one in readings_before(view, span) if one.seen is not None]


def _expectations(plan: TrialPlan, view: ArmView) -> Iterator[Reason]:
    expect = plan.expect
    measurable = (expect.detected, expect.alerted, expect.recovered, expect.false_alarms)
    if plan.scenario.kind is Kind.DEFENDED and all(part is None for part in measurable):
        yield void("expected", NOTHING)
    for span in view.spans:
        if expect.detected is not None and expect.detected.means(span.key):
            yield _detected(plan, view, span, expect.detected.by, expect.detected.within)
        if expect.alerted is not None:
            yield _alerted(view, span, expect.alerted)
        if expect.recovered is not None:
            yield _recovered(view, span, expect.recovered.within)
    if plan.scenario.kind is not Kind.DEMONSTRATION or expect.recovered is not None:
        yield _steady_after(view)
    if expect.false_alarms is not None or plan.scenario.kind is Kind.QUIET:
        yield _false_alarms(plan, view, expect.false_alarms or 0)
    asked = Harm.FALSE_BLOCK_DAYS in expect.budgets
    if plan.scenario.kind is Kind.QUIET and (asked or can_block(view)):
        yield _false_blocks(view, expect.budgets.get(Harm.FALSE_BLOCK_DAYS, 0.0))


def _steady_after(view: ArmView) -> Reason:
    after, about = _after(view), "steady state after"
    if after.ok is None:
        return void(about, after.says)
    return passed(about, f"the run ends steady, {after.says}") if after.ok else failed(about, after.says)


def _detected(plan: TrialPlan, view: ArmView, span: FaultSpan, by: Sequence[str], within: float) -> Reason:
    about = _about(view, "detected", span)
    if view.trouble:
        return void(about, f"who saw it was not measured: the run {view.trouble}")
    firings = attributed(view, span)
    found = first_of([one for one in firings if one.layer in by], span, _since(view, span), by)
    if found is not None:
        says = f"{found.layer} saw it on day {found.day:.2f}, {found.delay_days:.2f} d after its effect"
        says += f" (allowed {within:g} d)"
        return passed(about, says) if found.delay_days <= within + 1e-9 else failed(about, says)
    off = [name for name in by if name in plan.not_armed]
    says = f"not seen by {' or '.join(by)}"
    says += f"; not armed: {', '.join(off)}" if off else ""
    first = firings[0] if firings else None
    says += (
        f"; instead {first.layer} saw it on day {first.day:.2f}" if first else "; nobody else saw it either"
    )
    return failed(about, says)


def _alerted(view: ArmView, span: FaultSpan, wanted: Alerted) -> Reason:
    about, since = _about(view, "alerted", span), _since(view, span)
    if view.trouble or since is None:
        return void(about, "where alerts went was not measured")
    told = alerts_of(view.journal)
    noisy = {
        (one.first.name, one.first.about)
        for one in told
        if view.plan.start_day <= one.first.sent_day < span.start
    }
    mine = [
        one
        for one in told
        if span.start <= one.first.sent_day <= span.end + TAIL_DAYS
        and (one.first.name, one.first.about) not in noisy
    ]
    return judge_alerts(about, wanted, mine, since)


def attributed(view: ArmView, span: FaultSpan) -> list[Firing]:
    """What fired from the injection until a day after the undo, of layers that were silent before it."""
    noisy = {one.layer for one in view.firings if view.plan.start_day <= one.day < span.start}
    found = [
        one
        for one in view.firings
        if span.start <= one.day <= span.end + TAIL_DAYS and one.layer not in noisy
    ]
    found += [
        Firing(refused.by, refused.day, refused.day, refused.says)
        for refused in span.refused
        if refused.by in view.plan.layers
    ]
    return sorted(found, key=lambda one: (one.day, one.layer))


def _since(view: ArmView, span: FaultSpan) -> float | None:
    return span.start if span.refused else _effective(view, span)


def _recovered(view: ArmView, span: FaultSpan, within: float) -> Reason:
    about = _about(view, "recovered", span)
    held, recovery = recovery_of(view, span)
    if recovery is None:
        if held.ok is None:
            return void(about, held.says)
        return judge_unsteady(about, view, span, within, held.says)
    says = f"steady again on day {recovery.day:.2f}, {recovery.delay_days:.2f} d after the undo"
    says += f" (allowed {within:g} d)"
    return passed(about, says) if recovery.delay_days <= within + 1e-9 else failed(about, says)


def _after(view: ArmView) -> Held:
    if view.cut_short:
        return Held(None, f"the run {view.trouble}")
    return steady_after(view, view.last_undo)


def _false_alarms(plan: TrialPlan, view: ArmView, limit: int) -> Reason:
    told = (*view.firings, *unexplained(view))
    early = [one for one in told if view.plan.start_day <= one.day < _innocent_until(plan, view)]
    if plan.scenario.kind is Kind.QUIET:
        early += refusals(view)
    if not early and plan.scenario.kind is not Kind.DEFENDED and (why := mute(view)):
        return void("false alarms", why)
    where = "in the run" if plan.scenario.kind is Kind.QUIET or not view.spans else "before the fault"
    says = f"{len(early) or 'no'} false alarm{'' if len(early) == 1 else 's'} {where}"
    if early:
        says += f", at most {limit} allowed: " + ", ".join(f"{e.layer} on day {e.day:.2f}" for e in early[:3])
    return passed("false alarms", says) if len(early) <= limit else failed("false alarms", says)


def _false_blocks(view: ArmView, limit: float) -> Reason:
    """What a quiet scenario asks of itself, and the one budget that needs no other arm."""
    about = f"budget {Harm.FALSE_BLOCK_DAYS.value}"
    if never_blocking(view):
        return void(about, "no layer was armed that could have blocked anything")
    spent = false_block_days(view)
    says = f"{number(spent)} {Harm.FALSE_BLOCK_DAYS.value}, at most {number(limit)} allowed"
    return passed(about, says) if spent <= limit + 1e-9 else failed(about, says)


def _innocent_until(plan: TrialPlan, view: ArmView) -> float:
    """The day up to which whoever fires is wrong: the first injection, if what is injected is a fault."""
    quiet = plan.scenario.kind is Kind.QUIET or not view.spans
    return math.inf if quiet else view.first_injection


def _not_measured(plan: TrialPlan) -> Iterator[str]:
    if plan.expect.contained is not None:
        yield f"containment of {plan.expect.contained.of.value}: {ONE_ARM}"
    if plan.expect.loop is not None:
        yield f"the latency loop: {ONE_ARM}"
    judged = {Harm.FALSE_BLOCK_DAYS} if plan.scenario.kind is Kind.QUIET else set()
    if budgets := [kind.value for kind in plan.expect.budgets if kind not in judged]:
        yield f"budgets ({', '.join(budgets)}): {ONE_ARM}"
    if plan.expect.harmful is not None:
        yield f"whether there are {plan.expect.harmful.value} without layers: {ONE_ARM}"
    if plan.expect.missed_by:
        yield f"missed by {', '.join(plan.expect.missed_by)}: {ONE_ARM}"


def _about(view: ArmView, what: str, span: FaultSpan) -> str:
    return what if len(view.spans) == 1 else f"{what} {span.key}"


# --- what is shown ---------------------------------------------------------------------------------------


def service_levels(view: ArmView) -> Iterator[ServiceLevel]:
    """What users got before the first injection, until the last undo, and after it, as far as it was told."""
    plan = view.plan
    last = max((views.end_day for views in view.journal.of(Views)), default=plan.days)
    edges = [min(day, last) for day in (plan.start_day, view.first_injection, view.last_undo, last)]
    if view.spans and all(span.injected_day is None for span in view.spans):
        edges = [plan.start_day, last]  # it never came to that
    for when, start, end in zip(("before", "during", "after"), edges, edges[1:], strict=False):
        if end > start:
            yield _level(when, start, end, view.journal.of(Views))


def _level(when: str, start: float, end: float, told: Sequence[Views]) -> ServiceLevel:
    rows = [
        row for views in told if start <= (views.start_day + views.end_day) / 2 < end for row in views.rows
    ]
    count = sum(row.n for row in rows)

    def share(part: int) -> float | None:
        return part / count if count else None

    errors, slow = sum(row.errors for row in rows), sum(row.slow for row in rows)
    return ServiceLevel(
        when=when,
        from_day=start,
        to_day=end,
        views=count,
        good_share=share(count - errors - slow),
        error_share=share(errors),
        slow_share=share(slow),
        fallback_share=share(sum(row.fallback for row in rows)),
    )


def _fault(plan: TrialPlan, view: ArmView, span: FaultSpan) -> FaultResult:
    expected = plan.expect.detected.by if plan.expect.detected is not None else []
    since = _since(view, span)
    first: Detection | None = None
    if not view.trouble and since is not None:
        first = first_of(attributed(view, span), span, since, expected)
    return FaultResult(
        fault=span.key,
        injected_day=span.injected_day,
        effective_day=_effective(view, span),
        undone_day=span.undone_day,
        prevented=bool(span.refused),  # that no effect was seen may have any reason: no other arm tells
        detection=first,
        containment=None,
        recovery=recovery_of(view, span)[1],
    )


def _layers(plan: TrialPlan, view: ArmView) -> list[LayerResult]:
    """What each layer said and did; what it achieved is not measured."""
    wanted = plan.expect.detected.by if plan.expect.detected is not None else []
    rows = []
    for name, layer in view.plan.layers.items():
        mine = [one for one in view.episodes if one.layer == name and one.start >= view.first_injection]
        fired = [one.day for one in view.firings if one.layer == name and one.day >= view.first_injection]
        rows.append(
            LayerResult(
                layer=name,
                mode=layer.mode,
                stages=layer.stages,
                expected=["detect"] if name in wanted else [],
                outcome=None,
                first_fired_day=_first(fired),
                first_acted_day=_first([one.acted_day for one in mine]),
                would_have_acted_day=_first([one.would_have_acted_day for one in mine]),
                false_alarms=sum(
                    1
                    for one in view.firings
                    if one.layer == name and view.plan.start_day <= one.day < _innocent_until(plan, view)
                ),
            )
        )
    return rows


def _first(days: Sequence[float | None]) -> float | None:
    return min((day for day in days if day is not None), default=None)

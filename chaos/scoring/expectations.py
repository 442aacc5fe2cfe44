"""Each expectation to a verdict of its own, with a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chaos.domain.event import Views
from chaos.domain.layer import Mode, Outcome
from chaos.domain.scenario import Alerted, Arm, Contained, Harm, Kind, Loop
from chaos.domain.verdict import LayerResult, LoopResult, Reason, Verdict
from chaos.scoring.alerting import alerts_about, fits, told
from chaos.scoring.arms import ArmView, FaultSpan
from chaos.scoring.containment import QUALITY_EVIDENCE, contain, excess, number
from chaos.scoring.contamination import CLEARED_DAYS
from chaos.scoring.detection import first_of
from chaos.scoring.episodes import AlertStory, Episode
from chaos.scoring.facts import Facts, FaultFacts
from chaos.scoring.harm import OF_VIEWS, untold
from chaos.scoring.lag import as_usual, undisturbed
from chaos.scoring.layers import BRING_UP_DAYS, can_block, mute, never_blocking
from chaos.scoring.recovery import time_left


def passed(about: str, says: str) -> Reason:
    """It was measured and it holds."""
    return Reason(about=about, verdict=Verdict.PASSED, says=says)


def failed(about: str, says: str) -> Reason:
    """It was measured and it does not hold."""
    return Reason(about=about, verdict=Verdict.FAILED, says=says)


def void(about: str, says: str) -> Reason:
    """It could not be measured."""
    return Reason(about=about, verdict=Verdict.VOID, says=says)


def _judge(ok: bool, about: str, says: str) -> Reason:
    return passed(about, says) if ok else failed(about, says)


def expectations(facts: Facts, rows: Sequence[LayerResult], acted: Sequence[Episode]) -> Iterator[Reason]:
    """A reason for each thing that the scenario claims, in the order of its file."""
    expect = facts.plan.expect
    if expect.detected is not None:
        for fault in facts.faults:
            if expect.detected.means(fault.key):
                yield _detected(facts, fault)
    if expect.alerted is not None:
        for fault in facts.faults:
            yield _alerted(facts, fault, expect.alerted)
    for name in expect.missed_by:
        yield _missed(facts, name, rows)
    yield from _harms(facts, rows, acted)
    yield from _purge(facts)
    if expect.recovered is not None:
        for fault in facts.faults:
            yield _recovered(facts, fault, expect.recovered.within)
    if facts.kind is not Kind.DEMONSTRATION or expect.recovered is not None:
        yield _steady_after(facts)
    if expect.false_alarms is not None or facts.kind is Kind.QUIET:
        yield _false_alarms(facts, expect.false_alarms or 0)
    if facts.kind is Kind.QUIET and Harm.FALSE_BLOCK_DAYS not in expect.budgets:
        view = facts.views.get(Arm.DEFENDED)
        if view is None or can_block(view):
            yield _budget(facts, Harm.FALSE_BLOCK_DAYS, 0.0)


def _harms(facts: Facts, rows: Sequence[LayerResult], acted: Sequence[Episode]) -> Iterator[Reason]:
    expect = facts.plan.expect
    if expect.contained is not None:
        yield _contained(facts, rows, acted)
    for kind, limit in expect.budgets.items():
        yield _budget(facts, kind, limit)
    if expect.loop is not None:
        yield from _loop(facts, expect.loop)


def _purge(facts: Facts) -> Iterator[Reason]:
    """A purge or a quarantine that left something in service did not purge, whatever else was claimed."""
    found = facts.contamination.get(Arm.DEFENDED)
    if found is None or found.cleared_day is None:
        return
    if trouble := facts.trouble(Arm.DEFENDED):
        yield void("purge", f"what was in service after it was not measured: {trouble}")
    elif found.left:
        yield failed("purge", f"{found.put_aside}, and {found.left} after it")
    elif found.versions and (silent := _silent_since(facts.views[Arm.DEFENDED], found.cleared_day)):
        yield void("purge", f"{found.put_aside}; what answered after it was not measured: {silent}")
    else:
        yield passed("purge", f"{found.put_aside}, and nothing made of altered data was in service after it")


def _silent_since(view: ArmView, cleared_day: float) -> str:
    """Why it is not known which versions answered after a purge; empty where views tell."""
    told = any(views.start_day >= cleared_day + CLEARED_DAYS for views in view.journal.of(Views))
    return untold(view) or ("" if told else f"no views are told of so long after day {cleared_day:.2f}")


def _about(facts: Facts, what: str, fault: FaultFacts) -> str:
    return what if len(facts.faults) == 1 else f"{what} {fault.key}"


# --- detected --------------------------------------------------------------------------------------------


def _detected(facts: Facts, fault: FaultFacts) -> Reason:
    about = _about(facts, "detected", fault)
    wanted = facts.plan.expect.detected
    if wanted is None:
        raise ValueError("the scenario expects no detection")
    if trouble := facts.trouble(Arm.DEFENDED, Arm.CONTROL):
        return void(about, f"who saw it was not measured: {trouble}")
    if fault.span is None or fault.span.injected_day is None:
        return void(about, f"{fault.key} was not injected in the defended arm")
    if fault.since_day is None or fault.firings is None:
        return void(about, f"delays count from the verified effect, and {fault.effect.says}")
    mine = [firing for firing in fault.firings if firing.layer in wanted.by]
    found = first_of(mine, fault.span, fault.since_day, wanted.by)
    whose = "injection" if fault.prevented else "verified effect"
    if found is not None:
        says = (
            f"{found.layer} saw it on day {found.day:.2f}, {found.delay_days:.2f} d after the {whose} "
            f"(allowed {wanted.within:g} d)"
        )
        if mine[0].observes:
            says += "; it only observes, so nobody was told"
        if fault.first is not None and not fault.first.expected:
            says += f"; {fault.first.layer}, which nobody expected, was first on day {fault.first.day:.2f}"
        return _judge(found.delay_days <= wanted.within + 1e-9, about, says)
    says = f"neither {' nor '.join(wanted.by)} saw it" if len(wanted.by) > 1 else f"{wanted.by[0]} missed it"
    off = [name for name in wanted.by if name in facts.not_armed]
    if off:
        says += f"; not armed: {', '.join(off)}"
    if fault.first is None:
        return failed(about, f"{says}; nobody else saw it either")
    return failed(
        about,
        f"{says}; instead {fault.first.layer}, which nobody expected, saw it on day {fault.first.day:.2f}, "
        f"{fault.first.delay_days:.2f} d after the {whose}",
    )


def _alerted(facts: Facts, fault: FaultFacts, wanted: Alerted) -> Reason:
    about = _about(facts, "alerted", fault)
    if trouble := facts.trouble(Arm.DEFENDED, Arm.CONTROL):
        return void(about, f"where alerts went was not measured: {trouble}")
    if fault.span is None or fault.span.injected_day is None:
        return void(about, f"{fault.key} was not injected in the defended arm")
    stories = alerts_about(facts.views, fault.span)
    if fault.since_day is None or stories is None:
        return void(about, f"delays count from the verified effect, and {fault.effect.says}")
    return judge_alerts(about, wanted, stories, fault.since_day)


def judge_alerts(about: str, wanted: Alerted, stories: Sequence[AlertStory], since_day: float) -> Reason:
    """Whether one of the alerts about a fault is the one wanted, in time and answered."""
    asked = ", ".join(f"{field} {value}" for field, value in wanted.wanted.items())
    mine = [story for story in stories if fits(wanted, story.first)]
    if not mine:
        others = "; ".join(dict.fromkeys(told(story.first) for story in stories[:3]))
        instead = f"; instead: {others}" if others else "; no other alert was sent either"
        return failed(about, f"no alert with {asked} was sent{instead}")
    first = mine[0]
    delay = max(0.0, first.first.sent_day - since_day)
    says = f"{told(first.first)} was sent on day {first.first.sent_day:.2f}, {delay:.2f} d after the effect"
    says += f" (allowed {wanted.within:g} d)"
    ok = delay <= wanted.within + 1e-9
    if wanted.acknowledged_within is not None:
        waits = [
            story.acknowledged_day - story.first.sent_day
            for story in mine
            if story.acknowledged_day is not None
        ]
        shortest = min(waits, default=None)
        answered = "nobody answered" if shortest is None else f"answered {shortest:.2f} d later"
        says += f"; {answered} (allowed {wanted.acknowledged_within:g} d)"
        ok = ok and shortest is not None and shortest <= wanted.acknowledged_within + 1e-9
    if wanted.unanswered:
        answered_days = [story.acknowledged_day for story in mine if story.acknowledged_day is not None]
        says += f"; answered on day {answered_days[0]:.2f}" if answered_days else "; nobody answered"
        ok = ok and not answered_days
    return _judge(ok, about, says)


def _missed(facts: Facts, name: str, rows: Sequence[LayerResult]) -> Reason:
    about = f"missed by {name}"
    if trouble := facts.trouble(Arm.DEFENDED, Arm.CONTROL):
        return void(about, f"what {name} did was not measured: {trouble}")
    row = next((row for row in rows if row.layer == name), None)
    if row is None or row.outcome is None:
        return void(about, f"what {name} did was not measured")
    if row.outcome is Outcome.MISSED:
        return passed(about, f"{name} was asked and saw nothing, as this demonstration says")
    if row.outcome in (Outcome.NOT_ARMED, Outcome.NOT_REACHED):
        return void(about, f"{name} was {row.outcome.value}, so it cannot have missed anything")
    return failed(about, f"{name} was expected to miss it, and did not: {row.outcome.value}")


# --- harm ------------------------------------------------------------------------------------------------


def _contained(facts: Facts, rows: Sequence[LayerResult], acted: Sequence[Episode]) -> Reason:
    about = "contained"
    wanted, found = facts.plan.expect.contained, facts.contained
    if wanted is None or found is None:
        raise ValueError("the scenario expects no containment")
    if trouble := facts.trouble(*Arm):
        return void(about, f"containment of {wanted.of.value} needs all four arms: {trouble}")
    if found.ratio is None:
        return void(about, found.says + _untold(facts, wanted.of))
    ok = wanted.holds(found.ratio)
    limit, sure = wanted.at_least, "at least"
    if limit is None:
        limit, sure = wanted.at_most or 0.0, "at most"
    says = f"{found.ratio:.2f} contained, {sure} {limit:g} expected ({found.says})"
    if found.low < limit < found.high:
        return void(about, f"{says}; one seed says {found.low:.2f} to {found.high:.2f}: within its noise")
    if wanted.of is Harm.QUALITY_PCT_DAYS:
        says += f"; with the noise of one seed {found.low:.2f} to {found.high:.2f}"
    by = sorted({one.layer for one in acted}, key=[row.layer for row in rows].index)
    says += f"; {', '.join(by)} acted" if by else "; no layer acted"
    if facts.not_armed:
        says += f"; not armed: {', '.join(facts.not_armed)}"
    if would := would_have_acted(rows):
        says += f"; {would}"
    if ok and (doubt := _helped(facts, wanted)):
        return void(about, f"{says}; {doubt}")
    return _judge(ok, about, says)


def _helped(facts: Facts, wanted: Contained) -> str:
    """Why that much, or little, containment may be the machine's doing; empty where it holds without that."""
    of, views = wanted.of, facts.views
    if wanted.at_least is not None:
        calm = {
            Arm.CONTROL: as_usual(views[Arm.CONTROL], of),
            Arm.UNDEFENDED: undisturbed(views[Arm.UNDEFENDED], of),
        }
    else:
        calm = {Arm.DEFENDED: undisturbed(views[Arm.DEFENDED], of), Arm.BARE: as_usual(views[Arm.BARE], of)}
    known = {arm: value for arm, value in calm.items() if value is not None}
    if not known:
        return ""
    found = contain({arm: {of: known.get(arm, facts.harm[arm][of])} for arm in Arm}, of)
    if found.ratio is not None and wanted.holds(found.ratio):
        return ""
    whose = " and the ".join(arm.value for arm in known)
    return f"not judged: without what the machine did to the {whose} arm it is not so ({found.says})"


def _untold(facts: Facts, kind: Harm) -> str:
    """Why a harm of views was not measured, to be added to that; empty where they were told of."""
    return f": {facts.untold}" if kind in OF_VIEWS and facts.untold else ""


def would_have_acted(rows: Sequence[LayerResult]) -> str:
    """Which layers that only observe would have acted, and when; empty where none would have."""
    observers = [
        (row.would_have_acted_day, row.layer)
        for row in rows
        if row.mode is Mode.OBSERVE and row.would_have_acted_day is not None
    ]
    if not observers:
        return ""
    return "would have acted: " + ", ".join(f"{layer} on day {day:.2f}" for day, layer in sorted(observers))


def _blocked_nothing(facts: Facts) -> bool:
    """Whether a quiet scenario asks what layers cost of which none that could block was on."""
    view = facts.views.get(Arm.DEFENDED)
    return facts.kind is Kind.QUIET and view is not None and never_blocking(view)


def _budget(facts: Facts, kind: Harm, limit: float) -> Reason:
    about = f"budget {kind.value}"
    if kind is Harm.FALSE_BLOCK_DAYS and _blocked_nothing(facts):
        return void(about, "no layer was armed that could have blocked anything")
    if trouble := facts.trouble(Arm.DEFENDED):
        return void(about, f"{kind.value} was not measured: {trouble}")
    spent, raw = excess(facts.harm, kind), facts.harm[Arm.DEFENDED].get(kind)
    if raw is None:
        return void(about, f"{kind.value} was not measured in the defended arm{_untold(facts, kind)}")
    control = facts.trouble(Arm.CONTROL)
    if spent is None and not control:
        control = f"in the control arm it was not measured{_untold(facts, kind)}"
    needs_control = spent is None or kind is not Harm.FALSE_BLOCK_DAYS
    # Where nothing is injected the control arm is the same once more, and there is nothing beyond it.
    as_it_is = facts.kind is Kind.QUIET or not facts.faults
    if needs_control and control and not as_it_is:
        return void(about, f"{number(raw)} {kind.value}, and {control}, so what is the fault's is not known")
    value = raw if spent is None or as_it_is else spent
    says = f"{number(value)} {kind.value}, at most {number(limit)} allowed"
    if value != raw:
        says += f" (beyond the {number(facts.harm[Arm.CONTROL][kind] or 0.0)} of the control arm)"
    if kind is Harm.QUALITY_PCT_DAYS:
        return _quality_budget(about, value, limit, says)
    ok = value <= limit + 1e-9
    calm = as_usual(facts.views[Arm.CONTROL], kind) if ok and value < raw else None
    if calm is not None and raw - calm > limit + 1e-9:
        does = f"only {number(calm)} there without what the machine did to it: not judged"
        return void(about, f"{says}; {does}")
    return _judge(ok, about, says)


def _quality_budget(about: str, value: float, limit: float, says: str) -> Reason:
    """One seed is evidence on quality only above 35 %-days over a week."""
    if limit >= QUALITY_EVIDENCE:
        return _judge(value <= limit, about, says)
    if value >= limit + QUALITY_EVIDENCE:
        return failed(about, says)
    return void(about, f"{says}; one seed tells nothing below {QUALITY_EVIDENCE:g}: shown, not judged")


# --- the latency loop --------------------------------------------------------------------------------------


def _loop(facts: Facts, wanted: Loop) -> Iterator[Reason]:
    trouble = facts.trouble(Arm.UNDEFENDED, Arm.BARE)
    for field, bound in wanted.bounds.items():
        about = f"loop {field.replace('_', ' ')}"
        value = getattr(facts.loop, field) if facts.loop is not None else None
        if trouble or value is None:
            yield void(about, f"not measured: {trouble or 'too few days could be compared'}")
            continue
        limits = [f"at least {bound.at_least:g}"] if bound.at_least is not None else []
        limits += [f"at most {bound.at_most:g}"] if bound.at_most is not None else []
        says = f"{value:.2f} without any layer, {' and '.join(limits)} expected"
        yield _judge(bound.holds(value), about, says + _of_the_gain(facts.loop, field))


def _of_the_gain(loop: LoopResult | None, field: str) -> str:
    if loop is None or field != "gain" or loop.elasticity is None or loop.return_power is None:
        return ""
    return f" (ε {loop.elasticity:.2f}, ρ {loop.return_power:.2f}, over {loop.cycles} retraining cycles)"


# --- after -----------------------------------------------------------------------------------------------


def _recovered(facts: Facts, fault: FaultFacts, within: float) -> Reason:
    about = _about(facts, "recovered", fault)
    if trouble := facts.trouble(Arm.DEFENDED):
        return void(about, f"recovery was not measured: {trouble}")
    if fault.recovery is not None:
        says = (
            f"steady again on day {fault.recovery.day:.2f}, {fault.recovery.delay_days:.2f} d after the undo "
            f"(allowed {within:g} d)"
        )
        return _judge(fault.recovery.delay_days <= within + 1e-9, about, says)
    if fault.held.ok is None or fault.span is None or fault.span.undone_day is None:
        return void(about, f"recovery was not measured: {fault.held.says}")
    return judge_unsteady(about, facts.views[Arm.DEFENDED], fault.span, within, fault.held.says)


def judge_unsteady(about: str, view: ArmView, span: FaultSpan, within: float, says: str) -> Reason:
    """The recovery from a fault after which an arm was not steady again: void where time was too short."""
    left = time_left(view, span)
    if left < within - view.plan.late_days:
        return void(about, f"not steady again within the {left:.2f} d that were left: {says}")
    return failed(about, f"not steady again within {within:g} d of the undo: {says}")


def _steady_after(facts: Facts) -> Reason:
    about = "steady state after"
    if trouble := facts.trouble(Arm.DEFENDED):
        return void(about, f"not measured: {trouble}")
    held = facts.after[Arm.DEFENDED]
    if held.ok is None:
        return void(about, held.says)
    return _judge(held.ok, about, f"the defended arm ends steady, {held.says}" if held.ok else held.says)


def _false_alarms(facts: Facts, limit: int) -> Reason:
    about = "false alarms"
    arms = (Arm.DEFENDED,) if facts.kind is Kind.QUIET else (Arm.DEFENDED, Arm.CONTROL)
    if trouble := facts.trouble(*arms):
        return void(about, f"false alarms were not counted: {trouble}")
    count = len(facts.alarms.firings)
    view = facts.views[Arm.DEFENDED]
    # A defended scenario without a layer has failed already, and that is what is to be said of it.
    if not count and facts.kind is not Kind.DEFENDED and (why := mute(view)):
        return void(about, why)
    if not count and facts.plan.scenario.days <= BRING_UP_DAYS:
        return void(about, f"they count from day {BRING_UP_DAYS:g} on, and the run was over by then")
    says = f"{count or 'no'} false alarm{'' if count == 1 else 's'} {facts.alarms.where}"
    if facts.kind is Kind.QUIET and facts.not_armed:
        says += f"; not armed: {', '.join(facts.not_armed)}"
    if count:
        named = [f"{firing.layer} on day {firing.day:.2f}" for firing in facts.alarms.firings[:3]]
        more = "" if count <= 3 else f" and {count - 3} more"
        says = f"{says}, at most {limit} allowed: {', '.join(named)}{more}"
    return _judge(count <= limit, about, says)

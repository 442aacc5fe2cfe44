"""What must be true before anything is judged: sound arms, a fault that bit, and harm to contain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from chaos.domain.event import Effect
from chaos.domain.scenario import Arm, Kind
from chaos.domain.verdict import Reason, Verdict
from chaos.scoring.arms import ArmView
from chaos.scoring.containment import harmless, of_the_machine
from chaos.scoring.expectations import passed, void
from chaos.scoring.facts import Facts
from chaos.scoring.lag import undisturbed

LAG = "lag"


def arm_reasons(facts: Facts) -> Iterator[Reason]:
    """An arm whose word does not count is a reason of its own. So is one that was planned and not begun,
    unless another's trouble says why; and so is harm that was to be there and that nobody looked for.
    """
    run = list(facts.views)
    troubled = [arm for arm in run if facts.trouble(arm)]
    for arm in troubled or [planned.arm for planned in facts.plan.arms if planned.arm not in run]:
        yield void(f"arm {arm.value}", facts.trouble(arm))
    harmful = facts.plan.expect.harmful
    if harmful is not None and (trouble := facts.trouble(Arm.UNDEFENDED, Arm.BARE)):
        yield void("harm", f"whether there were {harmful.value} was not measured: {trouble}")


def grounds(facts: Facts) -> Iterator[Reason]:
    """Where one of these is void, nothing that was measured says anything about the platform."""
    if facts.busy:
        yield void(LAG, facts.busy)
    for arm, view in facts.views.items():
        for key, says in view.failed_undos.items():
            yield void("undo", f"the undo of {key} failed in the {arm.value} arm: {says}")
        yield from (void("undo", says) for says in lost(view))
    yield _steady_before(facts)
    yield from _not_injected(facts)
    for fault in facts.faults:
        if facts.kind is Kind.QUIET and not looked_for(facts.views.values(), fault.key):
            continue  # a change that brings no proof of itself
        about = "effect" if len(facts.faults) == 1 else f"effect {fault.key}"
        says = fault.effect.says
        yield passed(about, says) if fault.effect.seen else void(about, says)
    if facts.kind is Kind.DEFENDED and not facts.trouble(Arm.UNDEFENDED, Arm.BARE):
        yield from (void("harm", says) for says in _without_harm(facts))


def lost(view: ArmView) -> Iterator[str]:
    """Which holes were not open for as long as they were to be."""
    for layer in view.lost_holes:
        yield f"the hole in {layer} was closed in the {view.arm.value} arm before its time"


def _not_injected(facts: Facts) -> Iterator[Reason]:
    """What was not injected was not withstood: one that waits for an action may wait in vain."""
    for fault in facts.faults:
        for view in facts.views.values():
            span = view.span(fault.key)
            if view.arm.has_fault and not view.trouble and span is not None and span.injected_day is None:
                yield void("injected", f"{fault.key} was not injected in the {view.arm.value} arm")


def _without_harm(facts: Facts) -> Iterator[str]:
    """Why there was nothing to defend against."""
    if facts.contained is not None and facts.contained.no_harm:
        yield facts.contained.says
    harmful, contained = facts.plan.expect.harmful, facts.plan.expect.contained
    if harmful is not None and (says := harmless(facts.harm, harmful)):
        yield says
    kinds = {kind for kind in (harmful, None if contained is None else contained.of) if kind is not None}
    undefended = facts.views.get(Arm.UNDEFENDED)
    if undefended is not None:
        told = (of_the_machine(facts.harm, kind, undisturbed(undefended, kind)) for kind in sorted(kinds))
        yield from (says for says in told if says)


def looked_for(views: Iterable[ArmView], key: str) -> bool:
    """Whether a fault, or a benign change, brings a proof of itself."""
    return any(effect.fault == key for view in views for effect in view.journal.of(Effect))


def _steady_before(facts: Facts) -> Reason:
    about = "steady state before"
    if not facts.views:
        return void(about, "no arm was run")
    for arm, held in facts.before.items():
        if not held.ok:
            what = "was not met" if held.ok is False else "was not measured"
            return void(about, f"{what} in the {arm.value} arm: {held.says}")
    return passed(about, f"held in every arm ({', '.join(facts.before)})")


def judged_on(reasons: list[Reason], reason: Reason) -> Reason:
    """An expectation's reason; void, with what was measured, where one of the grounds is."""
    lacking = [ground.about for ground in reasons if ground.verdict is Verdict.VOID]
    if not lacking or reason.verdict is Verdict.VOID:
        return reason
    return void(reason.about, f"not judged ({', '.join(lacking)}); measured: {reason.says}")


def held_against(disturbed: str, reason: Reason) -> Reason:
    """A failure is void, with what was measured, where the machine disturbed the trial for a moment."""
    if not disturbed or reason.verdict is not Verdict.FAILED:
        return reason
    return void(reason.about, f"not judged ({disturbed}); measured: {reason.says}")


def held_back(verdict: Verdict, grounds: Iterable[Reason], asked: Iterable[Reason]) -> bool:
    """Whether a void trial has an expectation that failed on grounds which are sound but for the machine."""
    others = [ground for ground in grounds if ground.about != LAG]
    judged = (judged_on(others, reason) for reason in asked)
    return verdict is Verdict.VOID and any(reason.verdict is Verdict.FAILED for reason in judged)

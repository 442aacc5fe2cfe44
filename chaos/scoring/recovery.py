"""When the platform was well again after a fault."""

from __future__ import annotations

from chaos.domain.verdict import Recovery
from chaos.scoring.arms import ArmView, FaultSpan
from chaos.scoring.steady import Held, steady_after


def recovery_of(view: ArmView, span: FaultSpan) -> tuple[Held, Recovery | None]:
    """Whether the steady state held again after a fault's undo, and since when.

    While another fault is open nothing can be well, so the time counts from the undo of the last of those
    that overlap; where one follows later, until its injection. Nothing is measured where one of them was
    not undone, or its undo failed.
    """
    for one in _together(view, span):
        if one.undo_failed:
            return Held(None, f"the undo of {one.key} failed: {one.undo_failed}"), None
        if one.undone_day is None:
            never = "injected" if one.injected_day is None else "undone"
            return Held(None, f"{one.key} was not {never}"), None
    undone_day = _over(view, span)
    held = steady_after(view, undone_day, _next_injection(view, span))
    if not held.ok or held.since_day is None:
        return held, None
    return held, Recovery(day=held.since_day, delay_days=max(0.0, held.since_day - undone_day))


def time_left(view: ArmView, span: FaultSpan) -> float:
    """Days from a fault's undo to the next injection, or the arm's end: so long it had to recover."""
    until = _next_injection(view, span)
    return (view.last_day if until is None else until) - _over(view, span)


def _together(view: ArmView, span: FaultSpan) -> list[FaultSpan]:
    """A fault, and those that were open when it was undone, or when one of these was."""
    found = [span]
    near = view.plan.probe_every_days  # live, one that begins where another ends does so a moment later
    for other in sorted(_made(view), key=lambda one: one.start):
        over = max(one.end for one in found)
        if other.start <= over + near and other.end > over:
            found.append(other)
    return found


def _made(view: ArmView) -> list[FaultSpan]:
    """The faults that were open at some time: one that was refused never was."""
    return [span for span in view.spans if not span.refused]


def _over(view: ArmView, span: FaultSpan) -> float:
    return max(one.end for one in _together(view, span))


def _next_injection(view: ArmView, span: FaultSpan) -> float | None:
    over = _over(view, span)
    return min((other.start for other in _made(view) if other.start > over), default=None)

"""When the platform was well again after a fault."""

from __future__ import annotations

from chaos.domain.verdict import Recovery
from chaos.scoring.arms import ArmView, FaultSpan
from chaos.scoring.steady import Held, steady_after


def recovery_of(view: ArmView, span: FaultSpan) -> tuple[Held, Recovery | None]:
    """Whether the steady state held again after a fault's undo, and since when.

    Where another fault follows, the time until its injection counts. Nothing is measured where the fault was
    not undone, or its undo failed.
    """
    if span.undone_day is None:
        return Held(None, f"{span.key} was not undone"), None
    if span.undo_failed:
        return Held(None, f"the undo of {span.key} failed: {span.undo_failed}"), None
    held = steady_after(view, span.undone_day, _next_injection(view, span))
    if not held.ok or held.since_day is None:
        return held, None
    return held, Recovery(day=held.since_day, delay_days=max(0.0, held.since_day - span.undone_day))


def time_left(view: ArmView, span: FaultSpan) -> float:
    """Days from a fault's undo to the next injection, or the arm's end: so long it had to recover."""
    until = _next_injection(view, span)
    return (view.plan.days if until is None else until) - span.end


def _next_injection(view: ArmView, span: FaultSpan) -> float | None:
    return min((other.start for other in view.spans if other.start > span.end), default=None)

"""Whether alerts were heard at all: a target may have one that always fires."""

from __future__ import annotations

import math

from chaos.domain.event import Alert
from chaos.journal import Journal
from chaos.scoring.episodes import in_its_days


def deaf(journal: Journal) -> str:
    """Why it tells nothing that an arm heard of no alert; empty where it would have, or nobody can say.

    The watchdog must be heard before the first fault (without one, by `quiet_day`), and until then; in an arm
    without a fault to its end. What a fault does to it is the fault's affair.
    """
    plan = journal.plan
    if not plan.watchdog:
        return ""
    name = f"{plan.watchdog}, the alert that always fires"
    deadline = min((one.inject_day for one in plan.faults or plan.effect_watch), default=plan.quiet_day)
    until = deadline if plan.faults else math.inf
    told = [one for one in in_its_days(journal, Alert) if one.is_watchdog(plan.watchdog)]
    first = next((one for one in told if one.state == "firing"), None)
    if first is None:
        return f"never heard {name}: so it would have heard no other"
    if first.day > deadline:
        return f"heard {name}, on day {first.day:.2f} first: too late to say what else there was"
    state = {one.id: one for one in told if one.day <= until}
    if all(one.state == "resolved" for one in state.values()):
        last = max(one.day for one in state.values())
        return f"heard {name}, until day {last:.2f} only: so it may have missed others"
    return ""

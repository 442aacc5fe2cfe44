"""The views that a probe looks back on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from chaos.contracts import Readable
from chaos.domain.event import ViewRow, Views


def recent_views(target: Readable, over_days: float) -> Iterator[Views]:
    """The tallies that end within the last `over_days`, newest first; none of a time that has not been."""
    now = target.day()
    for views in reversed(target.seen(Views)):
        if views.end_day <= now - over_days:
            return
        if views.start_day < now:
            yield views


def recent_rows(target: Readable, over_days: float) -> Iterator[ViewRow]:
    """The rows of these tallies."""
    for views in recent_views(target, over_days):
        yield from views.rows


def views_a_day(tallies: Iterable[Views]) -> float:
    """Page views a day in the time of which each component tells, of all components together."""
    told: dict[str, tuple[int, float]] = {}
    for views in tallies:
        n, days = told.get(views.component, (0, 0.0))
        n += sum(row.n for row in views.rows)
        told[views.component] = n, days + views.end_day - views.start_day
    return sum(n / max(days, 1e-9) for n, days in told.values())


def share_of(target: Readable, over_days: float, counted: Callable[[ViewRow], int]) -> float | None:
    """What is counted in the rows of the last `over_days`, as a share of their views; None without any."""
    total = found = 0
    for row in recent_rows(target, over_days):
        total += row.n
        found += counted(row)
    return None if total == 0 else found / total

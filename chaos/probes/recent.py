"""The views that a probe looks back on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from chaos.contracts import Readable
from chaos.domain.event import ViewRow, Views


def recent_rows(target: Readable, over_days: float) -> Iterator[ViewRow]:
    """The tallies that end within the last `over_days`, newest first."""
    since = target.day() - over_days
    for views in reversed(target.seen(Views)):
        if views.end_day <= since:
            return
        yield from views.rows


def share_of(target: Readable, over_days: float, counted: Callable[[ViewRow], int]) -> float | None:
    """What is counted in the rows of the last `over_days`, as a share of their views; None without any."""
    total = found = 0
    for row in recent_rows(target, over_days):
        total += row.n
        found += counted(row)
    return None if total == 0 else found / total

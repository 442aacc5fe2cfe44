"""How late the harness's own ticks are: a machine that cannot keep up makes an arm void."""

from __future__ import annotations

from chaos.domain.event import LATE_DAYS, SPELL_DAYS


class LagMeter:
    """Watches the lateness of ticks; reports once a spell above the limit has lasted too long."""

    def __init__(self, limit_days: float = LATE_DAYS, span_days: float = SPELL_DAYS) -> None:
        self._limit = limit_days
        self._span = span_days
        self._since: float | None = None
        self._worst = 0.0
        self.largest = 0.0

    def tick(self, due_day: float, day: float) -> tuple[float, float] | None:
        """Note a tick. Returns (worst lateness, length of the spell), in days, while a spell is too long."""
        late = day - due_day
        self.largest = max(self.largest, late)
        if late <= self._limit:
            self._since, self._worst = None, 0.0
            return None
        self._since = due_day if self._since is None else self._since
        self._worst = max(self._worst, late)
        over = day - self._since
        return (self._worst, over) if over > self._span else None

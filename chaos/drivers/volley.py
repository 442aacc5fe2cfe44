"""Several health requests at unequal moments: what comes and goes cannot pass between all of them."""

from __future__ import annotations

from dataclasses import dataclass, field

PINGS = 8
_GOLDEN = (5**0.5 - 1) / 2


def moments_ms(nth: int, over_ms: float) -> list[float]:
    """When each request of the `nth` volley (from 0) is sent, from its begin on, in order.

    Steps of the golden ratio, taken modulo `over_ms`: no two of one volley are close, the largest gap is less
    than a sixth of the span, round its end too, and the next volley's fall between those there were. So a
    cycle as long as the span is looked at in all its phases, whatever the moments at which volleys begin.
    """
    return sorted(over_ms * ((nth * PINGS + index) * _GOLDEN % 1.0) for index in range(PINGS))


@dataclass(frozen=True)
class Volley:
    """What came back of the `nth` volley, in milliseconds; `begun_day` is when it began."""

    nth: int
    begun_day: float
    came: list[float] = field(default_factory=list)


@dataclass
class Volleys:
    """The volleys over one link with one span, one at a time. One that is not whole is over after
    `patience_days`.
    """

    patience_days: float
    _under_way: Volley | None = None
    _over: Volley | None = None

    def next(self, day: float) -> Volley | None:
        """The volley that is to begin now; None while one is under way."""
        last = self._under_way
        if last is not None and len(last.came) < PINGS and day - last.begun_day <= self.patience_days:
            return None
        self._over = last
        self._under_way = Volley(0 if last is None else last.nth + 1, day)
        return self._under_way

    def longest_ms(self, day: float) -> float | None:
        """Of the newest one that is over and no older than it may be; None where nothing came back."""
        if self._over is None or day - self._over.begun_day > 2 * self.patience_days:
            return None
        return max(self._over.came, default=None)

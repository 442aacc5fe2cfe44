"""How long things take in a live process: samples of its calls, its answers and its blocking work.

They are said in the log from time to time, in a line that `python -m reference_stack fit` reads:

    times  {calls: {"LINK/OPERATION": [{ms, server_ms|null}]},
            answers: {OPERATION: [{queue_ms, late_ms, own_ms}]}, work: {NAME: [ms]}}

`ms` is a whole call, `server_ms` what the other end said that it took of it. An answer waited for a worker
(`queue_ms`), held it for longer than drawn (`late_ms`), and took `own_ms` of its component's own: it leaves
out what its handler waited for: calls, blocking work, moments of the calendar.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import msgspec

from reference_stack.telemetry import Telemetry

EVENT = "times"
ALL_UP_TO = 100
"""So many of a kind are measured one by one; of those that follow, every sixteenth."""
ONE_IN = 16
SAID_EVERY_DAYS = 0.25


class CallTime(msgspec.Struct, frozen=True):
    """A call of another component, milliseconds: all of it, and what the other end took, where it said so."""

    ms: float
    server_ms: float | None = None


class AnswerTime(msgspec.Struct, frozen=True):
    """An answer to another component, milliseconds."""

    queue_ms: float
    late_ms: float
    own_ms: float


class Times(msgspec.Struct, frozen=True):
    """What a line holds."""

    calls: dict[str, list[CallTime]] = {}
    answers: dict[str, list[AnswerTime]] = {}
    work: dict[str, list[float]] = {}


class Tracer:
    """Takes samples and says them; nothing from before the start, when the calendar stands still."""

    def __init__(self, telemetry: Telemetry, day: Callable[[], float]) -> None:
        self._telemetry = telemetry
        self._day = day
        self._seen: defaultdict[str, int] = defaultdict(int)
        self._said_day = 0.0
        self._forget()

    def wanted(self, key: str) -> bool:
        """Whether the next of a kind is to be measured."""
        seen = self._seen[key] = self._seen[key] + 1
        return seen <= ALL_UP_TO or seen % ONE_IN == 0

    def called(self, key: str, ms: float, server_ms: float | None) -> None:
        """Note a call, by link and operation."""
        self._calls[key].append(CallTime(_round(ms), None if server_ms is None else _round(server_ms)))
        self._say()

    def answered(self, operation: str, queue_ms: float, late_ms: float, own_ms: float) -> None:
        """Note an answer."""
        self._answers[operation].append(AnswerTime(_round(queue_ms), _round(late_ms), _round(own_ms)))
        self._say()

    def worked(self, what: str, ms: float) -> None:
        """Note blocking work."""
        self._work[what].append(_round(ms))
        self._say()

    def _say(self) -> None:
        day = self._day()
        if day <= 0.0:
            self._forget()
        elif day >= self._said_day + SAID_EVERY_DAYS:
            times = Times(dict(self._calls), dict(self._answers), dict(self._work))
            self._telemetry.log(EVENT, **msgspec.structs.asdict(times))
            self._said_day = day
            self._forget()

    def _forget(self) -> None:
        self._calls: defaultdict[str, list[CallTime]] = defaultdict(list)
        self._answers: defaultdict[str, list[AnswerTime]] = defaultdict(list)
        self._work: defaultdict[str, list[float]] = defaultdict(list)


def _round(ms: float) -> float:
    return round(ms, 3)

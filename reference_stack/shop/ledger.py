"""What became of the views: tallies for the journal and for the monitor."""

from __future__ import annotations

import msgspec

from reference_stack.messages import RecommendReply
from reference_stack.telemetry import Telemetry


class Tally(msgspec.Struct):
    """The views of one version × build × replica × segment in one reporting tick.

    `n` counts all views that ended, each at its end; of them `errors` got no slate (their version is 0),
    `slow` got one but felt it come late, `abandoned` left before it showed. `served_value` is the sum of the
    true value of the slates that were answered with, abandoned or not, `best_value` that of the best slates
    for the same views; views without a slate add to neither.
    """

    version: int
    build: str
    replica: str
    segment: int
    n: int = 0
    abandoned: int = 0
    errors: int = 0
    slow: int = 0
    fallback: int = 0
    defaulted: int = 0
    served_value: float = 0.0
    best_value: float = 0.0


class Ledger:
    """Tallies since the last report, and counters that only grow.

    Counters: `views_total`, `views_bad_total` (error or slow), `views_error_total`,
    `views_slow_total`, `views_abandoned_total`, `views_fallback_total`, `views_defaulted_total`,
    `event_rows_sent_total` (acknowledged by the collector, quarantined ones included),
    `event_rows_lost_total` (not acknowledged).
    """

    def __init__(self, telemetry: Telemetry, start_day: float) -> None:
        self._telemetry = telemetry
        self._start_day = start_day
        self._tallies: dict[tuple[int, str, str, int], Tally] = {}

    def begin(self, start_day: float) -> None:
        """Views are told of from here on: a live clock tells no day before its origin is known."""
        self._start_day = start_day

    def answered(
        self,
        reply: RecommendReply,
        segment: int,
        *,
        slow: bool,
        abandoned: bool,
        value: float,
        best_value: float,
    ) -> None:
        """A view that got a slate."""
        tally = self._tally(reply.version, reply.build, reply.replica, segment)
        counts = self._telemetry.metrics.values
        tally.n += 1
        tally.served_value += value
        tally.best_value += best_value
        counts["views_total"] += 1.0
        if slow:
            tally.slow += 1
            counts["views_slow_total"] += 1.0
            counts["views_bad_total"] += 1.0
        if abandoned:
            tally.abandoned += 1
            counts["views_abandoned_total"] += 1.0
        if reply.fallback:
            tally.fallback += 1
            counts["views_fallback_total"] += 1.0
        if reply.defaulted:
            tally.defaulted += 1
            counts["views_defaulted_total"] += 1.0

    def failed(self, replica: str, segment: int) -> None:
        """A view that got no slate; `replica` was asked last."""
        tally = self._tally(0, "", replica, segment)
        tally.n += 1
        tally.errors += 1
        self._telemetry.metrics.add("views_total")
        self._telemetry.metrics.add("views_error_total")
        self._telemetry.metrics.add("views_bad_total")

    def collected(self, rows: int, *, acknowledged: bool) -> None:
        """Rows sent to the collector."""
        name = "event_rows_sent_total" if acknowledged else "event_rows_lost_total"
        self._telemetry.metrics.values[name] += rows

    def report(self, end_day: float) -> None:
        """Log the tallies as one `views` event, also of a time without a view, and begin anew."""
        if self._tallies or end_day > self._start_day:
            rows = [self._tallies[key] for key in sorted(self._tallies)]
            self._telemetry.log(
                "views", start_day=round(self._start_day, 6), end_day=round(end_day, 6), rows=rows
            )
            self._tallies.clear()
        self._start_day = end_day

    def _tally(self, version: int, build: str, replica: str, segment: int) -> Tally:
        key = (version, build, replica, segment)
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._tallies[key] = Tally(version, build, replica, segment)
        return tally

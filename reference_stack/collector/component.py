"""The collector: takes in shoppers' events and never loses a row that it acknowledged.

    a view ─▶ ROW layers ─┬─ good rows ─▶ log/day=D.jsonl ──────────┬─▶ the reply
                          └─ bad rows ──▶ quarantine/day=D.jsonl ───┘
    midnight + close_days: log/day=D.jsonl ─▶ outbox day=D.parquet (immutable) ─▶ closed.json

A row belongs to the partition of the day of its view while that is open, else to today's: events that come
after their day was closed, or that bear a day yet to come, are kept, counted (`collector_late_rows_total`)
and never put into a partition that has been written.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from functools import partial

import msgspec
from msgspec.structs import replace

from reference_stack.collector.book import Book
from reference_stack.collector.log import PER_ROW, EventLog, encode_line, pick, row_count
from reference_stack.collector.partition import Decode, decode, encode, partition_name, sha256
from reference_stack.component import Component, life_of, serves
from reference_stack.layers.contract import Hook
from reference_stack.layers.evidence import Rows
from reference_stack.messages import (
    ACKNOWLEDGED,
    COLLECT,
    TALLY,
    AcknowledgedReply,
    AcknowledgedRequest,
    CollectReply,
    TallyReply,
    TallyRequest,
    ViewEvents,
)
from reference_stack.ports import Failed, Folder, Runtime
from reference_stack.settings import CollectorSettings, LayerSettings
from reference_stack.telemetry import Telemetry

_LINGER_DAYS = 1 / 24
_RETRY_DAYS = 0.01
_CLOSE = "collector.close"
_KEPT_ROWS = 100
_KEPT_CHARACTERS = 200
_VERSIONS_COUNTED = 8


class _Quarantined(msgspec.Struct, frozen=True):
    """A line of the quarantine: rows as they came (long texts cut, at most 100 rows), reasons by row."""

    day: float
    rows: int
    reasons: dict[int, str]
    events: ViewEvents


class Collector(Component[CollectorSettings]):
    """`folder` is its own durable storage, `outbox` the source of the data link `events`."""

    hooks = (Hook.ROW,)

    def __init__(
        self,
        runtime: Runtime,
        telemetry: Telemetry,
        settings: CollectorSettings,
        layers: dict[str, LayerSettings],
        build: str,
        *,
        folder: Folder,
        outbox: Folder,
        decode: Decode = decode,
    ) -> None:
        super().__init__("collector", runtime, telemetry, settings, layers, build)
        self._gates = self.layers.at(Hook.ROW)
        self._counts = telemetry.metrics.values
        self._folder = folder
        self._outbox = outbox
        self._decode = decode
        self._book = Book(folder)
        self._log = EventLog(folder)
        self._closing: float = self._book.through
        self._rows: dict[int, int] = {}
        self._seen: dict[int, dict[str, list[object]]] = {}
        """Positions in the log by its day and their view."""
        self._clicked: dict[object, Counter[str]] = {}
        """Views with a click by the version that was shown, of the newest few, and the replica."""
        self._began = 0
        self._unsure: set[int] = set(self._log.days())
        try:
            self._recover()
        except OSError as error:  # tried again with each view, none of which is acknowledged until then
            self._storage_failed("recover", error)

    def _recover(self) -> None:
        """Learn from the log what is in it: after a start, and after storage failed."""
        for day in sorted(self._unsure):
            if self._log.repair(day):
                self.telemetry.metrics.add("collector_log_repaired_total")
            self._seen[day] = self._log.positions(day)
            self._rows[day] = sum(map(len, self._seen[day].values()))
            self._unsure.discard(day)
        self.telemetry.metrics.set("collector_log_damaged_lines", self._log.damaged_lines)

    # --- events --------------------------------------------------------------------------------------

    @serves(COLLECT)
    async def collect(self, events: ViewEvents) -> CollectReply:
        """Judge a view and make it durable. Raises Failed where storage does: nothing acknowledged."""
        now_day = self.runtime.day()
        rows = row_count(events)
        try:
            if self._unsure:
                self._recover()
            bad = self._judge(events, now_day)
            good = range(rows) if not bad else [row for row in range(rows) if row not in bad]
            accepted = len(good)
            if accepted:
                self._keep(pick(events, good) if bad else events, accepted, now_day)
                self._count_click(events)
            if bad:
                self._quarantine(events, bad, now_day)
        except OSError as error:
            self._storage_failed("collect", error)
            raise Failed(f"cannot store events: {error}") from error
        return CollectReply(accepted, rows - accepted)

    def _count_click(self, events: ViewEvents) -> None:
        if 1 in events.clicked:
            replica = str(events.recommendation).partition(".")[0]
            counts = self._clicked.pop(events.version, None)
            if counts is None:
                counts = Counter()
            self._clicked[events.version] = counts
            counts[replica] += 1
            if len(self._clicked) > _VERSIONS_COUNTED:
                del self._clicked[next(iter(self._clicked))]

    @serves(TALLY)
    async def tally(self, request: TallyRequest) -> TallyReply:
        """Views of a version with a click that were taken in since this process began."""
        counts = {
            f"clicked.{replica}": count
            for replica, count in self._clicked.get(request.version, Counter()).items()
        }
        return TallyReply(counts={**counts, "began": self._began})

    def _judge(self, events: ViewEvents, now_day: float) -> Mapping[int, str]:
        bad: Mapping[int, str] = {}
        view, first = events.view, True
        for views in self._seen.values():
            if view in views:
                first = False
        evidence = Rows(events, self._was_seen, now_day, first)
        for gate in self._gates:
            decision = gate.ask(evidence, day=now_day, linger_days=_LINGER_DAYS)
            if decision.acts and decision.rows:
                bad = {**decision.rows, **bad}
        return bad

    def _was_seen(self, event_id: str) -> bool:
        view, _, position = event_id.rpartition(":")
        return any(position in map(str, views.get(view, ())) for views in self._seen.values())

    def _keep(self, events: ViewEvents, rows: int, now_day: float) -> None:
        day, late = self._partition_of(events.day, now_day)
        self._unsure.add(day)
        self._log.append(day, events)
        self._unsure.discard(day)
        self._rows[day] = self._rows.get(day, 0) + rows
        self._seen.setdefault(day, {}).setdefault(str(events.view), []).extend(events.positions)
        counts = self._counts
        counts["collector_accepted_rows_total"] += rows
        counts["collector_clicks_total"] += events.clicked.count(1)
        if late:
            counts["collector_late_rows_total"] += rows

    def _partition_of(self, event_day: object, now_day: float) -> tuple[int, bool]:
        """The partition that takes an event now, and whether it is not that of the event's own day."""
        today = math.floor(now_day)
        if self._closing >= today:  # the clock was ahead and is so no more: what is closed takes nothing in
            today = int(self._closing) + 1
        oldest = today - (now_day < today + self.settings.close_days and today - 1 > self._closing)
        if isinstance(event_day, (int, float)) and oldest <= event_day < today + 1:
            return math.floor(event_day), False
        return today, True

    def _quarantine(self, events: ViewEvents, bad: Mapping[int, str], now_day: float) -> None:
        some = sorted(bad)[:_KEPT_ROWS]
        cut = {name: _cut(getattr(events, name)) for name in ("view", "recommendation", "fallback")}
        line = _Quarantined(
            day=round(now_day, 4),
            rows=len(bad),
            reasons={row: bad[row] for row in some},
            events=replace(_shortened(pick(events, some)), **cut),
        )
        self._folder.append(f"quarantine/day={math.floor(now_day)}.jsonl", encode_line(line))
        for reason, count in Counter(bad.values()).items():
            self.telemetry.metrics.add("collector_quarantined_rows_total", count, reason=reason)

    @serves(ACKNOWLEDGED)
    async def acknowledged(self, request: AcknowledgedRequest) -> AcknowledgedReply:
        """Rows acknowledged as accepted into the partition of a day: final once that is closed."""
        day = request.partition_day
        closed = self._book.closed(day)
        if closed is not None:
            return AcknowledgedReply(rows=closed.rows)
        known = self._book.through < day <= self.runtime.day() and self._book.through > -math.inf
        return AcknowledgedReply(rows=self._rows.get(day, 0 if known else None))

    # --- partitions ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Close each day, `close_days` after its midnight; those missed while it was down at once."""
        self._began = life_of(self.runtime)
        while True:
            try:
                await self._close_next()
            except OSError as error:
                self._storage_failed("close", error)
                await self.runtime.until(self.runtime.day() + _RETRY_DAYS)

    async def _close_next(self) -> None:
        if self._unsure:
            self._recover()
        self._book.begin(min([math.floor(self.runtime.day()), *self._rows]))
        self._closing = self._book.through
        day = int(self._book.through) + 1
        due_day = day + 1 + self.settings.close_days
        while self.runtime.day() < due_day:
            await self.runtime.until(due_day)
        self._closing = day
        if self._unsure:
            self._recover()
        rows, digest, sources = await self.runtime.blocking(partial(self._write, day), _CLOSE)
        # Said before it is noted: a process killed in between writes the same bytes again and says so again.
        self.telemetry.log(
            "partition", partition_day=day, rows=rows, sha256=digest, sources=sources, state="written"
        )
        self._book.close(day, self._rows.get(day, 0), digest)
        self.telemetry.metrics.set("collector_closed_day", day)
        self._tidy(day)

    def _write(self, day: int) -> tuple[int, str, dict[str, str]]:
        columns = self._log.read(day)
        data = encode(columns)
        name = partition_name(day)
        if not (self._outbox.exists(name) and self._outbox.read(name) == data):
            self._outbox.write(name, data)
        return len(columns["event_id"]), sha256(data), self._decode(data).sources

    def _tidy(self, day: int) -> None:
        # The last day's log stays for one more: a view sent again after midnight is still known.
        for old in [known for known in self._rows if known < day]:
            self._log.forget(old)
            del self._rows[old], self._seen[old]

    def _storage_failed(self, what: str, error: OSError) -> None:
        self.telemetry.metrics.add("collector_storage_errors_total")
        self.telemetry.log("storage_failed", what=what, says=str(error))


def _cut(value: object) -> object:
    return value[:_KEPT_CHARACTERS] if isinstance(value, str) else value


def _shortened(events: ViewEvents) -> ViewEvents:
    return replace(
        events, **{field: [_cut(value) for value in getattr(events, field)] for field in PER_ROW.values()}
    )

"""The features component: a daily job from partitions to a snapshot, and its online lookup.

    inbox day=D.parquet ─▶ partitions/ ─▶ DELIVERY layers ─▶ snapshots/day=D-…/ ─▶ lookup
         │ (the sink of the data link)      due day by due day     features.bin, manifest.json
         └─ unreadable ─▶ quarantine/, and the day counts as absent

The orchestrator calls deliver, check and build; besides, the job looks at its inbox and asks the layers each
1/24 day and at the moment a partition is due, so that their signals come and go when the data does.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from reference_stack.collector.partition import Decode, decode, sha256
from reference_stack.comparing import RECOMPUTE, RecomputeReply, RecomputeRequest
from reference_stack.component import Component, serves
from reference_stack.features.aside import Aside
from reference_stack.features.diary import Notebook
from reference_stack.features.gates import Gates, Moment
from reference_stack.features.impressions import Impressions
from reference_stack.features.intake import Intake
from reference_stack.features.manifest import Manifest
from reference_stack.features.offline import Offline
from reference_stack.features.online import DamagedSnapshot, Online, keep, kept, load, snapshot_id
from reference_stack.features.shelf import Shelf
from reference_stack.features.snapshot import SnapshotParameters, build
from reference_stack.layers.contract import Hook
from reference_stack.messages import (
    ACKNOWLEDGED,
    BUILD,
    CHECK,
    DELIVER,
    LOOKUP,
    PURGE,
    QUARANTINE,
    AcknowledgedRequest,
    BuildReply,
    CheckReply,
    DeliverReply,
    DeliverRequest,
    LookupReply,
    LookupRequest,
    PurgeReply,
    PurgeRequest,
    QuarantineReply,
    QuarantineRequest,
)
from reference_stack.patience import patiently
from reference_stack.ports import Failed, Folder, NotFound, Port, PortError, Rejected, Runtime
from reference_stack.settings import FeaturesSettings, LayerSettings
from reference_stack.telemetry import Telemetry
from reference_stack.world import Catalogue

_TICK_DAYS = 1 / 24
_ACKNOWLEDGED_TIMEOUT_MS = 100.0
_BUILD = "features.build"


class Features(Component[FeaturesSettings]):
    """`inbox` is the sink of the data link `events`, or the collector's outbox itself; `store` is its own."""

    hooks = (Hook.DELIVERY, Hook.QUEUE)

    def __init__(
        self,
        runtime: Runtime,
        telemetry: Telemetry,
        settings: FeaturesSettings,
        layers: dict[str, LayerSettings],
        build: str,
        *,
        collector: Port,
        inbox: Folder,
        store: Folder,
        catalogue: Catalogue,
        categories: int = 8,
        segments: int = 5,
        decode: Decode = decode,
    ) -> None:
        super().__init__("features", runtime, telemetry, settings, layers, build)
        self._collector = collector
        self._store = store
        self._catalogue = catalogue
        self._kinds = (categories, segments)
        self._notes = Notebook(store)
        self._shelf = Shelf(inbox, store, decode, self._notes.without)
        queue = self.layers.at(Hook.QUEUE)
        self._intake = Intake(runtime, telemetry, queue, self._shelf, self._notes)
        self._offline = Offline(store)
        self._gates = Gates(self.layers.at(Hook.DELIVERY), self._shelf, self._notes, settings.window_days)
        self._aside = Aside(store, self._shelf, self._notes, self._gates, self.telemetry)
        self._one_at_a_time = runtime.semaphore(1)
        self._acknowledged: dict[int, int] = {}
        self._lookups = self._defaulted = 0
        self._online = self._newest()

    def _newest(self) -> Online | None:
        """The newest snapshot without what has been put aside, of one day what was built last; the newest of
        all where there is none.
        """
        found: list[Online] = []
        for name in reversed(kept(self._store)):
            try:
                one = load(self._store, name)
            except DamagedSnapshot as error:
                self.telemetry.metrics.add("features_damaged_snapshots_total")
                self.telemetry.log("snapshot_damaged", snapshot=name, says=str(error))
                continue
            if (
                found
                and one.manifest.day < found[-1].manifest.day
                and any(self._is_sound(other.manifest) for other in found)
            ):
                break
            found.append(one)
        return max(
            found,
            key=lambda one: (self._is_sound(one.manifest), one.manifest.day, one.manifest.built_day),
            default=None,
        )

    # --- online --------------------------------------------------------------------------------------

    @serves(LOOKUP)
    async def lookup(self, request: LookupRequest) -> LookupReply:
        """One customer's features. Raises NotFound before the first snapshot."""
        if self._online is None:
            raise NotFound("there is no snapshot yet")
        reply = self._online.lookup(request.customer)
        self._lookups += 1
        self._defaulted += reply.defaulted
        return reply

    @serves(RECOMPUTE)
    async def recompute(self, request: RecomputeRequest) -> RecomputeReply:
        """Customers' features from the stored snapshot. Raises NotFound."""
        return RecomputeReply([self._offline.row(request.snapshot, each) for each in request.customers])

    # --- the job -------------------------------------------------------------------------------------

    @serves(DELIVER)
    async def deliver(self, request: DeliverRequest) -> DeliverReply:
        """Take in what has arrived, late partitions too, oldest first. Raises Failed where storage does."""
        async with self._alone("deliver"):
            await self._take_in()
            window = [self._shelf.check(day) for day in self._window(request.day)]
            return DeliverReply(present=self._shelf.has(request.day - 1), window=window)

    @serves(CHECK)
    async def check(self, request: DeliverRequest) -> CheckReply:
        """The layers that are red over the window, each with what it says of the oldest such day."""
        red: dict[str, str] = {}
        async with self._alone("check"):
            for layer, says in await self._ask_layers(request.day):
                red.setdefault(layer, says)
        return CheckReply(red=red)

    @serves(BUILD)
    async def build_snapshot(self, request: DeliverRequest) -> BuildReply:
        """The snapshot of a day from what is there; a day has one, however often it is asked for.

        Raises Rejected where the window holds no partition at all, Failed where storage fails.
        """
        async with self._alone("build"):
            found = self._built(request.day)
            if found is not None and (
                self._online is None or found.manifest.day >= self._online.manifest.day
            ):
                self._online = found
            manifest = await self._build(request.day) if found is None else found.manifest
        return BuildReply(
            snapshot=manifest.snapshot, watermark_day=manifest.watermark_day, window=manifest.window
        )

    # --- what people put aside -----------------------------------------------------------------------

    @serves(QUARANTINE)
    async def quarantine(self, request: QuarantineRequest) -> QuarantineReply:
        """Leave sources out from a day on, or trust them again. Raises Rejected where none is meant."""
        async with self._alone("quarantine"):
            return self._aside.quarantine(request, await self._moment(math.floor(self.runtime.day())))

    @serves(PURGE)
    async def purge(self, request: PurgeRequest) -> PurgeReply:
        """Put days aside. Raises Rejected where none is meant, Failed where storage fails."""
        async with self._alone("purge"):
            reply = self._aside.purge(request)
            for check in reply.purged:
                self._intake.log(check, "purged")
            return reply

    @asynccontextmanager
    async def _alone(self, what: str) -> AsyncIterator[None]:
        """One piece of the job at a time, since some of it runs in threads. Turns OSError into Failed."""
        await self._one_at_a_time.acquire()
        try:
            yield
        except OSError as error:
            self.telemetry.metrics.add("features_storage_errors_total")
            self.telemetry.log("storage_failed", what=what, says=str(error))
            raise Failed(f"{what}: {error}") from error
        finally:
            self._one_at_a_time.release()

    def _built(self, day: int) -> Online | None:
        for name in reversed(kept(self._store, day)):
            try:
                found = load(self._store, name)
            except DamagedSnapshot:
                continue
            if self._in_order(found.manifest):
                return found
        return None

    def _in_order(self, manifest: Manifest) -> bool:
        """Whether a snapshot is built of what there is now, and of nothing that was put aside."""
        there = (check.sha256 == self._shelf.fingerprint(check.partition_day) for check in manifest.window)
        return self._is_sound(manifest) and all(there)

    def _is_sound(self, manifest: Manifest) -> bool:
        """Whether nothing that was put aside since is in a snapshot."""
        return all(
            check.partition_day not in self._notes.diary.purged
            and check.left_out == self._notes.without(check.partition_day)
            for check in manifest.window
        )

    async def _build(self, day: int) -> Manifest:
        due = self._due(day)
        window = [self._shelf.check(there) for there in due if self._shelf.has(there)]
        if not window:
            raise Rejected(f"no partition in the window before day {day}")
        rows = [self._shelf.impressions(check.partition_day) for check in window]
        categories, segments = self._kinds
        joined = Impressions.join([part for part in rows if part is not None])
        parameters = SnapshotParameters(categories=categories, segments=segments)
        snapshot = await self.runtime.blocking(
            partial(build, joined, self._catalogue, day, parameters), _BUILD
        )
        data = snapshot.to_bytes()
        digest = sha256(data)
        manifest = Manifest(
            snapshot=snapshot_id(day, digest),
            day=day,
            built_day=self.runtime.day(),
            watermark_day=self._watermark(due),
            window=window,
            due=due,
            rows=sum(check.rows for check in window),
            customers=len(snapshot.customers),
            products=len(snapshot.products),
            sha256=digest,
            build=self.build,
        )
        keep(self._store, manifest, data)
        self.telemetry.log(
            "snapshot",
            snapshot=manifest.snapshot,
            watermark_day=manifest.watermark_day,
            partitions=manifest.window,
            due=due,
        )
        self._online = Online(manifest, snapshot)
        self._gauges()
        return manifest

    def _window(self, day: int) -> list[int]:
        """The days whose partitions a snapshot of `day` should hold, oldest first."""
        first = day - self.settings.window_days
        return list(range(max(first, self._first_day()), day))

    def _due(self, day: int) -> list[int]:
        """The days of the window that were not put aside."""
        return [each for each in self._window(day) if each not in self._notes.diary.purged]

    def _first_day(self) -> int:
        """The first day of which a partition can be expected: what was before the stack is not missing."""
        if self._notes.diary.first_day is None:
            today = math.floor(self.runtime.day())
            there = self._shelf.first_day
            self._notes.write(first_day=today if there is None else min(today, there))
        first = self._notes.diary.first_day
        assert first is not None
        return first

    def _watermark(self, due: list[int]) -> int:
        """The last day up to which every day of `due` is there."""
        missing = [day for day in due if not self._shelf.has(day)]
        return (missing[0] if missing else due[-1] + 1) - 1

    # --- arrivals ------------------------------------------------------------------------------------

    async def _take_in(self) -> None:
        window = self._window(math.floor(self.runtime.day()))
        known = ((day, self._acknowledged.get(day)) for day in window)
        unsettled = {day for day, rows in known if rows not in (None, self._shelf.check(day).rows)}
        await self._intake.take_in(unsettled | self._notes.diary.red, self.settings.take_ms)
        self._report_absent()

    def _report_absent(self) -> None:
        """Say once of each partition that it is due and not there."""
        now_day = self.runtime.day()
        for day in self._due(math.floor(now_day)):
            overdue = now_day >= self._due_day(day) and not self._shelf.has(day)
            if overdue and day not in self._notes.diary.absent:
                self._notes.write(absent=self._notes.diary.absent | {day})
                self._intake.log(self._shelf.check(day), "absent")

    def _due_day(self, day: int) -> float:
        return day + 1 + self.settings.due_days

    def _missing_day(self, day: int) -> float:
        return day + 1 + self.settings.missing_days

    # --- layers --------------------------------------------------------------------------------------

    async def prepare(self) -> None:
        """Take in and judge what lies in the inbox, and read what the next day's snapshot is made of."""
        with suppress(Failed):
            async with self._alone("prepare"):
                await self._take_in()
        await patiently(self.runtime, self._hear_collector)
        await self._watch()
        today = math.floor(self.runtime.day())
        with suppress(OSError):  # told by the tick that finds the same
            self._gates.learn(today)
            for day in self._window(today):
                self._shelf.impressions(day)

    async def run(self) -> None:
        """Look at the inbox and ask the layers, each 1/24 day and when a partition is due, and is missing."""
        while True:
            now_day = self.runtime.day()
            today = math.floor(now_day)
            await self._watch()
            next_tick = (math.floor(now_day / _TICK_DAYS + 1e-6) + 1) * _TICK_DAYS
            days = (today - 1, today)
            moments = (next_tick, *map(self._due_day, days), *map(self._missing_day, days))
            await self.runtime.until(min(moment for moment in moments if moment > now_day))

    async def _watch(self) -> None:
        # A full disk must not end the process: lookups go on, and the next tick tries again.
        with suppress(Failed):
            async with self._alone("watch"):
                await self._take_in()
                await self._ask_layers(math.floor(self.runtime.day()), changed_only=True)
                self._gauges()

    async def _ask_layers(self, today: int, *, changed_only: bool = False) -> list[tuple[str, str]]:
        """(layer, what it says) for each layer that makes a day of the window red, oldest day first."""
        return self._gates.ask(await self._moment(today), changed_only=changed_only)

    async def _moment(self, today: int) -> Moment:
        window = self._due(today)
        return Moment(
            now_day=self.runtime.day(),
            window=window,
            watermark_day=self._watermark(window) if window else today - 1,
            due_day=self._due_day,
            missing_day=self._missing_day,
            acknowledged={day: await self._acknowledged_rows(day) for day in window},
        )

    async def _acknowledged_rows(self, day: int) -> int | None:
        """The collector's word, None where it gives none; once a day's partition is there it is final."""
        try:
            return await self._ask_collector(day)
        except PortError:
            self.telemetry.metrics.add("features_collector_silent_total")
            return None

    async def _ask_collector(self, day: int) -> int | None:
        if day in self._acknowledged:
            return self._acknowledged[day]
        reply = await self._collector.call(
            ACKNOWLEDGED, AcknowledgedRequest(partition_day=day), timeout_ms=_ACKNOWLEDGED_TIMEOUT_MS
        )
        if reply.rows is not None and self._shelf.has(day):
            self._acknowledged[day] = reply.rows
        return reply.rows

    async def _hear_collector(self) -> bool:
        try:
            for day in self._due(math.floor(self.runtime.day())):
                await self._ask_collector(day)
        except PortError:
            return False
        return True

    # --- odds and ends -------------------------------------------------------------------------------

    def _gauges(self) -> None:
        metrics, now_day = self.telemetry.metrics, self.runtime.day()
        window = self._due(math.floor(now_day))
        absent = [day for day in window if now_day >= self._due_day(day) and not self._shelf.has(day)]
        metrics.set("features_partitions_overdue", len(absent))
        metrics.set("features_watermark_day", self._watermark(window) if window else self._first_day() - 1)
        metrics.set("features_lookups_total", self._lookups)
        metrics.set("features_defaulted_total", self._defaulted)
        if self._online is not None:
            manifest = self._online.manifest
            metrics.set("features_age_days", now_day - manifest.built_day)
            metrics.set("features_snapshot_watermark_day", manifest.watermark_day)
            metrics.set("features_snapshot_rows", manifest.rows)

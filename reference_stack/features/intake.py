"""The inbox, worked off: what waits is taken in one by one, in an order that a layer may change."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Sequence
from functools import partial

from reference_stack.features.diary import Notebook
from reference_stack.features.shelf import Arrival, Shelf
from reference_stack.layers.evidence import Queue
from reference_stack.layers.host import LayerHost
from reference_stack.messages import PartitionCheck
from reference_stack.ports import Runtime
from reference_stack.telemetry import Telemetry

_LOOK = "features.look"
_TAKE = "features.take"


class Intake:
    """Takes partitions in and says so. Gauge `features_waiting_partitions`: those whose turn will come."""

    def __init__(
        self,
        runtime: Runtime,
        telemetry: Telemetry,
        hosts: Sequence[LayerHost],
        shelf: Shelf,
        notes: Notebook,
    ) -> None:
        self._runtime = runtime
        self._telemetry = telemetry
        self._hosts = hosts
        self._shelf = shelf
        self._notes = notes
        self._came: dict[str, float] = {}
        """Names that wait, each with the day on which it was first seen."""
        self._looked: set[str] = set()
        self._untold: deque[Arrival] = deque()
        """What is in the store, and not in the diary yet."""

    async def take_in(self, unsettled: Collection[int], take_ms: float) -> None:
        """Look at what has come, and again at days that are `unsettled`; each new partition takes `take_ms`.

        Raises OSError where the store fails.
        """
        self._tell()
        names = self._shelf.arrived(unsettled)
        known = [name for name in names if name in self._looked]
        if known:
            await self._take(known, _LOOK)
        await self._work_off([name for name in names if name not in self._looked], take_ms)

    async def _work_off(self, names: list[str], take_ms: float) -> None:
        """Oldest first; where a QUEUE layer acts, the newest first and within its budget."""
        now_day = self._runtime.day()
        self._came = {name: self._came.get(name, now_day) for name in names}
        self._count()
        queue = Queue(now_day, len(names), now_day - min(self._came.values(), default=now_day))
        decisions = [host.ask(queue, day=now_day, about="inbox") for host in self._hosts]
        budgets = [decision.detail.get("budget_days", math.inf) for decision in decisions if decision.acts]
        ends_day = now_day + min(budgets, default=math.inf)
        for name in reversed(names) if budgets else names:
            if self._runtime.day() >= ends_day:
                break
            await self._take([name], _TAKE)
            await self._runtime.sleep(take_ms / 1000.0)
            self._looked.add(name)
            del self._came[name]
            self._count()

    async def _take(self, names: Collection[str], work: str) -> None:
        self._untold.extend(await self._runtime.blocking(partial(self._shelf.take, names), work))
        self._tell()

    def _tell(self) -> None:
        while self._untold:
            self._note(self._untold[0])  # where the store fails it is told of at the next look
            self._untold.popleft()

    def _count(self) -> None:
        self._telemetry.metrics.set("features_waiting_partitions", len(self._came))

    def _note(self, arrival: Arrival) -> None:
        check, metrics = arrival.check, self._telemetry.metrics
        if arrival.damage:
            metrics.add("features_quarantined_partitions_total")
            self._telemetry.log(
                "partition_quarantined",
                partition_day=check.partition_day,
                sha256=check.sha256,
                says=arrival.damage,
            )
            self.log(check, "quarantined")
            return
        diary, this = self._notes.diary, {check.partition_day}
        self._notes.write(
            flagged=diary.flagged - this,
            doubted=diary.doubted - this,
            purged=diary.purged - this,
            unjudged=diary.unjudged | this,
        )
        if arrival.unknown:
            metrics.add("features_unknown_columns_total", len(arrival.unknown))
        metrics.add("features_partitions_total")
        self.log(check, "delivered")

    def log(self, check: PartitionCheck, state: str) -> None:
        """Say what has become of a partition."""
        self._telemetry.log(
            "partition",
            partition_day=check.partition_day,
            rows=check.rows,
            sha256=check.sha256,
            sources=check.sources,
            state=state,
        )

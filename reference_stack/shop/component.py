"""The shop as a component: it lets the shoppers of each day arrive, and reports what became of them."""

from __future__ import annotations

from collections.abc import Sequence

from reference_stack.component import Component
from reference_stack.layers.contract import Hook
from reference_stack.ports import Folder, Port, Runtime
from reference_stack.rhythm import next_due
from reference_stack.settings import LayerSettings, ShopSettings
from reference_stack.shop.arrivals import Visits, live_through
from reference_stack.shop.ledger import Ledger
from reference_stack.shop.retrying import Retries
from reference_stack.shop.returning import Returning
from reference_stack.shop.shopper import Replica, Shopper
from reference_stack.telemetry import Telemetry
from reference_stack.world import HORIZON_DAYS, WARM_UP_DAYS, World

LAST_DAY = float(HORIZON_DAYS - WARM_UP_DAYS)


class Shop(Component[ShopSettings]):
    """All shoppers. They come from the start until `end_day`, or until the world ends.

    Metrics: the counters of `reference_stack.shop.ledger.Ledger` and `reference_stack.shop.retrying.Retries`,
    and the gauges `returning_level` and `views_in_flight`.
    """

    hooks = (Hook.ATTEMPT,)

    def __init__(
        self,
        name: str,
        runtime: Runtime,
        telemetry: Telemetry,
        settings: ShopSettings,
        layers: dict[str, LayerSettings],
        build: str,
        *,
        world: World,
        replicas: Sequence[Replica],
        collector: Port,
        folder: Folder,
        end_day: float = LAST_DAY,
    ) -> None:
        super().__init__(name, runtime, telemetry, settings, layers, build)
        self.in_flight = 0
        """Views under way, their events included."""
        self.start_day: float | None = None
        """When the first shoppers come; None is the moment at which the shop begins to run."""
        self._world = world
        self._end_day = min(end_day, LAST_DAY)
        self._ledger = Ledger(telemetry, runtime.day())
        self._returning = Returning(world.parameters, folder)
        hosts = self.layers.at(Hook.ATTEMPT)
        self._retries = Retries(hosts, runtime, telemetry.metrics, settings.report_days)
        self._shopper = Shopper(
            runtime,
            world,
            replicas,
            collector,
            self._ledger,
            self._returning,
            self._retries,
            lambda: self.settings,
        )

    async def run(self) -> None:
        """Let time pass, day by day; returns when no more shoppers come."""
        start = self.runtime.day() if self.start_day is None else self.start_day
        self._ledger.begin(start)
        self.runtime.spawn(self._report())
        while start < self._end_day:
            self.telemetry.metrics.set("returning_level", self._returning.level)
            await live_through(self.runtime, self._world, start, self._end_day, self._level, self._arrive)
            day = int(start // 1)
            start = float(day + 1)
            if start <= self._end_day:
                self._returning.midnight(day)

    def report(self) -> None:
        """Write what is tallied now: at each tick, and at the end."""
        self.telemetry.metrics.set("views_in_flight", self.in_flight)
        self._retries.tick()
        self._ledger.report(self.runtime.day())

    def _level(self) -> float:
        return self._returning.level * self.settings.surge

    def _arrive(self, visits: Visits, index: int) -> None:
        self.in_flight += 1
        self.runtime.spawn(self._visit(visits, index))

    async def _visit(self, visits: Visits, index: int) -> None:
        try:
            await self._shopper.visit(visits, index)
        finally:
            self.in_flight -= 1

    async def _report(self) -> None:
        due = self.runtime.day()
        while True:
            due = next_due(due, self.runtime.day(), self.settings.report_days)
            await self.runtime.until(due)
            self.report()

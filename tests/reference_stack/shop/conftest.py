"""A shop in virtual time before replicas and a collector that do as they are told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from reference_stack.component import Component, serves
from reference_stack.folders import MemoryFolder
from reference_stack.messages import (
    COLLECT,
    RECOMMEND,
    CollectReply,
    RecommendReply,
    RecommendRequest,
    ViewEvents,
)
from reference_stack.ports import Failed
from reference_stack.settings import ShellSettings, ShopSettings
from reference_stack.shells.virtual_link import LinkModel
from reference_stack.shells.virtual_machine import VirtualMachine, VirtualProcess
from reference_stack.shop.component import Shop
from reference_stack.shop.shopper import Replica
from reference_stack.telemetry import Telemetry
from reference_stack.world import World, preset

REPLICAS = ("serving-a", "serving-b")


class FakeServing(Component[ShopSettings]):
    """Serves `slate(customer)` after `delay_ms`; `broken` says which requests fail."""

    asked: list[RecommendRequest]
    moments_s: list[float]
    slate: Callable[[int], list[int]]
    delay_ms: float = 0.0
    broken: Callable[[RecommendRequest], bool] = staticmethod(lambda _request: False)
    fallback: str = ""

    @serves(RECOMMEND)
    async def recommend(self, request: RecommendRequest) -> RecommendReply:
        self.asked.append(request)
        self.moments_s.append(self.runtime.now())
        await self.runtime.sleep(self.delay_ms / 1000)
        if self.broken(request):
            raise Failed("broken")
        return RecommendReply(
            recommendation=f"r-{request.view}",
            slate=self.slate(request.customer),
            version=7,
            build="b1",
            replica=self.name,
            fallback=self.fallback,
        )


class FakeCollector(Component[ShopSettings]):
    events: list[ViewEvents]
    broken: bool = False

    @serves(COLLECT)
    async def collect(self, events: ViewEvents) -> CollectReply:
        if self.broken:
            raise Failed("broken")
        self.events.append(events)
        return CollectReply(accepted=len(events.products), quarantined=0)


def usual_slate(_customer: int) -> list[int]:
    return list(range(40, 50))


@dataclass
class Stage:
    """What the tests play with."""

    world: World
    machine: VirtualMachine
    folder: MemoryFolder = field(default_factory=lambda: MemoryFolder({}, "disk"))
    settings: ShopSettings = field(default_factory=ShopSettings)
    end_day: float = 100.0
    logs: list[dict[str, Any]] = field(default_factory=list)
    slate: Callable[[int], list[int]] = field(default=usual_slate)

    def start(self) -> None:
        for name in REPLICAS:
            self.machine.start(name, partial(self._serving, name=name), ShellSettings())
        self.machine.start("collector", self._collector, ShellSettings())
        self.machine.start("shop", self._shop, ShellSettings())

    def advance(self, day: float) -> None:
        self.machine.advance(day)

    @property
    def replicas(self) -> list[FakeServing]:
        return [self._component(name) for name in REPLICAS]  # type: ignore[misc]

    @property
    def collector(self) -> FakeCollector:
        component = self._component("collector")
        assert isinstance(component, FakeCollector)
        return component

    @property
    def shop(self) -> Shop:
        component = self._component("shop")
        assert isinstance(component, Shop)
        return component

    def asked(self) -> list[RecommendRequest]:
        return [request for replica in self.replicas for request in replica.asked]

    def metric(self, name: str) -> float:
        return self.shop.telemetry.metrics.samples().get(name, 0.0)

    def rows(self) -> list[dict[str, Any]]:
        return [row for line in self.logs if line["event"] == "views" for row in line["rows"]]

    def total(self, name: str) -> float:
        return float(sum(row[name] for row in self.rows()))

    def configure(self, key: str, value: object) -> None:
        got: list[int] = []
        body = json.dumps({"key": key, "value": value}).encode()
        self.machine.request("shop", "configure", body, lambda status, _body: got.append(status))
        self.machine.advance(self.machine.day())
        assert got == [200]

    def _component(self, name: str) -> Component[Any]:
        process = self.machine.process(name)
        assert process is not None
        assert process.server is not None
        return process.server.component

    def _serving(self, process: VirtualProcess, name: str) -> FakeServing:
        serving = FakeServing(name, process.runtime, self._voice(process, name), self.settings, {}, "b1")
        serving.asked, serving.moments_s, serving.slate = [], [], self.slate
        return serving

    def _collector(self, process: VirtualProcess) -> FakeCollector:
        voice = self._voice(process, "collector")
        collector = FakeCollector("collector", process.runtime, voice, self.settings, {}, "b1")
        collector.events = []
        return collector

    def _shop(self, process: VirtualProcess) -> Shop:
        def port(name: str) -> Any:
            return self.machine.link(f"shop-{name}", name, LinkModel(way_ms=0.5, jitter_ms=0.0)).port(process)

        return Shop(
            "shop",
            process.runtime,
            self._voice(process, "shop"),
            self.settings,
            {},
            "b1",
            world=self.world,
            replicas=[Replica(name, port(name)) for name in REPLICAS],
            collector=port("collector"),
            folder=process.folder(self.folder),
            end_day=self.end_day,
        )

    def _voice(self, process: VirtualProcess, name: str) -> Telemetry:
        def sink(line: str) -> None:
            if name == "shop":
                self.logs.append(json.loads(line))

        return Telemetry(name, process.runtime, process.sink(sink))


@pytest.fixture(scope="session")
def world() -> World:
    return World.draw(preset("starved"), 3)


@pytest.fixture
def make_stage(world: World) -> Iterator[Callable[..., Stage]]:
    machines: list[VirtualMachine] = []

    def make(*, start_day: float = 0.0, **changes: Any) -> Stage:
        machines.append(VirtualMachine(1, 1.0, start_day=start_day))
        return Stage(world, machines[-1], **changes)

    yield make
    for machine in machines:
        machine.close()


@pytest.fixture
def stage(make_stage: Callable[..., Stage]) -> Stage:
    return make_stage()

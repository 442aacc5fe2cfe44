"""A replica in virtual time, with a features component, a registry and a folder that can be made to fail."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from benchmarks.shop import Release, Shop
from reference_stack.component import Component, serves
from reference_stack.features.snapshot import Snapshot
from reference_stack.folders import MemoryFolder
from reference_stack.layers.contract import Mode
from reference_stack.messages import EXPLAIN, LOOKUP, RECOMMEND, LookupReply, LookupRequest
from reference_stack.ports import Failed, ModelVersion, NotFound, Unreachable
from reference_stack.serving.component import Serving
from reference_stack.settings import LayerSettings, ServingSettings, ShellSettings
from reference_stack.shells.virtual_link import LinkModel
from reference_stack.shells.virtual_machine import VirtualMachine, VirtualProcess
from reference_stack.telemetry import Telemetry
from reference_stack.world import WARM_UP_DAYS, World, preset

WAY_MS = 0.25


@dataclass
class FakeRegistry:
    """Versions by number; `away` makes every call fail."""

    known: dict[int, tuple[ModelVersion, bytes]] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)
    away: bool = False
    calls: int = 0

    def put(self, version: int, release: Release, alias: str = "", artifact: bytes | None = None) -> None:
        checks = [{"partition_day": -1, "rows": 10, "sha256": "ab"}]
        tags = {"partitions": json.dumps(checks)}
        known = ModelVersion(version, f"run-{version}", f"snapshot-{version}", 0.0, "", tags)
        self.known[version] = (known, release.model.to_bytes() if artifact is None else artifact)
        if alias:
            self.aliases[alias] = version

    def _ask(self) -> None:
        self.calls += 1
        if self.away:
            raise Unreachable("the registry is away")

    async def version(self, version: int) -> ModelVersion:
        self._ask()
        if version not in self.known:
            raise NotFound(str(version))
        return self.known[version][0]

    async def versions(self) -> Sequence[ModelVersion]:
        self._ask()
        return [known for known, _ in self.known.values()]

    async def resolve(self, alias: str) -> int | None:
        self._ask()
        return self.aliases.get(alias)

    async def artifact(self, version: int) -> bytes:
        self._ask()
        return self.known[version][1]


class FakeFeatures(Component[ServingSettings]):
    """Answers from a snapshot, after `delay_ms`."""

    snapshot: Snapshot
    delay_ms: float = 0.0
    broken: bool = False
    built_day: float = 0.0

    @serves(LOOKUP)
    async def lookup(self, request: LookupRequest) -> LookupReply:
        await self.runtime.sleep(self.delay_ms / 1000)
        if self.broken:
            raise Failed("broken")
        return msgspec.structs.replace(features_of(self.snapshot, request.customer), built_day=self.built_day)


def features_of(snapshot: Snapshot, customer: int) -> LookupReply:
    index = snapshot.customers.tolist().index(customer)
    start, end = snapshot.indptr[index], snapshot.indptr[index + 1]
    return LookupReply(
        snapshot="features-1",
        built_day=0.0,
        products=snapshot.products[snapshot.indices[start:end]].tolist(),
        values=snapshot.values[start:end].tolist(),
        affinities=[*snapshot.category[index].tolist(), *snapshot.content[index].tolist()],
    )


@dataclass
class Stage:
    """What the tests play with."""

    world: World
    release: Release
    machine: VirtualMachine
    registry: FakeRegistry
    folder: MemoryFolder = field(default_factory=lambda: MemoryFolder({}, "disk"))
    mode: Mode = Mode.ENFORCE
    settings: ServingSettings = field(default_factory=lambda: ServingSettings(explore_share=0.0))
    logs: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0

    def start(self, name: str = "serving-a", *, features: bool = True) -> None:
        """Start a replica, and the features component where it is not there yet."""
        if features and self.machine.process("features") is None:
            self.machine.start("features", self._features, ShellSettings())
        self.machine.start(name, lambda process: self._serving(process, name), ShellSettings())

    def kill(self, name: str = "serving-a") -> None:
        self.machine.end(name)

    @property
    def features(self) -> FakeFeatures:
        component = self._component("features")
        assert isinstance(component, FakeFeatures)
        return component

    def serving(self, name: str = "serving-a") -> Serving:
        component = self._component(name)
        assert isinstance(component, Serving)
        return component

    def metric(self, name: str, replica: str = "serving-a") -> float:
        return self.serving(replica).telemetry.metrics.samples().get(name, 0.0)

    def signals(self, about: str = "features") -> list[tuple[str, float]]:
        return [
            (line["signal"], line["day"])
            for line in self.logs
            if line["event"] == "signal" and line["about"] == about and line["signal"] != "reached"
        ]

    def ask(
        self, customer: int = 0, *, view: str = "", replica: str = "serving-a"
    ) -> tuple[int, dict[str, Any], float]:
        """Ask for a slate and let time pass until it is there: status, reply, milliseconds."""
        self.asked += 1
        body = {"view": view or f"0-{self.asked}", "customer": customer, "segment": self.segment(customer)}
        return self.request(RECOMMEND.name, body, replica)

    def explain(self, recommendation: str, replica: str = "serving-a") -> tuple[int, dict[str, Any]]:
        status, reply, _ = self.request(EXPLAIN.name, {"recommendation": recommendation}, replica)
        return status, reply

    def request(
        self, operation: str, body: dict[str, object], replica: str = "serving-a"
    ) -> tuple[int, dict[str, Any], float]:
        got: list[tuple[int, bytes]] = []
        began = self.machine.loop.time()
        self.machine.request(replica, operation, msgspec.json.encode(body), lambda *reply: got.append(reply))
        self.machine.advance(self.machine.day() + 10.0, lambda: bool(got))
        assert got, f"{replica} never answered"
        status, reply = got[0]
        return status, json.loads(reply), 1000 * (self.machine.loop.time() - began)

    def configure(self, key: str, value: object, replica: str = "serving-a") -> None:
        assert self.request("configure", {"key": key, "value": value}, replica)[0] == 200

    def segment(self, customer: int) -> int:
        return int(self.world.customers.segment[customer])

    def best(self, customer: int) -> list[int]:
        """The slate that the model gives a customer when all is well."""
        reply = self.ask(customer)[1]
        assert reply["fallback"] == ""
        slate: list[int] = reply["slate"]
        return slate

    def _component(self, name: str) -> Component[Any]:
        process = self.machine.process(name)
        assert process is not None
        assert process.server is not None
        return process.server.component

    def _features(self, process: VirtualProcess) -> FakeFeatures:
        telemetry = Telemetry("features", process.runtime, lambda _line: None)
        component = FakeFeatures("features", process.runtime, telemetry, ServingSettings(), {}, "b1")
        component.snapshot = self.release.snapshot
        return component

    def _serving(self, process: VirtualProcess, name: str) -> Serving:
        def sink(line: str) -> None:
            self.logs.append(json.loads(line))

        link = self.machine.link("serving-features", "features", LinkModel(way_ms=WAY_MS, jitter_ms=0.0))
        return Serving(
            name,
            process.runtime,
            Telemetry(name, process.runtime, process.sink(sink)),
            self.settings,
            {"fallback": LayerSettings(use="reference_stack.layers.fallback:Fallback", mode=self.mode)},
            "b1",
            features=link.port(process),
            registry=self.registry,
            folder=process.folder(self.folder),
            catalogue=self.world.catalogue,
            seed=1,
        )


@pytest.fixture(scope="session")
def shop() -> Shop:
    """Five days lived with random slates and their models, outside the stack."""
    world = World.draw(preset("rich"), 1)
    shop = Shop(world)
    live = world.live_products(-WARM_UP_DAYS)
    for day in range(-5, 2):
        slates = live[[range(10)] * len(world.customers)] + 7
        shop.serve(day, slates, 1.0)
    return shop


@pytest.fixture(scope="session")
def releases(shop: Shop) -> list[Release]:
    """Two models of different days."""
    return [shop.train(0, range(-5, 0)), shop.train(1, range(-3, 1))]


@pytest.fixture
def stage(shop: Shop, releases: list[Release]) -> Iterator[Stage]:
    machine = VirtualMachine(1, 1.0)
    registry = FakeRegistry()
    registry.put(1, releases[0], "champion")
    yield Stage(shop.world, releases[0], machine, registry)
    machine.close()


@pytest.fixture
def make_stage(shop: Shop, releases: list[Release]) -> Iterator[Callable[..., Stage]]:
    """Stages with other settings or modes."""
    machines: list[VirtualMachine] = []

    def make(**changes: Any) -> Stage:
        machines.append(VirtualMachine(1, 1.0))
        registry = FakeRegistry()
        registry.put(1, releases[0], "champion")
        return Stage(shop.world, releases[0], machines[-1], registry, **changes)

    yield make
    for machine in machines:
        machine.close()

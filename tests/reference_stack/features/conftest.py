"""The features component in virtual time, a collector that says what it is told to, and a data link by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
import pytest

from reference_stack.collector.partition import encode, partition_name
from reference_stack.component import Component, serves
from reference_stack.costs import Costs
from reference_stack.features.component import Features
from reference_stack.folders import MemoryFolder
from reference_stack.layers.contract import Mode
from reference_stack.messages import ACKNOWLEDGED, AcknowledgedReply, AcknowledgedRequest
from reference_stack.ports import Folder
from reference_stack.seeds import stream
from reference_stack.settings import CollectorSettings, FeaturesSettings, LayerSettings, ShellSettings
from reference_stack.shells.virtual_machine import VirtualMachine, VirtualProcess
from reference_stack.telemetry import Telemetry
from reference_stack.world import World, preset

VIEWS = 60
LAYERS = {
    "backlog": "reference_stack.layers.backlog:Backlog",
    "schema": "reference_stack.layers.schema:Schema",
    "volume": "reference_stack.layers.volume:Volume",
    "freshness": "reference_stack.layers.freshness:Freshness",
}


def day_columns(world: World, day: int, views: int = VIEWS, customers: int = 20) -> dict[str, list[Any]]:
    """A day's events: every customer looks several times, each third slot is clicked, 2% lack a price."""
    draws = stream(7, "day", day)
    catalogue, rows = world.catalogue, views * 10
    live = catalogue.live(day)
    products = np.concatenate([draws.choice(live, 10, replace=False) for _ in range(views)])
    view = np.repeat(np.arange(views), 10)
    customer = (view * 7 + day) % customers
    clicked = [int(row % 3 == 0) for row in range(rows)]
    return {
        "event_id": [f"{day}-{row // 10}:{row % 10 + 1}" for row in range(rows)],
        "view": [f"{day}-{number}" for number in view.tolist()],
        "recommendation": [f"r{number}" for number in view.tolist()],
        "customer": customer.tolist(),
        "segment": world.customers.segment[customer].tolist(),
        "shard": world.customers.shard[customer].tolist(),
        "product": products.tolist(),
        "category": catalogue.category[products].tolist(),
        "source": catalogue.source[products].tolist(),
        "price": [
            None if row % 50 == 7 else price for row, price in enumerate(catalogue.price[products].tolist())
        ],
        "age": catalogue.age(day, products).tolist(),
        "position": [row % 10 + 1 for row in range(rows)],
        "clicked": clicked,
        "dwell": [20.0 if click else None for click in clicked],
        "day": (day + view / views).tolist(),
        "version": [1] * rows,
        "fallback": [""] * rows,
    }


COSTS = Costs(work_ms={"features.look": 5.0, "features.take": 5.0, "features.build": 15.0})
"""Of its own, so that what is timed here does not hang on which machine the stack's were fitted on."""


class Word(Component[CollectorSettings]):
    """A collector that only answers how many rows it took."""

    rows: dict[int, int]

    @serves(ACKNOWLEDGED)
    async def acknowledged(self, request: AcknowledgedRequest) -> AcknowledgedReply:
        return AcknowledgedReply(rows=self.rows.get(request.partition_day))


class Stall:
    """Writes fail while the disk is full; reads of one name fail while it is locked."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.full = False
        self.locked = ""

    def write(self, name: str, data: bytes) -> None:
        if self.full:
            raise OSError("no space left on device")
        self._folder.write(name, data)

    def read(self, name: str) -> bytes:
        if name == self.locked:
            raise PermissionError(name)
        return self._folder.read(name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._folder, name)


class Stand:
    def __init__(
        self,
        world: World,
        start_day: float = 0.0,
        more: dict[str, LayerSettings] | None = None,
        **modes: Mode,
    ) -> None:
        self.world = world
        self.machine = VirtualMachine(seed=1, day_seconds=1.0, start_day=start_day, costs=COSTS)
        self.inbox = Stall(MemoryFolder())
        self.store = Stall(MemoryFolder())
        self.lines: list[dict[str, Any]] = []
        self.acknowledged: dict[int, int] = {}
        modes = {"schema": Mode.OFF, **modes}
        self.layers = {
            name: LayerSettings(use=use, mode=modes.get(name, Mode.ENFORCE)) for name, use in LAYERS.items()
        } | (more or {})
        self.start_collector()
        self.start()

    def start(self, kind: type[Features] = Features) -> None:
        def build(process: VirtualProcess) -> Features:
            sink = process.sink(lambda line: self.lines.append(json.loads(line)))
            return kind(
                process.runtime,
                Telemetry("features", process.runtime, sink),
                FeaturesSettings(),
                self.layers,
                "2026.1",
                collector=self.machine.link("features-collector", "collector").port(process),
                inbox=process.folder(self.inbox),
                store=process.folder(self.store),
                catalogue=self.world.catalogue,
            )

        self.machine.start("features", build, ShellSettings())
        self.machine.advance(self.machine.day())

    def start_collector(self) -> None:
        def build(process: VirtualProcess) -> Word:
            voice = Telemetry("collector", process.runtime, lambda line: None)
            word = Word("collector", process.runtime, voice, CollectorSettings(), {}, "2026.1")
            word.rows = self.acknowledged
            return word

        self.machine.start("collector", build, ShellSettings())

    def kill(self, name: str = "features") -> None:
        self.machine.end(name)

    def written(self, day: int, columns: dict[str, list[Any]] | None = None, **kwargs: Any) -> bytes:
        """What the collector would write, and its word for the rows."""
        columns = columns or day_columns(self.world, day, **kwargs)
        self.acknowledged[day] = len(columns["event_id"])
        return encode(columns)

    def deliver(self, day: int, data: bytes | None = None, **kwargs: Any) -> None:
        """The data link hands a partition over."""
        self.inbox.write(partition_name(day), self.written(day, **kwargs) if data is None else data)

    def live(self, first: int, last: int, **kwargs: Any) -> None:
        """Days `first` … `last` go by, each day's partition arriving at midnight + 0.01."""
        for day in range(first, last + 1):
            self.machine.advance(day + 1.01)
            self.deliver(day, **kwargs)

    def ask(self, operation: str, **request: Any) -> tuple[int, Any]:
        replies: list[tuple[int, Any]] = []
        self.machine.request(
            "features",
            operation,
            msgspec.json.encode(request),
            lambda status, data: replies.append((status, json.loads(data))),
        )
        self.machine.advance(self.machine.day() + 1.0, wake=lambda: bool(replies))
        return replies[0]

    def configure(self, key: str, value: object) -> None:
        status, reply = self.ask("configure", key=key, value=value)
        assert status == 200, reply

    def job(self, operation: str, day: int) -> Any:
        status, reply = self.ask(operation, day=day)
        assert status == 200, reply
        return reply

    def metric(self, name: str) -> float:
        samples: dict[str, float] = self.ask("scrape")[1]["samples"]
        return samples.get(name, 0.0)

    def said(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        return [
            line
            for line in self.lines
            if line["event"] == event and all(line.get(key) == value for key, value in fields.items())
        ]

    def signals(self, layer: str, about: str = "") -> list[tuple[str, float]]:
        lines = self.said("signal", layer=layer)
        return [
            (line["signal"], line["day"])
            for line in lines
            if line["signal"] != "reached" and line["about"] == (about or line["about"])
        ]


@pytest.fixture(scope="session")
def world() -> World:
    return World.draw(preset("default"), 1)


@pytest.fixture
def make_stand(world: World) -> Iterator[Callable[..., Stand]]:
    stands: list[Stand] = []

    def make(*args: Any, **kwargs: Any) -> Stand:
        stands.append(Stand(world, *args, **kwargs))
        return stands[-1]

    yield make
    for stand in stands:
        stand.machine.close()


@pytest.fixture
def stand(make_stand: Callable[..., Stand]) -> Stand:
    return make_stand()

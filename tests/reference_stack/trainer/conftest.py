"""A trainer in virtual time over a store that a test fills as the features job would."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np
import pytest

from benchmarks.shop import Shop, warmed_up
from reference_stack.collector.partition import encode, sha256
from reference_stack.features.impressions import Impressions
from reference_stack.features.manifest import (
    Manifest,
    manifest_file,
    snapshot_file,
    stored_partition,
    write_manifest,
)
from reference_stack.features.snapshot import build
from reference_stack.folders import MemoryFolder
from reference_stack.layers.contract import Mode
from reference_stack.messages import PartitionCheck
from reference_stack.ports import ModelVersion
from reference_stack.registry.memory import MemoryRegistry
from reference_stack.settings import LayerSettings, ShellSettings, TrainerSettings
from reference_stack.shells.virtual_machine import VirtualMachine, VirtualProcess
from reference_stack.telemetry import Telemetry
from reference_stack.trainer.component import Trainer
from reference_stack.world import World, preset

GATE = "reference_stack.layers.evaluation:Evaluation"


@pytest.fixture(scope="session")
def shop() -> Shop:
    """The smallest world after its warm-up: partitions of the days −18 … −1."""
    return warmed_up(World.draw(preset("starved"), 3))


@pytest.fixture(scope="session")
def files(shop: Shop) -> dict[int, bytes]:
    """The partition files of the last eight days."""
    return {day: file_of(shop.partitions[day]) for day in range(-8, 0)}


def file_of(rows: Impressions) -> bytes:
    """A partition file with these rows."""
    size = len(rows)
    columns: dict[str, list[object]] = {
        name: getattr(rows, name).tolist()
        for name in ("customer", "segment", "product", "category", "price", "age", "position", "clicked")
    }
    columns["day"] = rows.day.tolist()
    columns["dwell"] = [None if np.isnan(each) else each for each in rows.dwell.tolist()]
    columns["view"] = [f"v{each}" for each in rows.view.tolist()]
    columns["event_id"] = [f"e{row}" for row in range(size)]
    columns |= {"recommendation": ["r"] * size, "fallback": [""] * size}
    columns |= {"shard": [0] * size, "source": [0] * size, "version": [1] * size}
    return encode(columns)


class Bench:
    """The trainer's surroundings."""

    def __init__(self, shop: Shop, files: dict[int, bytes]) -> None:
        self.machine = VirtualMachine(1, 1.0)
        self.store, self.folder, self.shelf = MemoryFolder(), MemoryFolder(), MemoryFolder()
        self.registry = MemoryRegistry(self.shelf, self.machine.day)
        self.lines: list[str] = []
        self.settings = TrainerSettings()
        self.gate = LayerSettings(use=GATE)
        self._shop = shop
        self._files = files

    def start(self, mode: Mode = Mode.ENFORCE, **parameters: object) -> None:
        self.gate = LayerSettings(use=GATE, mode=mode, parameters=parameters)

        def make(process: VirtualProcess) -> Trainer:
            return Trainer(
                process.runtime,
                Telemetry("trainer", process.runtime, process.sink(self.lines.append)),
                self.settings,
                {"evaluation": self.gate},
                "b1",
                registry=self.registry,
                store=process.folder(self.store),
                folder=process.folder(self.folder),
                catalogue=self._shop.world.catalogue,
            )

        self.machine.start("trainer", make, ShellSettings())

    def kill(self) -> None:
        self.machine.end("trainer")

    def snapshot(self, day: int, *, absent: Sequence[int] = ()) -> str:
        """Put the snapshot of a cycle in the store, with its partitions; its name."""
        days = [each for each in range(day - 7, day) if each not in absent]
        for each in days:
            self.store.write(stored_partition(each), self._files[each])
        checks = [
            PartitionCheck(each, len(self._shop.partitions[each]), sha256(self._files[each])) for each in days
        ]
        rows = Impressions.join([self._shop.partitions[each] for each in days])
        made = build(rows, self._shop.world.catalogue, day)
        name = f"s{day}-{len(days)}"
        manifest = Manifest(
            snapshot=name,
            day=day,
            built_day=day + 0.02,
            watermark_day=days[-1] if days else day - 8,
            window=checks,
            due=list(range(day - 7, day)),
            rows=len(rows),
            customers=len(made.customers),
            products=len(made.products),
            sha256="",
            build="b1",
        )
        self.store.write(snapshot_file(name), made.to_bytes())
        self.store.write(manifest_file(name), write_manifest(manifest))
        return name

    def ask(self, operation: str, **body: object) -> tuple[int, dict]:
        replies: list[tuple[int, bytes]] = []
        self.send(operation, replies, **body)
        self.machine.advance(self.machine.day() + 0.2)
        status, reply = replies[0]
        return status, json.loads(reply)

    def send(self, operation: str, replies: list[tuple[int, bytes]], **body: object) -> None:
        encoded = msgspec.json.encode(body)
        self.machine.request("trainer", operation, encoded, lambda *reply: replies.append(reply))

    def train(self, day: int, snapshot: str) -> dict:
        status, reply = self.ask("train", day=day, snapshot=snapshot)
        assert status == 200, reply
        return reply

    def versions(self) -> list[ModelVersion]:
        return [each.registered for each in self.registry.export().versions]

    def logged(self, event: str) -> list[dict]:
        return [line for line in map(json.loads, self.lines) if line["event"] == event]

    def signals(self) -> list[str]:
        return [line["signal"] for line in self.logged("signal")]


@pytest.fixture
def new_bench(shop: Shop, files: dict[int, bytes]) -> Iterator[Callable[[], Bench]]:
    made: list[Bench] = []

    def make() -> Bench:
        made.append(Bench(shop, files))
        return made[-1]

    yield make
    for bench in made:
        bench.machine.close()


@pytest.fixture
def bench(new_bench: Callable[[], Bench]) -> Bench:
    return new_bench()

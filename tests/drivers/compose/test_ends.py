"""Which ends of containers a change explains, and until when: nothing of it outlasts its undo."""

from __future__ import annotations

import queue
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from chaos.clock import WallClock
from chaos.domain.change import Change, Disconnect, LimitMemory, Pause, RunImage
from chaos.domain.event import Event, Exit
from chaos.drivers.compose import stack
from chaos.drivers.compose.limits import MIB
from chaos.drivers.compose.stack import Containers, _nanoseconds
from chaos.drivers.compose.target import ComposeTarget
from chaos.drivers.local.target import Wiring
from chaos.drivers.observed import LogReader
from chaos.errors import ArmFailed
from tests.harness import planned, target_of

SOON_DAYS = 10.0
"""A day is a second here."""


class Container:
    def __init__(self, engine: Engine, name: str, image: str) -> None:
        self.engine, self.name, self.image = engine, name, image
        self.id = self.short_id = f"id-{len(engine.all)}"
        self.memory = 0
        self.started = "2026-01-01T00:00:00Z"
        self.status = "running"
        engine.all.append(self)

    @property
    def attrs(self) -> dict[str, Any]:
        return {
            "Config": {"Image": self.image},
            "HostConfig": {"Memory": self.memory},
            "NetworkSettings": {"Networks": {"run_inside": {}}},
            "State": {"StartedAt": self.started},
        }

    def ends(self) -> None:
        self.engine.tells("die", self)

    kill = ends

    def stop(self, *, timeout: int) -> None:
        assert timeout
        self.ends()

    def start(self) -> None:
        self.started = f"2026-01-01T00:00:{self.engine.tells('start', self):02}.5Z"

    def update(self, *, mem_limit: int, memswap_limit: int) -> None:
        assert mem_limit == memswap_limit
        self.memory = max(mem_limit, 0)

    def pause(self) -> None:
        self.status = "paused"

    def unpause(self) -> None:
        self.status = "running"

    def rename(self, name: str) -> None:
        self.name = name

    def exec_run(self, _command: list[str]) -> tuple[int, bytes]:
        return 0, b""


class Engine:
    """As much of the SDK's client as is asked here. What happens is told at once, a second after the last."""

    def __init__(self) -> None:
        self.all: list[Container] = []
        self.told: queue.SimpleQueue[Mapping[str, object] | None] = queue.SimpleQueue()
        self.seconds = 0
        self.containers = self.images = self.networks = self.api = self
        Container(self, "run-reader-1", "new:1")

    def get(self, name: str) -> Any:
        return next((one for one in self.all if one.name == name), self)

    def events(self, **_: object) -> Engine:
        return self

    def __iter__(self) -> Iterator[Mapping[str, object]]:
        while (event := self.told.get()) is not None:
            yield event

    def close(self) -> None:
        self.told.put(None)

    def tells(self, action: str, about: Container) -> int:
        self.seconds += 1
        attributes = {"com.docker.compose.service": "reader", "exitCode": "137"}
        stamp = _nanoseconds(f"2026-01-01T00:00:{self.seconds:02}.6Z")
        actor = {"ID": about.id, "Attributes": attributes}
        self.told.put({"Action": action, "timeNano": stamp, "Actor": actor})
        return self.seconds

    def disconnect(self, _container: Container, *, force: bool) -> None:
        assert force

    def create_container_from_config(self, config: dict[str, Any], name: str) -> dict[str, str]:
        return {"Id": Container(self, name, config["Image"]).id}

    def rename(self, id: str, name: str) -> None:
        next(one for one in self.all if one.id == id).rename(name)

    def start(self, id: str) -> None:
        next(one for one in self.all if one.id == id).start()


class Arm:
    def __init__(self) -> None:
        self.engine = Engine()
        plan = planned().arms[0].model_copy(update={"day_seconds": 1.0})
        containers = Containers(self.engine, "run", {"reader": "run-reader-1"})  # type: ignore[arg-type]
        tail = Namespace(poll=lambda: iter(()), reader=LogReader())
        clock, events = WallClock(), list[Event]()
        wiring = Wiring(Path(), {}, {}, {}, "", "")
        self.target = ComposeTarget(
            plan,
            target_of(),
            wiring,
            containers,
            tail,  # type: ignore[arg-type]
            Namespace(),  # type: ignore[arg-type]
            clock,
            clock.monotonic(),
            events.append,
            self.engine,  # type: ignore[arg-type]
            "run",
            {},
        )

    def expected(self, count: int) -> list[bool]:
        """Whether each of the ends so far was expected, once so many have been told."""
        ends = self.target.seen(Exit)
        self.target.advance(self.target.day() + SOON_DAYS, lambda: len(self.target.seen(Exit)) >= count)
        assert len(self.target.seen(Exit)) == count, ends
        return [end.expected for end in self.target.seen(Exit)]

    def do(self, change: Change) -> Change:
        undo = self.target.prepare(change)
        assert undo is not None
        self.target.apply(change)
        return undo


@pytest.fixture
def arm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Arm]:
    monkeypatch.setattr(stack, "connect", lambda _timeout: Namespace(close=lambda: None))
    arm = Arm()
    yield arm
    arm.target._containers.close()


def kill_by_hand(arm: Arm) -> None:
    arm.engine.get("run-reader-1").kill()


def test_what_a_memory_limit_ends_is_expected_and_what_comes_after_its_undo_is_not(arm: Arm) -> None:
    undo = arm.do(LimitMemory("reader", 24))
    kill_by_hand(arm)  # again and again: who could tell by whom
    assert arm.expected(2) == [True, True]
    assert arm.target.revert(undo) == "undone"
    kill_by_hand(arm)
    assert arm.expected(4) == [True, True, True, False]


def test_a_limit_that_is_no_longer_the_faults_explains_nothing_either(arm: Arm) -> None:
    undo = arm.do(LimitMemory("reader", 24))
    arm.engine.get("run-reader-1").memory = 99 * MIB
    assert arm.target.revert(undo) == "left"
    kill_by_hand(arm)
    assert arm.expected(2) == [True, False]


def test_another_image_explains_the_ends_of_those_that_it_took_the_place_of(arm: Arm) -> None:
    undo = arm.do(RunImage("reader", "old:1"))
    assert arm.expected(1) == [True]
    assert arm.target.revert(undo) == "undone"
    assert arm.expected(2) == [True, True]
    kill_by_hand(arm)
    assert arm.expected(3) == [True, True, False]


def test_a_network_that_is_cut_off_ends_nothing(arm: Arm) -> None:
    arm.do(Disconnect("reader"))
    kill_by_hand(arm)
    assert arm.expected(1) == [False]


@pytest.mark.parametrize(
    ("stamp", "nanoseconds"),
    [
        ("1970-01-01T00:00:01.000000002Z", 1_000_000_002),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("1970-01-01T00:01:00Z", 60_000_000_000),
    ],
)
def test_a_stamp_of_the_engine_is_read_to_the_nanosecond(stamp: str, nanoseconds: int) -> None:
    assert _nanoseconds(stamp) == nanoseconds


def test_who_was_paused_is_let_go_on_unless_another_has_taken_its_place(arm: Arm) -> None:
    container = arm.engine.get("run-reader-1")
    undo = arm.do(Pause("reader"))
    assert container.status == "paused"
    container.status = "running"
    assert arm.target.revert(undo) == "undone"  # killed and started anew, it runs
    container.pause()
    assert arm.target.revert(undo) == "undone"
    assert container.status == "running"
    kill_by_hand(arm)
    assert arm.expected(1) == [False]
    assert arm.target.revert(undo) == "left"


def test_who_is_paused_still_after_the_undo_is_told(arm: Arm, monkeypatch: pytest.MonkeyPatch) -> None:
    undo = arm.do(Pause("reader"))
    monkeypatch.setattr(Container, "unpause", lambda _container: None)
    with pytest.raises(ArmFailed, match="reader still stands still"):
        arm.target.revert(undo)

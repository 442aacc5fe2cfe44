"""A collector in virtual time whose folders can die or fail at any operation, even in the middle of one."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import pytest

from reference_stack.collector.component import Collector
from reference_stack.collector.partition import COLUMNS, decode, partition_day
from reference_stack.folders import Held, MemoryFolder
from reference_stack.layers.contract import Mode
from reference_stack.messages import ConfigureRequest, ViewEvents
from reference_stack.ports import Folder
from reference_stack.settings import CollectorSettings, LayerSettings, ShellSettings
from reference_stack.shells.virtual_machine import VirtualMachine, VirtualProcess
from reference_stack.telemetry import Telemetry

SCHEMA = "reference_stack.layers.schema:Schema"


def view_events(view: str, day: Any, rows: int = 10, **changes: Any) -> ViewEvents:
    """A sound view whose click is in slot 3."""
    sound: dict[str, Any] = {
        "view": view,
        "recommendation": f"r-{view}",
        "customer": 5,
        "segment": 2,
        "shard": 1,
        "day": day,
        "version": 4,
        "fallback": "",
        "products": list(range(40, 40 + rows)),
        "positions": list(range(1, rows + 1)),
        "clicked": [int(row == 2) for row in range(rows)],
        "dwell_s": [12.5 if row == 2 else None for row in range(rows)],
        "prices": [None if row == 1 else row / 7 for row in range(rows)],
        "categories": [row % 8 for row in range(rows)],
        "sources": [row % 4 for row in range(rows)],
        "ages_days": [float(row) for row in range(rows)],
    }
    return ViewEvents(**{**sound, **changes})


class Killed(BaseException):
    """The process dies while it starts."""


class MortalFolder:
    """Passes everything on until an operation that changes something is the last one.

    `trouble(part)` is asked before each change with a function that does a torn share of it.
    """

    def __init__(
        self, folder: Folder, trouble: Callable[[Callable[[], None], Callable[[], None]], None]
    ) -> None:
        self._folder = folder
        self._trouble = trouble

    def write(self, name: str, data: bytes) -> None:
        self._trouble(lambda: self._folder.write(name, data), lambda: None)

    def append(self, name: str, data: bytes) -> None:
        self._trouble(
            lambda: self._folder.append(name, data),
            lambda: self._folder.append(name, data[: len(data) // 2]),
        )

    def delete(self, name: str) -> None:
        self._trouble(lambda: self._folder.delete(name), lambda: None)

    def read(self, name: str) -> bytes:
        return self._folder.read(name)

    def exists(self, name: str) -> bool:
        return self._folder.exists(name)

    def list(self, prefix: str = "") -> Sequence[str]:
        return self._folder.list(prefix)


class Stand:
    """The collector, the client before it and the folders behind it."""

    def __init__(self, start_day: float = 3.0, mode: Mode = Mode.ENFORCE) -> None:
        self.machine = VirtualMachine(seed=1, day_seconds=1.0, start_day=start_day)
        self.store: dict[str, Held] = {}
        self.folder = MemoryFolder(self.store, "collector")
        self.outbox = MemoryFolder(self.store, "outbox")
        self.lines: list[dict[str, Any]] = []
        self.layers = {"schema": LayerSettings(use=SCHEMA, mode=mode)}
        self.settings = CollectorSettings()
        self.trouble_in: int | None = None
        self.trouble = ""
        self.written: dict[str, set[bytes]] = {}
        self.start()

    def start(self) -> None:
        def build(process: VirtualProcess) -> Collector:
            sink = process.sink(lambda line: self.lines.append(json.loads(line)))
            return Collector(
                process.runtime,
                Telemetry("collector", process.runtime, sink),
                self.settings,
                self.layers,
                "2026.1",
                folder=MortalFolder(process.folder(self.folder), self._pass),
                outbox=MortalFolder(process.folder(self.outbox), self._pass),
            )

        with contextlib.suppress(Killed):
            self.machine.start("collector", build, ShellSettings())
        self.machine.advance(self.machine.day())

    def _pass(self, whole: Callable[[], None], part: Callable[[], None]) -> None:
        if self.trouble_in is not None:
            self.trouble_in -= 1
        if self.trouble_in != -1:
            whole()
            self._note()
            return
        self.trouble_in = None
        {"before": lambda: None, "torn": part, "after": whole}[self.trouble.split()[0]]()
        self._note()
        if self.trouble.endswith("fails"):
            raise OSError("no space left on device")
        if not self.alive:
            raise Killed
        self.machine.end("collector")
        raise asyncio.CancelledError

    def _note(self) -> None:
        for name in self.outbox.list():
            self.written.setdefault(name, set()).add(self.outbox.read(name))

    @property
    def alive(self) -> bool:
        return self.machine.process("collector") is not None

    def kill(self) -> None:
        self.machine.end("collector")

    def ask(self, operation: str, request: msgspec.Struct | bytes) -> tuple[int, Any]:
        """Status and body; past the network."""
        body = request if isinstance(request, bytes) else msgspec.json.encode(request)
        replies: list[tuple[int, Any]] = []
        self.machine.request(
            "collector", operation, body, lambda status, data: replies.append((status, json.loads(data)))
        )
        self.machine.advance(self.machine.day())
        return replies[0]

    def send(self, view: str, day: Any = None, **changes: Any) -> tuple[int, int] | None:
        """Rows accepted and quarantined, None without an acknowledgement."""
        events = view_events(view, self.machine.day() if day is None else day, **changes)
        status, reply = self.ask("collect", events)
        return (reply["accepted"], reply["quarantined"]) if status == 200 else None

    def set_clock(self, ahead_days: float) -> None:
        """Have the collector's calendar ahead of the true one."""
        value = msgspec.Raw(msgspec.json.encode(ahead_days))
        status, _ = self.ask("configure", ConfigureRequest(key="clock_ahead_days", value=value))
        assert status == 200

    def acknowledged(self, day: int) -> int | None:
        rows: int | None = self.ask("acknowledged", b'{"partition_day":%d}' % day)[1]["rows"]
        return rows

    def partitions(self) -> dict[int, dict[str, list[Any]]]:
        """What lies in the outbox, by day."""
        found = {}
        for name in self.outbox.list():
            day = partition_day(name)
            assert day is not None
            found[day] = decode(self.outbox.read(name)).table.to_pydict()
            assert list(found[day]) == list(COLUMNS)
        return found

    def quarantine(self) -> list[dict[str, Any]]:
        names = self.folder.list("quarantine/")
        return [json.loads(line) for name in names for line in self.folder.read(name).splitlines()]

    def metric(self, name: str) -> float:
        samples: dict[str, float] = self.ask("scrape", b"{}")[1]["samples"]
        return samples.get(name, 0.0)

    def said(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        return [
            line
            for line in self.lines
            if line["event"] == event and all(line.get(key) == value for key, value in fields.items())
        ]


@pytest.fixture
def make_stand() -> Iterator[Callable[..., Stand]]:
    stands: list[Stand] = []

    def make(*args: Any, **kwargs: Any) -> Stand:
        stands.append(Stand(*args, **kwargs))
        return stands[-1]

    yield make
    for stand in stands:
        stand.machine.close()


@pytest.fixture
def stand(make_stand: Callable[..., Stand]) -> Stand:
    return make_stand()

"""A data link in virtual time: hands the files of a source folder on to a sink folder, and can be shaped.

    collector ─write─▶ source ─▶ shapes (data toxics) ─▶ sink ◀─list, read─ features

With no shape a file is handed on at the instant it is written: whole, once, and in order.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from reference_stack.folders import MemoryFolder
from reference_stack.ports import Folder
from reference_stack.shells.virtual_machine import VirtualMachine

_POLL_DAYS = 0.01
_NUMBER = re.compile(r"(-?\d+)")


class Passed(NamedTuple):
    """A file as it arrives at the sink."""

    name: str
    data: bytes


PartitionShape = Callable[[str, bytes, float, float], Sequence[tuple[str, bytes]] | None]
"""(name, bytes, day written, day now) → what is handed on in its place: nothing, the same, something changed,
more than one file; or None to hold it for now."""


class VirtualDataLink:
    """Watches `source`; first come, first served: what is held holds what came after it.

    Several shapes work one after the other, each on what the one before let pass. While something is held
    they are asked again each 0.01 day, as the data proxy does.
    """

    def __init__(self, machine: VirtualMachine, name: str, source: Folder, sink: MemoryFolder) -> None:
        self.name = name
        self._machine = machine
        self._source = source
        self._sink = sink
        self._shapes: list[PartitionShape] = []
        known = set(sink.list())
        waiting = sorted((name for name in source.list() if name not in known), key=_natural)
        self._waiting: deque[tuple[str, float]] = deque((name, machine.day()) for name in waiting)
        self._known = known | set(waiting)
        self._watching = False
        self._hand_on()

    def shape(self, fn: PartitionShape) -> Callable[[], None]:
        """Add a shape; what is returned takes it away again, hands on what only it held, in order, and may be
        called twice."""
        # Wrapped, so that the same function can be added twice and each be removed by itself.
        added = partial(fn)
        self._shapes.append(added)

        def remove() -> None:
            if added in self._shapes:
                self._shapes.remove(added)
                self._hand_on()

        return remove

    def deliver_again(self, name: str) -> None:
        """Hand on once more what was handed on before, through the shapes there are now: none holds it."""
        if name in self._known and name not in self.held:
            file = Passed(name, self._source.read(name))
            for each in self._through(file, self._machine.day(), math.inf) or ():
                self._sink.write(*each)

    def source(self, folder: Folder) -> Folder:
        """The source as its writer holds it: the link hears of each file at once."""
        return _Watched(folder, self._written)

    @property
    def held(self) -> Sequence[str]:
        """Names of files that have not been handed on, oldest first."""
        return [name for name, _ in self._waiting]

    def delivered(self) -> dict[str, int]:
        """Names at the sink, with their sizes in bytes."""
        return {name: self._sink.size(name) for name in self._sink.list()}

    def _written(self, name: str) -> None:
        # A file that is written again is the same one: partitions are immutable.
        if name not in self._known:
            self._known.add(name)
            self._waiting.append((name, self._machine.day()))
            self._hand_on()

    def _hand_on(self) -> None:
        while self._waiting:
            name, written_day = self._waiting[0]
            passed = self._through(Passed(name, self._source.read(name)), written_day, self._machine.day())
            if passed is None:
                break
            self._waiting.popleft()
            for each in passed:
                self._sink.write(*each)
        if self._waiting and not self._watching:
            self._watching = True
            loop = self._machine.loop
            loop.at(loop.now + _POLL_DAYS * self._machine.day_seconds, None, self._look, None)

    def _through(self, file: Passed, written_day: float, now_day: float) -> list[Passed] | None:
        files = [file]
        for shape in self._shapes:
            shaped: list[Passed] = []
            for each in files:
                passed = shape(each.name, each.data, written_day, now_day)
                if passed is None:
                    return None
                shaped += [Passed(*one) for one in passed]
            files = shaped
        return files

    def _look(self, _: object) -> None:
        self._watching = False
        self._hand_on()


class _Watched:
    """A folder that says when a file has been written."""

    def __init__(self, folder: Folder, written: Callable[[str], None]) -> None:
        self._folder = folder
        self._written = written

    def write(self, name: str, data: bytes) -> None:
        self._folder.write(name, data)
        self._written(name)

    def append(self, name: str, data: bytes) -> None:
        self._folder.append(name, data)
        self._written(name)

    def read(self, name: str) -> bytes:
        return self._folder.read(name)

    def exists(self, name: str) -> bool:
        return self._folder.exists(name)

    def list(self, prefix: str = "") -> Sequence[str]:
        return self._folder.list(prefix)

    def delete(self, name: str) -> None:
        self._folder.delete(name)


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sorts day=9 before day=10, and day=-3 before both."""
    parts = [part for part in _NUMBER.split(name) if part]
    return [(0, int(part), "") if _NUMBER.fullmatch(part) else (1, 0, part) for part in parts]

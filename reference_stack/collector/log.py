"""The collector's write-ahead log: a line of JSON for each view, a file for each partition.

A line is on disk before its view is acknowledged. Only lines that end count: a process killed in the middle
of one never acknowledged it, so a torn end is cut off before anything is written behind it. A partition is
a function of its log and of nothing else.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import chain, repeat
from operator import add, attrgetter
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace

from reference_stack.collector.partition import Repeated
from reference_stack.messages import Scalar, ViewEvents
from reference_stack.ports import Folder

PER_ROW = {
    "product": "products",
    "position": "positions",
    "clicked": "clicked",
    "dwell": "dwell_s",
    "price": "prices",
    "category": "categories",
    "source": "sources",
    "age": "ages_days",
}
"""Columns of the partition that differ from row to row, and the fields of ViewEvents that bring them."""
_per_row = attrgetter(*PER_ROW.values())
_PER_VIEW = ("view", "recommendation", "customer", "segment", "shard", "day", "version", "fallback")
_all_columns = attrgetter(*PER_ROW.values(), *_PER_VIEW)
_NAME = re.compile(r"log/day=(-?\d+)\.jsonl")
_LARGEST = 2**63


class _Line(msgspec.Struct, frozen=True):
    """ViewEvents as they came, with no opinion about values."""

    view: Any
    recommendation: Any
    customer: Any
    segment: Any
    shard: Any
    day: Any
    version: Any
    fallback: Any
    products: list[Any]
    positions: list[Any]
    clicked: list[Any]
    dwell_s: list[Any]
    prices: list[Any]
    categories: list[Any]
    sources: list[Any]
    ages_days: list[Any]


_encoder = msgspec.json.Encoder(enc_hook=str)
_decoder = msgspec.json.Decoder(_Line)


def row_count(events: ViewEvents | _Line) -> int:
    """Rows of a view: the length of its longest column."""
    return max(map(len, _per_row(events)))


def pick(events: ViewEvents, rows: Sequence[int]) -> ViewEvents:
    """Only some rows of a view; columns that are too short stay short."""
    fields = {}
    for field in PER_ROW.values():
        values: Sequence[Scalar] = getattr(events, field)
        fields[field] = [values[row] for row in rows if row < len(values)]
    return replace(events, **fields)


def encode_line(events: msgspec.Struct) -> bytes:
    """One line. NaN and infinities become null; what JSON cannot hold becomes text."""
    try:
        return _encoder.encode(events) + b"\n"
    except ValueError:
        return _encoder.encode(_plain(msgspec.structs.asdict(events))) + b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, msgspec.Struct):
        return _plain(msgspec.structs.asdict(value))
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    fits = not isinstance(value, int) or -_LARGEST <= value < _LARGEST
    return value if fits else float(value) if abs(value) < 1e300 else math.inf


class EventLog:
    """The log files of one collector, in its own folder."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.damaged_lines = 0

    def days(self) -> list[int]:
        """Partition days that have a log, ascending."""
        found = (_NAME.fullmatch(name) for name in self._folder.list("log/"))
        return sorted(int(match[1]) for match in found if match)

    def append(self, day: int, events: ViewEvents) -> None:
        """Make a view durable. After an OSError it may be there, or be torn: repair and read."""
        self._folder.append(_name(day), encode_line(events))

    def repair(self, day: int) -> bool:
        """Cut off a torn end; whether there was one."""
        name = _name(day)
        data = self._folder.read(name) if self._folder.exists(name) else b""
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            self._folder.write(name, whole)
        return len(whole) < len(data)

    def read(self, day: int) -> dict[str, Sequence[Any]]:
        """All rows of a partition, as columns; empty ones where there is no log.

        A line that cannot be read, which no crash of the process leaves behind, is counted and left out.
        """
        return _columns(self._lines(day))

    def positions(self, day: int) -> dict[str, list[Any]]:
        """Of the same rows the positions, by view as text; None where a row lacks its own."""
        found: dict[str, list[Any]] = {}
        for line in self._lines(day):
            if rows := row_count(line):
                lacking = [None] * (rows - len(line.positions))
                found.setdefault(str(line.view), []).extend(line.positions + lacking)
        return found

    def forget(self, day: int) -> None:
        """Remove a log whose partition has been written."""
        self._folder.delete(_name(day))

    def _lines(self, day: int) -> list[_Line]:
        name = _name(day)
        data = self._folder.read(name) if self._folder.exists(name) else b""
        lines = []
        for line in data[: data.rfind(b"\n") + 1].split(b"\n")[:-1]:
            try:
                lines.append(_decoder.decode(line))
            except msgspec.DecodeError:
                self.damaged_lines += 1
        return lines


def _name(day: int) -> str:
    return f"log/day={day}.jsonl"


def _columns(lines: list[_Line]) -> dict[str, Sequence[Any]]:
    found = list(zip(*map(_all_columns, lines), strict=True)) or [()] * (len(PER_ROW) + len(_PER_VIEW))
    per_row = dict(zip(PER_ROW, found, strict=False))
    lengths = [list(map(len, lists)) for lists in per_row.values()]
    rows = lengths[0] if all(each == lengths[0] for each in lengths) else list(map(max, *lengths))
    columns: dict[str, Sequence[Any]] = {}
    for name, lists in per_row.items():
        whole = columns[name] = list(chain.from_iterable(lists))
        if len(whole) < sum(rows):  # a column that is too short lacks its last values
            padded = (
                values + [None] * (size - len(values)) for values, size in zip(lists, rows, strict=True)
            )
            columns[name] = list(chain.from_iterable(padded))
    places = np.repeat(np.arange(len(lines)), rows)
    for name, values in zip(_PER_VIEW, found[len(PER_ROW) :], strict=True):
        columns[name] = Repeated(values, places)
    views = chain.from_iterable(repeat(f"{line.view}:", size) for line, size in zip(lines, rows, strict=True))
    columns["event_id"] = list(map(add, views, map(str, columns["position"])))
    return columns

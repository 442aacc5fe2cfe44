"""What a target says of itself: its log lines as journal events, its metrics, the names of its partitions."""

from __future__ import annotations

import json
import math
import re
from typing import get_args

import msgspec

from chaos.domain.event import Observed, ViewRow, Views


class _Kind(msgspec.Struct):
    event: str = ""


class _Error(msgspec.Struct):
    event: str = ""
    day: float = -math.inf
    component: str = ""
    kind: str = ""
    says: str = ""


_kind = msgspec.json.Decoder(_Kind)
_error = msgspec.json.Decoder(_Error)
_observed: msgspec.json.Decoder[Observed] = msgspec.json.Decoder(Observed)
_NAMES = frozenset(str(kind.__struct_config__.tag) for kind in get_args(Observed))
_PARTITION = re.compile(r"^day=(-?\d+)\.")
_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{[^\n]*\})?) ([^ \n]+)", re.MULTILINE)


LAST_WORDS_DAYS = 0.1
"""What a component said longer before its end has not ended it."""


class MalformedLog(ValueError):
    """A log line claims to be an event that the harness knows, and lacks its fields, or cannot be."""


def read_line(line: bytes | str) -> Observed | None:
    """The event of a log line, or None for a line that is for people. Raises MalformedLog."""
    try:
        event = _kind.decode(line).event
    except (msgspec.DecodeError, UnicodeDecodeError):
        if (named := _named_loosely(line)) in _NAMES:
            raise MalformedLog(f"event {named!r} is not JSON (NaN and Infinity are not): {line!r}") from None
        return None
    if event not in _NAMES:
        return None
    try:
        observed = _observed.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedLog(f"{error}: {line!r}") from error
    if isinstance(observed, Views) and not all(map(_can_be, observed.rows)):
        raise MalformedLog(f"it counts more views of a kind than there are, or fewer than none: {line!r}")
    return observed


def _can_be(row: ViewRow) -> bool:
    most = row.n
    return (
        0 <= row.errors <= most
        and 0 <= row.slow <= most
        and 0 <= row.abandoned <= most
        and 0 <= row.fallback <= most
        and 0 <= row.defaulted <= most
    )


class LogReader:
    """Reads log lines, and remembers the last error that each component has told of."""

    def __init__(self) -> None:
        self._says: dict[str, tuple[float, str]] = {}

    def read(self, line: bytes | str) -> Observed | None:
        """What `read_line` says of it. Raises MalformedLog."""
        event = read_line(line)
        if event is None:
            self._hear(line)
        return event

    def last_error(self, component: str, day: float) -> str:
        """What a component has said of an error by its end on a day; "" where it told of none just before."""
        told_day, says = self._says.get(component, (-math.inf, ""))
        return says if day - told_day <= LAST_WORDS_DAYS else ""

    def _hear(self, line: bytes | str) -> None:
        """Note it, where it is one: `{"event": "error", "day": …, "component": …, "kind": …, "says": …}`."""
        if b'"error"' not in (line.encode() if isinstance(line, str) else line):
            return
        try:
            told = _error.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        if told.event == "error" and told.kind:
            self._says[told.component] = told.day, f"{told.kind}: {told.says}"


def _named_loosely(line: bytes | str) -> str:
    """The event of a whole line that is JSON but for its numbers, as where one is NaN; "" of any other."""
    try:
        told: object = json.loads(line)
    except ValueError:
        return ""
    event = told.get("event") if isinstance(told, dict) else None
    return event if isinstance(event, str) else ""


def read_samples(metrics: str) -> dict[str, float]:
    """The samples of a text in Prometheus' format, by name and labels as they stand there."""
    return {name: float(value) for name, value in _SAMPLE.findall(metrics)}


def partition_day(name: str) -> int | None:
    """The day of a partition's file name (`day=12.parquet`), None for any other file."""
    match = _PARTITION.match(name)
    return None if match is None else int(match[1])

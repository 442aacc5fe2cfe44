"""What a target's own log says, as journal events."""

from __future__ import annotations

from typing import get_args

import msgspec

from chaos.domain.event import Observed


class _Kind(msgspec.Struct):
    event: str = ""


_kind = msgspec.json.Decoder(_Kind)
_observed: msgspec.json.Decoder[Observed] = msgspec.json.Decoder(Observed)
_NAMES = frozenset(str(kind.__struct_config__.tag) for kind in get_args(Observed))


class MalformedLog(ValueError):
    """A log line claims to be an event that the harness knows, and does not have its fields."""


def read_line(line: bytes | str) -> Observed | None:
    """The event of a log line, or None for a line that is for people. Raises MalformedLog."""
    try:
        event = _kind.decode(line).event
    except msgspec.DecodeError:
        return None
    if event not in _NAMES:
        return None
    try:
        return _observed.decode(line)
    except msgspec.DecodeError as error:
        raise MalformedLog(f"{error}: {line!r}") from error

"""What travels through a link: chunks of bytes, and one end."""

from __future__ import annotations

import enum
from typing import NamedTuple

MAX_CHUNK_BYTES = 32 * 1024


class Direction(enum.Enum):
    """Which way bytes go; `upstream` is from the client to the upstream."""

    UPSTREAM = "upstream"
    DOWNSTREAM = "downstream"


class Chunk(NamedTuple):
    """Bytes, and when they came in: seconds of the monotonic clock."""

    data: bytes
    at: float


class End(enum.Enum):
    """How a direction ends."""

    EOF = "eof"  # the source will send no more; the other direction lives on
    CLOSE = "close"  # the connection goes down once everything before has been delivered
    RESET = "reset"  # the connection goes down with a TCP RST

"""Named random streams: the only place of the reference stack that draws randomness."""

from __future__ import annotations

import hashlib
import secrets
import struct
from collections.abc import Iterator

from numpy.random import PCG64, Generator

__all__ = ["Generator", "fresh_name", "fresh_number", "stream", "uniform", "uniforms"]

_WORDS = struct.Struct(">8Q")


def _key(seed: int, names: tuple[str | int, ...]) -> int:
    return int.from_bytes(hashlib.blake2b(_text(seed, names).encode(), digest_size=16).digest(), "big")


def _text(seed: int, names: tuple[str | int, ...]) -> str:
    return "\x1f".join(map(str, (seed, *names)))


def stream(seed: int, *names: str | int) -> Generator:
    """A generator of its own for (`seed`, `names`): the same in every process, whatever the hash seed.

    Making one costs about 10 µs; take one per day or per link and draw from it, not one per number.
    """
    return Generator(PCG64(_key(seed, names)))


def uniform(seed: int, *names: str | int) -> float:
    """One number in [0, 1) for (`seed`, `names`), straight from the digest (about 2 µs)."""
    digest = hashlib.blake2b(_text(seed, names).encode(), digest_size=16).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) * 2.0**-53


def uniforms(seed: int, *names: str | int) -> Iterator[float]:
    """Numbers in [0, 1) for (`seed`, `names`) without end, eight from a digest (about 2 µs): where a few are
    drawn for each of many things, and a generator for each would cost too much.
    """
    text, batch = _text(seed, names), 0
    while True:
        digest = hashlib.blake2b(f"{text}\x1f{batch}".encode(), digest_size=64).digest()
        for word in _WORDS.unpack(digest):
            yield (word >> 11) * 2.0**-53
        batch += 1


def fresh_name() -> str:
    """A name that no other process takes; nothing that is drawn for the stack's story rests on it."""
    return secrets.token_hex(8)


def fresh_number(below: int) -> int:
    """A number from 0 on that another process would not choose too; likewise."""
    return secrets.randbelow(below)

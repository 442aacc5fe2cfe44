"""Named random streams: the only place of the harness that draws randomness."""

from __future__ import annotations

import hashlib
import random
import secrets


def stream(seed: int, *names: str | int) -> random.Random:
    """A generator of its own for (`seed`, `names`): the same in every process, whatever the hash seed."""
    text = "\x1f".join([str(seed), *(str(name) for name in names)])
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    return random.Random(int.from_bytes(digest, "big"))


def fresh_id(prefix: str) -> str:
    """A short identifier that no other run has."""
    return f"{prefix}-{secrets.token_hex(4)}"


def fresh_secret() -> str:
    """What nobody can guess."""
    return secrets.token_hex(16)


def fresh_number(below: int) -> int:
    """A number from 0 on that another process would not choose too."""
    return secrets.randbelow(below)

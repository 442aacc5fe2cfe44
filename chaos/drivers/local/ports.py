"""Free ports on loopback."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import ExitStack

from chaos.errors import ArmFailed

HOST = "127.0.0.1"


def free_addresses(names: Sequence[str]) -> dict[str, str]:
    """A free `127.0.0.1:port` for each name; all are held until all are found, so no two are alike."""
    with ExitStack() as stack:
        found: dict[str, str] = {}
        for name in names:
            held = stack.enter_context(socket.socket())
            try:
                held.bind((HOST, 0))
            except OSError as error:
                raise ArmFailed(f"no free port on {HOST} for {name}: {error.strerror}") from error
            found[name] = f"{HOST}:{held.getsockname()[1]}"
        return found

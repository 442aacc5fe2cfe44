"""Free ports on loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from chaos.errors import ArmFailed
from chaos.seeds import fresh_number

HOST = "127.0.0.1"
LOWEST = 12_000
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
# Where the kernel does not say: IANA's own range begins here (RFC 6335, section 6).
FIRST_EPHEMERAL = 49_152


def free_addresses(names: Sequence[str]) -> dict[str, str]:
    """A free `127.0.0.1:port` for each name; all are held until all are found, so no two are alike.

    None is a port that the kernel gives to outgoing connections: between the choice and the moment its owner
    listens, or while a link is down, one of them could take it.
    """
    with ExitStack() as stack:
        found: dict[str, str] = {}
        ports = _candidates()
        for name in names:
            found[name] = f"{HOST}:{_hold(stack, ports, name)}"
        return found


def _hold(stack: ExitStack, ports: Iterator[int], name: str) -> int:
    for port in ports:
        held = socket.socket()
        try:
            held.bind((HOST, port))
        except OSError:
            held.close()
            continue
        stack.callback(held.close)
        return port
    raise ArmFailed(f"no free port on {HOST} for {name} from {LOWEST} to {_first_ephemeral() - 1}")


def _candidates() -> Iterator[int]:
    """Every port below the ephemeral ones, once, from another place in each call: runs start together."""
    count = _first_ephemeral() - LOWEST
    start = fresh_number(count)
    return (LOWEST + (start + step) % count for step in range(count))


def _first_ephemeral() -> int:
    try:
        first = int(EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return FIRST_EPHEMERAL
    return first if first > LOWEST + 1000 else FIRST_EPHEMERAL

"""Addresses on loopback for components that were given none."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from reference_stack.seeds import fresh_number

HOST = "127.0.0.1"
LOWEST = 12_000
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_addresses(names: Sequence[str]) -> dict[str, str]:
    """A free `127.0.0.1:port` for each name, below the ports that the kernel gives to outgoing connections:
    one of those could be taken before its component listens. Raises OSError where none is free.
    """
    try:
        above = int(EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        above = 49_152  # IANA's (RFC 6335, section 6)
    count = max(above - LOWEST, 1000)
    start = fresh_number(count)
    ports = (LOWEST + (start + step) % count for step in range(count))
    with ExitStack() as stack:
        return {name: f"{HOST}:{_hold(stack, ports)}" for name in names}


def _hold(stack: ExitStack, ports: Iterator[int]) -> int:
    for port in ports:
        held = socket.socket()
        stack.callback(held.close)
        try:
            held.bind((HOST, port))
        except OSError:
            continue
        return port
    raise OSError(f"no port on {HOST} is free")

"""The toxics, all of them: to add one, write its file and name it here. `noop` is the pattern to copy."""

from __future__ import annotations

from chaos.proxies.network.toxic import Toxic
from chaos.proxies.network.toxics.bandwidth import Bandwidth
from chaos.proxies.network.toxics.latency import Latency
from chaos.proxies.network.toxics.limit_data import LimitData
from chaos.proxies.network.toxics.noop import Noop
from chaos.proxies.network.toxics.reset_peer import ResetPeer
from chaos.proxies.network.toxics.slicer import Slicer
from chaos.proxies.network.toxics.slow_close import SlowClose
from chaos.proxies.network.toxics.timeout import Timeout

TOXICS: tuple[type[Toxic], ...] = (
    Bandwidth,
    Latency,
    LimitData,
    Noop,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
)


def by_type() -> dict[str, type[Toxic]]:
    """The toxics by their type; raises ValueError where two share one."""
    found: dict[str, type[Toxic]] = {}
    for toxic in TOXICS:
        if toxic.type in found:
            raise ValueError(f"two toxics have the type {toxic.type!r}: {found[toxic.type]} and {toxic}")
        found[toxic.type] = toxic
    return found

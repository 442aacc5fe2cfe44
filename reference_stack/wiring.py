"""Who asks whom over which link, and which folders there are.

shop ──▶ serving-a, serving-b ──▶ features, registry        monitor ──▶ everyone, oncall
  └────▶ collector ─▶ outbox ══events══▶ inbox ─▶ features        orchestrator ──▶ features, trainer,
                                                                 registry, and whoever takes settings
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from reference_stack.oncall.actions import ACTED_ON
from reference_stack.settings import REPLICAS, StackSettings


class Link(NamedTuple):
    """A network link: who asks over it, and who answers."""

    callers: tuple[str, ...]
    callee: str


PUSHED = ("collector", "features", "trainer", *REPLICAS, "monitor", "oncall")
"""Components whose settings the orchestrator may push."""
SCRAPED = ("collector", "features", "trainer", *REPLICAS, "orchestrator", "oncall", "shop")
"""Components whose metrics the monitor reads; what the registry says of itself is not for it to read."""

LINKS: dict[str, Link] = {
    "shop-serving-a": Link(("shop",), "serving-a"),
    "shop-serving-b": Link(("shop",), "serving-b"),
    "shop-collector": Link(("shop",), "collector"),
    "serving-features": Link(REPLICAS, "features"),
    "serving-registry": Link(REPLICAS, "registry"),
    "features-collector": Link(("features",), "collector"),
    "trainer-registry": Link(("trainer",), "registry"),
    "orchestrator-registry": Link(("orchestrator",), "registry"),
    **{f"orchestrator-{callee}": Link(("orchestrator",), callee) for callee in PUSHED},
    "monitor-registry": Link(("monitor",), "registry"),
    **{f"monitor-{callee}": Link(("monitor",), callee) for callee in SCRAPED},
    **{f"oncall-{callee}": Link(("oncall",), callee) for callee in ACTED_ON},
}
"""Network links by name. `monitor-oncall` carries alerts and scrapes, `orchestrator-features` and
`orchestrator-trainer` the daily cycle and pushes."""

EVENTS = "events"
DATA_LINKS: dict[str, tuple[str, str]] = {EVENTS: ("outbox", "inbox")}
"""Data links by name: source and sink folder."""

FOLDERS: dict[str, tuple[str, ...]] = {
    "outbox": ("collector",),
    "inbox": ("features",),
    "collector": ("collector",),
    "features": ("features", "trainer"),
    "trainer": ("trainer",),
    "registry": ("registry",),
    "serving": REPLICAS,
    "orchestrator": ("orchestrator",),
    "monitor": ("monitor",),
    "oncall": ("oncall",),
    "shop": ("shop",),
}
"""Folders below the stack's root by name, and who uses them."""

REGISTRY_WRITERS = ("trainer", "orchestrator")
"""Components that change the registry; the others only read it."""
_REGISTRY_TIMEOUT_DAYS = 0.2
_REGISTRY_WRITE_MS = 1000.0
"""What a request that changes the registry is given at least: MLflow needs 20 to 40 ms for one."""


def folder_path(name: str, settings: StackSettings) -> Path:
    """Where a folder of `FOLDERS` lies when folders are directories; the inbox may lie elsewhere."""
    if name == "inbox" and settings.inbox:
        return Path(settings.inbox)
    return Path(settings.root) / name


def registry_link(component: str) -> str | None:
    """The link over which a component asks the registry; None for one that does not."""
    links = LINKS.items()
    return next((name for name, to in links if to.callee == "registry" and component in to.callers), None)


def registry_timeout_ms(component: str, day_seconds: float) -> float:
    """How long a component waits for the registry to answer, in either kind of time."""
    timeout_ms = 1000.0 * _REGISTRY_TIMEOUT_DAYS * day_seconds
    return max(timeout_ms, _REGISTRY_WRITE_MS) if component in REGISTRY_WRITERS else timeout_ms

"""Toxiproxy's toxics as pure functions on what will happen to a message.

Names and attributes are Toxiproxy's, in milliseconds and bytes. What shapes a stream of bytes and not a
message (bandwidth, slicer, slow_close) has no meaning here and is refused when a scenario is planned.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

from chaos.domain.change import AddToxic
from chaos.drivers.virtual.protocol import LinkPlan, Shape
from chaos.errors import ArmFailed

Attributes = Mapping[str, int]
_STEP = 7919.0


def _latency(plan: LinkPlan, way: str, attributes: Attributes, chance: float) -> LinkPlan:
    jitter = max(0, attributes.get("jitter", 0))
    delay = attributes.get("latency", 0) + jitter * (2 * chance - 1)
    now: float = getattr(plan, f"{way}_ms")
    return plan.replace(**{f"{way}_ms": now + max(0.0, delay)})


def _timeout(plan: LinkPlan, way: str, attributes: Attributes, _chance: float) -> LinkPlan:
    """Nothing passes; the connection closes after `timeout`, 0: never."""
    timeout = attributes.get("timeout", 0)
    if timeout <= 0:
        return plan.replace(**{f"lost_{way}": True})
    return plan.replace(**{f"reset_{way}": True, f"{way}_ms": float(timeout)})


def _reset_peer(plan: LinkPlan, way: str, attributes: Attributes, _chance: float) -> LinkPlan:
    now: float = getattr(plan, f"{way}_ms")
    return plan.replace(**{f"reset_{way}": True, f"{way}_ms": now + attributes.get("timeout", 0)})


def _limit_data(plan: LinkPlan, way: str, _attributes: Attributes, _chance: float) -> LinkPlan:
    """A connection that closes within a message loses it. Limits that a message fits in are not planned."""
    return plan.replace(**{f"reset_{way}": True})


def _noop(plan: LinkPlan, _way: str, _attributes: Attributes, _chance: float) -> LinkPlan:
    return plan


TOXICS: Mapping[str, Callable[[LinkPlan, str, Attributes, float], LinkPlan]] = {
    "latency": _latency,
    "timeout": _timeout,
    "reset_peer": _reset_peer,
    "limit_data": _limit_data,
    "noop": _noop,
}


def shape_of(change: AddToxic) -> Shape:
    """The shape of a toxic. Raises ArmFailed for one that means nothing for messages."""
    act = TOXICS.get(change.type)
    if act is None:
        raise ArmFailed(f"toxic {change.type!r} means nothing for messages in virtual time")
    way = "down" if change.stream == "downstream" else "up"
    # Each toxic has its own luck with a message, as it has with a connection of a real proxy.
    turned = zlib.crc32(change.name.encode()) / 2**32

    def shape(plan: LinkPlan) -> LinkPlan:
        chance = ((plan.down_chance if way == "down" else plan.up_chance) + turned) % 1.0
        if chance >= change.toxicity:
            return plan
        return act(plan, way, change.attributes, chance * _STEP % 1.0)

    return shape

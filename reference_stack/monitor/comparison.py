"""Features as replicas served them, held against the stored snapshots that training reads."""

from __future__ import annotations

import math
from collections.abc import Sequence

from reference_stack.comparing import RECOMPUTE, SAMPLE, RecomputeRequest, Used
from reference_stack.messages import Empty, LookupReply
from reference_stack.ports import NotFound, Port


async def differences(replica: Port, features: Port, timeout_ms: float) -> list[float]:
    """Of each row in a replica's sample the largest relative difference of a value from the stored one.

    Rows that are defaults for want of an answer, and those of a snapshot that is no longer stored, are left
    out. Raises a PortError where one of the two does not answer.
    """
    reply = await replica.call(SAMPLE, Empty(), timeout_ms=timeout_ms)
    by_snapshot: dict[str, list[Used]] = {}
    for used in reply.used:
        if not used.features.defaulted:
            by_snapshot.setdefault(used.features.snapshot, []).append(used)
    found: list[float] = []
    for snapshot, sample in by_snapshot.items():
        request = RecomputeRequest(snapshot, [used.customer for used in sample])
        try:
            stored = await features.call(RECOMPUTE, request, timeout_ms=timeout_ms)
        except NotFound:
            continue
        found += [difference(used.features, row) for used, row in zip(sample, stored.rows, strict=True)]
    return found


def difference(served: LookupReply, stored: LookupReply) -> float:
    """The largest relative difference of a value; infinite where the two are not of one shape."""
    shapes = [(len(row.values), len(row.affinities)) for row in (served, stored)]
    if served.products != stored.products or shapes[0] != shapes[1]:
        return math.inf
    return max(_largest(served.values, stored.values), _largest(served.affinities, stored.affinities))


def _largest(served: Sequence[float], stored: Sequence[float]) -> float:
    # Nearly always nothing differs. A list with a NaN in it equals itself; a sum gives it away.
    if served == stored and not math.isnan(sum(served)):
        return 0.0
    return max((_relative(a, b) for a, b in zip(served, stored, strict=True)), default=0.0)


def _relative(a: float, b: float) -> float:
    if a == b:
        return 0.0
    apart = abs(a - b) / max(abs(a), abs(b))
    return math.inf if math.isnan(apart) else apart

"""Which version to go back to when days or sources have been put aside."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from reference_stack.messages import PartitionCheck
from reference_stack.ports import ModelVersion, Registry

PARTITIONS_TAG = "partitions"

Spoilt = Callable[[PartitionCheck], bool]
"""Whether a version that was made of this partition is to be left."""


def in_days(purged: Sequence[PartitionCheck]) -> Spoilt:
    """Those with these bytes of these days."""
    found = {(check.partition_day, check.sha256) for check in purged}
    return lambda check: (check.partition_day, check.sha256) in found


def of_sources(quarantined: Mapping[int, int]) -> Spoilt:
    """Those with rows of one of these sources, from its first day on."""
    return lambda check: any(
        check.partition_day >= first and source not in check.left_out for source, first in quarantined.items()
    )


async def version_without(
    registry: Registry, spoilt: Spoilt, current: int | None, served: Collection[int]
) -> int | None:
    """The newest version up to the `current` one that `served` as champion and was made of nothing spoilt.

    One that was refused, or taken back, is not gone back to.
    None where that is the current one itself, or there is no such version. Raises a PortError.
    """
    versions = [known for known in await registry.versions() if current is None or known.version <= current]
    versions = [known for known in versions if known.version in served or known.version == current]
    clean = [known.version for known in versions if not any(map(spoilt, made_of(known)))]
    newest = max(clean, default=None)
    return None if newest == current else newest


def made_of(version: ModelVersion) -> list[PartitionCheck]:
    """The partitions that a version was trained on; none where it has no lineage."""
    return msgspec.json.decode(version.tags.get(PARTITIONS_TAG, "[]"), type=list[PartitionCheck])

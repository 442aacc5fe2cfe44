"""Which version to go back to when days have been put aside."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from reference_stack.messages import PartitionCheck
from reference_stack.ports import ModelVersion, Registry

PARTITIONS_TAG = "partitions"


async def version_without(registry: Registry, purged: Sequence[PartitionCheck], alias: str) -> int | None:
    """The newest version up to the one behind `alias` that holds nothing of `purged`.

    None where that is the version behind the alias itself, or there is no such version. Raises a PortError.
    """
    spoilt = {(check.partition_day, check.sha256) for check in purged}
    current = await registry.resolve(alias)
    versions = [known for known in await registry.versions() if current is None or known.version <= current]
    clean = [known.version for known in versions if not spoilt & held_by(known)]
    newest = max(clean, default=None)
    return None if newest == current else newest


def held_by(version: ModelVersion) -> set[tuple[int, str]]:
    """The partitions that a version was trained on, by day and fingerprint; none where it has no lineage."""
    tag = version.tags.get(PARTITIONS_TAG, "[]")
    return {
        (check.partition_day, check.sha256) for check in msgspec.json.decode(tag, type=list[PartitionCheck])
    }

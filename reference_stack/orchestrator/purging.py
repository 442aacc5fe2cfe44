"""Which version to go back to when days or sources have been put aside."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

import msgspec

from reference_stack.messages import (
    PartitionCheck,
    PurgeReply,
    PurgeRequest,
    QuarantineReply,
    QuarantineRequest,
)
from reference_stack.ports import ModelVersion, Registry

PARTITIONS_TAG = "partitions"

Aside = TypeVar("Aside", PurgeRequest, QuarantineRequest)
Spoilt = Callable[[PartitionCheck], bool]
"""Whether a version that was made of this partition is to be left."""


def in_days(purged: Sequence[PartitionCheck]) -> Spoilt:
    """Those with these bytes of these days."""
    found = {(check.partition_day, check.sha256) for check in purged}
    return lambda check: (check.partition_day, check.sha256) in found


def of_sources(quarantined: Mapping[int, int]) -> Spoilt:
    """Those with rows of one of these sources, from its first day on; all, where it does not say whose."""

    def spoilt(check: PartitionCheck) -> bool:
        return any(
            check.partition_day >= first
            and source not in check.left_out
            and (not check.sources or str(source) in check.sources)
            for source, first in quarantined.items()
        )

    return spoilt


class StartOver(msgspec.Struct, frozen=True):
    """What was put aside of late, and by whom; `gone_back` once what was made of it is out of service."""

    by: str
    purged: list[PartitionCheck] = []
    quarantined: dict[int, int] = {}
    gone_back: bool = False

    @property
    def spoilt(self) -> Spoilt:
        """What versions are to be left that were made of it."""
        in_those_days, of_those_sources = in_days(self.purged), of_sources(self.quarantined)
        return lambda check: in_those_days(check) or of_those_sources(check)

    def after(self, earlier: StartOver | None) -> StartOver:
        """The same, with what was put aside earlier and is still to be gone back from."""
        if earlier is None or earlier.gone_back:
            return self
        quarantined = {**earlier.quarantined, **self.quarantined}
        return StartOver(self.by, [*earlier.purged, *self.purged], quarantined)


def begun_by(request: PurgeRequest | QuarantineRequest, reply: msgspec.Struct) -> StartOver | None:
    """What is to be gone back from when something has been put aside; None for a release."""
    if isinstance(reply, PurgeReply):
        return StartOver(request.by, purged=list(reply.purged))
    if isinstance(request, QuarantineRequest) and request.release:
        return None
    assert isinstance(reply, QuarantineReply)
    return StartOver(request.by, quarantined=reply.quarantined)


async def versions_made_of(registry: Registry, spoilt: Spoilt) -> set[int]:
    """All versions that were made of something spoilt. Raises a PortError."""
    return {known.version for known in await registry.versions() if any(map(spoilt, made_of(known)))}


def version_without(spoilt: Collection[int], current: int | None, served: Collection[int]) -> int | None:
    """The newest version before the `current` one that `served` as champion and is not `spoilt`: one that was
    refused, or left because it was bad, is not gone back to.

    None where the current one is not spoilt itself, or there is no other.
    """
    if current is None or current not in spoilt:
        return None
    return max((one for one in served if one < current and one not in spoilt), default=None)


def made_of(version: ModelVersion) -> list[PartitionCheck]:
    """The partitions that a version was trained on; none where it has no lineage."""
    return msgspec.json.decode(version.tags.get(PARTITIONS_TAG, "[]"), type=list[PartitionCheck])

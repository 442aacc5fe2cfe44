from __future__ import annotations

import msgspec

from chaos.domain.event import Event, Partition, PartitionRef, Version
from chaos.domain.scenario import Arm
from chaos.scoring.arms import view_of
from chaos.scoring.contamination import contamination_of
from tests.journals import Story

ALTERED_DAY, VERSION = 5, 26


def spoilt(arm: Arm = Arm.DEFENDED) -> Story:
    """Day 5 comes altered, and version 26 is trained on it."""

    def alter(event: Event) -> Event:
        if isinstance(event, Partition) and (event.state, event.partition_day) == ("delivered", ALTERED_DAY):
            return msgspec.structs.replace(event, sha256="other")
        if isinstance(event, Version) and event.version == VERSION:
            return msgspec.structs.replace(event, partitions=[held(ref) for ref in event.partitions])
        return event

    def held(ref: PartitionRef) -> PartitionRef:
        return msgspec.structs.replace(ref, sha256="other") if ref.partition_day == ALTERED_DAY else ref

    return Story().change(arm, alter)


def purge(day: float) -> Partition:
    return Partition(day, "features", ALTERED_DAY, 0, "other", "purged")


def test_what_altered_data_got_into_is_followed_to_the_views() -> None:
    found = contamination_of(view_of(spoilt(Arm.CONTROL).journals()[Arm.CONTROL]))
    assert found is not None
    assert list(found.partitions) == [ALTERED_DAY]
    assert found.versions == [VERSION]
    assert found.views == 600
    assert (found.purged, found.left_in_service) == ([], [])


def test_a_clean_arm_has_none() -> None:
    found = contamination_of(view_of(Story().journals()[Arm.CONTROL]))
    assert found is not None
    assert (found.partitions, found.versions, found.views) == ({}, [], 0)


def test_a_purge_that_left_something_in_service_is_reported() -> None:
    late = contamination_of(view_of(spoilt(Arm.CONTROL).add(Arm.CONTROL, purge(7.6)).journals()[Arm.CONTROL]))
    broken = contamination_of(
        view_of(spoilt(Arm.CONTROL).add(Arm.CONTROL, purge(6.1)).journals()[Arm.CONTROL])
    )
    assert late is not None
    assert broken is not None
    assert (late.purged, late.left_in_service) == ([ALTERED_DAY], [])
    assert (broken.purged, broken.left_in_service) == ([ALTERED_DAY], [VERSION])

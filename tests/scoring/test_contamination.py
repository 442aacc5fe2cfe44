from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from chaos.domain.event import Event, Partition, PartitionRef, Snapshot, Source, Version
from chaos.domain.scenario import Arm
from chaos.domain.verdict import Contamination
from chaos.scoring.arms import view_of
from chaos.scoring.contamination import contamination_of
from tests.journals import Story

ALTERED_DAY, VERSION, SNAPSHOT = 5, 26, "s6"


def spoilt(arm: Arm = Arm.DEFENDED) -> Story:
    """Day 5 comes altered, and snapshot s6 and version 26 are made of it."""

    def alter(event: Event) -> Event:
        if isinstance(event, Partition) and (event.state, event.partition_day) == ("delivered", ALTERED_DAY):
            return msgspec.structs.replace(event, sha256="other")
        if (isinstance(event, Version) and event.version == VERSION) or (
            isinstance(event, Snapshot) and event.snapshot == SNAPSHOT
        ):
            return msgspec.structs.replace(event, partitions=[held(ref) for ref in event.partitions])
        return event

    def held(ref: PartitionRef) -> PartitionRef:
        return msgspec.structs.replace(ref, sha256="other") if ref.partition_day == ALTERED_DAY else ref

    return Story().change(arm, alter)


def purge(day: float) -> Partition:
    return Partition(day, "features", ALTERED_DAY, 0, "other", "purged")


def quarantine(day: float) -> Source:
    return Source(day, "features", 2, ALTERED_DAY, "left_out")


def found_after(*events: Event) -> Contamination:
    found = contamination_of(view_of(spoilt(Arm.CONTROL).add(Arm.CONTROL, *events).journals()[Arm.CONTROL]))
    assert found is not None
    return found


def test_what_altered_data_got_into_is_followed_to_the_views() -> None:
    found = found_after()
    assert list(found.partitions) == [ALTERED_DAY]
    assert found.snapshots == [SNAPSHOT]
    assert found.versions == [VERSION]
    assert found.views == 600
    assert (found.purged, found.left_in_service, found.snapshots_left_in_service) == ([], [], [])
    assert found.cleared_day is None


def test_a_clean_arm_has_none() -> None:
    found = contamination_of(view_of(Story().journals()[Arm.CONTROL]))
    assert found is not None
    assert (found.partitions, found.snapshots, found.versions, found.views) == ({}, [], [], 0)


@pytest.mark.parametrize("put_aside", [purge, quarantine])
def test_what_is_put_aside_and_serves_all_the_same_is_reported(
    put_aside: Callable[[float], Event],
) -> None:
    # s6 serves from 6.16 to 7.16, version 26 from 6.45 to 7.45.
    late, broken = found_after(put_aside(7.6)), found_after(put_aside(6.1))
    assert (late.left_in_service, late.snapshots_left_in_service, late.left) == ([], [], "")
    assert (broken.left_in_service, broken.snapshots_left_in_service) == ([VERSION], [SNAPSHOT])
    assert broken.left == "contaminated version 26 answered, contaminated snapshot s6 served"


def test_a_snapshot_left_in_service_is_seen_where_no_version_is() -> None:
    def forget(event: Event) -> Event:
        return msgspec.structs.replace(event, partitions=[]) if isinstance(event, Version) else event

    story = spoilt(Arm.CONTROL).change(Arm.CONTROL, forget).add(Arm.CONTROL, purge(6.1))
    found = contamination_of(view_of(story.journals()[Arm.CONTROL]))
    assert found is not None
    assert (found.left_in_service, found.snapshots_left_in_service) == ([], [SNAPSHOT])


def test_what_came_altered_later_was_not_there_to_be_put_aside() -> None:
    found = found_after(purge(4.9))
    assert (found.left_in_service, found.snapshots_left_in_service) == ([], [])


def test_days_and_sources_are_told_apart() -> None:
    found = found_after(purge(6.0), quarantine(6.2))
    assert (found.purged, found.purged_day) == ([ALTERED_DAY], 6.0)
    assert (found.quarantined, found.quarantined_day) == ({2: ALTERED_DAY}, 6.2)
    assert found.cleared_day == 6.2
    assert found.put_aside == "day 5 purged, source 2 from day 5 left out"


def test_a_source_that_is_trusted_again_clears_nothing() -> None:
    found = found_after(Source(6.1, "features", 2, ALTERED_DAY, "trusted"))
    assert found.cleared_day is None


def test_what_was_made_without_a_day_that_was_due_is_followed_too() -> None:
    # The fault of the story holds partitions back, and without layers versions are trained all the same.
    story = Story()
    found = contamination_of(view_of(story.journals()[Arm.UNDEFENDED]))
    assert found is not None
    assert found.partitions == {}
    assert found.absent
    assert found.snapshots
    assert found.versions
    assert found.views > 0
    assert found.cleared_day is None

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from chaos.domain.event import Event, Partition, PartitionRef, Snapshot, Source, Version, Views
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


def test_what_is_put_aside_is_given_a_quarter_of_a_day_to_leave() -> None:
    """Version 26 answers until day 7.45, and snapshot s6 serves until day 7.16."""
    assert found_after(purge(7.3)).left_in_service == []
    assert found_after(purge(7.1)).left_in_service == [VERSION]
    assert found_after(purge(7.0)).snapshots_left_in_service == []
    assert found_after(purge(6.9)).snapshots_left_in_service == [SNAPSHOT]


def test_the_last_of_several_that_were_put_aside_counts() -> None:
    found = found_after(purge(6.0), purge(7.5), quarantine(6.1), quarantine(6.2))
    assert (found.purged_day, found.quarantined_day, found.cleared_day) == (7.5, 6.2, 7.5)
    assert found.left_in_service == []


def test_what_was_made_of_a_day_before_and_a_day_after_counts_for_the_first() -> None:
    def both(event: Event) -> Event:
        if not isinstance(event, Version | Snapshot) or 4 not in [
            one.partition_day for one in event.partitions
        ]:
            return event
        refs = [
            msgspec.structs.replace(one, sha256="other") if one.partition_day in (4, 6) else one
            for one in event.partitions
        ]
        return msgspec.structs.replace(event, partitions=refs)

    story = Story().change(Arm.CONTROL, both).add(Arm.CONTROL, purge(5.5))
    found = contamination_of(view_of(story.journals()[Arm.CONTROL]))
    assert found is not None
    assert 27 in found.left_in_service
    assert "s7" in found.snapshots_left_in_service


def test_snapshots_that_were_replaced_before_do_not_serve_any_more() -> None:
    def early(event: Event) -> Event:
        if not isinstance(event, Snapshot) or event.snapshot not in ("s5", "s6"):
            return event
        refs = [
            msgspec.structs.replace(one, sha256="other") if one.partition_day == 4 else one
            for one in event.partitions
        ]
        return msgspec.structs.replace(event, partitions=refs)

    story = Story().change(Arm.CONTROL, early).add(Arm.CONTROL, purge(6.0))
    found = contamination_of(view_of(story.journals()[Arm.CONTROL]))
    assert found is not None
    assert found.snapshots == ["s5", "s6"]
    assert found.snapshots_left_in_service == ["s6"]


def test_a_snapshot_that_is_built_of_it_afterwards_is_left_in_service() -> None:
    """s6 is built on day 6.16, after what it was made of had been purged."""
    assert found_after(purge(5.5)).snapshots_left_in_service == [SNAPSHOT]


def test_views_that_failed_were_not_recommended_by_it() -> None:
    def failing(event: Event) -> Event:
        if not isinstance(event, Views):
            return event
        return msgspec.structs.replace(
            event, rows=[msgspec.structs.replace(row, errors=2) for row in event.rows]
        )

    found = contamination_of(
        view_of(spoilt(Arm.CONTROL).change(Arm.CONTROL, failing).journals()[Arm.CONTROL])
    )
    assert found is not None
    assert found.views == 600 - 240


def test_a_partition_that_could_not_be_read_came_altered() -> None:
    torn = Partition(5.06, "features", 4, 0, "torn", "quarantined")
    assert list(found_after(torn).partitions) == [4, ALTERED_DAY]


def test_the_days_that_were_absent_are_told_and_no_others() -> None:
    found = contamination_of(view_of(Story().journals()[Arm.UNDEFENDED]))
    assert found is not None
    assert found.absent == [3, 4, 5, 6, 7]
    assert found.versions == [24, 25, 26, 27, 28]
    assert found.snapshots == ["s4", "s5", "s6", "s7", "s8"]
    assert found.views == 3000


def test_of_an_arm_that_was_cut_short_nothing_is_told() -> None:
    assert contamination_of(view_of(Story().cut(Arm.CONTROL, 9.0).journals()[Arm.CONTROL])) is None

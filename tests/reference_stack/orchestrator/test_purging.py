"""Which version is gone back to when days or sources have been put aside."""

from __future__ import annotations

import asyncio
import json

import pytest

from reference_stack.folders import MemoryFolder
from reference_stack.messages import (
    PartitionCheck,
    PurgeReply,
    PurgeRequest,
    QuarantineReply,
    QuarantineRequest,
)
from reference_stack.orchestrator.purging import (
    Spoilt,
    StartOver,
    begun_by,
    in_days,
    made_of,
    of_sources,
    version_without,
    versions_made_of,
)
from reference_stack.registry.memory import MemoryRegistry


def partition(day: int, left_out: list[int] | None = None, sha256: str = "") -> dict[str, object]:
    return {"partition_day": day, "rows": 9, "sha256": sha256 or f"w{day}", "left_out": left_out or []}


def registry(*made_of_days: list[dict[str, object]]) -> MemoryRegistry:
    """Versions 1, 2, … made of these partitions."""
    made = MemoryRegistry(MemoryFolder(), lambda: 0.0)
    for held in made_of_days:
        register(made, {"partitions": json.dumps(held)})
    return made


def register(into: MemoryRegistry, tags: dict[str, str]) -> None:
    lineage = {"snapshot": "s", "trained_day": "0.1", **tags}
    asyncio.run(into.register(artifact=b"model", parameters={}, metrics={}, tags=lineage))


HELD = ([partition(1)], [partition(1), partition(2)], [partition(2), partition(3)])


def back_to(
    held: tuple[list[dict[str, object]], ...], spoilt: Spoilt, current: int, served=(1, 2, 3)
) -> int | None:
    return version_without(asyncio.run(versions_made_of(registry(*held), spoilt)), current, served)


def purged(*days: int) -> Spoilt:
    return in_days([PartitionCheck(day, 9, f"w{day}") for day in days])


@pytest.mark.parametrize(
    ("days", "current", "expected"),
    [
        ([3], 3, 2),
        ([2, 3], 3, 1),
        ([2], 3, 1),
        ([2], 1, None),
        ([4], 3, None),
        ([1, 2, 3], 3, None),
        ([1], 2, None),
    ],
    ids=str,
)
def test_the_newest_version_without_the_days_that_were_purged(days, current, expected):
    assert back_to(HELD, purged(*days), current) == expected


@pytest.mark.parametrize(
    ("served", "expected"), [((1, 3), 1), ((3,), None), ((), None), ((1, 2, 3), 2)], ids=str
)
def test_what_never_served_is_not_gone_back_to(served, expected):
    assert back_to(HELD, purged(3), 3, served) == expected


def test_other_bytes_of_a_purged_day_are_no_reason_to_go_back():
    assert back_to(HELD, in_days([PartitionCheck(3, 9, "as it was before the repair")]), 3) is None


def test_a_version_is_spoilt_by_a_source_unless_it_was_left_out():
    held = ([partition(2)], [partition(3, [1])], [partition(3)])
    assert back_to(held, of_sources({1: 3}), 3) == 2
    assert back_to(held, of_sources({2: 3}), 3) == 1


def test_a_version_is_not_spoilt_by_a_source_that_had_no_rows():
    held = ([partition(2)], [{**partition(3), "sources": {"0": "a", "1": "b"}}])
    assert back_to(held, of_sources({1: 3}), 2) == 1
    assert back_to(held, of_sources({7: 3}), 2) is None


def test_where_nothing_serves_there_is_nothing_to_leave():
    assert version_without({1}, None, (1, 2)) is None


def test_a_version_without_lineage_is_made_of_nothing_known():
    made = registry()
    register(made, {})
    (version,) = asyncio.run(made.versions())
    assert made_of(version) == []


def test_a_release_leaves_nothing_and_what_was_put_aside_is_to_be_gone_back_from():
    days = [PartitionCheck(1, 9, "w1")]
    release = QuarantineRequest(by="ann", sources=[2], release=True)
    assert begun_by(release, QuarantineReply({})) is None
    assert begun_by(QuarantineRequest(by="ann", sources=[2]), QuarantineReply({2: 4})) == StartOver(
        "ann", quarantined={2: 4}
    )
    assert begun_by(PurgeRequest(by="ann", days=[1]), PurgeReply(days)) == StartOver("ann", purged=days)


def test_what_is_still_to_be_gone_back_from_is_added_and_what_is_done_is_not():
    first = StartOver("ann", purged=[PartitionCheck(1, 9, "w1")])
    both = StartOver("bob", quarantined={2: 4}).after(first)
    assert both == StartOver("bob", first.purged, {2: 4})
    assert both.spoilt(PartitionCheck(1, 9, "w1", left_out=[2]))
    assert both.spoilt(PartitionCheck(5, 9, "w5"))
    assert not both.spoilt(PartitionCheck(3, 9, "w3"))
    done = StartOver("ann", first.purged, gone_back=True)
    assert StartOver("bob", quarantined={2: 4}).after(done) == StartOver("bob", quarantined={2: 4})

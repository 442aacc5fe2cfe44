"""Which version is gone back to when days or sources have been put aside."""

from __future__ import annotations

import asyncio
import json

import pytest

from reference_stack.folders import MemoryFolder
from reference_stack.messages import PartitionCheck
from reference_stack.orchestrator.purging import in_days, made_of, of_sources, version_without
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


ALL = (1, 2, 3)
HELD = ([partition(1)], [partition(1), partition(2)], [partition(2), partition(3)])


@pytest.mark.parametrize(
    ("purged", "current", "back_to"),
    [([3], 3, 2), ([2, 3], 3, 1), ([2], 3, 1), ([2], 1, None), ([4], 3, None), ([1, 2, 3], 3, None)],
    ids=str,
)
def test_the_newest_version_without_the_days_that_were_purged(purged, current, back_to):
    checks = [PartitionCheck(day, 9, f"w{day}") for day in purged]
    assert asyncio.run(version_without(registry(*HELD), in_days(checks), current, ALL)) == back_to


@pytest.mark.parametrize(
    ("served", "back_to"), [((1, 3), 1), ((3,), None), ((), None), ((1, 2, 3), 2)], ids=str
)
def test_what_never_served_is_not_gone_back_to(served, back_to):
    checks = [PartitionCheck(3, 9, "w3")]
    assert asyncio.run(version_without(registry(*HELD), in_days(checks), 3, served)) == back_to


def test_other_bytes_of_a_purged_day_are_no_reason_to_go_back():
    checks = [PartitionCheck(3, 9, "as it was before the repair")]
    assert asyncio.run(version_without(registry(*HELD), in_days(checks), 3, ALL)) is None


def test_a_version_is_spoilt_by_a_source_unless_it_was_left_out():
    held = ([partition(2)], [partition(3, [1])], [partition(3)])
    spoilt = of_sources({1: 3})
    assert asyncio.run(version_without(registry(*held), spoilt, 3, ALL)) == 2
    assert asyncio.run(version_without(registry(*held), of_sources({2: 3}), 3, ALL)) == 1


def test_a_version_without_lineage_is_made_of_nothing_known():
    made = registry()
    register(made, {})
    (version,) = asyncio.run(made.versions())
    assert made_of(version) == []

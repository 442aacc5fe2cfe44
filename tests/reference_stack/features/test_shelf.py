"""What the features job keeps of what came, where its store lets it."""

from __future__ import annotations

import pytest

from reference_stack.collector.partition import encode, partition_name
from reference_stack.features.shelf import Shelf
from reference_stack.folders import MemoryFolder
from reference_stack.world import World
from tests.reference_stack.features.conftest import Stall, day_columns


def test_what_one_look_brought_before_the_store_failed_is_told_of_and_the_rest_comes_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox, store = MemoryFolder(), Stall(MemoryFolder())
    names = [partition_name(day) for day in (1, 2)]
    for day, name in zip((1, 2), names, strict=True):
        inbox.write(name, encode(day_columns(world, day, views=2)))
    shelf = Shelf(inbox, store)
    write = store.write

    def room_for_one(name: str, data: bytes) -> None:
        if shelf.has(1):
            raise OSError("no space left on device")
        write(name, data)

    with monkeypatch.context() as patch:
        patch.setattr(store, "write", room_for_one)
        assert [arrival.check.partition_day for arrival in shelf.take(names)] == [1]
        with pytest.raises(OSError, match="no space"):
            shelf.take(names)
    assert (shelf.has(1), shelf.has(2)) == (True, False)
    assert [arrival.check.partition_day for arrival in shelf.take(names)] == [2]
    assert shelf.take(names) == []

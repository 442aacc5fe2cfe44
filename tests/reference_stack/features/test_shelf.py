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


def test_rows_of_sources_that_are_left_out_are_not_used_as_soon_as_they_are_and_come_back(
    world: World,
) -> None:
    inbox, left_out = MemoryFolder(), list[int]()
    columns = day_columns(world, 1, views=6)
    inbox.write(partition_name(1), encode(columns))
    shelf = Shelf(inbox, MemoryFolder(), without=lambda _day: list(left_out))
    shelf.take(inbox.list())

    def products() -> list[int]:
        rows = shelf.impressions(1)
        assert rows is not None
        return [int(product) for product in rows.product]

    whole = products()
    sources = [int(world.catalogue.source[product]) for product in whole]
    assert len(set(sources)) > 1
    for left_out[:] in ([sources[0]], sorted(set(sources)), []):
        assert products() == [p for p, source in zip(whole, sources, strict=True) if source not in left_out]
        assert shelf.check(1).left_out == left_out


def test_what_is_damaged_is_absent_until_something_sound_comes_and_again_once_it_is(world: World) -> None:
    inbox, store = MemoryFolder(), MemoryFolder()
    name, sound = partition_name(1), encode(day_columns(world, 1, views=2))
    shelf = Shelf(inbox, store)
    inbox.write(name, b"torn")
    (arrival,) = shelf.take([name])
    assert arrival.damage
    assert (shelf.damage(1), shelf.has(1), shelf.take([name])) == (arrival.damage, False, [])
    inbox.write(name, sound)
    (arrival,) = shelf.take([name])
    assert (arrival.damage, shelf.damage(1), shelf.check(1).rows) == ("", "", 20)
    store.write(f"partitions/{name}", b"torn on the disk")
    again = Shelf(inbox, store)
    assert (again.check(1).rows, again.impressions(1), again.has(1)) == (0, None, False)
    assert again.arrived(()) == [name]
    (arrival,) = again.take([name])
    assert (arrival.check.rows, again.has(1)) == (20, True)

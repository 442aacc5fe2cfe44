import pytest

from reference_stack.folders import Held, MemoryFolder
from reference_stack.shells.virtual_machine import VirtualMachine
from reference_stack.virtual_data_link import VirtualDataLink


class Pipe:
    """A link with its two folders, written to as the collector would."""

    def __init__(self, *already: str, delivered: tuple[str, ...] = ()) -> None:
        self.machine = VirtualMachine(1, 1.0)
        self.outbox, self.inbox = MemoryFolder(), MemoryFolder()
        for name in already:
            self.outbox.write(name, b"old")
        for name in delivered:
            self.inbox.write(name, b"old")
        self.arrived: list[tuple[str, float]] = []
        pipe = self

        class Sink(MemoryFolder):
            def write(self, name: str, data: bytes) -> None:
                super().write(name, data)
                pipe.arrived.append((name, round(pipe.machine.day(), 3)))

        store: dict[str, Held] = {}
        for name in delivered:
            MemoryFolder(store).write(name, b"old")
        self.inbox = Sink(store)
        self.link = VirtualDataLink(self.machine, "events", self.outbox, self.inbox)
        self.writer = self.link.source(self.outbox)


def hold_until(day: float):
    return lambda name, data, written, now: None if now < day else [(name, data)]


@pytest.fixture
def pipe():
    made = Pipe()
    yield made
    made.machine.close()


def test_hands_on_at_once_whole_and_once(pipe):
    pipe.machine.advance(1.0)
    pipe.writer.write("day=0.parquet", b"rows")
    assert pipe.arrived == [("day=0.parquet", 1.0)]
    assert pipe.inbox.read("day=0.parquet") == b"rows"
    pipe.writer.write("day=0.parquet", b"rows")
    pipe.machine.advance(2.0)
    assert len(pipe.arrived) == 1


def test_what_is_held_comes_later_and_in_order(pipe):
    pipe.link.shape(lambda name, data, written, now: None if now < written + 2 else [(name, data)])
    for day in (0, 1, 2):
        pipe.writer.write(f"day={day}.parquet", b"x")
        pipe.machine.advance(day + 1.0)
    pipe.machine.advance(6.0)
    assert [name for name, _ in pipe.arrived] == ["day=0.parquet", "day=1.parquet", "day=2.parquet"]
    assert [day for _, day in pipe.arrived] == pytest.approx([2.0, 3.0, 4.0], abs=0.02)


def test_taking_the_shape_away_hands_on_what_it_held_in_order(pipe):
    remove = pipe.link.shape(hold_until(99.0))
    for day in (9, 10, 11):
        pipe.writer.write(f"day={day}.parquet", b"x")
    pipe.machine.advance(3.0)
    assert pipe.link.held == ["day=9.parquet", "day=10.parquet", "day=11.parquet"]
    remove()
    assert pipe.arrived == [(f"day={day}.parquet", 3.0) for day in (9, 10, 11)]
    remove()


def test_a_file_behind_a_held_one_waits_too(pipe):
    pipe.link.shape(
        lambda name, data, _w, now: None if name == "day=0.parquet" and now < 1 else [(name, data)]
    )
    pipe.writer.write("day=0.parquet", b"x")
    pipe.writer.write("day=1.parquet", b"x")
    assert pipe.arrived == []
    pipe.machine.advance(1.1)
    assert [name for name, _ in pipe.arrived] == ["day=0.parquet", "day=1.parquet"]


def test_shapes_may_drop_change_and_double(pipe):
    pipe.link.shape(
        lambda name, data, _w, _n: [] if name == "a" else [(name, data.upper()), (f"{name}-2", data)]
    )
    pipe.link.shape(lambda name, data, _w, _n: [(name, data + b"!")])
    pipe.writer.write("a", b"x")
    pipe.writer.write("b", b"x")
    assert pipe.inbox.list() == ["b", "b-2"]
    assert pipe.inbox.read("b") == b"X!"
    assert pipe.inbox.read("b-2") == b"x!"


def test_two_shapes_of_one_kind_are_removed_one_by_one(pipe):
    hold = hold_until(99.0)
    first, second = pipe.link.shape(hold), pipe.link.shape(hold)
    pipe.writer.write("a", b"x")
    first()
    assert pipe.arrived == []
    second()
    assert pipe.arrived == [("a", 0.0)]


def test_what_the_sink_has_already_is_not_delivered_again():
    pipe = Pipe("day=9.parquet", "day=10.parquet", "day=-3.parquet", delivered=("day=-3.parquet",))
    assert [name for name, _ in pipe.arrived] == ["day=9.parquet", "day=10.parquet"]
    pipe.machine.close()

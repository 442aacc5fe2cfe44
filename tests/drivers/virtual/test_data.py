"""Data toxics on a data link in virtual time, as the data proxy has them on real folders."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chaos.domain.change import AddDataToxic, Scalar
from chaos.drivers.virtual.data import shape_folder
from reference_stack.folders import MemoryFolder
from reference_stack.shells.virtual_machine import VirtualMachine
from reference_stack.virtual_data_link import VirtualDataLink


class Pipe:
    def __init__(self) -> None:
        self.machine = VirtualMachine(1, 1.0)
        self.sink = MemoryFolder()
        source = MemoryFolder()
        self.link = VirtualDataLink(self.machine, "events", source, self.sink)
        self.writer = self.link.source(source)
        self.told: list[str] = []

    def put(self, type: str, **parameters: Scalar):
        change = AddDataToxic("events", f"mlchaos_{type}", type, parameters)
        return shape_folder(self.link, change, self.told.append)

    def write(self, day: int) -> None:
        self.machine.advance(day + 1.0)
        buffer = pa.BufferOutputStream()
        pq.write_table(pa.table({"price": [1.0, 2.0], "shard": [0, 1]}), buffer)
        self.writer.write(f"day={day}.parquet", bytes(buffer.getvalue()))

    def prices(self, day: int) -> list[float | None]:
        return pq.read_table(pa.BufferReader(self.sink.read(f"day={day}.parquet")))["price"].to_pylist()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.machine.close()


def test_what_cannot_be_changed_passes_as_it_is_and_is_told(pipe: Pipe) -> None:
    take_off = pipe.put("poison", values=["shard=1.5"])
    pipe.write(1)
    assert pipe.prices(1) == [1.0, 2.0]
    (told,) = pipe.told
    assert told.startswith("mlchaos_poison: cannot change day=1.parquet: ArrowInvalid")
    take_off()
    assert pipe.prices(1) == [1.0, 2.0]


def test_what_an_undone_toxic_spoilt_is_mended_though_another_holds_what_comes(pipe: Pipe) -> None:
    mend = pipe.put("nulls", column="price")
    pipe.write(1)
    assert pipe.prices(1) == [None, None]
    late = pipe.put("late", held_days=3.0)
    mend()
    assert pipe.prices(1) == [1.0, 2.0]
    late()


def test_a_partition_that_another_toxic_holds_is_counted_once(pipe: Pipe) -> None:
    pipe.put("nulls", column="price")
    late = pipe.put("late", held_days=0.5)
    pipe.write(1)
    pipe.machine.advance(2.3)
    late()
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.table({"shard": [0]}), buffer)
    pipe.writer.write("day=2.parquet", bytes(buffer.getvalue()))
    (told,) = pipe.told
    assert told.endswith("has no column 'price' (it did match the 1 before)")

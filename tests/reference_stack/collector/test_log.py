"""What is read from the log: the same rows for a partition and for what must be known of them after a start."""

from __future__ import annotations

from reference_stack.collector.log import EventLog
from reference_stack.folders import MemoryFolder
from tests.reference_stack.collector.conftest import view_events


def test_positions_are_those_of_the_rows_by_view() -> None:
    folder = MemoryFolder()
    log = EventLog(folder)
    log.append(3, view_events("a", 3.1, rows=2))
    log.append(3, view_events("b", 3.2, rows=3, positions=[1]))
    log.append(3, view_events("a", 3.3, rows=2, positions=["3", 4.0]))
    folder.append("log/day=3.jsonl", b"damaged\n")
    found = log.positions(3)
    assert found == {"a": [1, 2, "3", 4.0], "b": [1, None, None]}
    assert log.damaged_lines == 1
    ids = [f"{view}:{position}" for view, positions in found.items() for position in positions]
    assert sorted(ids) == sorted(log.read(3)["event_id"])
    assert log.positions(4) == {}

from __future__ import annotations

import pytest

from chaos.drivers.duty import DutyCycles
from chaos.errors import ArmFailed


class Machine:
    """Notes what was done to it."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str]] = []
        self.up = True

    def cycles(self) -> DutyCycles:
        return DutyCycles(
            2.0,
            lambda name: self.done.append(("pause", name)),
            lambda name: self.done.append(("resume", name)),
            lambda _name: self.up,
        )


def test_it_stops_and_goes_on_in_turn() -> None:
    machine = Machine()
    cycles = machine.cycles()
    cycles.begin("b", 200.0, 100.0, 5.0)
    turns = []
    for _ in range(4):
        due = cycles.due_day
        assert due is not None
        turns.append(round(due, 6))
        cycles.turn(due)
    assert turns == [5.1, 5.15, 5.25, 5.3]
    assert [verb for verb, _ in machine.done] == ["pause", "resume", "pause", "resume", "pause"][:5]


def test_its_end_leaves_the_component_running() -> None:
    machine = Machine()
    cycles = machine.cycles()
    cycles.begin("b", 200.0, 100.0, 5.0)
    cycles.end("b")
    assert machine.done == [("pause", "b"), ("resume", "b")]
    assert cycles.due_day is None
    cycles.begin("b", 200.0, 100.0, 6.0)
    cycles.turn(6.1)
    cycles.end("b")
    assert machine.done[2:] == [("pause", "b"), ("resume", "b")]  # it ran already when the cycle ended


def test_turns_that_were_missed_are_left_out() -> None:
    machine = Machine()
    cycles = machine.cycles()
    cycles.begin("b", 200.0, 100.0, 5.0)
    cycles.turn(7.0)
    assert machine.done == [("pause", "b"), ("resume", "b")]
    assert cycles.due_day is not None
    assert cycles.due_day >= 7.0


def test_what_has_no_process_is_left_alone() -> None:
    machine = Machine()
    cycles = machine.cycles()
    machine.up = False
    cycles.begin("b", 200.0, 100.0, 5.0)
    cycles.turn(5.1)
    assert machine.done == []


def test_one_that_could_not_be_let_go_on_is_tried_again() -> None:
    stopped: set[str] = set()
    fails = [ArmFailed("no answer")]

    def resume(component: str) -> None:
        if fails:
            raise fails.pop()
        stopped.discard(component)

    cycles = DutyCycles(1.0, stopped.add, resume, lambda _component: True)
    cycles.begin("b", 200.0, 100.0, 5.0)
    with pytest.raises(ArmFailed):
        cycles.end("b")
    assert stopped == {"b"}
    cycles.end("b")
    assert (stopped, cycles.due_day) == (set(), None)

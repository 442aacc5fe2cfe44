from __future__ import annotations

from pathlib import Path

from chaos.domain.change import Change, RemoveToxic
from chaos.domain.event import Applied, Event, Planned, Prepared, Undone
from chaos.errors import ChangeRefused
from chaos.runner.injection import Injector
from chaos.runner.undo import UndoLedger, open_undos

SLOW_DAYS = 0.2
CHANGE = RemoveToxic("wire", "a")


class SlowTarget:
    """A target, as much of one as is asked here, to which every change takes time."""

    def __init__(self) -> None:
        self.now = 3.5

    def day(self) -> float:
        return self.now

    def prepare(self, change: Change) -> Change:
        return change

    def apply(self, _change: Change) -> None:
        self.now += SLOW_DAYS

    def revert(self, _undo: Change) -> str:
        self.now += SLOW_DAYS
        return "undone"


def test_a_change_counts_from_when_it_began_to_be_made_and_an_undo_from_its_end(tmp_path: Path) -> None:
    said: list[Event] = []
    with UndoLedger(tmp_path / "undo.jsonl") as ledger:
        injector = Injector(SlowTarget(), ledger, said.append, lambda: None)  # type: ignore[arg-type]
        injector.make("slow", [CHANGE, CHANGE])
        injector.undo("slow")
    days = [(type(event), round(event.day, 3)) for event in said if isinstance(event, Applied | Undone)]
    assert days == [(Applied, 3.5), (Applied, 3.7), (Undone, 4.3), (Undone, 4.3)]
    assert [type(event) for event in said[:3]] == [Planned, Prepared, Applied]


class Door(SlowTarget):
    """It refuses whatever it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.reverted: list[tuple[float, Change]] = []

    def apply(self, _change: Change) -> None:
        raise ChangeRefused("admission", "there is no version 20")

    def revert(self, undo: Change) -> str:
        self.reverted.append((self.now, undo))
        return "left"


def test_the_undo_of_what_was_refused_is_played_at_once_and_never_later(tmp_path: Path) -> None:
    door, said = Door(), list[Event]()
    with UndoLedger(tmp_path / "undo.jsonl") as ledger:
        injector = Injector(door, ledger, said.append, lambda: None)  # type: ignore[arg-type]
        injector.make("alias", [CHANGE])
        door.now = 5.0
        assert injector.undo("alias") == []
        assert injector.undo_rest() == []
    assert door.reverted == [(3.5, CHANGE)]
    assert open_undos(tmp_path / "undo.jsonl") == []

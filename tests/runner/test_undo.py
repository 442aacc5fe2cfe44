from __future__ import annotations

import os
from pathlib import Path

import pytest

from chaos.domain.change import Change, RemoveToxic
from chaos.errors import ArmFailed
from chaos.runner.undo import UndoLedger, find_undos
from tests.disks import full_for_a_moment


def undo(name: str) -> Change:
    return RemoveToxic("wire", name)


def test_an_undo_is_on_disk_when_record_returns(tmp_path: Path) -> None:
    ledger = UndoLedger(tmp_path / "undo.jsonl")
    ledger.record("a-1", undo("a"))
    assert [entry.id for entry in find_undos(tmp_path / "undo.jsonl").undos] == ["a-1"]
    ledger.close()


def test_last_in_first_out_and_one_failure_does_not_stop_the_others(tmp_path: Path) -> None:
    played: list[str] = []

    def revert(change: Change) -> str:
        assert isinstance(change, RemoveToxic)
        played.append(change.name)
        if change.name == "b":
            raise ArmFailed("no answer")
        return "left" if change.name == "a" else "undone"

    path = tmp_path / "undo.jsonl"
    with UndoLedger(path) as ledger:
        for name in "abc":
            ledger.record(name, undo(name))
        results = ledger.play(revert)
    assert played == ["c", "b", "a"]
    assert [(id, outcome) for id, outcome, _ in results] == [("c", "undone"), ("b", "failed"), ("a", "left")]
    assert [entry.id for entry in find_undos(path).undos] == ["b"]


def test_only_the_wanted_are_played_and_none_twice(tmp_path: Path) -> None:
    with UndoLedger(tmp_path / "undo.jsonl") as ledger:
        ledger.record("a-1", undo("a"))
        ledger.record("b-2", undo("b"))
        first = ledger.play(lambda _undo: "undone", lambda id: id.startswith("a"))
        rest = ledger.play(lambda _undo: "undone")
    assert [entry[0] for entry in first] == ["a-1"]
    assert [entry[0] for entry in rest] == ["b-2"]


def test_a_ledger_that_cannot_be_written_stops_the_injection(tmp_path: Path) -> None:
    with pytest.raises(ArmFailed, match="cannot be written"):
        UndoLedger(tmp_path / "no" / "undo.jsonl")
    if os.path.exists("/dev/full"):
        ledger = UndoLedger(Path("/dev/full"))
        with pytest.raises(ArmFailed, match="cannot be written"):
            ledger.record("a-1", undo("a"))
        ledger.close()


def test_a_disk_that_takes_a_part_at_a_time_gets_the_whole_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:7]))
    ledger = UndoLedger(tmp_path / "undo.jsonl")
    ledger.record("one", undo("a"))
    ledger.record("two", undo("b"))
    assert [entry.id for entry in find_undos(tmp_path / "undo.jsonl").undos] == ["two", "one"]
    ledger.close()


def test_a_torn_last_line_is_passed_over_and_resumed(tmp_path: Path) -> None:
    path = tmp_path / "undo.jsonl"
    with UndoLedger(path) as ledger:
        ledger.record("a-1", undo("a"))
    path.write_bytes(path.read_bytes() + b'{"state":"prep')
    with UndoLedger(path, resume=True) as ledger:
        assert [id for id, _, _ in ledger.play(lambda _undo: "undone")] == ["a-1"]


UNREADABLE = (
    b'{"state":"prepared","id":"b-2","undo":{"do":"configure","component":"c","key":"k","value":{}}}\n'
)


def test_a_whole_line_that_cannot_be_read_is_no_reason_to_say_that_nothing_is_open(tmp_path: Path) -> None:
    path = tmp_path / "undo.jsonl"
    with UndoLedger(path) as ledger:
        ledger.record("a-1", undo("a"))
    path.write_bytes(path.read_bytes() + UNREADABLE)
    found = find_undos(path)
    assert [one.id for one in found.undos] == ["a-1"]
    assert [says.partition(": ")[0] for says in found.unread] == [f"{path}:2"]
    with UndoLedger(path, resume=True) as ledger:
        assert [id for id, _, _ in ledger.play(lambda _undo: "undone")] == ["a-1"]


def test_an_undo_that_breaks_in_its_own_code_stops_no_other(tmp_path: Path) -> None:
    with UndoLedger(tmp_path / "undo.jsonl") as ledger:
        ledger.record("a-1", undo("a"))
        ledger.record("b-2", undo("b"))

        def revert(change: Change) -> str:
            if change == undo("b"):
                raise KeyError("b")
            return "undone"

        first, second = ledger.play(revert)
    assert first[:2] == ("b-2", "failed")
    assert "KeyError: 'b'" in first[2]
    assert second == ("a-1", "undone", "")


def test_an_entry_after_one_that_a_full_disk_took_in_part_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "undo.jsonl"
    with UndoLedger(path) as ledger:
        with full_for_a_moment(monkeypatch), pytest.raises(ArmFailed):
            ledger.record("a-1", undo("a"))
        ledger.record("b-2", undo("b"))
    assert [one.id for one in find_undos(path).undos] == ["b-2"]


def test_an_undo_is_synced_before_record_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[list[str]] = []
    path = tmp_path / "undo.jsonl"
    with UndoLedger(path) as ledger:
        monkeypatch.setattr(
            os, "fsync", lambda _file: synced.append([one.id for one in find_undos(path).undos])
        )
        ledger.record("a-1", undo("a"))
        assert synced == [["a-1"]]


def test_what_is_taken_up_again_is_played_last_in_first_out(tmp_path: Path) -> None:
    path = tmp_path / "undo.jsonl"
    with UndoLedger(path) as ledger:
        for name in "abc":
            ledger.record(name, undo(name))
    with UndoLedger(path, resume=True) as ledger:
        assert [id for id, _, _ in ledger.play(lambda _undo: "undone")] == ["c", "b", "a"]


def test_what_could_not_be_recorded_is_not_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was injected, so there is nothing to put back."""
    with UndoLedger(tmp_path / "undo.jsonl") as ledger:
        with full_for_a_moment(monkeypatch), pytest.raises(ArmFailed):
            ledger.record("a-1", undo("a"))
        assert ledger.play(lambda _undo: "undone") == []


def test_all_are_played_before_it_is_said_that_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played: list[Change] = []

    def revert(change: Change) -> str:
        played.append(change)
        return "undone"

    with UndoLedger(tmp_path / "undo.jsonl") as ledger:
        ledger.record("a-1", undo("a"))
        ledger.record("b-2", undo("b"))
        with full_for_a_moment(monkeypatch), pytest.raises(ArmFailed, match="No space left"):
            ledger.play(revert)
    assert played == [undo("b"), undo("a")]


def test_an_undo_that_came_right_has_not_failed_any_more(tmp_path: Path) -> None:
    answers = [ArmFailed("no answer"), OSError(28, "No space left on device"), None]

    def revert(_change: Change) -> str:
        if (error := answers.pop(0)) is not None:
            raise error
        return "undone"

    with UndoLedger(tmp_path / "undo.jsonl") as ledger:
        ledger.record("a-1", undo("a"))
        assert ledger.play(revert) == [("a-1", "failed", "no answer")]
        assert ledger.failed == {"a-1"}
        assert ledger.play(revert) == [("a-1", "failed", "[Errno 28] No space left on device")]
        assert ledger.play(revert) == [("a-1", "undone", "")]
        assert ledger.failed == set()

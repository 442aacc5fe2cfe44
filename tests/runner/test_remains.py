"""What is made of the files of a run whose runner died."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from chaos.app import recover_all
from chaos.domain.change import Start
from chaos.domain.event import Phase
from chaos.domain.scenario import Arm
from chaos.engine import MARK
from chaos.journal import journal_name, read, read_folder
from chaos.runner import remains as remains_module
from chaos.runner.remains import RECORD, ProcessRecord, is_closed, recover, runner_alive
from chaos.runner.undo import UndoLedger, find_undos
from tests.journals import Story, write_journal


@pytest.fixture
def trial(tmp_path: Path) -> Path:
    folder = tmp_path / "trial-1"
    folder.mkdir()
    (tmp_path / RECORD).touch()
    return folder


def test_an_arm_whose_header_is_not_whole_was_never_run(trial: Path) -> None:
    (trial / journal_name(Arm.DEFENDED)).write_bytes(b'{"event":"header","day":0.0')
    assert recover(trial.parent).interrupted == []
    assert read_folder(trial) == {}


def test_a_journal_that_ends_within_a_line_is_marked_and_whole(trial: Path) -> None:
    story = Story()
    path = write_journal(trial / journal_name(Arm.DEFENDED), story.plan.arms[0], story.events[Arm.DEFENDED])
    path.write_bytes(path.read_bytes()[:-20])
    kept = read(path)
    assert recover(trial.parent).interrupted == [path.name]
    (*before, last) = read(path).events
    assert before == list(kept.events)
    assert last == Phase(kept.last_day, "interrupted", "the runner ended before the arm did")


def test_a_line_of_a_ledger_that_cannot_be_read_is_told(trial: Path) -> None:
    (trial / "undo.jsonl").write_bytes(b'{"state":"prepared","id":"b-2","undo":{"do":"no_such"}}\n')
    (done,) = recover_all(trial.parent).done.values()
    assert f"{trial / 'undo.jsonl'}:1: no undo can be read there" in done
    assert is_closed(trial.parent)


def test_what_is_noted_after_half_a_line_can_be_read(tmp_path: Path) -> None:
    """A full disk took half of one, and has room again."""
    (tmp_path / RECORD).write_bytes(b'{"what":"process","name":"netw')
    record = ProcessRecord(tmp_path)
    record.note("runner", os.getpid())
    assert runner_alive(tmp_path)
    record.note("stack", os.getpid())
    assert not is_closed(tmp_path)
    record.close()
    assert is_closed(tmp_path)
    assert (tmp_path / RECORD).read_bytes().count(b"\n") == 4


def test_a_run_of_which_a_process_survives_can_be_recovered_another_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = subprocess.Popen(["sleep", "60"])
    try:
        ProcessRecord(tmp_path).note("trainer", process.pid)
        with UndoLedger(tmp_path / "undo.jsonl") as ledger:
            ledger.record("stop-1", Start("reader"))
        with monkeypatch.context() as patch:
            patch.setattr(remains_module, "kill", list)
            found = recover_all(tmp_path)
        assert str(found.left[tmp_path]) == f"still there, though killed: trainer ({process.pid})"
        assert not is_closed(tmp_path)
        assert find_undos(tmp_path / "undo.jsonl").undos == []  # all else is done
        assert recover(tmp_path).ended == [f"trainer ({process.pid})"]
        assert is_closed(tmp_path)
    finally:
        process.kill()
        process.wait()


def test_a_run_whose_mark_is_damaged_keeps_no_other_from_being_recovered(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / RECORD).touch()
    (tmp_path / "a" / MARK).touch()
    found = recover_all(tmp_path)
    assert list(found.done) == [tmp_path / "b"]
    assert list(found.left) == [tmp_path / "a"]
    assert [is_closed(tmp_path / name) for name in ("a", "b")] == [False, True]

"""What a run has left: its processes, its containers, its unplayed undos, its half-written journals."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import msgspec

from chaos.domain.event import Phase
from chaos.engine import connect, marked, sweep
from chaos.errors import ArmFailed, LeftBehind
from chaos.journal import JournalWriter
from chaos.processes import Known, alive, kill, known, still_there
from chaos.runner.undo import LEDGER, UndoLedger, find_undos

RECORD = "processes.jsonl"
TEMPORARY = ("warmup",)


class _Process(Known, frozen=True, tag_field="what", tag="process"):
    pass


class _Also(msgspec.Struct, frozen=True, tag_field="what", tag="also"):
    folder: str


class _Dated(msgspec.Struct):
    day: float


class _Closed(msgspec.Struct, frozen=True, tag_field="what", tag="closed"):
    pass


_decoder = msgspec.json.Decoder(_Process | _Also | _Closed)
_phases = msgspec.json.Decoder(Phase)
_days = msgspec.json.Decoder(_Dated)


class ProcessRecord:
    """Every process of a run, on disk as it starts: none is missed and no other is taken for it."""

    def __init__(self, run_folder: Path) -> None:
        self._path = run_folder / RECORD

    def note(self, name: str, pid: int) -> None:
        """Write down a process, with the time it started, which tells it from a later one of its number."""
        if (one := known(name, pid)) is not None:
            self._append(_Process(one.name, one.pid, one.started))

    def also(self, folder: Path) -> None:
        """Undos and journals lie in this folder, too."""
        self._append(_Also(str(folder)))

    def close(self) -> None:
        """Say that nothing is left."""
        self._append(_Closed())

    def close_after(
        self,
        kind: type[BaseException] | None,  # noqa: ARG002
        error: BaseException | None,
        trace: TracebackType | None,  # noqa: ARG002
    ) -> None:
        """Say that nothing is left, unless something is, or taking down was cut short; for an exit stack."""
        if not isinstance(error, LeftBehind | KeyboardInterrupt):
            self.close()

    def _append(self, entry: _Process | _Also | _Closed) -> None:
        with self._path.open("ab+") as file:  # several processes write to it, each at its end
            begun = b"\n" if _is_torn(file) else b""
            file.write(begun + msgspec.json.encode(entry) + b"\n")
            file.flush()
            os.fsync(file.fileno())


def _is_torn(file: BinaryIO) -> bool:
    """Whether a full disk took only the beginning of the last line: what is added to that nobody can read."""
    size = file.seek(0, os.SEEK_END)
    if not size:
        return False
    file.seek(size - 1)
    return file.read(1) != b"\n"


@dataclass
class Recovered:
    """What a recovery found and did."""

    ended: list[str] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    """Whole lines of ledgers that nobody can read; what they would undo has gone with the processes, too."""
    interrupted: list[str] = field(default_factory=list)

    @property
    def nothing(self) -> bool:
        """Whether there was nothing to do."""
        return not (self.ended or self.undone or self.unread or self.interrupted)


def is_closed(run_folder: Path) -> bool:
    """Whether the run took everything down itself; True for a folder that is no run."""
    record = run_folder / RECORD
    return not record.exists() or any(isinstance(entry, _Closed) for entry in _entries(record))


def runner_alive(run_folder: Path) -> bool:
    """Whether the run's own runner is still at work."""
    return any(
        isinstance(entry, _Process) and entry.name == "runner" and alive(entry.pid, entry.started) is not None
        for entry in _entries(run_folder / RECORD)
    )


def recover(run_folder: Path) -> Recovered:
    """End what a dead run has left, settle its undos and journals, and say so. Safe to do twice.

    Raises NoEngine or ArmFailed where it has left containers and the engine does not answer, and ArmFailed at
    last where processes survive; then the record stays open, for another time.
    """
    done = Recovered()
    if is_closed(run_folder):
        return done
    started = [entry for entry in _entries(run_folder / RECORD) if isinstance(entry, _Process)]
    there = [one for one in started if one.name != "runner" and alive(one.pid, one.started) is not None]
    left = kill(there)
    done.ended += [str(one) for one in there if one not in left]
    label = marked(run_folder)
    if label is not None:
        done.ended += sweep(connect(), label)
    for folder in _folders(run_folder):
        for ledger in sorted(folder.rglob(LEDGER)):
            found = find_undos(ledger)
            done.undone += [undo.id for undo in found.undos]
            done.unread += found.unread
            _settle(ledger)
        for journal in sorted(folder.rglob("journal-*.jsonl")):
            if _mark_interrupted(journal):
                done.interrupted.append(journal.name)
    if left:
        raise ArmFailed(still_there(left))
    for name in TEMPORARY:
        shutil.rmtree(run_folder / name, ignore_errors=True)
    ProcessRecord(run_folder).close()
    return done


def _folders(run_folder: Path) -> list[Path]:
    """The run's folder, and those of runs that had borrowed its stack."""
    also = [Path(entry.folder) for entry in _entries(run_folder / RECORD) if isinstance(entry, _Also)]
    return [run_folder, *(folder for folder in dict.fromkeys(also) if folder.is_dir())]


def _settle(path: Path) -> None:
    """The changes went with the processes that held them; write that down."""
    with UndoLedger(path, resume=True) as ledger:
        ledger.play(lambda _undo: "undone")


def _mark_interrupted(path: Path) -> bool:
    data, day = path.read_bytes(), 0.0
    if b"\n" not in data:  # its writer did not come to the end of the header: the arm was never run
        return False
    for line in data.splitlines():
        with contextlib.suppress(msgspec.DecodeError):
            day = max(day, _days.decode(line).day)
        with contextlib.suppress(msgspec.DecodeError):
            if _phases.decode(line).phase in ("done", "interrupted"):
                return False
    with JournalWriter.reopen(path) as journal:
        journal.write(Phase(day, "interrupted", "the runner ended before the arm did"))
    return True


def _entries(path: Path) -> Iterator[_Process | _Also | _Closed]:
    if not path.exists():
        return
    for line in path.read_bytes().splitlines():
        with contextlib.suppress(msgspec.DecodeError):  # a torn last line
            yield _decoder.decode(line)

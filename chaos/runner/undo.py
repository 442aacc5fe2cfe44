"""Undos on disk: written before the change they undo, played last in, first out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Literal

import msgspec

from chaos.domain.change import Change
from chaos.errors import ArmFailed, ChaosError, told
from chaos.lines import LineFile

LEDGER = "undo.jsonl"
"""The file, in the folder of an arm or of a stack that stands."""

Outcome = Literal["undone", "left", "failed"]


class _Prepared(msgspec.Struct, frozen=True, tag_field="state", tag="prepared"):
    id: str
    undo: Change


class _Played(msgspec.Struct, frozen=True, tag_field="state", tag="played"):
    id: str
    outcome: Outcome
    says: str = ""


_decoder = msgspec.json.Decoder(_Prepared | _Played)


@dataclass(frozen=True)
class OpenUndo:
    """An undo that was prepared and not played; `failed` says why, where it was tried."""

    id: str
    undo: Change
    failed: str = ""


class UndoLedger:
    """A file of undos. What `record` returned from is on the disk; `resume` takes up those left open."""

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        self.failed: set[str] = set()
        """Those that are open because they could not be played."""
        self._path = path
        self._open = list(reversed(find_undos(path).undos)) if resume else []
        try:
            self._lines = LineFile(path)
        except OSError as error:
            raise ArmFailed(f"the undo ledger {path} cannot be written: {error.strerror}") from error

    def __enter__(self) -> UndoLedger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def open(self) -> tuple[OpenUndo, ...]:
        """Those that were not played, oldest first."""
        return tuple(self._open)

    def close(self) -> None:
        """Close the file; doing it twice does no harm."""
        self._lines.close()

    def record(self, id: str, undo: Change) -> None:
        """Put an undo on disk. Raises ArmFailed, and then nothing may be injected."""
        self._append(_Prepared(id, undo))
        self._open.append(OpenUndo(id, undo))

    def play(
        self, revert: Callable[[Change], str], wanted: Callable[[str], bool] = lambda _id: True
    ) -> list[tuple[str, Outcome, str]]:
        """Play the open undos that are wanted, newest first. One that fails stops no other, and stays open.

        Raises ArmFailed once all are played where the disk did not take what came of them.
        """
        results: list[tuple[str, Outcome, str]] = []
        unwritten: ArmFailed | None = None
        for entry in [entry for entry in reversed(self._open) if wanted(entry.id)]:
            outcome, says = attempt(revert, entry.undo)
            if outcome == "failed":
                self.failed.add(entry.id)
            else:
                self._open.remove(entry)
                self.failed.discard(entry.id)
            results.append((entry.id, outcome, says))
            try:
                self._append(_Played(entry.id, outcome, says))
            except ArmFailed as error:
                unwritten = error
        if unwritten is not None:
            raise unwritten
        return results

    def _append(self, entry: _Prepared | _Played) -> None:
        try:
            self._lines.append(msgspec.json.encode(entry), sync=True)
        except OSError as error:
            raise ArmFailed(f"the undo ledger {self._path} cannot be written: {error.strerror}") from error


def attempt(revert: Callable[[Change], str], undo: Change) -> tuple[Outcome, str]:
    """Play one undo and say what came of it."""
    try:
        return ("left", "the value was no longer the fault's") if revert(undo) == "left" else ("undone", "")
    except (ChaosError, OSError) as error:
        return "failed", str(error)
    except Exception as error:  # noqa: BLE001 (whatever it is, it must not keep others from being played)
        return "failed", told(error)


@dataclass(frozen=True)
class Found:
    """What a ledger holds: undos that were not played, newest first, and whole lines that nobody can read."""

    undos: list[OpenUndo]
    unread: list[str]


def find_undos(path: Path) -> Found:
    """The undos of a ledger that were not played; a torn last line is passed over."""
    if not path.exists():
        return Found([], [])
    prepared: dict[str, OpenUndo] = {}
    unread: list[str] = []
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, start=1):
        try:
            entry = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if number < len(lines):
                unread.append(f"{path}:{number}: no undo can be read there: {error}")
            continue
        if isinstance(entry, _Prepared):
            prepared[entry.id] = OpenUndo(entry.id, entry.undo)
        elif entry.outcome != "failed":
            prepared.pop(entry.id, None)
        elif entry.id in prepared:
            prepared[entry.id] = replace(prepared[entry.id], failed=entry.says)
    return Found(list(reversed(prepared.values())), unread)

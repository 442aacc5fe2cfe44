"""One data link: what has come in at the source, what is held, what was handed on."""

from __future__ import annotations

import os
import posixpath
import re
import threading
from collections.abc import Callable
from typing import Any

import msgspec
from fsspec.implementations.local import LocalFileSystem

from chaos.domain.change import Scalar
from chaos.domain.data_toxics import DataToxic, MatchesNothing, Met, Parcel, make_data_toxic

_NUMBER = re.compile(r"(-?\d+)")
_HIDDEN = (".", "_")
LOOKS_AFTER_A_CHANGE = 10


class ToxicState(msgspec.Struct, frozen=True):
    """A toxic as the API shows it."""

    name: str
    type: str
    parameters: dict[str, Scalar]


class LinkState(msgspec.Struct, frozen=True):
    """A link as the API shows it."""

    name: str
    source: str
    sink: str
    toxics: list[ToxicState]
    held: list[str]
    handed_on: int
    trouble: str
    unmatched: str


class DuplicateToxic(ValueError):
    """The link has a toxic of that name."""


class DataLink:
    """Watches `source` and hands files on to `sink`, both folders of an fsspec file system.

    `day` gives the calendar on which toxics count. Names in the sink are taken as handed on already, so that
    a restarted proxy does not deliver twice. Of its state, `trouble` is what went wrong at the last look, and
    `unmatched` what the last toxic said that found nothing in a file of what it means, or cannot change it.
    """

    def __init__(self, name: str, source: str, sink: str, files: Any, day: Callable[[], float]) -> None:
        self.name = name
        self.source = source
        self.sink = sink
        self._files = files
        self._day = day
        self._toxics: dict[str, tuple[ToxicState, DataToxic]] = {}
        self._met: dict[str, Met] = {}
        self._changed: dict[str, list[str]] = {}
        self._coming_off: set[str] = set()
        self._lock = threading.Lock()
        self._files.makedirs(source, exist_ok=True)
        self._files.makedirs(sink, exist_ok=True)
        self._known = set(self._names(sink))
        self._waiting: list[tuple[str, float]] = []
        self._handed_on = 0
        self._stamp = 0
        self._looks_left = 0
        self._trouble = ""
        self._unmatched = ""

    def add(self, name: str, type: str, parameters: dict[str, Scalar]) -> ToxicState:
        """Put a toxic on the link. Raises DuplicateToxic or ValueError."""
        toxic = make_data_toxic(type, parameters)
        with self._lock:
            if name in self._toxics:
                raise DuplicateToxic(f"link {self.name!r} has a toxic {name!r} already")
            state = ToxicState(name, type, parameters)
            if not self._toxics:
                self._unmatched = ""  # of one that has been taken off
            self._toxics[name] = (state, toxic)
            self._met[name] = Met()
        return state

    def remove(self, name: str) -> bool:
        """Take a toxic off and hand on what only it held; False where there is none of that name.

        What it changed, and can be mended, is handed on again as it was written.
        """
        with self._lock:
            there = name in self._toxics
            self._coming_off.add(name)  # it shapes nothing more, and is off once all is mended
            changed = self._changed.get(name, [])
            while there and self._toxics[name][1].mended and changed:
                self._hand_on(changed[0], self._day())  # where it is gone there is no other any more
                changed.pop(0)
            self._toxics.pop(name, None)
            self._changed.pop(name, None)
            self._coming_off.discard(name)
        self.watch()  # the toxic is off, whatever becomes of what it held: that is tried again
        return there

    def clear(self) -> None:
        """Take all toxics off, the latest first."""
        for name in reversed(list(self._toxics)):
            self.remove(name)
        self.watch()

    def state(self) -> LinkState:
        """The link as it stands."""
        with self._lock:
            toxics = [state for state, _ in self._toxics.values()]
            held = [name for name, _ in self._waiting]
            return LinkState(
                self.name,
                self.source,
                self.sink,
                toxics,
                held,
                self._handed_on,
                self._trouble,
                self._unmatched,
            )

    def delivered(self) -> dict[str, int]:
        """The files in the sink, with their sizes in bytes."""
        found = self._files.ls(self.sink, detail=True, refresh=True)
        sizes = {posixpath.basename(str(one["name"])): int(one["size"]) for one in found}
        return {name: size for name, size in sorted(sizes.items()) if not name.startswith(_HIDDEN)}

    def watch(self) -> None:
        """A look; what goes wrong, such as a full disk, is kept as trouble and tried again at the next."""
        try:
            self.poll()
        except Exception as error:  # noqa: BLE001 (one link's trouble must not end the watch over all)
            self._trouble = f"{type(error).__name__}: {error}"
            self._stamp = 0  # what was not seen is looked for again
        else:
            self._trouble = ""

    def poll(self) -> None:
        """Take in what is new at the source and hand on what may pass, first come, first served."""
        with self._lock:
            now = self._day()
            for name in self._names(self.source) if self._may_have_changed() else ():
                if name not in self._known:
                    self._known.add(name)
                    self._waiting.append((name, now))
            while self._waiting and self._passes(*self._waiting[0], now):
                self._waiting.pop(0)

    def _may_have_changed(self) -> bool:
        """Whether the source is worth a listing, which costs a hundred times as much as a look at its date.

        A date counts in ticks of some milliseconds, so a folder is listed for a while after its date changed.
        """
        if not isinstance(self._files, LocalFileSystem):
            return True
        stamp = os.stat(self.source).st_mtime_ns
        if stamp != self._stamp:
            self._stamp, self._looks_left = stamp, LOOKS_AFTER_A_CHANGE
        self._looks_left -= 1
        return self._looks_left >= 0

    def _on(self) -> dict[str, tuple[ToxicState, DataToxic]]:
        return {name: toxic for name, toxic in self._toxics.items() if name not in self._coming_off}

    def _passes(self, name: str, written_day: float, now: float) -> bool:
        parcel = Parcel(name, b"", written_day)
        if any(toxic.passes_at(parcel) > now for _, toxic in self._on().values()):
            return False
        if not self._hand_on(name, written_day):
            self._known.discard(name)  # should it be written anew, it has never been handed on
        return True

    def _hand_on(self, name: str, written_day: float) -> bool:
        """False where its writer has taken it away again: nothing else may wait for that."""
        try:
            data = self._files.cat_file(posixpath.join(self.source, name))
        except FileNotFoundError:
            return False
        parcels: tuple[Parcel, ...] = (Parcel(name, data, written_day),)
        for toxic_name, (_, toxic) in self._on().items():
            before = parcels
            try:
                parcels = tuple(passed for parcel in parcels for passed in toxic.shape(parcel))
                self._met[toxic_name].parcels += 1
            except MatchesNothing as error:
                # Shown by the API; the parcel passes as it is.
                self._unmatched = f"{toxic_name}: {self._met[toxic_name].but_not(error)}"
            except Exception as error:  # noqa: BLE001 (of whatever library reads the file; likewise)
                self._unmatched = f"{toxic_name}: cannot change {name}: {type(error).__name__}: {error}"
            if parcels and parcels != before:
                self._changed.setdefault(toxic_name, []).append(name)
        for passed in parcels:
            self._write(passed)
            self._handed_on += 1
        return True

    def _write(self, parcel: Parcel) -> None:
        hidden = posixpath.join(self.sink, f".{parcel.name}.part")
        self._files.pipe_file(hidden, parcel.data)
        self._files.mv(hidden, posixpath.join(self.sink, parcel.name))

    def _names(self, folder: str) -> list[str]:
        paths = self._files.ls(folder, detail=False, refresh=True)
        names = [posixpath.basename(str(path)) for path in paths]
        return sorted((name for name in names if not name.startswith(_HIDDEN)), key=_natural)


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sorts day=9 before day=10, and day=-3 before both."""
    return [
        (0, int(part), "") if _NUMBER.fullmatch(part) else (1, 0, part)
        for part in _NUMBER.split(name)
        if part
    ]

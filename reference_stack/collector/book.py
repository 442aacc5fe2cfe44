"""What the collector must not forget about its days: which are closed, and the rows acknowledged for each."""

from __future__ import annotations

import math

import msgspec

from reference_stack.ports import Folder

_FILE = "closed.json"


class ClosedDay(msgspec.Struct, frozen=True):
    """A partition that has been written: rows acknowledged for it, and the file's fingerprint."""

    rows: int
    sha256: str


class _Page(msgspec.Struct, frozen=True):
    through: int
    days: dict[int, ClosedDay] = {}


class Book:
    """The days of one collector, durable after each change; nothing changes where storage fails.

    Before `begin` it knows only closed days. All that writes may raise OSError.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._page: _Page | None = None
        if folder.exists(_FILE):
            self._page = msgspec.json.decode(folder.read(_FILE), type=_Page)

    def begin(self, first_day: int) -> None:
        """On a folder without a past, note that partitions start with `first_day`."""
        if self._page is None:
            self._save(_Page(through=first_day - 1))

    @property
    def through(self) -> float:
        """The last closed day; −inf where nothing has begun."""
        return -math.inf if self._page is None else self._page.through

    def closed(self, day: int) -> ClosedDay | None:
        """What is known of a closed day."""
        return None if self._page is None else self._page.days.get(day)

    def close(self, day: int, rows: int, sha256: str) -> None:
        """Note that the partition of a day lies in the outbox."""
        assert self._page is not None, "a day can be closed only after begin()"
        self._save(_Page(through=day, days={**self._page.days, day: ClosedDay(rows, sha256)}))

    def _save(self, page: _Page) -> None:
        self._folder.write(_FILE, msgspec.json.encode(page))
        self._page = page

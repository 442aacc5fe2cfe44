"""Looks at the data proxy: what it cannot do on an arm's links must not pass for a fault of the platform."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgspec

from chaos.drivers.local.http import HttpFailed, ask
from chaos.drivers.local.observer import Latest
from chaos.errors import DataTrouble, NothingMatched

LOOK_EVERY_DAYS = 0.25
TOLD_EVERY_DAYS = 1.0
"""A stack that stands goes on: who has it next is to hear of trouble that lasts, too."""


class _Link(msgspec.Struct):
    unmatched: str = ""
    trouble: str = ""


class DataWatch:
    """Asks in the background, four times a day, about `links` and those that it is to follow."""

    def __init__(
        self, api: str, links: Iterable[str], pool: ThreadPoolExecutor, day: Callable[[], float]
    ) -> None:
        self._api = api
        self._pool = pool
        self._day = day
        self._look_day = 0.0
        self._told: set[str] = set()
        self._in_trouble: dict[str, _Link] = {}
        self._troubled_day: dict[str, float] = {}
        """When a link's trouble was told last, while it lasts."""
        self._newest = {link: self._latest(link) for link in links}
        self._shaped: dict[str, set[str]] = {}
        """The toxics that are on, by link."""
        self._owed: list[str] = []
        """What toxics that are gone matched nothing of, and whoever took them off has not heard yet."""

    def follow(self, link: str, toxic: str) -> None:
        """A toxic was put on a link: what it matches matters, and nothing that was read before counts."""
        self._newest[link] = self._latest(link)
        self._shaped.setdefault(link, set()).add(toxic)

    def let_go(self, link: str, toxic: str) -> None:
        """A toxic was taken off a link: what it matched nothing of is told at the next look."""
        try:
            found = self._read(link)
        except HttpFailed:
            return  # it is asked again
        if found.unmatched and found.unmatched not in self._told:
            self._owed.append(found.unmatched)
        self._newest[link] = self._latest(link)
        if toxics := self._shaped.get(link):
            toxics.discard(toxic)

    def _latest(self, link: str) -> Latest[_Link]:
        return Latest(self._pool, partial(self._read, link), self._day)

    def look(self) -> None:
        """Raises NothingMatched where a toxic matched nothing of what passed, at most half a day later, and
        at the first look after it was taken off; DataTrouble where a link is in lasting trouble.
        """
        self._tell_owed()
        if self._day() < self._look_day:
            return
        self._look_day = self._day() + LOOK_EVERY_DAYS
        for link, newest in self._newest.items():
            if (found := newest.get(math.inf)) is not None:
                self._check_trouble(link, found)
                if self._shaped.get(link):
                    self._check_matched(found)

    def look_at_last(self) -> None:
        """Raises NothingMatched where that was not known before."""
        self._tell_owed()
        for link in sorted(link for link, toxics in self._shaped.items() if toxics):
            with contextlib.suppress(HttpFailed):
                self._check_matched(self._read(link))

    def _tell_owed(self) -> None:
        if self._owed:
            owed, self._owed = dict.fromkeys(self._owed), []
            self._told.update(owed)
            raise NothingMatched("; ".join(owed))

    def _check_matched(self, found: _Link) -> None:
        """Each is told once: what a stack that stands was told must not end what comes after it."""
        if found.unmatched and found.unmatched not in self._told:
            self._told.add(found.unmatched)
            raise NothingMatched(found.unmatched)

    def _check_trouble(self, link: str, found: _Link) -> None:
        """What is so at two looks in a row is no accident."""
        before = self._in_trouble.pop(link, None)
        if not found.trouble:
            self._troubled_day.pop(link, None)
            return
        self._in_trouble[link] = found
        told_day = self._troubled_day.get(link, -math.inf)
        if before is not None and before is not found and self._day() >= told_day + TOLD_EVERY_DAYS:
            self._troubled_day[link] = self._day()
            raise DataTrouble(f"data link {link}: {found.trouble}")

    def _read(self, link: str) -> _Link:
        return ask(self._api, "GET", f"/links/{link}", None, _Link)

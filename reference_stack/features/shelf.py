"""The partitions of the features job: what has arrived in the inbox, and what is kept in the store.

A partition that can be read is copied to `partitions/` once. After that its name is settled: what the link
delivers again under it is not looked at, unless the caller calls the day unsettled because its rows are not
those that were acknowledged. What cannot be read goes to `quarantine/` and counts as absent, until the link
brings something else under the same name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from msgspec.structs import replace

from reference_stack.collector.partition import (
    DamagedPartition,
    Decode,
    Partition,
    decode,
    partition_day,
    sha256,
)
from reference_stack.features.figures import DayFigures, figures
from reference_stack.features.impressions import Impressions
from reference_stack.features.manifest import PARTITIONS, stored_partition
from reference_stack.messages import PartitionCheck
from reference_stack.ports import Folder

_QUARANTINE = "quarantine/"
_QUARANTINED = re.compile(r"quarantine/day=(-?\d+)-([0-9a-f]{16})\.parquet")
_FIGURES_KEPT_DAYS = 40
_ROWS_KEPT_DAYS = 10
Kept = TypeVar("Kept")


@dataclass(frozen=True)
class Arrival:
    """A partition that came: taken in, or put aside for the reason in `damage`."""

    check: PartitionCheck
    unknown: tuple[str, ...] = ()
    damage: str = ""


class Shelf:
    """Keeps figures of the last 40 days and rows of the last 10 in memory; the rest is read when needed.

    What is asked for of a day that came before a start is made when it is asked for.
    """

    def __init__(
        self,
        inbox: Folder,
        store: Folder,
        decode: Decode = decode,
        without: Callable[[int], list[int]] = lambda _day: [],
    ) -> None:
        """`without` tells the sources whose rows of a day are not to be used."""
        self._without = without
        self._inbox = inbox
        self._decode = decode
        self._store = store
        self._present = {day for name in store.list(PARTITIONS) if (day := partition_day(name)) is not None}
        self._aside = {
            (int(match[1]), match[2])
            for name in store.list(_QUARANTINE)
            if (match := _QUARANTINED.fullmatch(name))
        }
        self._listed: Sequence[str] = ()
        self._in_inbox: dict[int, str] = {}
        """Names by their day, oldest first, of what the inbox held when it was last `_listed`."""
        self._damage = dict(self._damaged())
        self._unreadable: set[str] = set()
        self._checks: dict[int, PartitionCheck] = {}
        self._figures: dict[int, DayFigures] = {}
        self._rows: dict[int, tuple[list[int], Impressions]] = {}
        """With the sources that were left out."""
        self._digests: dict[int, str] = {}

    @property
    def first_day(self) -> int | None:
        """The earliest partition that is there."""
        return min(self._present, default=None)

    def has(self, day: int) -> bool:
        """Whether the partition of a day has been taken in and can be read."""
        return day in self._present

    def arrived(self, unsettled: Collection[int]) -> list[str]:
        """Names in the inbox that are worth a look, oldest day first."""
        names = self._inbox.list("day=")
        if names != self._listed:
            days = {day: name for name in names if (day := partition_day(name)) is not None}
            self._listed, self._in_inbox = names, dict(sorted(days.items()))
        return [name for day, name in self._in_inbox.items() if day not in self._present or day in unsettled]

    def take(self, names: Collection[str]) -> list[Arrival]:
        """Take in what those names bring that is new. Raises OSError where the store fails at the first."""
        found: list[Arrival] = []
        for name in names:
            day = partition_day(name)
            if day is None:
                continue
            try:
                data = self._inbox.read(name)
            except OSError as error:
                # One file that cannot be read must not keep the others from being taken in.
                if name not in self._unreadable:
                    self._unreadable.add(name)
                    found.append(Arrival(PartitionCheck(day, 0, ""), damage=f"unreadable: {error}"))
                continue
            self._unreadable.discard(name)
            try:
                arrival = self._take(day, data)
            except OSError:
                if not found:
                    raise
                break  # what is in the store is told of; the rest is still to come
            found += [arrival] if arrival else []
        return found

    def check(self, day: int) -> PartitionCheck:
        """Rows, fingerprints, and what is left out; 0 and empty where it is absent."""
        if day not in self._checks and (found := self._read(day)) is not None:
            self._note_check(day, *found)
        check = self._checks.get(day) or PartitionCheck(partition_day=day, rows=0, sha256="")
        left_out = self._without(day) if check.sha256 else []
        return check if check.left_out == left_out else replace(check, left_out=left_out)

    def damage(self, day: int) -> str:
        """Why what came for a day could not be read; empty where it could, or nothing came."""
        return self._damage.get(day, "")

    def fingerprint(self, day: int) -> str:
        """The `sha256` of `check`, without the rest."""
        if day not in self._digests:
            self._read(day)
        return self._digests.get(day, "")

    def figures(self, day: int) -> DayFigures | None:
        """A day in figures, None where it is absent."""
        if day not in self._figures and (found := self._read(day)) is not None:
            self._note_figures(day, found[0])
        return self._figures.get(day)

    def impressions(self, day: int) -> Impressions | None:
        """A day's usable rows, without those of the sources left out; None where it is absent."""
        if day in self._rows and self._rows[day][0] != self._without(day):
            del self._rows[day]
        if day not in self._rows and (found := self._read(day)) is not None:
            self._note_rows(day, found[0])
        kept = self._rows.get(day)
        return None if kept is None else kept[1]

    def put_aside(self, day: int) -> PartitionCheck | None:
        """Move a day's partition to the quarantine: it counts as absent until other bytes come for it.

        What was put aside, None where there was nothing. Raises OSError where the store fails.
        """
        if day not in self._present:
            return None
        check = self.check(day)
        data = self._store.read(stored_partition(day))
        self._store.write(f"{_QUARANTINE}day={day}-{check.sha256[:16]}.parquet", data)
        self._aside.add((day, check.sha256[:16]))
        self._store.delete(stored_partition(day))
        self._present.discard(day)
        self._forget(day)
        return check

    def aside(self, day: int) -> list[PartitionCheck]:
        """What is in the quarantine of a day, without its rows. Raises OSError where the store fails."""
        names = (
            f"{_QUARANTINE}day={each}-{mark}.parquet" for each, mark in sorted(self._aside) if each == day
        )
        return [PartitionCheck(day, 0, sha256(self._store.read(name))) for name in names]

    def _take(self, day: int, data: bytes) -> Arrival | None:
        digest = sha256(data)
        if (day, digest[:16]) in self._aside or (day in self._present and self.fingerprint(day) == digest):
            return None
        try:
            partition = self._decode(data)
        except DamagedPartition as error:
            self._store.write(f"{_QUARANTINE}day={day}-{digest[:16]}.parquet", data)
            self._aside.add((day, digest[:16]))
            if day not in self._present:
                self._damage[day] = str(error)
            return Arrival(PartitionCheck(day, 0, digest), damage=str(error))
        self._store.write(stored_partition(day), data)
        self._present.add(day)
        self._damage.pop(day, None)
        self._forget(day)
        self._digests[day] = digest
        self._note_check(day, partition, digest)
        self._note_figures(day, partition)
        self._note_rows(day, partition)
        return Arrival(self._checks[day], unknown=partition.unknown)

    def _damaged(self) -> Iterator[tuple[int, str]]:
        """What is wrong with what lies in quarantine for days that are absent; purged days are sound."""
        for name in self._store.list(_QUARANTINE):
            match = _QUARANTINED.fullmatch(name)
            if match is None or int(match[1]) in self._present:
                continue
            try:
                self._decode(self._store.read(name))
            except DamagedPartition as error:
                yield int(match[1]), str(error)

    def _read(self, day: int) -> tuple[Partition, str] | None:
        """A day's partition and its fingerprint; None where it is absent."""
        if day not in self._present:
            return None
        data = self._store.read(stored_partition(day))
        try:
            partition = self._decode(data)
        except DamagedPartition:
            # Damaged since it was taken in: absent, and the link may bring it again.
            self._present.discard(day)
            self._forget(day)
            return None
        self._digests[day] = sha256(data)
        return partition, self._digests[day]

    def _forget(self, day: int) -> None:
        self._digests.pop(day, None)
        for kept in (self._checks, self._figures, self._rows):
            kept.pop(day, None)

    def _note_check(self, day: int, partition: Partition, digest: str) -> None:
        self._checks[day] = PartitionCheck(day, partition.rows, digest, partition.sources, self._without(day))

    def _note_figures(self, day: int, partition: Partition) -> None:
        self._figures[day] = figures(partition)
        self._drop(self._figures, _FIGURES_KEPT_DAYS, day)

    def _note_rows(self, day: int, partition: Partition) -> None:
        left_out = self._without(day)
        self._rows[day] = left_out, Impressions.without(partition.arrays(), left_out)
        self._drop(self._rows, _ROWS_KEPT_DAYS, day)

    def _drop(self, kept: dict[int, Kept], days: int, this: int) -> None:
        newest = max(self._present)
        for old in [known for known in kept if known <= newest - days and known != this]:
            del kept[old]

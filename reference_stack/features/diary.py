"""What the features job must not forget besides its partitions and snapshots."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from reference_stack.ports import Folder

_FILE = "diary.json"


class Distrust(msgspec.Struct, frozen=True):
    """A source that a person has put aside: from which day on, and until before which (None: still)."""

    source: int
    first_day: int
    by: str
    until_day: int | None = None

    def covers(self, day: int) -> bool:
        """Whether the source's rows of a day are not used."""
        return self.first_day <= day and (self.until_day is None or day < self.until_day)


class Diary(msgspec.Struct, frozen=True):
    """`first_day`: the first day of which a partition can be expected (None: not yet known).

    `absent`: due days already reported as absent; `flagged`: days that a layer that enforces objected to,
    which are left out of the reference; `doubted`: the like of those that only observe, left out of theirs;
    `red`: days that a layer acts on, `held`: those that it acts on whole, not only on a source. `left_out`:
    sources whose rows of a day a layer has left out, by day as text; `distrusted`: sources that people have
    put aside, or had. `purged`: days put aside whole, until their partition comes again with other bytes.
    `unjudged`: days whose partition has come and has not been shown to the layers.
    """

    first_day: int | None = None
    absent: frozenset[int] = frozenset()
    flagged: frozenset[int] = frozenset()
    doubted: frozenset[int] = frozenset()
    red: frozenset[int] = frozenset()
    held: frozenset[int] = frozenset()
    left_out: dict[str, list[int]] = {}
    distrusted: tuple[Distrust, ...] = ()
    purged: frozenset[int] = frozenset()
    unjudged: frozenset[int] = frozenset()


def read_diary(store: Folder) -> Diary:
    """The diary in the store, or an empty one."""
    if not store.exists(_FILE):
        return Diary()
    return msgspec.json.decode(store.read(_FILE), type=Diary)


def write_diary(store: Folder, diary: Diary) -> None:
    """Put it in the store. Raises OSError."""
    store.write(_FILE, msgspec.json.encode(diary, order="deterministic"))


class Notebook:
    """The diary as it stands, and its pen."""

    def __init__(self, store: Folder) -> None:
        self._store = store
        self.diary = read_diary(store)

    def without(self, day: int) -> list[int]:
        """The sources whose rows of a day are not used, ascending."""
        diary = self.diary
        if not (diary.distrusted or diary.left_out):  # asked for each day at each tick, and nearly always so
            return []
        by_people = {one.source for one in diary.distrusted if one.covers(day)}
        return sorted(by_people | set(diary.left_out.get(str(day), ())))

    def write(self, **changes: object) -> None:
        """Change some of it, on disk first. Raises OSError."""
        diary = replace(self.diary, **changes)
        write_diary(self._store, diary)
        self.diary = diary

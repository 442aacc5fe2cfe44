"""What the features job must not forget besides its partitions and snapshots."""

from __future__ import annotations

import msgspec

from reference_stack.ports import Folder

_FILE = "diary.json"


class Diary(msgspec.Struct, frozen=True):
    """`first_day`: the first day of which a partition can be expected (None: not yet known).

    `absent`: due days already reported as absent; `flagged`: days that a layer objected to, which are left
    out of the reference.
    """

    first_day: int | None = None
    absent: frozenset[int] = frozenset()
    flagged: frozenset[int] = frozenset()


def read_diary(store: Folder) -> Diary:
    """The diary in the store, or an empty one."""
    if not store.exists(_FILE):
        return Diary()
    return msgspec.json.decode(store.read(_FILE), type=Diary)


def write_diary(store: Folder, diary: Diary) -> None:
    """Put it in the store. Raises OSError."""
    store.write(_FILE, msgspec.json.encode(diary, order="deterministic"))

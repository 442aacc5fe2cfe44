"""The durable log of recommendations: what was shown to whom, and all that is needed to say why.

One file per day and replica, one JSON object a line. Entries are written in batches, because a write per
view would cost more than the view; a killed replica loses at most the batch it had not written.
"""

from __future__ import annotations

import msgspec

from reference_stack.ports import Folder

_BATCH = 64


class Recommended(msgspec.Struct, frozen=True, omit_defaults=True):
    """One recommendation as it left the replica.

    `personal` holds little-endian float64: the customer's side of the ranker, from which its terms can be
    computed again with the version's artifact. `live` is the number of products on sale: an explored slot
    was filled with chance `explore_share` ÷ (`live` − slots).
    """

    recommendation: str
    day: float
    customer: int
    segment: int
    version: int
    feature_snapshot: str
    configuration: str
    build: str
    replica: str
    slate: list[int]
    live: int
    explore_share: float
    personal: bytes = b""
    fallback: str = ""
    explored: list[int] = []


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Recommended).decode


def recommendation_id(replica: str, day: float, view: str, attempt: int) -> str:
    """A name that says in which file the recommendation stands."""
    return f"{replica}.{int(day // 1)}.{view}.{attempt}"


class RecommendationLog:
    """Adds recommendations to the log of their day and finds them again."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._pending: list[Recommended] = []
        self._file = ""

    def add(self, entry: Recommended) -> None:
        """Take an entry; it is durable after the next `flush`, at the latest after 64 more."""
        file = _file(entry.replica, int(entry.day // 1))
        if file != self._file:
            self.flush()
            self._file = file
        self._pending.append(entry)
        if len(self._pending) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Write what is pending."""
        if self._pending:
            # The newline comes first, so that a batch torn by a kill spoils no line but its own last one.
            self._folder.append(self._file, b"".join(b"\n" + _encode(entry) for entry in self._pending))
            self._pending.clear()

    def find(self, recommendation: str) -> Recommended | None:
        """The entry of that name, however old; None if there is none."""
        for entry in self._pending:
            if entry.recommendation == recommendation:
                return entry
        replica, _, rest = recommendation.partition(".")
        day = rest.partition(".")[0]
        if not replica.replace("-", "").isalnum() or not day.removeprefix("-").isdecimal():
            return None
        file = _file(replica, int(day))
        if not self._folder.exists(file):
            return None
        wanted = b'"recommendation":' + _encode(recommendation)
        for line in self._folder.read(file).split(b"\n"):
            if wanted not in line:
                continue
            try:
                return _decode(line)
            except msgspec.DecodeError:
                continue
        return None


def _file(replica: str, day: int) -> str:
    return f"recommendations/{day}/{replica}.jsonl"

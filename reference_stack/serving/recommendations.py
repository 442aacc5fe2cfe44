"""The durable log of recommendations: what was shown to whom, and all that is needed to say why.

Two files per day and replica, one JSON object a line: the recommendations, and the features that they were
made from, each only once. Entries are written in batches, because a write per view would cost more than the
view; a killed replica loses at most the batch it had not written.
"""

from __future__ import annotations

import hashlib
import math
import re
import sys
from array import array
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

import msgspec
import numpy as np

from reference_stack.messages import LookupReply
from reference_stack.ports import Folder

_NAMED = re.compile(r"([a-zA-Z0-9-]+)\.(-?[0-9]{1,9})\.")
_BATCH = 64
_MOST_PENDING = 64 * _BATCH
"""Some ten days of a replica's views in the default world."""


class Recommended(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One recommendation as it left the replica.

    `features` names the features it was made from (empty: none), so that the ranker's terms can be computed
    again with the version's artifact. `live` is the number of products on sale: an explored slot was filled
    with chance `explore_share` ÷ (`live` − slots).
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
    features: str = ""
    fallback: str = ""
    explored: list[int] = []


class Looked(msgspec.Struct, frozen=True, omit_defaults=True):
    """Features as they were looked up, under a name made from their content.

    Arrays are little endian, int64 products and float32 values and affinities: half as precise as they were,
    since they are most of the log.
    """

    features: str
    snapshot: str
    built_day: float
    products: bytes
    values: bytes
    affinities: bytes
    defaulted: bool = False

    @classmethod
    def of(cls, name: str, reply: LookupReply) -> Looked:
        """The entry for a reply."""
        return cls(
            features=name,
            snapshot=reply.snapshot,
            built_day=reply.built_day,
            products=_little("q", reply.products),
            values=_little("f", reply.values),
            affinities=_little("f", reply.affinities),
            defaulted=reply.defaulted,
        )

    def reply(self) -> LookupReply:
        """The reply again."""
        return LookupReply(
            snapshot=self.snapshot,
            built_day=self.built_day,
            products=np.frombuffer(self.products, dtype="<i8").tolist(),
            values=np.frombuffer(self.values, dtype="<f4").tolist(),
            affinities=np.frombuffer(self.affinities, dtype="<f4").tolist(),
            defaulted=self.defaulted,
        )


def _little(code: Literal["q", "f"], values: Sequence[float]) -> bytes:
    """Numbers as little endian bytes; one that is too large for a float32 is infinite there."""
    numbers: array[Any] = array(code, values)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


_Line = TypeVar("_Line", Recommended, Looked)
_encoder = msgspec.json.Encoder()
_pack = msgspec.msgpack.Encoder().encode


def recommendation_id(replica: str, day: float, view: str, attempt: int) -> str:
    """A name that says in which file the recommendation stands."""
    return f"{replica}.{math.floor(day)}.{view}.{attempt}"


class RecommendationLog:
    """Adds recommendations to the log of their day and finds them again.

    A disk that takes nothing keeps nobody from being served: `on_failure` is told, what is pending is tried
    again, and the oldest of very much, or all at the end of the day, is lost.
    """

    def __init__(self, folder: Folder, on_failure: Callable[[], object]) -> None:
        self._folder = folder
        self._on_failure = on_failure
        self._day: int | None = None
        self._file = ""
        self._pending: list[Recommended] = []
        self._looked: list[Looked] = []
        self._named: set[str] = set()
        """Names of the day's features, written or not."""
        self._names: dict[int, tuple[LookupReply, str]] = {}
        """Names by the identity of the features, which are kept here and so have it to themselves."""

    def name_of(self, features: LookupReply, replica: str, day: float) -> str:
        """The name that an entry of `day` gives to its features, which are noted."""
        whole, key = math.floor(day), id(features)
        if whole != self._day:
            self._turn_to(replica, whole)
        known = self._names.get(key)
        if known is not None:
            return known[1]
        name = hashlib.blake2b(_pack(features), digest_size=8).hexdigest()
        if name not in self._named:
            self._looked.append(Looked.of(name, features))
            self._named.add(name)
        self._names[key] = features, name
        return name

    def add(self, entry: Recommended) -> None:
        """Take an entry; durable after the next `flush`, at the latest after 64 more."""
        whole = math.floor(entry.day)
        if whole != self._day:
            self._turn_to(entry.replica, whole)
        self._pending.append(entry)
        if len(self._pending) % _BATCH == 0:
            self._try_to_flush()
            del self._pending[:-_MOST_PENDING]

    def _turn_to(self, replica: str, day: int) -> None:
        self._try_to_flush()
        self._looked.clear()
        self._pending.clear()
        self._day, self._file = day, _file(replica, day)
        self._named.clear()
        self._names.clear()

    def _try_to_flush(self) -> None:
        try:
            self.flush()
        except OSError:
            self._on_failure()

    def flush(self) -> None:
        """Write what is pending, features first. Raises OSError where the disk takes nothing."""
        self._append(f"features/{self._file}", self._looked)
        self._looked.clear()
        self._append(f"recommendations/{self._file}", self._pending)
        self._pending.clear()

    def find(self, recommendation: str) -> Recommended | None:
        """The entry of that name, however old, also while the disk takes nothing; None if there is none."""
        self._try_to_flush()
        pending = next((one for one in self._pending if one.recommendation == recommendation), None)
        if pending is not None:
            return pending
        named = _NAMED.match(recommendation)
        if named is None:
            return None
        replica, day = named.groups()
        wanted = b'"recommendation":' + _encoder.encode(recommendation)
        return self._search(f"recommendations/{_file(replica, int(day))}", wanted, Recommended)

    def features_of(self, entry: Recommended) -> LookupReply | None:
        """The features that an entry was made from; None if it was made without."""
        if not entry.features:
            return None
        pending = next((one for one in self._looked if one.features == entry.features), None)
        if pending is not None:
            return pending.reply()
        file = f"features/{_file(entry.replica, int(entry.day // 1))}"
        looked = self._search(file, b'"features":' + _encoder.encode(entry.features), Looked)
        return None if looked is None else looked.reply()

    def _append(self, name: str, lines: Sequence[Recommended] | Sequence[Looked]) -> None:
        if lines:
            # The newline comes first, so that a batch torn by a kill spoils no line but its own last one.
            self._folder.append(name, b"\n" + _encoder.encode_lines(lines)[:-1])

    def _search(self, name: str, wanted: bytes, kind: type[_Line]) -> _Line | None:
        if not self._folder.exists(name):
            return None
        for line in self._folder.read(name).split(b"\n"):
            if wanted not in line:
                continue
            try:
                return msgspec.json.decode(line, type=kind)
            except msgspec.DecodeError:
                continue
        return None


def _file(replica: str, day: int) -> str:
    return f"{day}/{replica}.jsonl"

"""Schema: the contract of the events that shoppers' devices send; a bad row goes to quarantine.

Off: whatever can be decoded is taken as it came. Values that fit no column of the partition become null
there, duplicates are kept, and rows stamped with another day count with today's.

    column                       type     domain                                null
    view, recommendation         text     not empty, ≤ 200 characters           never
    customer, product, version   whole    0 … 10⁹                               never
    segment / shard              whole    0 … 4 / 0 … 3 (world.md, Formulas)    never
    category / source            whole    0 … 7 / 0 … 3                         never
    position                     whole    1 … 100                               never
    price                        number   ± 20, standardised: N(0, 1)           yes: 2% of rows
    age                          number   0 … 1000 days                         never
    clicked                      whole    0 or 1                                never
    dwell                        number   0 … 3600 s; with a click only         if and only if not clicked
    day                          number   1 day back … 0.05 ahead of now        never
    fallback                     text     empty, `last_good` or `popularity`    never
    view:position                         not seen before, today or yesterday

Asked again of each day's partition, at hook DELIVERY: what broke the contract on the way to the features job,
or cannot be read at all (a column is missing or of another kind), makes the day's data gate red.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import repeat
from operator import attrgetter, eq, is_
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import msgspec
from msgspec import Meta

from reference_stack.layers.contract import GREEN, Decision, Hook, red
from reference_stack.layers.evidence import Delivery, Rows
from reference_stack.messages import Scalar, ViewEvents

_WHOLE = frozenset({int})
_NUMBER = frozenset({int, float})
_TEXTS = ("event_id", "view", "recommendation", "fallback")
_FALLBACKS = ("", "last_good", "popularity")
_TEXT_LIMIT = 200
_SAID = 4


class SchemaParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Upper ends of the domains, both ends included. `max_rows`: slots of one view; a longer one is refused
    whole. `price_limit` holds on both sides of 0; lengths of time are calendar days but `max_dwell_s`.
    """

    max_rows: int = 100
    max_id: int = 1_000_000_000
    segments: int = 5
    shards: int = 4
    categories: int = 8
    sources: int = 4
    price_limit: float = 20.0
    max_age_days: float = 1000.0
    max_dwell_s: float = 3600.0
    behind_days: float = 1.0
    ahead_days: float = 0.05


class Schema:
    """Acts on rows that break the contract; each is told with the first reason found."""

    name: ClassVar[str] = "schema"
    hook: ClassVar[Hook] = Hook.ROW
    also: ClassVar[tuple[Hook, ...]] = (Hook.DELIVERY,)
    Parameters: ClassVar[type[msgspec.Struct]] = SchemaParameters

    def __init__(self, parameters: SchemaParameters) -> None:
        p = self._parameters = parameters
        self._sound_view = _sound_view(p)
        self._rules = (
            _Rule("product", "products", _WHOLE, 0, p.max_id),
            _Rule("position", "positions", _WHOLE, 1, p.max_rows),
            _Rule("clicked", "clicked", _WHOLE, 0, 1),
            _Rule("category", "categories", _WHOLE, 0, p.categories - 1),
            _Rule("source", "sources", _WHOLE, 0, p.sources - 1),
            _Rule("price", "prices", _NUMBER, -p.price_limit, p.price_limit, nullable=True),
            _Rule("age", "ages_days", _NUMBER, 0.0, p.max_age_days),
            _Rule("dwell", "dwell_s", _NUMBER, 0.0, p.max_dwell_s, nullable=True),
        )
        self._columns = attrgetter(*(rule.field for rule in self._rules))

    def decide(self, evidence: Rows | Delivery) -> Decision:
        """Of a view: bad rows by index, with reasons `column: fault` of a small vocabulary. Of a partition:
        red where it holds what no row may.
        """
        if isinstance(evidence, Delivery):
            return self._delivery(evidence)
        events = evidence.events
        columns: tuple[Sequence[Scalar], ...] = self._columns(events)
        sizes = set(map(len, columns))
        rows = max(sizes)
        if evidence.first and len(sizes) == 1 and self._plainly_sound(events, rows, evidence.day):
            return GREEN
        whole = self._view(events, columns, rows, evidence.day)
        if whole:
            bad = dict.fromkeys(range(rows), whole)
        else:
            bad = self._rows(events, columns)
            _find_duplicates(evidence, bad)
        if not bad:
            return GREEN
        counted = Counter(bad.values()).most_common(_SAID)
        says = f"{len(bad)} of {rows} rows: {', '.join(f'{reason} ({n})' for reason, n in counted)}"
        return Decision(fired=True, acts=True, says=says, detail={"bad": len(bad), "rows": rows}, rows=bad)

    def _delivery(self, evidence: Delivery) -> Decision:
        """It was made of rows that kept the contract, so one that breaks it was spoilt on the way."""
        contents, p = evidence.contents, self._parameters
        if evidence.damage:
            return red(f"the partition cannot be read: {evidence.damage}")
        if contents is None:
            return GREEN
        domains = {
            **{rule.name: (rule.low, rule.high, rule.nullable) for rule in self._rules},
            **{name: (0.0, float(p.max_id), False) for name in ("customer", "version")},
            **dict.fromkeys(_TEXTS, (-math.inf, math.inf, False)),
            "segment": (0.0, p.segments - 1.0, False),
            "shard": (0.0, p.shards - 1.0, False),
            "day": (
                evidence.partition_day - p.behind_days,
                evidence.partition_day + 1 + p.ahead_days,
                False,
            ),
        }
        wrong: list[str] = []
        for name, (low, high, nullable) in domains.items():
            column = contents.columns.get(name)
            if column is not None and column.nulls and not nullable:
                wrong.append(f"{name}: {column.nulls} null")
            if column is not None and (column.low < low or column.high > high):
                wrong.append(f"{name}: {column.low:g} … {column.high:g}, not {low:g} … {high:g}")
        if contents.contradictions:
            wrong.append(f"dwell: {contents.contradictions} rows with a click or a dwell alone")
        if contents.duplicates:
            wrong.append(f"event_id: {contents.duplicates} duplicates")
        return red("; ".join(wrong[:_SAID]), wrong=len(wrong)) if wrong else GREEN

    def _plainly_sound(self, events: ViewEvents, rows: int, now_day: float) -> bool:
        """Whether a view that was never seen, its columns of one length, is sound beyond doubt, as nearly all
        are.
        """
        p = self._parameters
        if rows > p.max_rows or len(set(events.positions)) != rows:
            return False
        try:
            msgspec.convert(events, self._sound_view, from_attributes=True)
        except msgspec.ValidationError:
            return False
        if not now_day - p.behind_days <= events.day <= now_day + p.ahead_days:  # type: ignore[operator]
            return False
        # 1 of a click and True of no dwell, or 0 and False: a row with one of the two alone.
        unread = map(is_, events.dwell_s, repeat(None))
        return not any(map(eq, unread, events.clicked))

    def _view(
        self, events: ViewEvents, columns: Sequence[Sequence[Scalar]], rows: int, now_day: float
    ) -> str:
        """What is wrong with the view as a whole, or nothing."""
        p = self._parameters
        if rows > p.max_rows:
            return "view: too many rows"
        for rule, column in zip(self._rules, columns, strict=True):
            if len(column) != rows:
                return f"{rule.name}: length"
        texts: tuple[tuple[str, object], ...] = (
            ("view", events.view),
            ("recommendation", events.recommendation),
        )
        for name, text in texts:
            if not isinstance(text, str):
                return f"{name}: type"
            if not 0 < len(text) <= _TEXT_LIMIT:
                return f"{name}: domain"
        if events.fallback not in _FALLBACKS:
            return "fallback: domain"
        for name, value, allowed, low, high in (
            ("customer", events.customer, _WHOLE, 0, p.max_id),
            ("version", events.version, _WHOLE, 0, p.max_id),
            ("segment", events.segment, _WHOLE, 0, p.segments - 1),
            ("shard", events.shard, _WHOLE, 0, p.shards - 1),
            ("day", events.day, _NUMBER, now_day - p.behind_days, now_day + p.ahead_days),
        ):
            fault = _fault(value, allowed, low, high)
            if fault:
                return f"{name}: {fault}"
        return ""

    def _rows(self, events: ViewEvents, columns: Sequence[Sequence[Scalar]]) -> dict[int, str]:
        """Bad rows of a view that is sound as a whole."""
        bad: dict[int, str] = {}
        for rule, values in zip(self._rules, columns, strict=True):
            if not rule.sound(values):
                rule.find(values, bad)
        for row, (clicked, dwell) in enumerate(zip(events.clicked, events.dwell_s, strict=True)):
            if (clicked == 1) is _is_null(dwell):
                bad.setdefault(row, "dwell: null" if clicked == 1 else "dwell: no click")
        return bad


def _sound_view(p: SchemaParameters) -> type[msgspec.Struct]:
    """ViewEvents as the contract has them, for msgspec to check at once; NaN is in no range."""
    text = Annotated[str, Meta(min_length=1, max_length=_TEXT_LIMIT)]

    def whole(low: int, high: int) -> Any:
        return Annotated[int, Meta(ge=low, le=high)]

    def number(low: float, high: float) -> Any:
        return Annotated[float, Meta(ge=low, le=high)]

    return msgspec.defstruct(
        "SoundView",
        [
            ("view", text),
            ("recommendation", text),
            ("fallback", Literal[_FALLBACKS]),
            ("customer", whole(0, p.max_id)),
            ("version", whole(0, p.max_id)),
            ("segment", whole(0, p.segments - 1)),
            ("shard", whole(0, p.shards - 1)),
            ("day", float),
            ("products", list[whole(0, p.max_id)]),  # type: ignore[misc]
            ("positions", list[whole(1, p.max_rows)]),  # type: ignore[misc]
            ("clicked", list[whole(0, 1)]),  # type: ignore[misc]
            ("categories", list[whole(0, p.categories - 1)]),  # type: ignore[misc]
            ("sources", list[whole(0, p.sources - 1)]),  # type: ignore[misc]
            ("prices", list[number(-p.price_limit, p.price_limit) | None]),  # type: ignore[misc]
            ("ages_days", list[number(0.0, p.max_age_days)]),  # type: ignore[misc]
            ("dwell_s", list[number(0.0, p.max_dwell_s) | None]),  # type: ignore[misc]
        ],
        gc=False,
    )


class _Rule(NamedTuple):
    """What the values of one column may be; both ends of the domain are in it."""

    name: str
    field: str
    allowed: frozenset[type]
    low: float
    high: float
    nullable: bool = False

    def sound(self, values: Sequence[Any]) -> bool:
        """Whether the column is plainly sound: the rule, and nearly free, since 600 views a second pass."""
        if self.nullable:
            values = [value for value in values if value is not None]
        if not values:
            return True
        if not (self.allowed.issuperset(map(type, values)) and self.low <= min(values)):
            return False
        # Comparisons with NaN are false, so that min and max may overlook it; a sum does not.
        return max(values) <= self.high and not math.isnan(sum(values))

    def find(self, values: Sequence[object], bad: dict[int, str]) -> None:
        """Add the rows that break the rule."""
        for row, value in enumerate(values):
            fault = _fault(value, self.allowed, self.low, self.high)
            if fault and not (self.nullable and fault == "null"):
                bad.setdefault(row, f"{self.name}: {fault}")


def _is_null(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _fault(value: object, allowed: frozenset[type], low: float, high: float) -> str:
    if _is_null(value):
        return "null"
    if type(value) not in allowed:
        return "type"
    assert isinstance(value, int | float)
    return "" if low <= value <= high else "domain"


def _find_duplicates(evidence: Rows, bad: dict[int, str]) -> None:
    view, here = evidence.events.view, set[str]()
    for row, position in enumerate(evidence.events.positions):
        event_id = f"{view}:{position}"
        if event_id in here or evidence.seen(event_id):
            bad.setdefault(row, "event_id: duplicate")
        here.add(event_id)

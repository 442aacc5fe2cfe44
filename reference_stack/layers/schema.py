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
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import ClassVar

import msgspec

from reference_stack.layers.contract import GREEN, Decision, Hook
from reference_stack.layers.evidence import Rows
from reference_stack.messages import Scalar, ViewEvents

_WHOLE = frozenset({int})
_NUMBER = frozenset({int, float})
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
    Parameters: ClassVar[type[msgspec.Struct]] = SchemaParameters

    def __init__(self, parameters: SchemaParameters) -> None:
        self._parameters = parameters

    def decide(self, evidence: Rows) -> Decision:
        """Bad rows by index, with reasons `column: fault` of a small vocabulary."""
        events = evidence.events
        rows = max(map(len, _columns(events).values()))
        whole = self._view(events, rows, evidence.day)
        bad = dict.fromkeys(range(rows), whole) if whole else self._rows(events)
        if not whole:
            _find_duplicates(evidence, bad)
        if not bad:
            return GREEN
        counted = Counter(bad.values()).most_common(_SAID)
        says = f"{len(bad)} of {rows} rows: {', '.join(f'{reason} ({n})' for reason, n in counted)}"
        return Decision(fired=True, acts=True, says=says, detail={"bad": len(bad), "rows": rows}, rows=bad)

    def _view(self, events: ViewEvents, rows: int, now_day: float) -> str:
        """What is wrong with the view as a whole, or nothing."""
        p = self._parameters
        if rows > p.max_rows:
            return "view: too many rows"
        for name, column in _columns(events).items():
            if len(column) != rows:
                return f"{name}: length"
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

    def _rows(self, events: ViewEvents) -> dict[int, str]:
        """Bad rows of a view that is sound as a whole."""
        p = self._parameters
        bad: dict[int, str] = {}
        for name, values, allowed, low, high, nullable in (
            ("product", events.products, _WHOLE, 0, p.max_id, False),
            ("position", events.positions, _WHOLE, 1, p.max_rows, False),
            ("clicked", events.clicked, _WHOLE, 0, 1, False),
            ("category", events.categories, _WHOLE, 0, p.categories - 1, False),
            ("source", events.sources, _WHOLE, 0, p.sources - 1, False),
            ("price", events.prices, _NUMBER, -p.price_limit, p.price_limit, True),
            ("age", events.ages_days, _NUMBER, 0.0, p.max_age_days, False),
            ("dwell", events.dwell_s, _NUMBER, 0.0, p.max_dwell_s, True),
        ):
            _check(bad, name, values, allowed, low, high, nullable)
        for row, (clicked, dwell) in enumerate(zip(events.clicked, events.dwell_s, strict=True)):
            if (clicked == 1) is _is_null(dwell):
                bad.setdefault(row, "dwell: null" if clicked == 1 else "dwell: no click")
        return bad


def _columns(events: ViewEvents) -> Mapping[str, Sequence[Scalar]]:
    return {
        "product": events.products,
        "position": events.positions,
        "clicked": events.clicked,
        "dwell": events.dwell_s,
        "price": events.prices,
        "category": events.categories,
        "source": events.sources,
        "age": events.ages_days,
    }


def _check(
    bad: dict[int, str],
    name: str,
    values: Sequence[Scalar],
    allowed: frozenset[type],
    low: float,
    high: float,
    nullable: bool,
) -> None:
    # A sound column is the rule and must cost next to nothing: 600 views a second come this way.
    present = [value for value in values if value is not None] if nullable else values
    if not present and nullable:
        return
    # Not min and max: every comparison with NaN is false, and NaN must not pass for a number.
    if allowed.issuperset(map(type, present)) and all(low <= value <= high for value in present):  # type: ignore[operator]
        return
    for row, value in enumerate(values):
        fault = _fault(value, allowed, low, high)
        if fault and not (nullable and fault == "null"):
            bad.setdefault(row, f"{name}: {fault}")


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

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_stack.layers.contract import GREEN, Decision
from reference_stack.layers.evidence import ColumnContent, Contents, Delivery, Rows
from reference_stack.layers.schema import Schema, SchemaParameters
from reference_stack.messages import ViewEvents

SLOTS = 10
SOUND: dict[str, Any] = {
    "view": "3-1",
    "recommendation": "serving-a-17",
    "customer": 5,
    "segment": 2,
    "shard": 1,
    "day": 3.5,
    "version": 4,
    "fallback": "",
    "products": list(range(40, 50)),
    "positions": list(range(1, SLOTS + 1)),
    "clicked": [0, 0, 0, 1, 0, 0, 0, 0, 0, 0],
    "dwell_s": [None, None, None, 12.5, None, None, None, None, None, None],
    "prices": [0.5, -1.2, None, 0.0, 1, 2.0, -2.0, 0.1, 0.2, 0.3],
    "categories": [0, 1, 2, 3, 4, 5, 6, 7, 0, 1],
    "sources": [0, 1, 2, 3, 0, 1, 2, 3, 0, 1],
    "ages_days": [0.0, 1.0, 2.0, 3.0, 4, 5.0, 6.0, 7.0, 8.0, 99.0],
}
COLUMNS = ("products", "positions", "clicked", "dwell_s", "prices", "categories", "sources", "ages_days")


def ask(seen: frozenset[str] = frozenset(), parameters: SchemaParameters | None = None, **changes: Any):
    evidence = Rows(events=ViewEvents(**{**SOUND, **changes}), seen=seen.__contains__, day=3.51)
    return Schema(parameters or SchemaParameters()).decide(evidence)


def with_row(column: str, value: object, row: int = 2) -> dict[str, Any]:
    values = list(SOUND[column])
    values[row] = value
    return {column: values}


def reasons(decision: Decision) -> dict[int, str]:
    assert decision.fired == decision.acts == bool(decision.rows)
    return dict(decision.rows)


def test_sound_rows_pass():
    assert ask() == GREEN
    assert ask(products=[], **{column: [] for column in COLUMNS if column != "products"}) == GREEN


def test_nan_counts_as_null():
    assert ask(**with_row("prices", float("nan"))) == GREEN
    assert ask(**with_row("dwell_s", float("nan"))) == GREEN
    assert reasons(ask(**with_row("ages_days", float("nan")))) == {2: "age: null"}


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("products", None, "product: null"),
        ("products", "40", "product: type"),
        ("products", 40.0, "product: type"),
        ("positions", None, "position: null"),
        ("positions", "1", "position: type"),
        ("clicked", None, "clicked: null"),
        ("clicked", False, "clicked: type"),
        ("clicked", "no", "clicked: type"),
        ("categories", None, "category: null"),
        ("categories", 1.5, "category: type"),
        ("sources", None, "source: null"),
        ("prices", "cheap", "price: type"),
        ("prices", True, "price: type"),
        ("prices", float("inf"), "price: domain"),
        ("prices", 10**400, "price: domain"),
        ("ages_days", None, "age: null"),
        ("ages_days", "old", "age: type"),
        ("dwell_s", "long", "dwell: type"),
    ],
)
def test_wrong_types_and_nulls_are_bad_rows_and_spare_the_others(column: str, value: object, reason: str):
    assert reasons(ask(**with_row(column, value))) == {2: reason}


@pytest.mark.parametrize(
    ("column", "fine", "beyond", "reason"),
    [
        ("products", 0, -1, "product: domain"),
        ("products", 1_000_000_000, 1_000_000_001, "product: domain"),
        ("positions", 100, 101, "position: domain"),
        ("positions", 3, 0, "position: domain"),
        ("categories", 0, -1, "category: domain"),
        ("categories", 7, 8, "category: domain"),
        ("sources", 0, -1, "source: domain"),
        ("sources", 3, 4, "source: domain"),
        ("prices", 20.0, 20.1, "price: domain"),
        ("prices", -20.0, -20.1, "price: domain"),
        ("ages_days", 0.0, -0.1, "age: domain"),
        ("ages_days", 1000.0, 1000.1, "age: domain"),
    ],
)
def test_domains_include_their_ends(column: str, fine: object, beyond: object, reason: str):
    assert ask(**with_row(column, fine)) == GREEN
    assert reasons(ask(**with_row(column, beyond))) == {2: reason}


@pytest.mark.parametrize(
    ("clicked", "dwell_s", "reason"),
    [
        (1, 0.0, ""),
        (1, 3600.0, ""),
        (1, 3600.1, "dwell: domain"),
        (1, -0.1, "dwell: domain"),
        (1, None, "dwell: null"),
        (0, 5.0, "dwell: no click"),
        (2, 5.0, "clicked: domain"),
    ],
)
def test_a_click_has_a_dwell_and_nothing_else_has(clicked: int, dwell_s: object, reason: str):
    decision = ask(**with_row("clicked", clicked), **with_row("dwell_s", dwell_s))
    assert reasons(decision) == ({2: reason} if reason else {})


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("customer", None, "customer: null"),
        ("customer", "5", "customer: type"),
        ("customer", -1, "customer: domain"),
        ("segment", 5, "segment: domain"),
        ("segment", 2.0, "segment: type"),
        ("shard", 4, "shard: domain"),
        ("version", -1, "version: domain"),
        ("day", None, "day: null"),
        ("day", "3", "day: type"),
        ("day", float("nan"), "day: null"),
        ("view", "", "view: domain"),
        ("view", "x" * 201, "view: domain"),
        ("view", 3, "view: type"),
        ("recommendation", None, "recommendation: type"),
        ("fallback", "guess", "fallback: domain"),
    ],
)
def test_what_is_wrong_with_the_view_is_wrong_with_all_of_its_rows(field: str, value: object, reason: str):
    assert reasons(ask(**{field: value})) == dict.fromkeys(range(SLOTS), reason)


@pytest.mark.parametrize(("day", "sound"), [(2.51, True), (2.50, False), (3.559, True), (3.57, False)])
def test_events_are_of_today_give_or_take(day: float, sound: bool):
    assert (ask(day=day) == GREEN) is sound


@pytest.mark.parametrize("field", ["fallback", "view", "recommendation", "customer", "version"])
def test_ends_that_are_fine(field: str):
    fine = {"fallback": "last_good", "view": "x" * 200, "recommendation": "r", "customer": 0, "version": 0}
    assert ask(**{field: fine[field]}) == GREEN


def test_columns_of_different_lengths_refuse_the_view():
    assert reasons(ask(prices=[0.1])) == dict.fromkeys(range(SLOTS), "price: length")


def test_a_view_of_too_many_rows_is_refused_whole():
    longer = {column: SOUND[column] * 11 for column in COLUMNS}
    assert set(reasons(ask(**longer)).values()) == {"view: too many rows"}
    hundred = {column: SOUND[column] * 10 for column in COLUMNS} | {"positions": list(range(1, 101))}
    assert ask(**hundred) == GREEN


def test_an_event_seen_before_is_a_duplicate_and_so_is_the_same_slot_twice():
    assert reasons(ask(seen=frozenset({"3-1:3", "3-2:1"}))) == {2: "event_id: duplicate"}
    assert reasons(ask(**with_row("positions", 1, row=4))) == {4: "event_id: duplicate"}


def test_the_first_reason_counts_and_the_words_count_all():
    decision = ask(**with_row("prices", "x"), **with_row("products", None))
    assert reasons(decision) == {2: "product: null"}
    assert decision.says == "1 of 10 rows: product: null (1)"
    assert decision.detail == {"bad": 1, "rows": 10}


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.integers(0, 9)
)


@given(
    rows=st.lists(st.tuples(*[SCALARS] * len(COLUMNS)), max_size=6),
    fields=st.tuples(SCALARS, SCALARS, SCALARS, SCALARS, SCALARS),
)
def test_no_scalar_of_any_kind_breaks_it(rows: list[tuple[Any, ...]], fields: tuple[Any, ...]):
    columns = {name: [row[index] for row in rows] for index, name in enumerate(COLUMNS)}
    names = ("customer", "segment", "shard", "day", "version")
    assert set(ask(**columns).rows) <= set(range(len(rows)))
    assert set(ask(**columns, **dict(zip(names, fields, strict=True))).rows) <= set(range(len(rows)))


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 12),
    st.sampled_from([10**9, 10**9 + 1, 10**30, -(10**30), 100, 101, 3600, 3601, 1001]),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([1.0, 0.0, -0.0, 20.0, 3600.0, 4.5, 2.51, 3.56]),
    st.sampled_from(["", "x", "last_good", "popularity", "y" * 201]),
)


@given(st.data())
def test_a_first_view_is_judged_as_any_other(data: st.DataObject) -> None:
    changes: dict[str, Any] = {}
    for field in data.draw(st.lists(st.sampled_from(sorted(SOUND)), max_size=2, unique=True)):
        if field not in COLUMNS:
            changes[field] = data.draw(ODD)
            continue
        values = list(SOUND[field])
        kind = data.draw(st.sampled_from(["value", "value", "longer", "shorter"]))
        if kind == "value":
            values[data.draw(st.integers(0, SLOTS - 1))] = data.draw(ODD)
        changes[field] = (
            values[1:] if kind == "shorter" else [*values, *values[:1]] if kind == "longer" else values
        )
    events = ViewEvents(**{**SOUND, **changes})
    first, again = (
        Schema(SchemaParameters()).decide(Rows(events=events, seen=lambda _: False, day=3.51, first=known))
        for known in (True, False)
    )
    assert first == again


# --- of a partition ------------------------------------------------------------------------------------


def delivered(duplicates: int = 0, contradictions: int = 0, **columns: ColumnContent) -> Delivery:
    sound = {
        "customer": ColumnContent(0, 0.0, 299.0),
        "segment": ColumnContent(0, 0.0, 4.0),
        "price": ColumnContent(9, -3.0, 3.0),
        "dwell": ColumnContent(90, 1.0, 200.0),
        "day": ColumnContent(0, 4.0, 4.99),
    }
    contents = Contents({**sound, **columns}, contradictions, duplicates)
    return Delivery(5.02, 4, 5.15, 5.25, True, 100, 100, 4, {}, {}, contents)


def test_a_sound_partition_is_green() -> None:
    assert not Schema(SchemaParameters()).decide(delivered()).fired
    assert not Schema(SchemaParameters()).decide(msgspec.structs.replace(delivered(), contents=None)).fired


def test_a_partition_that_cannot_be_read_is_red() -> None:
    torn = msgspec.structs.replace(delivered(), present=False, contents=None, damage="lacks dwell")
    decision = Schema(SchemaParameters()).decide(torn)
    assert decision.acts
    assert "lacks dwell" in decision.says


@pytest.mark.parametrize(
    ("evidence", "says"),
    [
        (delivered(duplicates=3), "event_id: 3 duplicates"),
        (delivered(contradictions=2), "dwell: 2 rows"),
        (delivered(customer=ColumnContent(1, 0.0, 9.0)), "customer: 1 null"),
        (delivered(segment=ColumnContent(0, 0.0, 5.0)), "segment: 0 … 5, not 0 … 4"),
        (delivered(shard=ColumnContent(0, 0.0, 4.0)), "shard: 0 … 4, not 0 … 3"),
        (delivered(dwell=ColumnContent(90, 1.0, 3600.5)), "dwell: 1 … 3600.5"),
        (delivered(day=ColumnContent(0, 4.0, 5.06)), "day: 4 … 5.06"),
        (delivered(day=ColumnContent(0, 2.99, 4.9)), "day: 2.99"),
        (delivered(segment=ColumnContent(2, 0.0, 4.0)), "segment: 2 null"),
        (delivered(shard=ColumnContent(2, 0.0, 3.0)), "shard: 2 null"),
        (delivered(day=ColumnContent(2, 4.0, 4.9)), "day: 2 null"),
        (delivered(view=ColumnContent(nulls=30)), "view: 30 null"),
        (delivered(fallback=ColumnContent(nulls=1)), "fallback: 1 null"),
    ],
)
def test_what_broke_the_contract_on_the_way_makes_a_partition_red(evidence: Delivery, says: str) -> None:
    decision = Schema(SchemaParameters()).decide(evidence)
    assert decision.acts
    assert says in decision.says


def test_one_row_beyond_its_domain_takes_none_that_is_at_the_end_of_it():
    assert reasons(ask(positions=[100, 2, 0, 4, 5, 6, 7, 8, 9, 10])) == {2: "position: domain"}
    assert ask(segment=4, shard=3, customer=1_000_000_000) == GREEN


@pytest.mark.parametrize(
    "changes",
    [
        with_row("positions", 1, row=4),
        with_row("dwell_s", 5.0),
        with_row("dwell_s", None, row=3),
        {"day": 2.50},
        {"day": 3.57},
        {"segment": 5},
        {"shard": 4},
        with_row("categories", 8),
        with_row("sources", 4),
        with_row("clicked", 2) | with_row("dwell_s", 5.0),
    ],
)
def test_what_is_wrong_is_wrong_in_a_first_view_too(changes: dict[str, Any]):
    events = ViewEvents(**{**SOUND, **changes})
    first = Rows(events=events, seen=lambda _: False, day=3.51, first=True)
    assert Schema(SchemaParameters()).decide(first).acts

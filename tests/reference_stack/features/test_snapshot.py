import numpy as np
import pytest

from reference_stack.arrays import DamagedBytes, pack
from reference_stack.features.impressions import Impressions
from reference_stack.features.snapshot import (
    NumberedRows,
    Snapshot,
    SnapshotParameters,
    build,
    customer_row,
    popularity_slate,
)
from reference_stack.world import Catalogue

CATALOGUE = Catalogue(
    category=np.array([0, 1, 1, 2]),
    source=np.zeros(4, dtype=np.int64),
    price=np.zeros(4),
    launch_day=np.array([-20, -10, -5, 2]),
    embedding=np.eye(4)[:, :3],
    life_days=100,
)


def columns(*rows):
    """Rows of (customer, product, position, clicked, dwell, day)."""
    table = np.array(rows, dtype=np.float64)
    product = table[:, 1].astype(int)
    return {
        "customer": table[:, 0],
        "segment": np.zeros(len(table)),
        "product": table[:, 1],
        "category": CATALOGUE.category[product].astype(float),
        "price": np.zeros(len(table)),
        "age": np.ones(len(table)),
        "position": table[:, 2],
        "clicked": table[:, 3],
        "dwell": table[:, 4],
        "day": table[:, 5],
    }


NAN = float("nan")
ROWS = columns(
    (7, 0, 1, 1, 20.0, 0.1),
    (7, 1, 4, 0, NAN, 0.1),
    (3, 1, 1, 1, 80.0, 0.6),
    (3, 2, 4, 0, NAN, 0.6),
)


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [2, 3, 0, 1], [3, 0, 1, 2]])
def test_the_first_rows_of_a_window_give_the_snapshot_that_they_give_alone(order):
    rows, parameters = Impressions.of(ROWS).where(np.array(order)), SnapshotParameters()
    first = rows.where(slice(0, 2))
    window = NumberedRows.of(rows, parameters)

    assert window.begins_with(first)
    assert not window.begins_with(rows.where(slice(1, 3)))
    assert window.snapshot(CATALOGUE, 1, parameters, 2).to_bytes() == build(first, CATALOGUE, 1).to_bytes()
    assert window.snapshot(CATALOGUE, 1, parameters).to_bytes() == build(rows, CATALOGUE, 1).to_bytes()


def test_the_residual_is_clicks_by_dwell_less_the_expected_clicks():
    snapshot = build(Impressions.of(ROWS), CATALOGUE, day=1)
    base = 2 / 3
    ctr = (np.array([1, 1, 0]) + 20 * base) / (np.array([1, 1.5, 0.5]) + 20)
    expected = [[0, 2 - ctr[1], -0.5 * ctr[2]], [1 - ctr[0], -0.5 * ctr[1], 0]]

    assert snapshot.customers.tolist() == [3, 7]
    assert snapshot.products.tolist() == [0, 1, 2]
    assert snapshot.exposures.tolist() == [1.0, 1.5, 0.5]
    assert snapshot.ctr == pytest.approx(ctr)
    assert snapshot.residual().toarray() == pytest.approx(np.array(expected))


def test_affinities_are_shrunken_mean_residuals():
    parameters = SnapshotParameters()
    snapshot = build(Impressions.of(ROWS), CATALOGUE, day=1, parameters=parameters)
    residual = snapshot.residual().toarray()

    assert snapshot.category[0, 1] == pytest.approx(residual[0].sum() / (1.5 + parameters.category_prior))
    assert snapshot.category[0, 0] == 0.0
    assert snapshot.content[1] == pytest.approx(residual[1] / (1.5 + parameters.content_prior))
    assert snapshot.segment[0] == pytest.approx(
        residual.sum(axis=0) / (snapshot.exposures + parameters.segment_prior)
    )


def test_a_customers_row_holds_residuals_then_categories_then_content():
    snapshot = build(Impressions.of(ROWS), CATALOGUE, day=1)
    row = customer_row(snapshot, 7)

    assert len(row) == snapshot.row_width == 3 + 8 + 3
    assert row[:3] == pytest.approx(snapshot.residual().toarray()[1])
    assert row[3:11] == pytest.approx(snapshot.category[1])
    assert row[11:] == pytest.approx(snapshot.content[1])


@pytest.mark.parametrize("stranger", [-1, 0, 5, 8])
def test_an_unknown_customer_has_a_row_of_zeros(stranger):
    row = customer_row(build(Impressions.of(ROWS), CATALOGUE, day=1), stranger)

    assert len(row) == 14
    assert not row.any()


def test_nothing_of_the_day_itself_or_later_enters():
    late = columns((7, 3, 1, 1, 20.0, 1.0), (9, 0, 1, 1, 20.0, 2.5))
    both = Impressions.join([Impressions.of(ROWS), Impressions.of(late)])

    assert (
        build(both, CATALOGUE, day=1).to_bytes() == build(Impressions.of(ROWS), CATALOGUE, day=1).to_bytes()
    )


def test_rows_that_make_no_sense_are_left_out():
    strange = {name: values.copy() for name, values in ROWS.items()}
    strange["product"][0] = 99
    strange["category"][1] = 8
    strange["segment"][2] = -1
    snapshot = build(Impressions.of(strange), CATALOGUE, day=1)

    assert snapshot.products.tolist() == [2]


def test_the_order_of_rows_changes_nothing_but_rounding():
    order = np.array([2, 0, 3, 1])
    shuffled = {name: values[order] for name, values in ROWS.items()}

    first = build(Impressions.of(ROWS), CATALOGUE, day=1)
    again = build(Impressions.of(shuffled), CATALOGUE, day=1)
    assert again.residual().toarray() == pytest.approx(first.residual().toarray())


def test_wild_ids_make_the_same_snapshot_by_the_slower_way():
    wild = {**ROWS, "customer": ROWS["customer"] * 10**12}

    assert build(Impressions.of(wild), CATALOGUE, 1).values == pytest.approx(
        build(Impressions.of(ROWS), CATALOGUE, 1).values
    )


@pytest.mark.parametrize("column", ["price", "customer", "age", "clicked", "day"])
def test_a_row_with_a_null_is_unusable(column):
    holed = {name: values.copy() for name, values in ROWS.items()}
    holed[column][1] = NAN

    assert Impressions.of(holed).product.tolist() == [0, 1, 2]


def test_a_click_without_dwell_is_unusable_and_no_click_needs_none():
    holed = {**ROWS, "dwell": np.array([NAN, NAN, 80.0, NAN])}

    assert Impressions.of(holed).customer.tolist() == [7, 3, 3]


@pytest.mark.parametrize(
    ("column", "value"),
    [("clicked", 2), ("clicked", -1), ("dwell", -3.0), ("dwell", np.inf), ("price", 1e300), ("position", 0)],
)
def test_a_row_with_an_impossible_number_is_unusable(column, value):
    holed = {name: values.copy() for name, values in ROWS.items()}
    holed[column][0] = value

    assert Impressions.of(holed).product.tolist() == [1, 1, 2]


def test_columns_that_are_missing_or_hold_text_are_refused():
    with pytest.raises(KeyError, match="price"):
        Impressions.of({name: values for name, values in ROWS.items() if name != "price"})
    with pytest.raises(ValueError, match="euro"):
        Impressions.of({**ROWS, "price": np.array(["9 euro"] * 4)})


def test_rows_of_a_fallback_count_like_any_other():
    tagged = {**ROWS, "fallback": np.array(["", "", "features", "features"], dtype=object)}

    assert len(Impressions.of(tagged)) == 4


def test_views_come_from_their_column_or_from_customer_and_moment():
    named = {**ROWS, "view": np.array(["b", "b", "a", "a"])}

    assert Impressions.of(ROWS).view.tolist() == [1, 1, 0, 0]
    assert Impressions.of(named).view.tolist() == [1, 1, 0, 0]
    joined = Impressions.join([Impressions.of(named), Impressions.of(named)])
    assert joined.view.tolist() == [1, 1, 0, 0, 3, 3, 2, 2]


def test_popularity_is_by_smoothed_ctr_among_live_products_it_knows():
    snapshot = build(Impressions.of(ROWS), CATALOGUE, day=1)

    assert popularity_slate(snapshot, np.array([0, 1, 2, 3]), 2).tolist() == [0, 1]
    assert popularity_slate(snapshot, np.array([1, 2, 3]), 10).tolist() == [1, 2]


def test_an_empty_window_makes_an_empty_snapshot():
    snapshot = build(Impressions.join([]), CATALOGUE, day=1)

    assert len(snapshot.products) == len(snapshot.customers) == 0
    assert customer_row(snapshot, 7).tolist() == [0.0] * 11
    assert len(popularity_slate(snapshot, np.array([0, 1]))) == 0
    assert Snapshot.from_bytes(snapshot.to_bytes()).to_bytes() == snapshot.to_bytes()


def test_bytes_bring_the_snapshot_back():
    snapshot = build(Impressions.of(ROWS), CATALOGUE, day=1)
    again = Snapshot.from_bytes(snapshot.to_bytes())

    assert again.day == 1
    assert again.to_bytes() == snapshot.to_bytes()
    assert np.array_equal(customer_row(again, 3), customer_row(snapshot, 3))


def test_other_bytes_are_refused():
    with pytest.raises(DamagedBytes, match="not a feature snapshot"):
        Snapshot.from_bytes(pack({"kind": "model"}, {}))

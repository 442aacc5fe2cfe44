from dataclasses import replace

import numpy as np
import pytest

from benchmarks.shop import sample
from reference_stack.arrays import DamagedBytes, pack, unpack
from reference_stack.features.impressions import Impressions
from reference_stack.features.snapshot import build, customer_row
from reference_stack.trainer.model import (
    FEATURES,
    Blocks,
    Model,
    ModelParameters,
    aligned,
    describe,
    fit,
    folded,
    point_in_time,
)
from reference_stack.world import World, preset


@pytest.fixture(scope="module")
def world():
    return World.draw(preset("default"), seed=1)


@pytest.fixture(scope="module")
def days(world):
    """Seven days of random slates."""
    live = world.live_products(0)
    anything = np.tile(live[:10], (len(world.customers), 1))
    return [sample(world, day, anything, exploration=1.0) for day in range(7)]


@pytest.fixture(scope="module")
def rows(days):
    return Impressions.join(days)


@pytest.fixture(scope="module")
def model(world, rows):
    return fit(rows, world.catalogue, day=7)


def test_the_same_rows_make_the_same_bytes(world, rows, model):
    assert fit(rows, world.catalogue, day=7).to_bytes() == model.to_bytes()


def test_bytes_bring_the_model_back(model):
    again = Model.from_bytes(model.to_bytes())

    assert again.to_bytes() == model.to_bytes()
    assert (again.day, again.rows, again.training_auc) == (model.day, model.rows, model.training_auc)
    assert np.array_equal(again.factors, model.factors)


def test_torn_and_foreign_bytes_are_refused(model):
    data = model.to_bytes()

    for torn in (b"", data[:100], data[:-1], data + b"x"):
        with pytest.raises(DamagedBytes):
            Model.from_bytes(torn)
    with pytest.raises(DamagedBytes, match="schema"):
        Model.from_bytes(pack({"kind": "snapshot"}, {}))


@pytest.mark.parametrize(
    "changed",
    [
        {"popularity": None},
        {"training_auc": None},
        {"novelty_days": None},
        {"colour": 1},
        {"\ud800": 1},
        {"colour": np.zeros(3)},
        {"training_auc": "high"},
        {"training_auc": np.zeros(1)},
        {"day": "today"},
        {"inference_ms": [1]},
        {"novelty_days": 10**400},
        {"space_id": 7},
        {"factors": "none"},
        {"weights": np.zeros(8)},
        {"weights": np.zeros((3, 3))},
        {"products": np.zeros(0)},
        {"popularity": np.zeros(0)},
        {"factors": np.zeros(0)},
        {"factors": np.array(1.0)},
        {"segment": np.zeros((5, 1))},
        {"segment_category": np.zeros((4, 8))},
        {"segment_category": np.array(1.0)},
    ],
    ids=str,
)
def test_bytes_whose_fields_do_not_agree_are_refused(model, changed):
    facts, arrays = unpack(model.to_bytes())
    for name, value in changed.items():
        facts.pop(name, None), arrays.pop(name, None)
        if value is not None:
            (arrays if isinstance(value, np.ndarray) else facts)[name] = value
    with pytest.raises(DamagedBytes, match="not a whole model") as refused:
        Model.from_bytes(pack(facts, arrays))
    assert str(refused.value).encode()  # as a log has it


def test_products_that_are_not_those_of_the_other_arrays_are_refused(model):
    for wrong in (
        replace(model, factors=model.factors[:50]),
        replace(model, factors=np.concatenate([model.factors, model.factors[:9]])),
        replace(model, products=model.products[:50]),
        replace(model, products=model.products[::-1]),
        replace(model, products=model.products * 1.0),
        replace(model, popularity=model.products),
    ):
        with pytest.raises(DamagedBytes, match="not a whole model"):
            Model.from_bytes(wrong.to_bytes())


def test_numbers_that_make_no_sense_are_read_all_the_same(model):
    for strange in (
        replace(model, weights=model.weights * np.nan, factors=model.factors * np.inf),
        replace(model, factors=model.factors[:, :1], training_auc=float("nan")),
        replace(model, novelty_days=5, inference_ms=180.0),
        replace(model, products=model.products * 0),
    ):
        assert Model.from_bytes(strange.to_bytes()).to_bytes() == strange.to_bytes()


def test_a_model_learns_that_cheap_popular_and_liked_products_are_clicked(model):
    weight = dict(zip(FEATURES, model.weights[1:], strict=True))

    assert weight["popularity"] > 0.1
    assert weight["price"] < 0
    assert weight["category"] > 0
    assert 0.65 < model.training_auc < 0.9
    assert model.is_finite()


def test_features_of_a_day_hold_nothing_of_that_day(world, rows, days):
    """Turning the last day's clicks around must not change what its rows are described by."""
    last = days[-1]
    turned = replace(last, clicked=1 - last.clicked, dwell=np.full(len(last), 20.0))
    past = Impressions.join(days[:-1])
    [found] = point_in_time(
        Impressions.join([past, last]), world.catalogue, 7, ModelParameters(ranked_days=1)
    )
    [again] = point_in_time(
        Impressions.join([past, turned]), world.catalogue, 7, ModelParameters(ranked_days=1)
    )

    assert np.array_equal(found.features, again.features)
    assert np.array_equal(found.rows.clicked, 1 - again.rows.clicked)
    assert set(np.floor(found.rows.day)) == {6.0}


def test_folding_in_is_the_residual_row_times_the_factors(world, rows, model):
    snapshot = build(rows, world.catalogue, 7)
    row = customer_row(snapshot, 7)

    place = snapshot.customers.tolist().index(7)
    assert folded(model, snapshot)[place] == pytest.approx(row[: len(snapshot.products)] @ model.factors)


def test_strangers_and_unknown_products_are_described_without_a_person(world, rows, model):
    snapshot = build(rows, world.catalogue, 7)
    strangers = replace(rows, customer=np.full(len(rows), 10**6))
    described = describe(model, snapshot, world.catalogue, strangers)

    assert not described[:, :3].any()
    assert described[:, FEATURES.index("popularity")].any()


def test_products_that_a_model_does_not_know_are_described_by_the_rest(world, rows, model):
    snapshot = build(rows, world.catalogue, 7)
    fewer = replace(
        model,
        products=model.products[1:],
        factors=model.factors[1:],
        segment=model.segment[:, 1:],
        popularity=model.popularity[1:],
    )
    unknown = rows.product == model.products[0]

    whole, found = (describe(each, snapshot, world.catalogue, rows) for each in (model, fewer))

    assert unknown.any()
    lacking = [FEATURES.index(name) for name in ("segment", "popularity", "collaborative")]
    assert not found[unknown][:, lacking].any()
    assert np.array_equal(found[~unknown][:, lacking[:2]], whole[~unknown][:, lacking[:2]])
    others = [place for place in range(len(FEATURES)) if place not in lacking]
    assert np.array_equal(found[:, others], whole[:, others])


def test_popularity_is_a_logit_and_a_slot_is_looked_at_by_the_root_of_its_number(world, rows, model):
    chance = 1 / (1 + np.exp(-model.popularity))
    assert chance == pytest.approx(build(rows, world.catalogue, 7).ctr)
    for described in point_in_time(rows, world.catalogue, 7, ModelParameters()):
        assert np.exp(described.offset) == pytest.approx(described.rows.position**-0.5)


@pytest.mark.parametrize(("known", "segment", "category"), [((5, 6), 0, 6), ((4, 8), 4, 0)])
def test_a_row_beyond_a_models_table_has_no_other_rows_cell(world, rows, model, known, segment, category):
    snapshot = build(rows, world.catalogue, 7)
    few = replace(model, segment_category=model.segment_category[: known[0], : known[1]])
    beyond = rows.where((rows.segment == segment) & (rows.category == category)).where(slice(3))
    with pytest.raises(IndexError):
        describe(few, snapshot, world.catalogue, beyond)


def test_factors_that_are_more_or_fewer_than_the_products_are_not_taken_whole(model):
    more = replace(model, factors=np.concatenate([model.factors, model.factors[:9]]))
    assert np.array_equal(aligned(more, model.products), model.factors)
    with pytest.raises(IndexError):
        aligned(replace(model, factors=model.factors[:50]), model.products)


def test_factors_go_by_product_also_where_as_many_others_are_asked_for(model):
    asked = np.append(model.products[1:], model.products[-1] + 1)

    found = aligned(model, asked)

    assert np.array_equal(found[:-1], model.factors[1:])
    assert not found[-1].any()


def test_each_of_the_last_days_is_described_whole_and_from_what_was_before_it(world, days):
    window = Impressions.join(days[:3])

    found = point_in_time(window, world.catalogue, 3, ModelParameters(ranked_days=2))

    assert [sorted({int(day) for day in each.rows.day}) for each in found] == [[1], [2]]
    for described, day in zip(found, days[1:3], strict=True):
        assert 0.9 * len(day) < len(described.rows) <= len(day), "all but those of new products"


def test_what_was_prepared_for_another_window_changes_nothing(world, days):
    rows, others = Impressions.join(days[3:5]), Impressions.join(days[:3])
    blocks = Blocks.of(others, world.catalogue, 5, ModelParameters())

    assert fit(rows, world.catalogue, 5, known=blocks).to_bytes() == fit(rows, world.catalogue, 5).to_bytes()


def test_the_space_id_names_products_and_factors(model):
    assert model.true_space_id() == model.space_id
    turned = replace(model, factors=model.factors[:, ::-1])
    assert turned.true_space_id() != model.space_id


def test_a_model_of_fewer_categories_or_segments_does_not_fit(world, model):
    def fewer(segments, categories):
        table = model.segment_category[:segments, :categories]
        return replace(model, segment=model.segment[:segments], segment_category=table)

    assert model.misfit(world.catalogue, segments=5) == fewer(4, 8).misfit(world.catalogue) == ""
    assert fewer(5, 7).misfit(world.catalogue) == "it knows 7 categories, there are 8"
    assert fewer(4, 8).misfit(world.catalogue, segments=5) == "it knows 4 segments, there are 5"


def test_weights_that_are_not_finite_are_seen(model):
    assert not replace(model, weights=model.weights * np.nan).is_finite()
    assert not replace(model, factors=np.full_like(model.factors, np.inf)).is_finite()


@pytest.mark.parametrize(
    ("newer", "described"),
    [([6], 4), ([], 3), ([6, 4], 6)],
    ids=["a day more", "nothing more", "late rows too"],
)
def test_what_an_earlier_fit_described_changes_nothing(world, days, newer, described):
    blocks = Blocks()
    fit(Impressions.join(days[:4] + days[5:6]), world.catalogue, day=6, known=blocks)
    whole = Impressions.join([*days[:4], days[5], *(days[day] for day in newer)])
    again = fit(whole, world.catalogue, day=7, known=blocks)

    assert len(blocks.described) == described
    assert again.to_bytes() == fit(whole, world.catalogue, day=7).to_bytes()


def test_one_day_is_enough_and_is_cut_in_half(world, days):
    model = fit(days[0], world.catalogue, day=1)

    assert model.is_finite()
    assert model.weights[1:].any()
    assert np.isfinite(model.training_auc)


def test_without_any_row_the_model_knows_no_product(world):
    model = fit(Impressions.join([]), world.catalogue, day=7)

    assert (len(model.products), model.rows, model.factors.shape) == (0, 0, (0, 8))
    assert np.isnan(model.training_auc)
    assert Model.from_bytes(model.to_bytes()).to_bytes() == model.to_bytes()


def test_without_any_click_the_model_ranks_by_popularity(world, days):
    silent = replace(days[0], clicked=np.zeros_like(days[0].clicked), dwell=days[0].dwell * np.nan)
    model = fit(silent, world.catalogue, day=1)

    assert dict(zip(FEATURES, model.weights[1:], strict=True))["popularity"] == 1.0
    assert model.is_finite()


def test_three_customers_with_two_products_are_few_but_enough(world, rows):
    few = rows.where((rows.customer < 3) & (rows.product < rows.product.min() + 2))
    model = fit(few, world.catalogue, day=7)

    assert model.is_finite()
    assert model.factors.shape[1] == 8


def test_rows_from_the_future_are_not_trained_on(world, rows, days):
    early = fit(Impressions.join(days[:4]), world.catalogue, day=4)
    leaky = fit(rows, world.catalogue, day=4)

    assert np.array_equal(leaky.factors, early.factors)
    assert np.array_equal(leaky.weights, early.weights)


def test_the_order_of_partitions_does_not_matter_to_the_ranker(world, days, model):
    shuffled = Impressions.join([days[i] for i in (3, 0, 6, 1, 5, 2, 4)])

    assert fit(shuffled, world.catalogue, 7).weights == pytest.approx(model.weights, rel=1e-3, abs=1e-3)


def test_rows_that_make_no_sense_break_nothing(world, rows, days):
    last = days[-1]
    for column, wild in (
        ("product", 10**9),
        ("product", -1),
        ("category", 8),
        ("segment", -1),
        ("customer", -5),
        ("customer", 2**52),
        ("age", -1e9),
        ("age", 1e15),
        ("price", 1e15),
        ("position", 10**9),
        ("dwell", 1e15),
        ("day", -1e9),
    ):
        values = getattr(last, column).copy()
        values[::3] = wild
        model = fit(Impressions.join([*days[:-1], replace(last, **{column: values})]), world.catalogue, 7)
        assert model.is_finite(), column

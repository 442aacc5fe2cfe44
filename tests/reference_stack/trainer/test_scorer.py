from dataclasses import replace

import numpy as np
import pytest

from benchmarks.shop import sample
from reference_stack.features.impressions import Impressions
from reference_stack.features.snapshot import build, customer_row
from reference_stack.seeds import stream
from reference_stack.trainer.model import describe, fit
from reference_stack.trainer.scorer import Scorer, best
from reference_stack.world import World, preset


@pytest.fixture(scope="module")
def made():
    world = World.draw(preset("default"), seed=1)
    anything = np.tile(world.live_products(0)[:10], (len(world.customers), 1))
    rows = Impressions.join([sample(world, day, anything, exploration=1.0) for day in range(3)])
    snapshot = build(rows, world.catalogue, 3)
    return world, rows, snapshot, fit(rows, world.catalogue, 3, snapshot=snapshot)


def scorer_of(made, day=3, **changes):
    world, _, snapshot, model = made
    columns = changes.pop("columns", snapshot.products)
    return Scorer.of(replace(model, **changes), world.catalogue, day, world.live_products(day), columns)


def test_serving_scores_what_the_trainer_would_have_described(made):
    """No training–serving skew: the two paths of the arithmetic give the same logits."""
    world, rows, snapshot, model = made
    scorer = scorer_of(made)
    today = rows.where(np.isin(rows.product, scorer.products))
    today = replace(
        today, age=world.catalogue.age(3, today.product), price=world.catalogue.price[today.product]
    )
    offline = describe(model, snapshot, world.catalogue, today) @ model.weights[1:] + model.weights[0]

    for index in range(0, len(today), 997):
        customer = int(today.customer[index])
        scores = scorer.scores(customer_row(snapshot, customer), int(today.segment[index]))
        place = np.searchsorted(scorer.products, today.product[index])
        assert scores[place] == pytest.approx(offline[index])


def test_a_slate_holds_the_best_live_products_that_the_model_knows(made):
    world, _, snapshot, model = made
    scorer = scorer_of(made)
    row = customer_row(snapshot, 7)
    slate = scorer.slate(row, 2)
    scores = scorer.scores(row, 2)

    assert len(np.unique(slate)) == 10
    assert np.isin(slate, world.live_products(3)).all()
    assert np.isin(slate, model.products).all()
    assert scores[np.searchsorted(scorer.products, slate)] == pytest.approx(np.sort(scores)[::-1][:10])


def test_a_customer_of_no_known_segment_gets_the_mean_of_the_segments(made):
    scorer = scorer_of(made)
    row = np.zeros(made[2].row_width)

    mean = np.mean([scorer.scores(row, segment) for segment in range(5)], axis=0)
    assert scorer.scores(row, -1) == pytest.approx(mean)


def test_a_snapshot_of_other_columns_is_folded_in_by_product_id(made):
    _, _, snapshot, _ = made
    row = customer_row(snapshot, 7)
    columns = np.concatenate([snapshot.products[5:], [10**6]])
    moved = np.concatenate([row[5 : len(snapshot.products)], [3.0], row[len(snapshot.products) :]])
    row[:5] = 0.0

    expected = scorer_of(made).scores(row, 1)
    assert scorer_of(made, columns=columns).scores(moved, 1) == pytest.approx(expected)


def test_a_row_of_another_width_is_refused(made):
    with pytest.raises(ValueError, match="expected"):
        scorer_of(made).scores(np.zeros(3), 0)


def test_a_model_of_no_product_makes_an_empty_slate(made):
    world = made[0]
    model = fit(Impressions.join([]), world.catalogue, 3)
    scorer = Scorer.of(model, world.catalogue, 3, world.live_products(3), model.products)

    assert len(scorer.slate(np.zeros(8 + 6), 0)) == 0


def test_broken_weights_still_make_a_slate(made):
    scorer = scorer_of(made, weights=made[3].weights * np.nan)

    assert len(scorer.slate(customer_row(made[2], 7), 0)) == 10


def test_many_candidates_are_ranked_as_few_are():
    scores = np.round(stream(1, "test", "scores").standard_normal(5000), 1)

    assert best(scores, 40).tolist() == np.argsort(-scores, kind="stable")[:40].tolist()
    assert len(best(scores * np.nan, 10)) == 10

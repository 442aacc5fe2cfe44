from dataclasses import replace

import numpy as np
import pytest

from benchmarks.shop import sample
from reference_stack.features.impressions import Impressions
from reference_stack.features.snapshot import build
from reference_stack.trainer.evaluation import Judge, evaluate, paired_z
from reference_stack.trainer.model import fit
from reference_stack.world import World, preset


@pytest.fixture(scope="module")
def made():
    world = World.draw(preset("default"), seed=1)
    anything = np.tile(world.live_products(0)[:10], (len(world.customers), 1))
    days = [sample(world, day, anything, exploration=1.0) for day in range(8)]
    rows = Impressions.join(days[:7])
    return world, days[7], build(rows, world.catalogue, 7), fit(rows, world.catalogue, 7)


def views(clicked, view, product):
    zeros = np.zeros(len(view))
    whole = zeros.astype(np.int64)
    return Impressions(
        customer=whole,
        segment=whole,
        product=np.array(product),
        category=whole,
        price=zeros,
        age=zeros,
        position=np.ones(len(view), dtype=np.int64),
        clicked=np.array(clicked),
        dwell=zeros,
        day=zeros,
        view=np.array(view),
    )


def test_ndcg_of_views_by_hand():
    rows = views([1, 0, 0, 1, 0, 0], [1, 1, 1, 2, 2, 3], [0, 1, 2, 0, 1, 0])
    scores = np.array([0.1, 0.9, 0.5, 0.7, 0.2, 0.3])

    assert Judge(rows).ndcg_by_view(scores).tolist() == pytest.approx([1 / np.log2(4), 1.0])


def test_a_click_further_down_gains_the_root_of_its_slot():
    rows = replace(views([1, 0, 1], [1, 1, 1], [0, 1, 2]), position=np.array([1, 2, 4]))
    found = Judge(rows).ndcg_by_view(np.array([0.9, 0.1, 0.5]))

    assert found.tolist() == pytest.approx([(1 + 2 / np.log2(3)) / (2 + 1 / np.log2(3))])


def test_products_that_a_model_does_not_know_come_last(made):
    world, _, snapshot, model = made
    fewer = replace(model, products=model.products[:-1])
    shown = views([0, 1], [1, 1], [int(model.products[0]), int(model.products[-1])])
    strangers = views([1, 0], [1, 1], [int(model.products[0]), int(model.products[-1])])

    assert evaluate(fewer, strangers, snapshot, world.catalogue).ndcg == 1.0
    assert evaluate(fewer, shown, snapshot, world.catalogue).ndcg == pytest.approx(1 / np.log2(3))


def test_rows_that_no_model_can_describe_are_not_judged(made):
    world, rows, snapshot, model = made
    odd = Impressions.join([rows, replace(rows, product=rows.product + len(world.catalogue))])

    found, usual = (evaluate(model, each, snapshot, world.catalogue) for each in (odd, rows))
    assert (found.views, found.ndcg, found.auc) == (usual.views, usual.ndcg, usual.auc)


def test_rows_of_a_view_need_not_lie_together_and_ties_go_to_the_lower_id():
    rows = views([0, 1, 1, 0], [2, 1, 2, 1], [0, 5, 1, 4])

    assert Judge(rows).ndcg_by_view(np.zeros(4)).tolist() == pytest.approx([1 / np.log2(3), 1 / np.log2(3)])


@pytest.mark.parametrize("long", [7, 300], ids=["about as long as the others", "much longer"])
def test_one_view_is_ranked_as_it_is_alone_also_where_scores_are_missing(long):
    view = np.repeat(np.arange(9), [long, *[3] * 8])
    clicked, product = np.arange(len(view)) % 2, np.arange(len(view)) % 5
    scores = np.where(np.arange(len(view)) % 3 == 0, np.nan, np.cos(np.arange(len(view))))
    alone = [
        Judge(views(clicked[mine], np.zeros(mine.sum(), dtype=int), product[mine])).ndcg_by_view(scores[mine])
        for mine in (view == each for each in range(9))
    ]

    found = Judge(views(clicked, view, product)).ndcg_by_view(scores)

    assert found.tolist() == np.concatenate(alone).tolist()


def test_a_model_beats_popularity_and_draws_with_itself(made):
    world, rows, snapshot, model = made
    result = evaluate(model, rows, snapshot, world.catalogue, champion=model)

    assert result.z_popularity > 2
    assert result.ndcg > result.ndcg_popularity
    assert (result.z_champion, result.ndcg_champion) == (0.0, result.ndcg)
    assert 0.65 < result.auc < 0.9


def test_a_model_turned_upside_down_is_found_out(made):
    world, rows, snapshot, model = made
    result = evaluate(replace(model, weights=-model.weights), rows, snapshot, world.catalogue, champion=model)

    assert result.z_popularity < -6
    assert result.z_champion < -6


def test_a_day_without_rows_judges_nothing(made):
    world, rows, snapshot, model = made
    result = evaluate(model, rows.where(slice(0, 0)), snapshot, world.catalogue, champion=model)

    assert result.views == 0
    assert np.isnan([result.ndcg, result.z_popularity, result.z_champion, result.auc]).all()


def test_models_and_snapshots_of_nothing_are_judged_too(made):
    world, rows, snapshot, model = made
    nothing = Impressions.join([])
    empty = fit(nothing, world.catalogue, 7)

    assert evaluate(empty, rows, snapshot, world.catalogue).z_popularity < 0
    blind = evaluate(model, rows, build(nothing, world.catalogue, 7), world.catalogue)
    assert np.isfinite(blind.ndcg)


def test_z_of_paired_differences():
    assert paired_z(np.array([1.0, 2.0, 3.0])) == pytest.approx(2 / (1 / np.sqrt(3)))
    assert paired_z(np.zeros(5)) == 0.0
    assert paired_z(np.full(5, -0.5)) == -np.inf
    assert np.isnan(paired_z(np.array([1.0])))

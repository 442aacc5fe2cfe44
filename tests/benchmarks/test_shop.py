"""The world is calibrated: two seeds of `default`, with bands as wide as the noise of docs/world.md."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from benchmarks.shop import Plan, harm, live_through, lost_by_age, popular, warmed_up
from reference_stack.features.impressions import Impressions
from reference_stack.trainer.evaluation import evaluate
from reference_stack.trainer.model import fit
from reference_stack.world import World, preset

DAYS = 15
SEEDS = (2, 4)


@pytest.fixture(scope="module", autouse=True)
def one_blas_thread():
    """Two threads on a busy machine make a fit of 25 ms last for seconds."""
    with threadpool_limits(limits=1, user_api="blas"):
        yield


@pytest.fixture(scope="module")
def warm():
    return [warmed_up(World.draw(preset("default"), seed)) for seed in SEEDS]


@pytest.fixture(scope="module")
def shops(warm):
    return [live_through(shop, DAYS, Plan()) for shop in warm]


def mean(shops, figure):
    return float(np.mean([figure(shop, day) for shop in shops for day in range(DAYS)]))


def test_the_hybrid_is_worth_having(shops):
    clicks = mean(shops, lambda shop, day: shop.quality[day])
    over_popularity = mean(
        shops,
        lambda shop, day: (
            shop.quality[day] / shop.world.quality(day, popular(shop.world, shop.releases[day], day), 0.02)
        ),
    )
    over_oracle = mean(
        shops,
        lambda shop, day: (
            shop.quality[day] / float(shop.world.customers.activity @ shop.world.best_values(day))
        ),
    )

    assert clicks == pytest.approx(1.36, abs=0.25)
    assert over_popularity == pytest.approx(1.75, abs=0.25)
    assert over_oracle == pytest.approx(0.61, abs=0.04)


@pytest.mark.parametrize(("age", "lost", "band"), [(1, 0.022, 0.012), (3, 0.065, 0.025), (7, 0.14, 0.045)])
def test_a_model_ages(shops, age, lost, band):
    assert mean(shops, lambda shop, day: lost_by_age(shop, day, age)) == pytest.approx(lost, abs=band)


def test_a_day_brings_some_4500_rows_and_a_steady_quality(shops):
    rows = [len(shop.partitions[day]) for shop in shops for day in range(DAYS)]
    quality = np.array([[shop.quality[day] for day in range(DAYS)] for shop in shops])
    change = np.diff(quality, axis=1) / quality.mean(axis=1, keepdims=True)

    assert np.mean(rows) == pytest.approx(4400, rel=0.05)
    assert change.std() / np.sqrt(2) < 0.05


def test_a_healthy_challenger_stands_far_above_popularity_and_near_the_champion(shops):
    results = []
    for shop in shops:
        for day in range(7, DAYS):
            rows = Impressions.join([shop.partitions[d] for d in range(day - 6, day)])
            champion = shop.releases[day]
            challenger = fit(rows, shop.world.catalogue, day)
            results.append(
                evaluate(
                    challenger, shop.partitions[day], champion.snapshot, shop.world.catalogue, champion.model
                )
            )

    assert min(r.z_popularity for r in results) > 5
    assert 7 < np.median([r.z_popularity for r in results]) < 13
    assert all(-6 < r.z_champion < 6 for r in results)
    assert all(0.72 < r.auc < 0.88 for r in results)


def test_five_late_days_cost_about_a_seventh_of_a_week_and_holding_saves_some_of_it(warm, shops):
    week = range(1, 8)
    late = [
        harm(live_through(shop, 8, Plan(missing=range(5), until=6)), c, week)
        for shop, c in zip(warm, shops, strict=True)
    ]
    held = [
        harm(live_through(shop, 8, Plan(hold=range(1, 6))), c, week)
        for shop, c in zip(warm, shops, strict=True)
    ]

    assert np.mean(late) == pytest.approx(68, abs=30)
    assert np.mean(held) == pytest.approx(42, abs=25)
    assert np.mean(held) < np.mean(late)


def test_two_arms_without_a_fault_are_identical(warm, shops):
    again = live_through(warm[0], 3, Plan())

    assert [again.quality[d] for d in range(3)] == [shops[0].quality[d] for d in range(3)]
    assert again.releases[2].model.to_bytes() == shops[0].releases[2].model.to_bytes()


def test_slowness_takes_rows_and_users_away():
    """That it takes quality too (−30%) needs ten seeds to be seen: benchmarks/calibration.py."""
    warm = warmed_up(World.draw(preset("hungry"), 1))
    control = live_through(warm, 8, Plan(returning=True))
    slow = live_through(warm, 8, Plan(slow=range(8), latency_s=5.5, returning=True))

    assert slow.releases[7].model.rows < 0.5 * control.releases[7].model.rows
    assert slow.levels[7] < 0.6 * control.levels[7]
    assert control.levels[7] == pytest.approx(1.0, abs=0.3)

import numpy as np
import pytest

from reference_stack.world import (
    HORIZON_DAYS,
    PRESETS,
    WARM_UP_DAYS,
    World,
    abandonment,
    preset,
    returning_level,
)
from reference_stack.world.behaviour import dwell_of, dwell_seconds, exposure, patience_ratio


@pytest.fixture(scope="module")
def world():
    return World.draw(preset("default"), seed=1)


SMALL = [parameters for parameters in PRESETS if parameters.name != "large"]


@pytest.mark.parametrize("parameters", SMALL, ids=lambda p: p.name)
def test_as_many_products_are_on_sale_on_every_day_of_the_120(parameters):
    world = World.draw(parameters, seed=3)

    for day in range(-WARM_UP_DAYS, HORIZON_DAYS - WARM_UP_DAYS):
        live = world.live_products(day)
        assert len(live) == parameters.products
        ages = world.catalogue.age(day, live)
        assert ages.min() >= 0
        assert ages.max() < parameters.life_days


def test_days_are_scenario_days_and_end_with_the_horizon(world):
    world.click_probabilities(-WARM_UP_DAYS)
    world.click_probabilities(HORIZON_DAYS - WARM_UP_DAYS - 0.01)
    with pytest.raises(ValueError, match="outside"):
        world.click_probabilities(-WARM_UP_DAYS - 1)
    with pytest.raises(ValueError, match="outside"):
        world.click_probabilities(HORIZON_DAYS - WARM_UP_DAYS)


def test_a_world_is_the_same_each_time_and_another_for_another_seed(world):
    again = World.draw(preset("default"), seed=1)
    other = World.draw(preset("default"), seed=2)

    assert np.array_equal(world.click_probabilities(5), again.click_probabilities(5))
    assert not np.array_equal(world.click_probabilities(5), other.click_probabilities(5))


def test_preferences_do_not_depend_on_how_many_views_a_day_brings(world):
    starved = World.draw(preset("starved"), seed=1)

    assert np.array_equal(world.click_probabilities(5), starved.click_probabilities(5))


def test_a_slate_is_worth_its_discounted_chances_and_no_more_than_the_best(world):
    live = world.live_products(2)
    slate = live[[5, 9, 70]]
    chances = world.click_probabilities(2)[7][[5, 9, 70]]

    assert world.slate_value(2, 7, slate) == pytest.approx((chances / np.sqrt([1, 2, 3])).sum())
    best = live[np.argsort(-world.click_probabilities(2)[7])[:10]]
    assert world.slate_value(2, 7, best) == pytest.approx(world.best_value(2, 7))
    slates = np.tile(live[:10], (len(world.customers), 1))
    assert world.slate_values(2, slates)[7] == pytest.approx(world.slate_value(2, 7, live[:10]))
    assert (world.slate_values(2, slates) <= world.best_values(2) + 1e-12).all()


def test_products_that_are_not_on_sale_and_empty_slates_are_worth_nothing(world):
    live = world.live_products(2)

    assert world.slate_value(2, 7, np.array([-1, live[0] - 1, live[-1] + 1, 10**6])) == 0.0
    assert world.slate_value(2, 7, np.array([], dtype=np.int64)) == 0.0


def test_a_day_has_one_table_at_all_its_moments():
    world = World.draw(preset("default"), 1)
    assert world.click_probabilities(-0.5) is world.click_probabilities(-1)
    assert world.click_probabilities(2.0) is world.click_probabilities(2.9)
    assert world.click_probabilities(0.5) is not world.click_probabilities(-1)


def test_a_large_world_answers_for_single_slates_without_a_table():
    world = World.draw(preset("large"), seed=1)
    live = world.live_products(0)
    slate = live[[17, 40_000, 99_999]]
    expected = 1 / (1 + np.exp(-world.logits(0, np.array([4321]), slate)[0]))

    assert len(live) == 100_000
    assert world.slate_probabilities(0, 4321, slate) == pytest.approx(expected)
    assert world.best_value(0, 4321) > world.slate_value(0, 4321, slate)
    with pytest.raises(MemoryError, match="large"):
        world.click_probabilities(0)


def test_arrivals_are_sorted_within_their_day_and_as_many_as_the_returning_level_says(world):
    counts = [len(world.arrivals(day, 0.5)) for day in range(40)]
    arrivals = world.arrivals(3, 1.0)

    assert (np.diff(arrivals.times) >= 0).all()
    assert (np.floor(arrivals.times) == 3).all()
    assert np.mean(counts) == pytest.approx(300, rel=0.03)
    assert np.std(counts) == pytest.approx(15, rel=0.5)
    assert sorted(arrivals.ordinals.tolist()) == list(range(len(arrivals)))
    assert len(world.arrivals(3, 0.0)) == 0


def test_a_lower_returning_level_takes_views_away_and_leaves_the_others_as_they_were(world):
    many, few = world.arrivals(3, 1.0), world.arrivals(3, 0.6)
    kept = np.isin(many.ordinals, few.ordinals)

    assert kept.sum() == len(few)
    for name in ("times", "customers", "ordinals", "patience", "click_uniforms", "dwell_noise"):
        assert np.array_equal(getattr(many, name)[kept], getattr(few, name))


def test_active_customers_come_more_often(world):
    seen = np.concatenate([world.arrivals(day, 1.0).customers for day in range(60)])
    counts = np.bincount(seen, minlength=len(world.customers))

    assert np.corrcoef(counts, world.customers.activity)[0, 1] > 0.97


def test_the_noise_of_a_view_is_its_own_whatever_is_served(world):
    arrivals = world.arrivals(3, 1.0)
    live = world.live_products(3)
    slate = live[:10].copy()
    other = slate.copy()
    other[0] = live[50]
    before = [world.look(arrivals, i, slate) for i in range(300)]
    after = [world.look(arrivals, i, other) for i in range(300)]

    assert all(a.clicked[1:] == b.clicked[1:] for a, b in zip(before, after, strict=True))
    assert all(a.null == b.null for a, b in zip(before, after, strict=True))


def test_looks_follow_the_true_chances(world):
    live = world.live_products(3)
    looks, expected = [], 0.0
    for day in (3, 4, 5):
        arrivals = world.arrivals(day, 1.0)
        for index in range(len(arrivals)):
            looks.append(world.look(arrivals, index, live[:10]))
            expected += looks[-1].value
    clicks = sum(sum(look.clicked) for look in looks)
    nulls = np.mean([look.null for look in looks])

    assert clicks == pytest.approx(expected, abs=4 * np.sqrt(expected))
    assert nulls == pytest.approx(0.02, abs=0.005)
    assert all([dwell is not None for dwell in look.dwell_seconds] == look.clicked for look in looks)


def test_a_look_is_that_of_the_worlds_formulas(world):
    arrivals = world.arrivals(3, 1.0)
    slate = [*world.live_products(3)[20:29].tolist(), 10_000]
    best = world.best_values(3)
    for index in range(0, len(arrivals), 7):
        customer = int(arrivals.customers[index])
        looks = world.look(arrivals, index, slate)
        probability = world.slate_probabilities(3, customer, np.array(slate))
        clicked = arrivals.click_uniforms[index] < probability * exposure(np.arange(1, 11))
        dwell = dwell_seconds(world.parameters, probability, arrivals.dwell_noise[index])[clicked]

        assert looks.value == pytest.approx(world.slate_value(3, customer, np.array(slate)))
        assert looks.best_value == best[customer]
        assert looks.clicked == clicked.tolist()
        assert [each for each in looks.dwell_seconds if each is not None] == pytest.approx(dwell.tolist())


def test_nobody_dwells_for_longer_than_the_contract_of_the_events_allows():
    default = preset("default")
    assert dwell_of(default, 1.0 - 1e-9, 3.0) == 3600.0
    assert dwell_seconds(
        default, np.array([1.0 - 1e-9, 0.1]), np.array([3.0, 0.0])
    ).tolist() == pytest.approx([3600.0, 16.22], abs=0.01)


def test_abandonment_fits_the_published_bounce_rates_and_stays_between_its_bounds():
    default = preset("default")

    assert abandonment(default, 1.0) == pytest.approx(0.252, abs=0.001)
    assert abandonment(default, 5.5) == pytest.approx(0.497, abs=0.001)
    assert abandonment(default, 0.0) > default.abandon_floor
    assert abandonment(default, 1e6) == pytest.approx(0.56)
    assert abandonment(default, -1e6) == pytest.approx(0.23)
    assert patience_ratio(default, 1.0) == 1.0


def test_users_come_back_slowly():
    default = preset("default")
    level = 1.0
    for _ in range(14):
        level = returning_level(default, level, quality_ratio=0.9, patience=0.6)
    assert 0.7 < level < 0.85
    assert returning_level(default, 1.0, 1.0, 1.0) == 1.0
    assert level < returning_level(default, level, 1.0, 1.0) < level + 0.03


def test_an_unknown_preset_names_those_there_are():
    with pytest.raises(KeyError, match="hungry"):
        preset("defualt")

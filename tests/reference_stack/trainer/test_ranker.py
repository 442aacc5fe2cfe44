import numpy as np
import pytest

from reference_stack.seeds import stream
from reference_stack.trainer.ranker import auc, newton


def drawn(count=4000):
    generator = stream(1, "test", "ranker")
    features = np.column_stack([np.ones(count), generator.standard_normal((count, 2))])
    offset = -0.5 * np.log(generator.integers(1, 11, count))
    chance = 1 / (1 + np.exp(-(features @ [-1.0, 0.8, -0.4] + offset)))
    return features, (generator.random(count) < chance).astype(np.int64), offset


def test_newton_finds_the_weights_that_made_the_clicks():
    features, clicked, offset = drawn()

    weights = newton(features, clicked, offset, ridge=1.0, damping=1.0)
    assert weights == pytest.approx([-1.0, 0.8, -0.4], abs=0.12)


def test_the_damping_is_of_the_step_and_moves_no_minimum():
    features, clicked, offset = drawn()

    assert newton(features, clicked, offset, ridge=1.0, damping=50.0, steps=200) == pytest.approx(
        newton(features, clicked, offset, ridge=1.0, damping=0.0), abs=1e-2
    )


def test_a_learning_rate_of_one_is_newtons_own_step():
    features, clicked, offset = drawn()

    assert newton(features, clicked, offset, ridge=1.0, damping=0.0, learning_rate=1.0) == pytest.approx(
        newton(features, clicked, offset, ridge=1.0, damping=0.0), abs=1e-3
    )


def test_a_learning_rate_above_two_leads_away_from_the_minimum():
    features, clicked, offset = drawn()

    def largest(rate):
        weights = newton(features, clicked, offset, ridge=1.0, damping=1.0, learning_rate=rate)
        return np.abs(weights).max()

    assert largest(0.5) < 2.0
    assert 1e3 < largest(3.0) < np.inf
    assert np.isnan(largest(1e20))


def test_few_clicks_that_can_be_separated_do_not_diverge():
    features = np.column_stack([np.ones(40), np.linspace(-1, 1, 40) * 1000])
    clicked = (np.arange(40) > 37).astype(np.int64)

    weights = newton(features, clicked, np.zeros(40), ridge=4.0, damping=1.0)
    assert np.isfinite(weights).all()
    assert np.abs(weights).max() < 50


@pytest.mark.parametrize("clicked", [[0, 0, 0], [1, 1, 1]])
def test_only_clicks_or_none_are_survived(clicked):
    weights = newton(np.ones((3, 1)), np.array(clicked), np.zeros(3), ridge=1.0, damping=1.0)

    assert np.isfinite(weights).all()


def test_auc_counts_ties_half():
    assert auc(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0, 0, 1, 1])) == 1.0
    assert auc(np.array([4.0, 3.0, 2.0, 1.0]), np.array([0, 0, 1, 1])) == 0.0
    assert auc(np.ones(4), np.array([0, 1, 0, 1])) == 0.5
    assert auc(np.array([1.0, 2.0, 2.0]), np.array([0, 0, 1])) == 0.75
    assert np.isnan(auc(np.ones(3), np.zeros(3)))

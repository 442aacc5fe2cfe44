from __future__ import annotations

import math

import pytest
from msgspec.structs import replace

from reference_stack.layers.contract import GREEN
from reference_stack.layers.evaluation import Evaluation, EvaluationParameters
from reference_stack.layers.evidence import Challenger

HEALTHY = Challenger(
    views=300,
    ndcg=0.71,
    ndcg_popularity=0.58,
    ndcg_champion=0.72,
    z_popularity=9.3,
    z_champion=-0.7,
    auc=0.81,
    finite=True,
)


def ask(parameters: EvaluationParameters | None = None, **changed: object):
    return Evaluation(parameters or EvaluationParameters()).decide(replace(HEALTHY, **changed))


def test_a_healthy_challenger_is_green():
    assert ask() == GREEN


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"z_popularity": -0.01}, "popularity"),
        ({"z_champion": -6.01}, "champion"),
        ({"auc": 0.901}, "AUC"),
        ({"finite": False}, "not finite"),
        ({"ndcg": math.nan}, "not finite"),
        ({"z_popularity": math.nan}, "not finite"),
        ({"z_popularity": -math.inf}, "popularity"),
    ],
)
def test_past_a_limit_it_is_red_and_says_why(changed, says):
    decision = ask(**changed)
    assert decision.fired
    assert decision.acts
    assert says in decision.says


@pytest.mark.parametrize(
    "changed",
    [
        {"z_popularity": 0.0},
        {"z_champion": -6.0},
        {"z_champion": -3.4},  # as low as an innocent challenger gets
        {"auc": 0.9},
        {"auc": math.nan},  # nothing to rank in the training window: no figure, no leakage
        {"z_champion": None, "ndcg_champion": None},
        {"z_popularity": math.inf},
    ],
)
def test_at_a_limit_or_without_a_figure_it_is_green(changed):
    assert ask(**changed) == GREEN


def test_figures_from_a_handful_of_views_say_nothing_but_leakage_and_infinities_do():
    bad = {"z_popularity": -5.0, "z_champion": -9.0}
    assert ask(views=19, **bad) == GREEN
    assert ask(views=20, **bad).acts
    assert ask(views=0, ndcg=math.nan, z_popularity=math.nan) == GREEN
    assert ask(views=0, finite=False).acts
    assert ask(views=0, auc=0.95).acts


@pytest.mark.parametrize(
    ("parameters", "changed"),
    [
        (EvaluationParameters(min_z_popularity=10.0), {}),
        (EvaluationParameters(min_z_champion=-0.5), {}),
        (EvaluationParameters(max_auc=0.8), {}),
        (EvaluationParameters(min_views=5), {"views": 6, "z_popularity": -1.0}),
    ],
)
def test_every_limit_is_a_parameter(parameters, changed):
    assert ask(parameters, **changed).acts


def test_the_figure_behind_the_words_is_in_the_detail():
    assert ask(z_champion=-7.5).detail == {"z_champion": -7.5}
    assert ask(auc=0.99).detail == {"auc": 0.99}

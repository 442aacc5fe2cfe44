from __future__ import annotations

import numpy as np
import pytest

from reference_stack.layers.canary import Canary, CanaryParameters, good
from reference_stack.layers.evidence import CanaryStage, Outcomes

LAYER = Canary(CanaryParameters())
CHAMPION = Outcomes(asked=75, late=0, clicked=40)


def ask(challenger: Outcomes, elapsed_days: float = 0.25, champion: Outcomes = CHAMPION):
    return LAYER.decide(CanaryStage(elapsed_days, challenger, champion))


def test_an_equal_challenger_passes_when_the_stage_is_over_and_not_before():
    early, over = ask(Outcomes(75, 0, 40), 0.2), ask(Outcomes(75, 0, 40), 0.25)
    assert (early.fired, early.detail["done"]) == (False, 0.0)
    assert (over.fired, over.detail["done"]) == (False, 1.0)


def test_a_better_challenger_passes_however_much_better():
    assert not ask(Outcomes(75, 0, 75)).fired


def test_a_challenger_that_fails_is_taken_back_before_the_stage_is_over():
    decision = ask(Outcomes(asked=60, late=0, clicked=0), 0.2, Outcomes(60, 0, 32))
    assert decision.acts
    assert decision.detail["done"] == 1.0
    assert "0 of 60 views" in decision.says


def test_clicks_that_came_late_do_not_count():
    assert good(Outcomes(asked=80, late=80, clicked=40)) == 0.0
    assert good(Outcomes(asked=80, late=20, clicked=40)) == 30.0
    assert ask(Outcomes(asked=75, late=75, clicked=40)).acts


def test_both_sides_of_the_last_boundary():
    # Of 75 and 75 views, 40 of them good: z is −4.05 with 16 good ones and −4.24 with 15; the limit is −4.11.
    assert not ask(Outcomes(75, 0, 16), 0.5).fired
    assert ask(Outcomes(75, 0, 15), 0.5).acts
    assert not ask(Outcomes(75, 0, 16), 0.9).fired  # who waits longer gives no more away


def test_an_early_look_needs_more_evidence_than_the_last():
    assert not ask(Outcomes(75, 0, 15), 0.45).fired


def test_one_that_is_in_doubt_is_looked_at_for_as_long_again():
    # Of 75 and 75 views, 40 of them good: z is −2.12 with 27 good ones and −1.96 with 28.
    doubtful, well = ask(Outcomes(75, 0, 27)), ask(Outcomes(75, 0, 28))
    assert (doubtful.fired, doubtful.detail["done"], well.detail["done"]) == (False, 0.0, 1.0)
    assert ask(Outcomes(150, 0, 54), 0.5, Outcomes(150, 0, 80)).detail["done"] == 1.0


def test_too_few_views_are_waited_for_and_then_nothing_is_promoted():
    few = Outcomes(asked=49, late=0, clicked=30)
    waiting = ask(few, 0.89)
    assert (waiting.fired, waiting.detail["done"]) == (False, 0.0)
    given_up = ask(few, 0.9)
    assert given_up.acts
    assert "not judged" in given_up.says
    assert ask(Outcomes(50, 0, 30), 0.9, Outcomes(asked=49)).acts


def test_a_challenger_that_answers_nothing_is_not_waited_for():
    nothing = Outcomes()
    assert not ask(nothing, 0.24, Outcomes(100, 0, 50)).fired
    assert not ask(nothing, 0.25, Outcomes(99, 0, 50)).fired
    assert not ask(Outcomes(1, 0, 0), 0.25, Outcomes(100, 0, 50)).fired
    decision = ask(nothing, 0.25, Outcomes(100, 0, 50))
    assert decision.acts
    assert "none of 100 views" in decision.says


@pytest.mark.parametrize("share", [0.45, 0.6])
def test_innocent_challengers_are_taken_back_no_more_often_than_declared(share):
    """20,000 stages of five looks: at 0.02% a stage 4 are expected, and 14 or more in one of 20,000 tests."""
    draws = np.random.default_rng(7)
    steps = draws.binomial(15, share, size=(20_000, 2, 5)).cumsum(axis=2).tolist()
    taken_back = 0
    for challenger, champion in steps:
        for look in range(5):
            asked = 15 * (look + 1)
            stage = CanaryStage(
                0.05 * (look + 1), Outcomes(asked, 0, challenger[look]), Outcomes(asked, 0, champion[look])
            )
            if LAYER.decide(stage).acts:
                taken_back += 1
                break
    assert taken_back <= 13


def test_the_first_looks_need_evidence_that_hardly_any_challenger_gives():
    """z is −7.4; the limit is −13 after a fifth of a stage, −5.8 from a whole one on."""
    nothing = Outcomes(75, 0, 0)
    assert not ask(nothing, 0.0).fired
    assert not ask(nothing, 0.05).fired
    assert ask(nothing, 0.25).acts


def test_the_error_may_be_as_small_as_one_likes():
    layer = Canary(CanaryParameters(error_per_day=1e-20))
    assert not layer.decide(CanaryStage(0.5, Outcomes(75, 0, 0), CHAMPION)).fired
    assert layer.decide(CanaryStage(0.5, Outcomes(300, 0, 0), Outcomes(300, 0, 160))).acts


def test_a_stage_of_no_length_is_over_at_the_first_look():
    decision = Canary(CanaryParameters(stage_days=0.0)).decide(CanaryStage(0.0, CHAMPION, CHAMPION))
    assert (decision.fired, decision.detail["done"]) == (False, 1.0)


def test_without_any_view_nothing_is_judged():
    layer = Canary(CanaryParameters(min_points=0))
    assert layer.decide(CanaryStage(0.25, Outcomes(), Outcomes())).detail["done"] == 0.0
    assert "not judged" in layer.decide(CanaryStage(0.9, Outcomes(), Outcomes())).says


def test_doubt_lasts_no_longer_than_the_longest_stage():
    short = Canary(CanaryParameters(stage_days=0.25, longest_days=0.3))
    done = [
        short.decide(CanaryStage(days, Outcomes(75, 0, 27), CHAMPION)).detail["done"] for days in (0.29, 0.3)
    ]
    assert done == [0.0, 1.0]


def test_where_every_view_went_well_there_is_no_difference():
    decision = ask(Outcomes(75, 0, 75), champion=Outcomes(75, 0, 75))
    assert decision.detail == {"z": 0.0, "done": 1.0}


def test_more_clicks_than_views_are_no_better_than_one_a_view():
    assert good(Outcomes(asked=10, late=0, clicked=12)) == 10.0

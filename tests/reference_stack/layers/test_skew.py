from __future__ import annotations

import math

import pytest

from reference_stack.layers.contract import GREEN
from reference_stack.layers.evidence import Served
from reference_stack.layers.skew import Skew, SkewParameters

SAME = (0.0,) * 8


def ask(differences=SAME, answers=75, defaulted=0, age_days=0.5, **parameters):
    evidence = Served(5.0, "serving-a", differences, answers, defaulted, age_days)
    return Skew(SkewParameters(**parameters)).decide(evidence)


@pytest.mark.parametrize("differences", [SAME, (), (1e-6, 0.0)])
def test_rows_as_they_are_stored_are_green(differences):
    assert ask(differences) == GREEN


@pytest.mark.parametrize("differences", [(0.0, 2e-6), (0.99,) * 8, (math.inf,)])
def test_one_row_that_differs_is_red(differences):
    decision = ask(differences)
    assert decision.acts
    assert f"{sum(each > 1e-6 for each in differences)} of {len(differences)} rows" in decision.says


def test_a_share_of_differing_rows_may_be_allowed():
    assert ask((0.5, 0.0, 0.0, 0.0), differing=0.25) == GREEN
    assert ask((0.5, 0.5, 0.0, 0.0), differing=0.25).acts
    assert ask((0.5,) * 57 + (0.0,) * 43, differing=0.57) == GREEN


@pytest.mark.parametrize(
    ("answers", "defaulted", "acts"), [(75, 15, False), (75, 16, True), (29, 29, False), (30, 30, True)]
)
def test_defaults_are_counted_once_there_are_enough_answers(answers, defaulted, acts):
    assert ask(answers=answers, defaulted=defaulted).acts is acts


@pytest.mark.parametrize(("age_days", "acts"), [(None, False), (2.0, False), (2.01, True)])
def test_features_must_not_be_old(age_days, acts):
    assert ask(age_days=age_days).acts is acts

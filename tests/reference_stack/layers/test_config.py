from __future__ import annotations

import pytest
from msgspec.structs import replace

from reference_stack.layers.config import Config, ConfigParameters
from reference_stack.layers.contract import GREEN
from reference_stack.layers.evidence import PushedValue

READ = PushedValue(key="ridge", value=8.0, previous=4.0, by="ann", approved_by="bob")
BLANK = "the value is blank"
HUGE = 10**400
"""No float holds it."""


def ask(parameters: ConfigParameters | None = None, **changed: object):
    return Config(parameters or ConfigParameters()).decide(replace(READ, **changed))


@pytest.mark.parametrize(
    ("value", "previous", "objection"),
    [
        (8.0, 4.0, ""),
        (40.0, 4.0, ""),
        (0.4, 4.0, ""),
        (0.01, 0.1, ""),
        (2.35, 0.235, ""),
        (40.1, 4.0, "factor of 10"),
        (0.39, 4.0, "factor of 10"),
        (-4.0, 4.0, "factor of 10"),
        (-1e6, 4.0, "factor of 10"),
        (250.0, 0.0, "in place of 0"),
        (-30.0, 0, "in place of 0"),
        (0.0, 4.0, "factor of 10"),
        (0.0, 0.0, ""),
        (float("nan"), 0.0, "in place of 0"),
        pytest.param(HUGE, 160, "inf in place of 160", id="huge"),
        pytest.param(-HUGE, 160, "-inf in place of 160", id="huge below 0"),
        pytest.param(160, HUGE, "factor of 10", id="huge before"),
        pytest.param(HUGE, HUGE, "", id="huge as before"),
        ("many", 4.0, ""),
        (4.0, "many", ""),
        (4.0, None, ""),
        (True, False, ""),
        (False, True, ""),
        ("home=4", "home=10", ""),
        ("", "home=10", BLANK),
        ([], ["a"], BLANK),
        ("", "", ""),
        (None, 4.0, BLANK),
    ],
)
def test_the_value_against_the_one_in_force(value, previous, objection):
    decision = ask(value=value, previous=previous)
    assert decision.acts == bool(objection)
    assert objection in decision.says


def test_where_no_factor_is_allowed_no_number_is_changed():
    assert "factor of 0" in ask(ConfigParameters(max_ratio=0.0)).says


@pytest.mark.parametrize(("approved_by", "acts"), [("bob", False), ("", True), ("ann", True)])
def test_a_second_person_has_read_it(approved_by, acts):
    assert ask(approved_by=approved_by).acts is acts
    assert not ask(ConfigParameters(review=False), approved_by=approved_by).acts


@pytest.mark.parametrize(
    ("answers", "failed", "acts"), [(20, 1, False), (20, 2, True), (5, 5, True), (4, 4, False), (0, 0, False)]
)
def test_the_first_component_must_not_fail_with_it(answers, failed, acts):
    decision = ask(stage="staged", answers=answers, failed=failed)
    assert decision.acts is acts
    assert decision == GREEN or "fail where it stands" in decision.says


def test_silence_where_it_stands_is_no_consent():
    assert ask(stage="staged", heard=False).acts
    assert ask(stage="staged") == GREEN

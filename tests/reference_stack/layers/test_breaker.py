import pytest

from reference_stack.layers.breaker import Breaker, BreakerParameters
from reference_stack.layers.evidence import Calls


def breaker(**parameters: float) -> Breaker:
    return Breaker(BreakerParameters(**parameters))


@pytest.mark.parametrize(("failures", "acts"), [(10, True), (9, False), (20, True), (0, False)])
def test_it_opens_at_half_of_the_last_twenty(failures: int, acts: bool):
    recent = [True] * failures + [False] * (20 - failures)
    assert breaker().decide(Calls("features", recent)).acts is acts


def test_it_opens_at_its_share_whatever_that_is():
    recent = [True] * 55 + [False] * 45
    assert breaker(error_share=0.55, calls=100).decide(Calls("features", recent)).acts
    assert not breaker(error_share=0.56, calls=100).decide(Calls("features", recent)).acts


def test_older_calls_do_not_count():
    assert not breaker().decide(Calls("features", [True] * 50 + [False] * 20)).acts


def test_too_few_calls_say_nothing():
    assert not breaker().decide(Calls("features", [True] * 19)).acts


def test_an_open_one_refuses_for_its_time_and_then_lets_a_call_out():
    assert breaker().decide(Calls("features", [], open_for_ms=49.9, opens=1)).acts
    assert not breaker().decide(Calls("features", [], open_for_ms=50.0, opens=1)).acts


def test_it_objects_from_the_third_opening_in_a_row_on_also_while_it_tries():
    assert not breaker().decide(Calls("features", [], open_for_ms=1.0, opens=2)).fired
    assert breaker().decide(Calls("features", [], open_for_ms=1.0, opens=3)).fired
    assert breaker().decide(Calls("features", [], open_for_ms=60.0, opens=3)).fired


def test_it_objects_as_it_opens_again_and_again():
    assert breaker().decide(Calls("features", [True] * 20, opens=3)).fired
    assert not breaker().decide(Calls("features", [True] * 20, opens=2)).fired

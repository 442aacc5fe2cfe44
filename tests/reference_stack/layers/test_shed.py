import pytest

from reference_stack.layers.evidence import Arrival
from reference_stack.layers.shed import Shed, ShedParameters


def shed(**parameters: float) -> Shed:
    return Shed(ShedParameters(**parameters))


def test_an_arrival_at_the_limit_is_refused_and_one_below_it_is_not():
    assert shed().decide(Arrival(in_flight=10, limit=10.0)).acts
    assert not shed().decide(Arrival(in_flight=9, limit=10.0)).acts


def test_the_limit_follows_the_gradient():
    """Envoy's rule: limit · (minRTT + B) ÷ sampleRTT + √limit, here 16 · 30/60 + 4."""
    decision = shed(buffer_ms=20.0).decide(Arrival(0, 16.0, sample_ms=60.0, least_ms=10.0))
    assert decision.detail["limit"] == pytest.approx(12.0)


def test_without_a_new_window_the_limit_stays():
    assert shed().decide(Arrival(0, 16.0)).detail["limit"] == 16.0


def test_it_begins_with_the_most_and_stays_within_its_bounds():
    layer = shed(least=3.0, most=64.0)
    assert layer.decide(Arrival(0, None)).detail["limit"] == 64.0
    assert layer.decide(Arrival(0, 60.0, sample_ms=5.0, least_ms=5.0)).detail["limit"] == 64.0
    assert layer.decide(Arrival(0, 3.0, sample_ms=9000.0, least_ms=5.0)).detail["limit"] == 3.0


def test_under_overload_it_settles_where_the_wait_is_harmless():
    """Two workers of 5 ms: with n under way a request takes n · 2.5 ms."""
    limit = 64.0
    for _ in range(30):
        evidence = Arrival(0, limit, sample_ms=2.5 * limit, least_ms=5.0)
        limit = shed().decide(evidence).detail["limit"]
    assert limit == pytest.approx(11.4, abs=0.2)
    assert 2.5 * limit < 83 - 8


def test_it_objects_once_many_are_refused_for_hours():
    layer = shed(alert_share=0.05, alert_ticks=3)
    assert layer.decide(Arrival(10, 10.0, shares=(0.0, 0.051, 0.4, 0.051))).fired
    assert not layer.decide(Arrival(10, 10.0, shares=(0.4, 0.4, 0.051, 0.05))).fired


def test_a_moment_in_which_nearly_all_were_refused_is_no_objection():
    layer = shed(alert_share=0.05, alert_ticks=3)
    assert not layer.decide(Arrival(10, 10.0, shares=(0.0, 0.9, 0.9))).fired
    assert not layer.decide(Arrival(10, 10.0, shares=(0.9, 0.9))).fired
    assert layer.decide(Arrival(10, 10.0, shares=(0.9, 0.9))).acts

import pytest

from reference_stack.layers.evidence import Heartbeat
from reference_stack.layers.meta import Meta, MetaParameters


def fires(last_seen_day: float | None, every_days: float = 1 / 24, day: float = 10.0, **parameters) -> bool:
    heartbeat = Heartbeat(day=day, about="serving-a", last_seen_day=last_seen_day, every_days=every_days)
    return Meta(MetaParameters(**parameters)).decide(heartbeat).acts


@pytest.mark.parametrize(("silent", "expected"), [(0.0, False), (0.19, False), (0.21, True), (5.0, True)])
def test_a_component_may_be_silent_for_a_fifth_of_a_day(silent, expected):
    assert fires(10.0 - silent) is expected


def test_what_was_never_seen_is_dead():
    assert fires(None)


def test_a_daily_job_may_be_silent_for_its_interval_and_a_fifth_of_it():
    assert not fires(10.0 - 1.19, every_days=1.0)
    assert fires(10.0 - 1.21, every_days=1.0)


def test_the_limit_is_a_parameter():
    assert not fires(9.0, silence_days=1.5)


@pytest.mark.parametrize(
    ("ahead_days", "expected"), [(0.0, False), (0.3, False), (-0.3, False), (0.31, True), (-0.31, True)]
)
def test_a_sign_of_life_is_of_this_day(ahead_days, expected):
    beat = Heartbeat(10.0, "clock of collector", 10.0, 1 / 24, ahead_days)
    decision = Meta(MetaParameters()).decide(beat)
    assert decision.acts is expected
    if expected:
        way = "ahead" if ahead_days > 0 else "behind"
        assert decision.says == f"clock of collector is 0.31 days {way}"


def test_silence_for_as_long_as_allowed_is_fine():
    assert not fires(9.75, silence_days=0.25)
    assert fires(9.749, silence_days=0.25)

import msgspec
import pytest

from reference_stack.layers.burn import Burn, BurnParameters
from reference_stack.layers.evidence import ServiceLevel
from reference_stack.monitor.slo import KEPT_DAYS


def evidence(bad_shares: dict[float, float], views: dict[float, int] | None = None) -> ServiceLevel:
    counts = dict.fromkeys((0.1, 0.5, 1.0, 3.0), 10000) | (views or {})
    good = {days: round(n * (1 - bad_shares.get(days, 0.0))) for days, n in counts.items()}
    return ServiceLevel(day=5.0, views=counts, good=good)


def fires(bad_shares: dict[float, float], views: dict[float, int] | None = None, **parameters) -> bool:
    return Burn(BurnParameters(**parameters)).decide(evidence(bad_shares, views)).acts


@pytest.mark.parametrize(
    ("bad_shares", "expected"),
    [
        ({}, False),
        ({0.1: 0.145, 1.0: 0.145}, True),
        ({0.1: 0.143, 1.0: 0.145}, False),
        ({0.1: 0.145, 1.0: 0.143}, False),
        ({0.5: 0.061, 3.0: 0.061}, True),
        ({0.5: 0.059, 3.0: 0.061}, False),
        ({0.5: 0.061, 3.0: 0.059}, False),
        ({0.1: 1.0, 0.5: 1.0}, False),
    ],
)
def test_both_windows_of_a_pair_must_burn(bad_shares, expected):
    assert fires(bad_shares) is expected


def test_too_few_views_in_the_short_window_say_nothing():
    everything_bad = dict.fromkeys((0.1, 0.5, 1.0, 3.0), 1.0)
    few = {0.1: 19, 0.5: 19, 1.0: 500, 3.0: 900}
    assert not fires(everything_bad, few)
    assert fires(everything_bad, few | {0.1: 20})


def test_silence_is_not_a_burn():
    assert not fires({}, {0.1: 0, 0.5: 0, 1.0: 0, 3.0: 0}, min_views=0)


def test_a_stricter_objective_burns_sooner():
    assert not fires({0.1: 0.02, 1.0: 0.02})
    assert fires({0.1: 0.02, 1.0: 0.02}, objective=0.999)


def test_no_window_is_longer_than_the_monitor_remembers():
    within = msgspec.convert({"slow_long_days": KEPT_DAYS}, BurnParameters)
    assert within.slow_long_days == KEPT_DAYS
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"slow_long_days": KEPT_DAYS + 0.01}, BurnParameters)


@pytest.mark.parametrize("windows", [(0.1, 1.0, 0.144), (0.5, 3.0, 0.06)])
def test_a_rate_on_the_limit_of_the_objective_burns(windows):
    short_days, long_days, bad_share = windows
    assert fires(dict.fromkeys((short_days, long_days), bad_share))


def test_a_rate_on_its_limit_burns():
    rates = {"objective": 0.5, "fast_rate": 1.5, "slow_rate": 2.0}
    assert fires({0.1: 0.75, 1.0: 0.75}, **rates)
    assert not fires({0.1: 0.7499, 1.0: 0.75}, **rates)

from __future__ import annotations

import msgspec
import pytest

from reference_stack.layers.contract import GREEN
from reference_stack.layers.evidence import Lack
from reference_stack.layers.fallback import Fallback, FallbackParameters


def decide(cause: str, share: float, *, alert_share: float = 0.01, last_good: bool = True):
    layer = Fallback(FallbackParameters(alert_share=alert_share))
    return layer.decide(Lack(dependency="features", cause=cause, last_good=last_good, share=share))


def test_it_acts_on_every_lack_and_says_what_is_given_instead() -> None:
    assert decide("TimedOut", 0.0).acts
    assert "last good" in decide("TimedOut", 0.0).says
    assert "popularity" in decide("TimedOut", 0.0, last_good=False).says


@pytest.mark.parametrize("cause", ["", "TimedOut"])
def test_it_fires_above_the_limit_only(cause: str) -> None:
    assert not decide(cause, 0.01).fired
    assert decide(cause, 0.0101).fired
    assert not decide(cause, 0.2, alert_share=0.2).fired
    assert decide(cause, 0.21, alert_share=0.2).fired


def test_an_episode_lasts_until_a_tick_without_any() -> None:
    assert decide("", 0.001).acts
    assert decide("", 0.0) == GREEN


def test_its_parameters_are_checked() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"alert_share": 1.5}, FallbackParameters)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"alert": 0.5}, FallbackParameters)

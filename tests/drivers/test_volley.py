"""Health requests at unequal moments: whatever a duty cycle is, some of them fall into its stops."""

from __future__ import annotations

import itertools

import pytest

from chaos.drivers.volley import PINGS, Volleys, moments_ms


@pytest.mark.parametrize("nth", range(40))
def test_moments_lie_within_the_span_and_leave_no_large_gap(nth: int) -> None:
    moments = moments_ms(nth, 60.0)
    assert len(moments) == PINGS
    assert moments == sorted(moments)
    assert moments[0] >= 0.0
    assert moments[-1] < 60.0
    round_the_end = [*moments, moments[0] + 60.0]
    gaps = [late - early for early, late in itertools.pairwise(round_the_end)]
    assert max(gaps) < 10.0
    assert moments != moments_ms(nth + 1, 60.0)


def waits_ms(moment: float, stopped_ms: float, cycle_ms: float) -> float:
    """How long a request waits that comes at a moment after a stop's begin."""
    return max(0.0, stopped_ms - moment % cycle_ms)


@pytest.mark.parametrize(("stopped_ms", "running_ms"), [(25, 25), (10, 10), (30, 60), (90, 30), (225, 225)])
@pytest.mark.parametrize("phase", [0.0, 0.13, 0.5, 0.77, 0.99])
def test_each_volley_meets_half_of_a_stop_in_any_phase(
    stopped_ms: float, running_ms: float, phase: float
) -> None:
    cycle_ms = stopped_ms + running_ms
    for nth in range(20):
        waits = [
            waits_ms(phase * cycle_ms + moment, stopped_ms, cycle_ms) for moment in moments_ms(nth, cycle_ms)
        ]
        assert max(waits) >= stopped_ms / 2


@pytest.mark.parametrize("phase", [0.0, 0.31, 0.62, 0.93])
def test_short_stops_are_met_by_one_volley_or_the_next(phase: float) -> None:
    waits = [waits_ms(phase * 200 + moment, 10, 200) for nth in range(8) for moment in moments_ms(nth, 200.0)]
    assert max(waits) >= 5


def test_one_volley_at_a_time_and_the_newest_that_is_over_is_told() -> None:
    volleys = Volleys(patience_days=0.5)
    first = volleys.next(1.0)
    assert first is not None
    assert volleys.next(1.1) is None
    assert volleys.longest_ms(1.1) is None
    first.came.extend([2.0, 20.0, *[1.0] * (PINGS - 2)])
    second = volleys.next(1.2)
    assert second is not None
    assert second.nth == 1
    assert volleys.longest_ms(1.2) == 20.0
    second.came.append(3.0)  # the others are lost
    assert volleys.next(1.6) is None
    assert volleys.longest_ms(1.6) == 20.0
    assert volleys.next(1.75) is not None
    assert volleys.longest_ms(1.75) == 3.0
    assert volleys.longest_ms(3.0) is None

"""What clients may spend on asking again, on a clock that the tests move."""

import pytest

from reference_stack.layers.contract import Mode
from reference_stack.layers.host import LayerHost, load
from reference_stack.settings import LayerSettings
from reference_stack.shop.retrying import Retries
from reference_stack.telemetry import Telemetry


class Clock:
    """As much of a runtime as retries and telemetry look at; a day is a second."""

    def __init__(self):
        self.seconds = 0.0

    def now(self):
        return self.seconds

    def day(self):
        return self.seconds


def stage(mode=Mode.ENFORCE):
    clock, lines = Clock(), []
    telemetry = Telemetry("shop", clock, lines.append)
    settings = LayerSettings("reference_stack.layers.retry:Retry", mode)
    host = LayerHost(load("retry", settings), settings, telemetry)
    return clock, lines, telemetry.metrics, Retries((host,), clock, telemetry.metrics, 1 / 24)


def ask(retries, times):
    for _ in range(times):
        retries.asked()


def test_a_tenth_of_the_requests_may_be_retries():
    _, _, metrics, retries = stage()
    ask(retries, 100)
    assert sum(retries.admits(2, "TimedOut") for _ in range(50)) == 10
    assert metrics.samples()["retries_total"] == 10
    assert metrics.samples()["retries_refused_total"] == 40


def test_the_window_before_counts_and_older_ones_do_not():
    clock, _, _, retries = stage()
    ask(retries, 100)
    clock.seconds = 1.0
    assert retries.admits(2, "TimedOut")
    clock.seconds = 5.0
    assert not retries.admits(2, "TimedOut")


def test_each_second_has_a_budget_of_its_own_and_the_second_before_still_counts():
    clock, _, metrics, retries = stage()
    admitted = []
    for clock.seconds, times in ((0.5, 100), (1.0, 0), (1.5, 100), (2.5, 0), (3.4, 0), (4.5, 100)):
        ask(retries, times)
        admitted.append(sum(retries.admits(2, "TimedOut") for _ in range(50)))
    # Those asked and those admitted, of this window and of the one before, are set against each other.
    assert admitted == [10, 0, 10, 0, 0, 10]
    assert metrics.samples()["first_attempts_total"] == 300


def test_without_the_layer_there_is_no_budget():
    _, _, metrics, retries = stage(Mode.OFF)
    ask(retries, 1)
    assert all(retries.admits(attempt, "TimedOut") for attempt in range(2, 50))
    assert "retries_refused_total" not in metrics.samples()


def test_it_is_over_with_the_first_tick_in_which_nobody_was_refused():
    _, lines, _, retries = stage()
    ask(retries, 5)
    assert not retries.admits(2, "TimedOut")
    retries.tick()
    assert not any('"cleared"' in line for line in lines)
    retries.tick()
    assert any('"cleared"' in line for line in lines)


@pytest.mark.parametrize(("requests", "attempt", "says"), [(5, 2, "fired"), (500, 9, "would_have_acted")])
def test_a_layer_that_only_observes_objects_for_as_long_as_there_is_reason_to(requests, attempt, says):
    _, lines, _, retries = stage(Mode.OBSERVE)
    ask(retries, requests)
    for _ in range(3):
        assert retries.admits(attempt, "TimedOut")
        retries.tick()
    assert sum(f'"{says}"' in line for line in lines) == 1
    assert not any('"cleared"' in line for line in lines)
    retries.tick()
    assert any('"cleared"' in line for line in lines)

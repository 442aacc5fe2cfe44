"""The door and the breaker of a replica with the stack's own layers, on a clock that the tests move."""

from contextlib import suppress

import pytest

from reference_stack.layers.contract import Mode
from reference_stack.layers.host import LayerHost, load
from reference_stack.layers.shed import Shed
from reference_stack.ports import NotFound, TimedOut
from reference_stack.serving.breaker import Breaker, BreakerOpen
from reference_stack.serving.door import Door
from reference_stack.serving.episodes import Episodes
from reference_stack.settings import LayerSettings
from reference_stack.telemetry import Telemetry

TICK_DAYS = 1 / 24


class Clock:
    """As much of a runtime as guards and telemetry look at; a day is a second."""

    def __init__(self):
        self.seconds = 0.0

    def now(self):
        return self.seconds

    def day(self):
        return self.seconds


class Stage:
    def __init__(self, layer, mode=Mode.ENFORCE, **parameters):
        self.clock = Clock()
        self.lines = []
        self.telemetry = Telemetry("serving-a", self.clock, self.lines.append)
        use = {"shed": "shed:Shed", "breaker": "breaker:Breaker", "fallback": "fallback:Fallback"}[layer]
        settings = LayerSettings(f"reference_stack.layers.{use}", mode, parameters)
        self.host = LayerHost(load(layer, settings), settings, self.telemetry)

    def door(self):
        return Door((self.host,), self.clock, self.telemetry.metrics, TICK_DAYS)

    def breaker(self):
        return Breaker("features", (self.host,), self.clock, self.telemetry.metrics, TICK_DAYS)

    def metric(self, name):
        return self.telemetry.metrics.samples().get(name, 0.0)

    def signals(self):
        return [word for line in self.lines for word in ("fired", "acted", "cleared") if f'"{word}"' in line]


def windows(stage, door, count, total_s, in_flight=0):
    """Windows of twenty requests that each took `total_s`, 5 ms of them at a worker."""
    for _ in range(count):
        for _ in range(20):
            door.served(total_s, 0.005)
        stage.clock.seconds += 0.06
        door.admits(in_flight)


def test_a_replica_in_good_health_refuses_nobody():
    stage = Stage("shed")
    door = stage.door()
    windows(stage, door, 50, 0.008, in_flight=5)
    assert stage.metric("shed_total") == 0
    assert stage.metric("concurrency_limit") == 64


def test_delays_bring_the_limit_down_and_their_end_lifts_it():
    stage = Stage("shed")
    door = stage.door()
    windows(stage, door, 20, 0.150)
    low = stage.metric("concurrency_limit")
    assert low < 5
    assert not door.admits(int(low) + 1)
    assert door.admits(1)
    windows(stage, door, 20, 0.006)
    assert stage.metric("concurrency_limit") == 64


def test_what_was_refused_is_told_to_the_layer_with_the_next_ticks():
    stage = Stage("shed")
    door = stage.door()
    windows(stage, door, 20, 0.150)
    door.tick()
    for _ in range(3):
        assert not any(door.admits(60) for _ in range(10))
        assert "fired" not in stage.signals()
        door.tick()
        assert stage.metric("shed_share") == 1.0
    assert stage.metric("shed_total") == 30
    door.admits(60)
    assert "fired" in stage.signals()


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.OBSERVE])
def test_a_door_whose_layer_does_not_enforce_is_open(mode):
    stage = Stage("shed", mode)
    door = stage.door()
    windows(stage, door, 20, 0.150)
    assert all(door.admits(1000) for _ in range(10))
    assert stage.metric("shed_total") == 0


def test_a_layer_that_only_observes_fires_by_what_it_would_have_refused():
    stage = Stage("shed", Mode.OBSERVE)
    door = stage.door()
    windows(stage, door, 20, 0.150)
    door.tick()
    for _ in range(3):
        assert all(door.admits(60) for _ in range(10))
        assert "fired" not in stage.signals()
        door.tick()
    assert door.admits(60)
    assert "fired" in stage.signals()
    assert (stage.metric("shed_total"), stage.metric("shed_share")) == (0, 0)


class Own(Shed):
    """A team's own layer."""

    name = "own"


def test_what_one_that_observes_would_refuse_is_no_refusal_of_one_that_enforces():
    stage, other = Stage("shed"), Stage("shed")
    own = LayerHost(Own, LayerSettings("", Mode.OBSERVE, {"most": 3.0}), other.telemetry)
    door = Door((stage.host, own), stage.clock, stage.telemetry.metrics, TICK_DAYS)
    windows(stage, door, 1, 0.008)
    for _ in range(4):
        assert all(door.admits(5) for _ in range(10))
        door.tick()
    windows(stage, door, 1, 0.008)
    assert '"would_have_acted"' in "".join(other.lines)
    assert stage.signals() == []


def call(stage, breaker, error=None, took_s=0.001):
    trial = breaker.enter()
    stage.clock.seconds += took_s
    breaker.left(error, trial=trial)
    return trial


def opened(stage):
    breaker = stage.breaker()
    for _ in range(20):
        call(stage, breaker, TimedOut("late"))
    with pytest.raises(BreakerOpen):
        breaker.enter()
    return breaker


def test_it_opens_refuses_and_lets_one_call_out_to_try():
    stage = Stage("breaker")
    breaker = opened(stage)
    stage.clock.seconds += 0.049
    with pytest.raises(BreakerOpen):
        breaker.enter()
    stage.clock.seconds += 0.002
    assert breaker.enter()
    with pytest.raises(BreakerOpen):  # one at a time
        breaker.enter()
    breaker.left(TimedOut("late"), trial=True)
    with pytest.raises(BreakerOpen):  # open anew
        breaker.enter()


def test_calls_that_came_through_before_are_among_the_last_twenty():
    stage = Stage("breaker")
    breaker = stage.breaker()
    for error in (*[None] * 30, *[TimedOut("late")] * 9):
        call(stage, breaker, error)
    breaker.left(TimedOut("late"), trial=breaker.enter())
    with pytest.raises(BreakerOpen):
        breaker.enter()


def test_a_try_that_comes_through_closes_it():
    stage = Stage("breaker")
    breaker = opened(stage)
    stage.clock.seconds += 0.06
    assert call(stage, breaker) is True
    assert [call(stage, breaker) for _ in range(30)] == [False] * 30
    stage.clock.seconds += 1.0
    breaker.tick()
    assert stage.signals()[-1] == "cleared"


def test_one_that_has_closed_and_opens_again_lets_a_call_out_to_try_again():
    stage = Stage("breaker")
    breaker = opened(stage)
    stage.clock.seconds += 0.06
    assert call(stage, breaker) is True
    for _ in range(20):
        call(stage, breaker, TimedOut("late"))
    with pytest.raises(BreakerOpen):
        breaker.enter()
    stage.clock.seconds += 0.06
    assert breaker.enter()


def test_one_that_is_called_stays_open_for_as_long_as_no_call_has_come_through():
    stage = Stage("breaker")
    breaker = opened(stage)
    for _ in range(10):
        stage.clock.seconds += TICK_DAYS
        breaker.tick()
        with suppress(BreakerOpen):
            breaker.left(TimedOut("late"), trial=breaker.enter())
    with pytest.raises(BreakerOpen):
        breaker.enter()


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.OFF])
def test_a_layer_that_observes_opens_nothing_for_one_that_enforces(mode):
    stage, other = Stage("breaker", error_share=1.0), Stage("breaker", mode, error_share=0.1)
    breaker = Breaker("features", (stage.host, other.host), stage.clock, stage.telemetry.metrics, TICK_DAYS)
    for error in [TimedOut("late"), None] * 20:
        call(stage, breaker, error)
    assert stage.signals() == []
    assert ("acted" in " ".join(other.lines)) is (mode is Mode.OBSERVE)
    for _ in range(20):
        call(stage, breaker, TimedOut("late"))
    with pytest.raises(BreakerOpen):
        breaker.enter()


def test_an_answer_that_says_no_is_an_answer():
    stage = Stage("breaker")
    breaker = stage.breaker()
    for _ in range(40):
        call(stage, breaker, NotFound("nobody"))
    assert breaker.enter() is False


def test_it_objects_when_it_has_opened_three_times_in_a_row():
    stage = Stage("breaker")
    breaker = opened(stage)
    for _ in range(3):
        assert "fired" not in stage.signals()
        stage.clock.seconds += 0.06
        call(stage, breaker, TimedOut("late"))
    with pytest.raises(BreakerOpen):
        breaker.enter()
    assert "fired" in stage.signals()


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.OBSERVE])
def test_one_whose_layer_does_not_enforce_stays_closed(mode):
    stage = Stage("breaker", mode)
    breaker = stage.breaker()
    assert [call(stage, breaker, TimedOut("late")) for _ in range(60)] == [False] * 60


def test_switched_off_while_open_it_closes():
    stage = Stage("breaker")
    breaker = opened(stage)
    stage.host.configure("mode", "off")
    assert breaker.enter() is False


def test_a_layer_that_only_observes_fires_by_how_often_it_would_have_opened():
    stage = Stage("breaker", Mode.OBSERVE)
    breaker = stage.breaker()
    for _ in range(21):
        call(stage, breaker, TimedOut("late"))
    tried = [call(stage, breaker, TimedOut("late"), took_s=0.02) for _ in range(12)]
    assert 2 <= sum(tried) <= 5  # one each 50 ms; the others are simply made
    assert "fired" in stage.signals()
    assert stage.metric("breaker_refused_total") == 0
    stage.clock.seconds += 0.06
    assert call(stage, breaker)
    stage.clock.seconds += 2 * TICK_DAYS
    breaker.tick()
    assert stage.signals()[-1] == "cleared"


def test_one_that_nobody_calls_any_more_forgets_what_failed():
    """Of a replica that no shopper is sent to, since its alert says so: else that would never end."""
    stage = Stage("breaker")
    breaker = opened(stage)
    for _ in range(3):
        stage.clock.seconds += 0.06
        call(stage, breaker, TimedOut("late"))
    assert "fired" in stage.signals()
    for _ in range(5):
        stage.clock.seconds += TICK_DAYS
        breaker.tick()
    assert stage.signals()[-1] == "fired"
    for _ in range(2):
        stage.clock.seconds += TICK_DAYS
        breaker.tick()
    assert stage.signals()[-1] == "cleared"
    assert call(stage, breaker) is False


def test_of_a_replica_that_answers_nobody_for_long_nothing_is_lacking():
    stage = Stage("fallback")
    lacking = Episodes((stage.host,), stage.clock, stage.telemetry.metrics)
    for _ in range(2):
        lacking.ask("features", "TimedOut", last_good=True)
        lacking.answers += 1
        lacking.tick()
    assert "fired" in stage.signals()
    for _ in range(5):
        lacking.tick()
    assert "cleared" not in stage.signals()
    lacking.tick()
    assert stage.signals()[-1] == "cleared"


def lacking_in(lacking, answers, lacks):
    """A reporting tick with so many answers, some of which lacked their features."""
    for number in range(answers):
        if number < lacks:
            lacking.ask("features", "TimedOut", last_good=True)
            lacking.fallbacks += 1
            lacking.defaulted += number % 2
        lacking.answers += 1
    lacking.tick()


def test_the_share_of_a_tick_is_that_of_its_own_answers():
    stage = Stage("fallback", alert_share=0.55)
    lacking = Episodes((stage.host,), stage.clock, stage.telemetry.metrics)
    fired = 'layer_fired{layer="fallback"}'
    lacking_in(lacking, 10, 6)
    assert (stage.metric(fired), stage.metric("fallback_share")) == (1, 0.6)
    assert stage.metric("defaulted_share") == 0.3
    lacking_in(lacking, 20, 11)
    assert (stage.metric(fired), stage.metric("fallback_share")) == (0, 0.55)
    assert "cleared" not in stage.signals()
    lacking_in(lacking, 10, 0)
    assert (stage.metric("fallback_share"), stage.signals()[-1]) == (0, "cleared")

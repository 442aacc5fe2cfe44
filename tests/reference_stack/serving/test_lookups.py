"""What the client of the feature store does with a store that is slow."""

import pytest

from reference_stack.layers.breaker import Breaker as BreakerLayer
from reference_stack.layers.contract import Mode
from reference_stack.layers.host import LayerHost
from reference_stack.messages import LookupReply
from reference_stack.ports import TimedOut
from reference_stack.serving.breaker import Breaker, BreakerOpen
from reference_stack.serving.builds import CURRENT, PER_CENT
from reference_stack.serving.lookups import Lookups
from reference_stack.settings import LayerSettings, ServingSettings
from reference_stack.telemetry import Metrics, Telemetry


class Clock:
    seconds = 0.0

    def now(self):
        return self.seconds

    def day(self):
        return self.seconds


class Store:
    """Answers after `takes_ms`, for those who wait."""

    takes_ms = 1.0

    def __init__(self):
        self.waits_ms = []

    async def call(self, _operation, _request, *, timeout_ms):
        self.waits_ms.append(timeout_ms)
        if self.takes_ms > timeout_ms:
            raise TimedOut("late")
        return LookupReply("s", 0.0, [1, 2], [0.5, 0.1], [0.3, 0.2, 0.1])


class Fallback:
    mode = Mode.ENFORCE


def at_once(work):
    with pytest.raises(StopIteration) as ended:
        work.send(None)
    return ended.value.value


def client(store, fallbacks=(), breakers=(), clock=None, **settings):
    metrics, clock = Metrics(), clock or Clock()
    chosen = ServingSettings(**settings)
    breaker = Breaker("features", breakers, clock, metrics, 0.0)
    return metrics, Lookups(store, clock, metrics, breaker, fallbacks, lambda: chosen, lambda _: None)


def test_zeros_stand_in_for_slow_features_and_say_so():
    store = Store()
    metrics, lookups = client(store, default_after_ms=15.0)
    assert not at_once(lookups.look_up(1, CURRENT)).defaulted
    store.takes_ms = 100.0
    reply = at_once(lookups.look_up(1, CURRENT))
    assert reply.defaulted
    assert reply.affinities == [0.0, 0.0, 0.0]
    assert reply.products == reply.values == []
    assert metrics.samples()["lookup_defaulted_total"] == 1
    assert store.waits_ms == [15.0, 15.0]


@pytest.mark.parametrize(("mode", "raised"), [(Mode.OFF, 0), (Mode.OBSERVE, 0), (Mode.ENFORCE, 31)])
def test_a_breaker_that_only_observes_leaves_zeros_in_the_place_of_slow_features(mode, raised):
    store, clock, lines = Store(), Clock(), []
    host = LayerHost(BreakerLayer, LayerSettings("", mode), Telemetry("serving-a", clock, lines.append))
    metrics, lookups = client(store, breakers=(host,), clock=clock, default_after_ms=15.0)
    at_once(lookups.look_up(1, CURRENT))
    store.takes_ms, errors = 100.0, 0
    for _ in range(50):
        clock.seconds += 0.015
        try:
            lookups.look_up(1, CURRENT).send(None)
        except StopIteration:
            continue
        except (BreakerOpen, TimedOut):
            errors += 1
    assert errors == raised
    assert metrics.samples()["lookup_defaulted_total"] == 50 - raised
    assert any('"signal":"fired"' in line for line in lines) is (mode is not Mode.OFF)


def test_without_that_setting_a_slow_store_is_an_error():
    store = Store()
    _, lookups = client(store, (Fallback(),))
    store.takes_ms = 100.0
    with pytest.raises(TimedOut):
        lookups.look_up(1, CURRENT).send(None)
    assert store.waits_ms == [50.0]


def test_nobody_waits_for_zeros_longer_than_for_another_answer():
    store = Store()
    _, lookups = client(store, (Fallback(),), default_after_ms=60.0)
    at_once(lookups.look_up(1, CURRENT))
    store.takes_ms = 100.0
    with pytest.raises(TimedOut):
        lookups.look_up(1, CURRENT).send(None)
    assert store.waits_ms == [50.0, 50.0]


def test_a_build_that_takes_affinities_for_per_cent_is_seen_in_the_sample():
    _, lookups = client(Store())
    sent, read = at_once(lookups.look_up(1, CURRENT)), at_once(lookups.look_up(2, PER_CENT))
    assert read.affinities == [100.0 * value for value in sent.affinities]
    assert (read.products, read.values) == (sent.products, sent.values)
    assert [(used.customer, used.features) for used in lookups.sample()] == [(1, sent), (2, read)]


def test_the_sample_holds_the_newest_few():
    _, lookups = client(Store())
    for customer in range(20):
        at_once(lookups.look_up(customer, CURRENT))
    assert [used.customer for used in lookups.sample()] == list(range(12, 20))

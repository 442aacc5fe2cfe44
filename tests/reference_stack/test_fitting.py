from __future__ import annotations

import numpy as np
import pytest

from reference_stack.costs import Costs, Way
from reference_stack.fitting import ENOUGH, fit_costs, fit_way, held_longer, median_interval, quantile
from reference_stack.shells.tracing import AnswerTime, CallTime
from reference_stack.traces import Traces

OLD = Costs(
    way=Way(9.0, 9.0),
    handling_ms={"serving.recommend": 7.0},
    work_ms={"trainer.fit": 25.0, "trainer.read": 6.0},
)


def draws(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def hops(seed: int, n: int, way_ms: float = 0.3, jitter_ms: float = 0.2) -> list[float]:
    drawn = 2 * way_ms + draws(seed).gamma(2.0, jitter_ms, size=n)
    return [float(each) for each in drawn]


def calls(samples: list[float], server_ms: float | None = 1.0) -> list[CallTime]:
    return [CallTime(one + (server_ms or 0.0), server_ms) for one in samples]


def test_a_way_is_found_again_within_its_sampling_error() -> None:
    found = [fit_way(hops(seed, 1000)) for seed in range(40)]
    for values, true in (
        ([way.way_ms for way in found], 0.3),
        ([way.jitter_ms for way in found], 0.2),
    ):
        error = float(np.std(values, ddof=1))
        assert error < 0.02
        assert abs(float(np.mean(values)) - true) < 4 * error / np.sqrt(len(values)) + 0.001


def test_a_way_is_found_although_a_link_was_slow_for_a_fifth_of_the_time() -> None:
    samples = hops(1, 1000)
    slowed = [one + 200.0 for one in samples[:250]]
    found = fit_way(samples + slowed)
    assert found.way_ms == pytest.approx(0.3, abs=0.05)
    assert found.jitter_ms == pytest.approx(0.2, abs=0.1)


def test_a_way_never_takes_less_than_nothing() -> None:
    found = fit_way([0.0] * 10 + hops(1, 100, way_ms=0.0, jitter_ms=1.0))
    assert found.way_ms == 0.0
    assert found.jitter_ms > 0.5


def test_handling_and_work_are_medians_whatever_is_in_the_tail() -> None:
    own = draws(2).lognormal(np.log(0.4), 0.5, size=500)
    traces = Traces(
        answers={"serving.recommend": [AnswerTime(0.0, 0.1, float(each)) for each in own]},
        work={"trainer.fit": [50.0, 900.0, *(float(each) for each in draws(3).normal(40.0, 2.0, 200))]},
    )
    costs, rows = fit_costs(traces, OLD, "a test")
    assert costs.handling_ms["serving.recommend"] == pytest.approx(0.4, abs=0.4 * 4 * 1.25 * 0.5 / 500**0.5)
    assert costs.work_ms["trainer.fit"] == pytest.approx(40.0, abs=4 * 1.25 * 2.0 / 200**0.5)
    assert costs.work_ms["trainer.read"] == 6.0
    assert costs.way == OLD.way
    assert costs.fitted == "a test"
    assert [row.cost for row in rows] == ["answer serving.recommend", "work trainer.fit"]


def test_too_few_samples_change_nothing_and_are_told() -> None:
    traces = Traces(
        calls={"shop-collector/collect": calls(hops(1, ENOUGH - 1))},
        work={"trainer.fit": [40.0] * (ENOUGH - 1)},
    )
    costs, rows = fit_costs(traces, OLD, "")
    assert (costs.way, costs.ways, costs.work_ms) == (OLD.way, {}, OLD.work_ms)
    assert all("too few" in str(row) for row in rows)
    assert all(row.fitted_ms is None for row in rows)


def test_a_link_that_was_not_used_costs_what_the_others_do() -> None:
    traces = Traces(
        calls={
            "shop-collector/collect": calls(hops(1, 500, way_ms=0.5)),
            "serving-features/lookup": calls(hops(2, 500, way_ms=0.3)),
            "monitor-shop/scrape": calls(hops(3, 500, way_ms=0.4)),
        }
    )
    costs, _ = fit_costs(traces, OLD, "")
    assert costs.way_of("shop-collector").way_ms == pytest.approx(0.5, abs=0.05)
    assert costs.way_of("oncall-shop").way_ms == pytest.approx(0.4, abs=0.05)


def test_a_registry_that_says_nothing_of_itself_takes_what_the_ways_do_not() -> None:
    traces = Traces(
        calls={
            "serving-registry/lookup": calls(hops(1, 500)),
            "trainer-registry/register": calls([60.0] * 50, None),
            "monitor-registry/resolve": calls([5.0] * 50, None),
            "monitor-shop/scrape": calls([30.0] * 50, None),
        }
    )
    costs, _ = fit_costs(traces, OLD, "")
    assert costs.handling_ms["registry.register"] == pytest.approx(60.0 - 1.0, abs=0.1)
    assert costs.handling_ms["registry.resolve"] == pytest.approx(5.0 - 1.0, abs=0.1)
    assert "shop.scrape" not in costs.handling_ms


def test_the_interval_of_a_median_holds_it_nineteen_times_in_twenty() -> None:
    held = 0
    for seed in range(400):
        low, high = median_interval([float(each) for each in draws(seed).exponential(1.0, size=60)])
        held += low <= np.log(2.0) <= high
    assert 0.92 <= held / 400 <= 0.99


def test_workers_held_for_longer_than_drawn_are_told_where_workers_are_held() -> None:
    traces = Traces(
        answers={
            "serving.recommend": [AnswerTime(0.0, 0.7, 0.4)],
            "features.lookup": [AnswerTime(0.0, 0.0, 0.1)],
        }
    )
    assert held_longer(traces) == {"serving.recommend": [0.7]}


def test_quantiles_lie_between_samples() -> None:
    assert quantile([3.0, 1.0, 2.0, 4.0], 0.5) == 2.5
    assert quantile([5.0], 0.9) == 5.0

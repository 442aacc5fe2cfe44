from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reference_stack.settings import ShopSettings
from reference_stack.shells.virtual_machine import VirtualProcess
from reference_stack.shells.virtual_runtime import VirtualRuntime
from reference_stack.shop.component import Shop
from reference_stack.world import World, abandonment

Make = Callable[..., Any]


def test_every_arrival_is_one_view(stage: Any, world: World) -> None:
    stage.start()
    stage.advance(2.1)
    for day in (0, 1):
        arrivals = world.arrivals(day, 1.0)
        asked = [request for request in stage.asked() if request.view.startswith(f"{day}-")]
        assert len(asked) == len(arrivals)
        assert sorted(request.view for request in asked) == sorted(f"{day}-{o}" for o in arrivals.ordinals)


def test_what_is_reported_adds_up(stage: Any, world: World) -> None:
    stage.start()
    stage.advance(1.0)
    stage.advance(1.0 + 1 / 24 + 0.001)
    views = [line for line in stage.logs if line["event"] == "views"]
    assert len(views) == 25
    assert [line["start_day"] for line in views[1:]] == [line["end_day"] for line in views[:-1]]
    assert stage.total("n") == stage.metric("views_total") == len(stage.asked())
    assert stage.total("errors") == stage.total("slow") == 0
    assert {(row["version"], row["build"]) for row in stage.rows()} == {(7, "b1")}
    arrivals = world.arrivals(0, 1.0)
    served = sum(world.slate_value(0, int(c), np.arange(40, 50)) for c in arrivals.customers)
    best = sum(world.best_value(0, int(c)) for c in arrivals.customers)
    first_day = [row for line in views[:24] for row in line["rows"]]
    assert sum(row["served_value"] for row in first_day) == pytest.approx(served, rel=0.01)
    assert sum(row["best_value"] for row in first_day) == pytest.approx(best, rel=0.01)


def test_events_say_what_shoppers_did(stage: Any, world: World) -> None:
    stage.start()
    stage.advance(1.0)
    kept = len(stage.collector.events)
    normal = 1 - abandonment(world.parameters, 1.0)
    assert kept / len(stage.asked()) == pytest.approx(normal, abs=0.06)
    assert stage.total("abandoned") == pytest.approx(len(stage.asked()) - kept, abs=20)
    rows = [
        (clicked, dwell, price, product)
        for events in stage.collector.events
        for clicked, dwell, price, product in zip(
            events.clicked, events.dwell_s, events.prices, events.products, strict=True
        )
    ]
    assert all((dwell is None) == (clicked == 0) for clicked, dwell, _, _ in rows)
    nulls = sum(price is None for _, _, price, _ in rows) / len(rows)
    assert nulls == pytest.approx(world.parameters.null_share, abs=0.008)
    assert all(price in (None, world.catalogue.price[product]) for _, _, price, product in rows)
    clicks = Counter(
        position
        for events in stage.collector.events
        for position, clicked in zip(events.positions, events.clicked, strict=True)
        if clicked
    )
    assert clicks[1] + clicks[2] > clicks[9] + clicks[10]
    assert stage.metric("event_rows_sent_total") == len(rows)


def test_views_go_to_both_replicas_by_the_seed(make_stage: Make) -> None:
    first, second = make_stage(), make_stage(slate=lambda _customer: list(range(60, 70)))
    for stage in (first, second):
        stage.start()
        stage.advance(1.0)
    for ours, theirs in zip(first.replicas, second.replicas, strict=True):
        assert [r.view for r in ours.asked] == [r.view for r in theirs.asked]
        assert 110 < len(ours.asked) < 190


def test_paired_arms_share_their_random_numbers(make_stage: Make) -> None:
    """Other slates and a slow site: the same arrivals, customers and patience."""
    usual, other = make_stage(), make_stage(slate=lambda _customer: list(range(60, 70)))
    for stage in (usual, other):
        stage.start()
    for replica in other.replicas:
        replica.delay_ms = 225.0
    for stage in (usual, other):
        stage.advance(1.0)
        stage.advance(1.5)

    def asked(stage: Any) -> list[tuple[str, int]]:
        return sorted((r.view, r.customer) for r in stage.asked() if r.view.startswith("0-"))

    assert asked(usual) == asked(other)
    kept = [{e.view for e in stage.collector.events if e.view.startswith("0-")} for stage in (usual, other)]
    assert kept[1] < kept[0]


def test_a_slow_site_is_felt_twentyfold(stage: Any, world: World) -> None:
    stage.start()
    for replica in stage.replicas:
        replica.delay_ms = 7.0 + 225.0
    stage.advance(1.0)
    stage.advance(1.3)
    assert stage.total("slow") == stage.total("n") > 250
    assert stage.metric("views_bad_total") == stage.metric("views_total")
    left = stage.total("abandoned") / stage.total("n")
    assert left == pytest.approx(abandonment(world.parameters, 5.5), abs=0.06)


def test_slow_begins_above_two_and_a_half_seconds(make_stage: Make) -> None:
    for over_ms, slow in ((74.0, False), (76.0, True)):
        stage = make_stage()
        stage.start()
        for replica in stage.replicas:
            replica.delay_ms = 8.0 - 1.0 + over_ms
        stage.advance(0.5)
        assert (stage.total("slow") == stage.total("n") > 0) is slow
        assert (stage.total("slow") == 0) is not slow


def test_a_failed_view_has_no_slate_and_no_version(stage: Any) -> None:
    stage.start()
    stage.replicas[0].broken = lambda _request: True
    stage.advance(1.05)
    errors = [row for row in stage.rows() if row["errors"]]
    assert {(row["version"], row["build"], row["replica"]) for row in errors} == {(0, "", "serving-a")}
    assert all(row["n"] == row["errors"] and row["best_value"] == 0 for row in errors)
    assert stage.metric("views_error_total") == len(stage.replicas[0].asked)
    assert {row["replica"] for row in stage.rows() if not row["errors"]} == {"serving-b"}


def test_a_dead_replica_fails_at_once_and_a_hanging_one_after_the_timeout(make_stage: Make) -> None:
    stage = make_stage(settings=ShopSettings(timeout_ms=100.0))
    stage.start()
    stage.machine.end("serving-a")
    for replica in [stage._component("serving-b")]:
        replica.delay_ms = 10_000.0
    stage.advance(1.2)
    assert stage.total("errors") == stage.total("n") > 250


def test_retries_go_to_the_other_replica(make_stage: Make) -> None:
    stage = make_stage(settings=ShopSettings(attempts=3))
    stage.start()
    stage.replicas[0].broken = lambda _request: True
    stage.advance(1.0)
    stage.advance(1.1)
    assert stage.total("errors") == 0
    assert {request.attempt for request in stage.asked()} == {1, 2}
    again = [request.view for request in stage.replicas[1].asked if request.attempt == 2]
    assert sorted(again) == sorted(request.view for request in stage.replicas[0].asked[: len(again)])


def test_attempts_have_a_limit(make_stage: Make) -> None:
    stage = make_stage(settings=ShopSettings(attempts=3))
    stage.start()
    for replica in stage.replicas:
        replica.broken = lambda _request: True
    stage.advance(1.2)
    arrived = stage.total("n")
    assert stage.total("errors") == arrived
    assert len(stage.asked()) >= 3 * arrived


def test_a_surge_adds_views_and_leaves_the_others(make_stage: Make, world: World) -> None:
    usual, surge = make_stage(), make_stage()
    for stage in (usual, surge):
        stage.start()
        stage.advance(1.5)
    surge.configure("surge", 3.0)
    for stage in (usual, surge):
        stage.advance(1.99)

    def views(stage: Any) -> set[str]:
        return {request.view for request in stage.asked()}

    assert views(usual) < views(surge)
    late = [r for r in surge.asked() if r.view.startswith("1-")]
    normal = [r for r in usual.asked() if r.view.startswith("1-")]
    assert len(late) - len(normal) == pytest.approx(2 * 0.49 * world.parameters.views_per_day, rel=0.25)


def test_shoppers_stop_at_the_end_and_the_last_views_are_reported(make_stage: Make, world: World) -> None:
    stage = make_stage(end_day=0.5)
    stage.start()
    stage.advance(3.0)
    expected = int((world.arrivals(0, 1.0).times < 0.5).sum())
    assert stage.total("n") == len(stage.asked()) == expected
    assert stage.shop.in_flight == 0


def test_lost_events_are_counted(stage: Any) -> None:
    stage.start()
    stage.collector.broken = True
    stage.advance(0.5)
    assert stage.metric("event_rows_lost_total") > 0
    assert stage.metric("event_rows_sent_total") == 0


def test_products_that_are_not_there_are_worth_nothing(make_stage: Make) -> None:
    stage = make_stage(slate=lambda _customer: [10_000, -3, *range(40, 48)])
    stage.start()
    stage.advance(0.2)
    assert stage.collector.events
    assert all(events.clicked[:2] == [0, 0] for events in stage.collector.events)


def test_fallback_answers_are_counted_and_their_events_tagged(stage: Any) -> None:
    stage.start()
    stage.replicas[0].fallback = "popularity"
    stage.advance(0.5)
    assert 0 < stage.total("fallback") < stage.total("n")
    assert {events.fallback for events in stage.collector.events} == {"", "popularity"}


def test_hours_without_a_view_are_told_of_too(make_stage: Make) -> None:
    stage = make_stage(settings=ShopSettings(surge=0.0))
    stage.start()
    stage.advance(0.5 + 0.001)
    views = [line for line in stage.logs if line["event"] == "views"]
    assert (len(views), [row for line in views for row in line["rows"]]) == (12, [])
    assert [line["start_day"] for line in views[1:]] == [line["end_day"] for line in views[:-1]]


@pytest.mark.parametrize(("start_day", "first"), [(None, 3.0), (2.5, 2.5)])
def test_the_first_event_begins_with_the_shops_work_though_its_clock_stood_at_0_before(
    make_stage: Make, monkeypatch: pytest.MonkeyPatch, start_day: float | None, first: float
) -> None:
    """A live clock does, until the origin is known."""
    stage = make_stage(start_day=3.0)
    build = stage._shop

    def built(process: VirtualProcess) -> Shop:
        with monkeypatch.context() as early:
            early.setattr(VirtualRuntime, "day", lambda _runtime: 0.0)
            shop: Shop = build(process)
        shop.start_day = start_day
        return shop

    monkeypatch.setattr(stage, "_shop", built)
    stage.start()
    stage.advance(3.1)
    views = [line for line in stage.logs if line["event"] == "views"]
    assert (views[0]["start_day"], views[0]["end_day"]) == (first, pytest.approx(3.0 + 1 / 24, abs=1e-6))


def test_an_event_says_in_which_slot_and_when_the_page_was_seen_and_how_old_its_products_were(
    make_stage: Make, world: World
) -> None:
    twelve = list(range(40, 52))
    for slate in (twelve[:1], twelve[:10]):
        stage = make_stage(slate=lambda _customer, slate=slate: slate)
        stage.start()
        stage.advance(1.9)
        launched = [world.catalogue.launch_day[product] for product in slate]
        days = set()
        for events in stage.collector.events:
            assert list(events.positions) == list(range(1, len(slate) + 1))
            asked = int(events.view.partition("-")[0])
            assert asked <= events.day < asked + 1.01
            days.add(int(events.day))
            assert list(events.ages_days) == [int(events.day) - day for day in launched]
        assert days == {0, 1}


def test_an_empty_slate_is_a_view_without_events(make_stage: Make) -> None:
    stage = make_stage(slate=lambda _customer: [])
    stage.start()
    stage.advance(0.5)
    assert stage.total("n") > 100
    assert stage.total("errors") == stage.total("served_value") == 0
    assert (stage.collector.events, stage.metric("event_rows_lost_total")) == ([], 0)


@pytest.mark.parametrize(
    ("drained", "asked"),
    [
        (("serving-a",), {"serving-b"}),
        (("serving-b", "nobody"), {"serving-a"}),
        (("serving-a", "serving-b"), {"serving-a", "serving-b"}),
    ],
)
def test_nobody_is_sent_to_a_drained_replica_unless_all_are(
    make_stage: Make, drained: tuple[str, ...], asked: set[str]
) -> None:
    stage = make_stage(settings=ShopSettings(drained=drained, attempts=2))
    stage.start()
    stage.advance(0.2)
    assert {replica.name for replica in stage.replicas if replica.asked} == asked
    assert stage.total("n") > 40


def test_each_further_attempt_waits_about_twice_as_long_and_not_all_wait_alike(make_stage: Make) -> None:
    stage = make_stage(settings=ShopSettings(attempts=3, backoff_ms=10.0))
    stage.start()
    for replica in stage.replicas:
        replica.broken = lambda _request: True
    stage.advance(0.5)
    moments: dict[str, dict[int, float]] = {}
    for replica in stage.replicas:
        for request, moment_s in zip(replica.asked, replica.moments_s, strict=True):
            moments.setdefault(request.view, {})[request.attempt] = 1000 * moment_s
    whole = [each for each in moments.values() if len(each) == 3]
    assert len(whole) > 100
    for further, usual_ms in ((2, 10.0), (3, 20.0)):
        waited = [each[further] - each[further - 1] - 1.0 for each in whole]  # less the links' ways
        assert 0.5 * usual_ms <= min(waited) < 0.6 * usual_ms
        assert 1.4 * usual_ms < max(waited) <= 1.5 * usual_ms


def test_fewer_come_back_where_views_fail(make_stage: Make) -> None:
    stage = make_stage(start_day=-1.0)
    stage.start()
    stage.advance(0.5)
    stage.replicas[0].broken = lambda _request: True
    stage.advance(1.1)
    assert stage.metric("first_attempts_total") == stage.metric("views_total") + stage.shop.in_flight
    assert stage.metric("returning_level") < 0.99

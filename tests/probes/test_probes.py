from __future__ import annotations

import sys

import msgspec
import pytest

from chaos.capabilities import MeaninglessChange
from chaos.contracts import Patient, Refusing
from chaos.domain.change import AddToxic
from chaos.domain.event import Alert, Event, Exit, Partition, Version, ViewRow, Views
from chaos.domain.plan import ArmPlan
from chaos.drivers.fake import FakeTarget, silent
from chaos.probes.bad_views import BadViews
from chaos.probes.build_share import BuildShare
from chaos.probes.clock_ahead import ClockAhead
from chaos.probes.component_ends import ComponentEnds
from chaos.probes.component_silent import ComponentSilent
from chaos.probes.counter_ratio import CounterRatio
from chaos.probes.defaulted_share import DefaultedShare
from chaos.probes.delivery_days import DeliveryDays
from chaos.probes.firing_alerts import FiringAlerts
from chaos.probes.good_views import GoodViews
from chaos.probes.link_latency import LinkLatency
from chaos.probes.link_silent import LinkSilent
from chaos.probes.metric import Metric
from chaos.probes.model_age import ModelAge
from chaos.probes.noop import Noop
from chaos.probes.orders_off import OrdersOff
from chaos.probes.partitions_altered import PartitionsAltered
from chaos.probes.partitions_overdue import PartitionsOverdue
from chaos.probes.slate_quality import SlateQuality
from chaos.probes.slowest_request import SlowestRequest
from chaos.probes.traffic_ratio import TrafficRatio
from chaos.probes.unsound_views import UnsoundViews
from chaos.probes.version_share import VersionShare
from chaos.probes.views_per_day import ViewsPerDay
from tests.harness import TARGET, planned, target_of


def target(day: float, *events: Event) -> FakeTarget:
    plan: ArmPlan = planned().arms[0]
    made = FakeTarget(plan, target_of(), lambda _event: None, silent)
    made.now = day
    for event in events:
        made.said.setdefault(type(event), []).append(event)
    return made


def views(day: float, n: int = 10, *, errors: int = 0, slow: int = 0, version: int = 1) -> Views:
    row = ViewRow(version, "b", "r", 0, n, 0, errors, slow, 0, 0, 1.0, 2.0)
    return Views(day, "shop", day - 1 / 24, day, [row])


def alert(id: str, state: str, severity: str = "page") -> Alert:
    return Alert(1.0, "oncall", id, "n", "model", severity, "ml", state, 1.0)  # type: ignore[arg-type]


def test_noop_has_no_data() -> None:
    assert Noop().read(target(1.0, views(1.0))) is None


def test_good_views_over_the_last_days_only() -> None:
    seen = target(2.0, views(1.0, errors=10), views(1.9, errors=1), views(2.0, slow=2))
    assert GoodViews(over=0.25).read(seen) == 1 - 3 / 20
    assert GoodViews(over=2.0).read(seen) == 1 - 13 / 30
    assert GoodViews().read(target(2.0)) is None
    assert GoodViews().read(target(2.0, views(1.0))) is None


def test_views_per_day() -> None:
    assert round(ViewsPerDay(over=0.1).read(target(2.0, views(1.96, 25), views(2.0, 25))) or 0) == 600
    assert ViewsPerDay().read(target(2.0)) is None


def test_views_of_two_components_are_those_of_the_first_and_of_the_second() -> None:
    """Each tells of its own, about the same time."""
    web = [views(day, 25) for day in (1.0, 1.5, 1.9, 2.0)]
    app = [msgspec.structs.replace(one, component="app") for one in web]
    both = [one for pair in zip(web, app, strict=True) for one in pair]
    assert round(ViewsPerDay(over=0.01).read(target(2.0, *both)) or 0) == 1200
    assert round(ViewsPerDay(over=0.01).read(target(2.0, *web)) or 0) == 600
    assert TrafficRatio(over=0.05).read(target(2.0, *both[:-1])) == pytest.approx(0.5)  # the app is gone


def test_views_of_days_that_have_not_been_are_none_of_the_last_ones() -> None:
    seen = target(2.0, views(102.0), views(2.0, slow=5), views(103.0, version=0))
    assert GoodViews().read(seen) == 0.5
    assert round(ViewsPerDay(over=0.01).read(seen) or 0) == 240
    assert GoodViews().read(target(2.0, views(102.0))) is None
    assert ModelAge().read(target(2.0, Version(0.0, "t", 1, "r", "s", 0.5, [], []), views(102.0))) is None
    assert TrafficRatio().read(target(2.0, views(1.0), views(102.0))) is None


def test_hardly_any_views_are_no_more_for_being_few() -> None:
    empty = [
        Views(1.75 + tick / 24, "shop", 1.75 + (tick - 1) / 24, 1.75 + tick / 24, []) for tick in range(1, 6)
    ]
    assert ViewsPerDay().read(target(2.0, *empty, views(2.0, 1))) == pytest.approx(4.0)


def test_the_age_of_the_model_that_answers_most() -> None:
    old = Version(0.0, "trainer", 1, "r", "s", 0.5, [], [])
    new = Version(2.0, "trainer", 2, "r", "s", 2.0, [], [])
    mostly_old = target(3.0, old, new, views(3.0, 9, version=1), views(3.0, 1, version=2))
    assert ModelAge().read(mostly_old) == 2.5
    assert ModelAge().read(target(3.0, old, views(3.0, version=7))) is None
    assert ModelAge().read(target(3.0, old, views(3.0, version=0))) is None


def test_alerts_that_are_firing_still() -> None:
    seen = target(2.0, alert("a", "firing"), alert("b", "firing", "ticket"), alert("a", "resolved"))
    assert FiringAlerts().read(seen) == 1
    assert FiringAlerts(severity="page").read(seen) == 0
    assert FiringAlerts().read(target(2.0)) is None
    assert FiringAlerts().read(target(2.0, views(1.0))) == 0


def test_the_watchdog_is_no_alert_that_is_firing() -> None:
    seen = target(2.0, alert("a", "firing"), alert("b", "firing"))
    assert FiringAlerts().read(seen) == 2
    seen.spec = target_of(TARGET + "alerting: {watchdog: n}\n")
    assert FiringAlerts().read(seen) == 0
    silent_now = target(2.0, alert("a", "firing"), alert("a", "resolved"), views(2.0))
    silent_now.spec = seen.spec
    assert FiringAlerts().read(silent_now) is None


def test_a_severity_that_no_alert_has_is_refused() -> None:
    spec = target_of(TARGET + "alerting: {severities: [page, ticket]}\n")
    FiringAlerts().refuse(spec)
    FiringAlerts(severity="ticket").refuse(spec)
    FiringAlerts(severity="tikket").refuse(target_of())  # a target that lists none has any
    with pytest.raises(MeaninglessChange, match="no severity 'tikket'") as caught:
        FiringAlerts(severity="tikket").refuse(spec)
    assert (caught.value.field, caught.value.nearest) == ("severity", "ticket")


def test_a_build_that_the_target_does_not_have_is_refused() -> None:
    spec = target_of(TARGET + 'builds: ["2018.4", "2026.1"]\n')
    BuildShare("2018.4").refuse(spec)
    BuildShare("2018.5").refuse(target_of())  # a target that lists none has any
    with pytest.raises(MeaninglessChange, match="no build") as caught:
        BuildShare("2018.5").refuse(spec)
    assert (caught.value.field, caught.value.nearest) == ("build", "2018.4")


def test_partitions_that_are_due_and_not_there() -> None:
    seen = target(3.3)
    seen.partitions = {0: 1, 1: 1}
    assert PartitionsOverdue("events").read(seen) == 1
    seen.partitions = {0: 1, 1: 1, 2: 1}
    assert PartitionsOverdue("events").read(seen) == 0
    seen.now = 4.19
    assert PartitionsOverdue("events").read(seen) == 0
    seen.now = 4.21
    assert PartitionsOverdue("events").read(seen) == 1
    assert PartitionsOverdue("wire").read(seen) is None


def test_link_latency_and_metric() -> None:
    seen = target(1.0)
    assert LinkLatency("wire").read(seen) == 1.0
    seen.on["t"] = AddToxic("wire", "t", "latency", "downstream", 1.0, {"latency": 50})
    assert LinkLatency("wire").read(seen) == 51.0
    assert Metric("reader", "steps").read(seen) == 24
    assert Metric("reader", "nothing").read(seen) is None
    assert Metric("reader", "nothing", absent=0.0).read(seen) == 0.0
    assert Metric("nobody", "steps", absent=0.0).read(seen) is None


def test_a_link_is_silent_once_nothing_came_back_for_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = target(1.0)
    asked: list[float] = []

    def link_ms(_link: str, within_days: float) -> float | None:
        asked.append(within_days)
        return 3.0 if seen.now > 1.3 else None

    monkeypatch.setattr(seen, "link_ms", link_ms)
    probe = LinkSilent("wire", over=0.15)
    readings = []
    for seen.now in (1.0, 1.1, 1.2, 1.3, 1.4):
        readings.append(probe.read(seen))
    assert readings == [None, None, 1.0, 1.0, 0.0]
    assert set(asked) == {0.15}
    assert isinstance(probe, Patient)
    assert probe.lasting_days == 0.15


def test_the_slowest_request_over_a_link() -> None:
    seen = target(1.0)
    seen.on["t"] = AddToxic("wire", "t", "latency", "downstream", 1.0, {"latency": 50})
    assert SlowestRequest("wire", 50.0).read(seen) == 51.0
    SlowestRequest("wire", 50.0).refuse(target_of())
    for probe, field in ((SlowestRequest("events", 50.0), "link"), (SlowestRequest("wire", 0.0), "over_ms")):
        with pytest.raises(MeaninglessChange) as caught:
            probe.refuse(target_of())
        assert caught.value.field == field


@pytest.mark.parametrize(
    ("value", "orders"),
    [(2.0, 0.0), (20.0, 1.0), (0.2, 1.0), (0.0, 308.0), (-2.0, 308.0), (2e41, 41.0)]
    + [(value, 308.0) for value in (float("nan"), float("inf"), 0.5 * sys.float_info.max)],
)
def test_a_metric_is_off_to_either_side(monkeypatch: pytest.MonkeyPatch, value: float, orders: float) -> None:
    seen = target(1.0)
    monkeypatch.setattr(seen, "metrics", lambda _component: {"weight": value})
    read = OrdersOff("reader", "weight", usual=2.0).read(seen)
    assert read == pytest.approx(orders, abs=0.7 if value > 1e300 else 1e-9)
    assert OrdersOff("reader", "nothing", usual=2.0).read(seen) is None


def partition(state: str, day: int, digest: str, component: str = "reader") -> Partition:
    return Partition(day + 1.0, component, day, 10, digest, state)  # type: ignore[arg-type]


def test_partitions_that_are_not_what_was_written() -> None:
    written = [partition("written", day, f"w{day}", "writer") for day in (1, 2, 3)]
    as_written, other = partition("delivered", 1, "w1"), partition("delivered", 2, "x")
    aside, again = partition("quarantined", 3, "y"), partition("delivered", 3, "w3")
    probe = PartitionsAltered("events")
    assert probe.read(target(4.0)) is None
    assert probe.read(target(4.0, *written, as_written)) == 0
    assert probe.read(target(4.0, *written, as_written, other, aside)) == 2
    assert probe.read(target(4.0, *written, as_written, other, aside, again)) == 1


def test_how_long_the_newest_partition_was_on_its_way() -> None:
    def partition(state: str, number: int, day: float) -> Partition:
        component = "writer" if state == "written" else "reader"
        return Partition(day, component, number, 9, "w", state)  # type: ignore[arg-type]

    probe = DeliveryDays("events")
    written = [partition("written", number, number + 1.0) for number in (1, 2, 3)]
    assert probe.read(target(4.0, partition("delivered", 0, 1.0), *written)) is None
    came = [partition("delivered", 1, 2.5), partition("delivered", 2, 3.125)]
    assert probe.read(target(4.0, *written, *came)) == 0.125


def test_traffic_against_the_days_before() -> None:
    before = [views(day, 25) for day in (1.0, 1.5, 1.9)]
    assert TrafficRatio(over=0.25).read(target(2.25, *before, views(2.1, 50))) == pytest.approx(2.0)
    assert TrafficRatio(over=0.25).read(target(2.25, *before)) is None
    assert TrafficRatio(over=0.25).read(target(2.25, views(2.1, 50))) is None


def test_bad_views_are_those_that_are_not_good() -> None:
    assert BadViews().read(target(1.0, views(1.0, 10, errors=1, slow=2))) == pytest.approx(0.3)
    assert BadViews().read(target(1.0)) is None


def test_the_share_of_defaulted_views() -> None:
    row = ViewRow(1, "b", "r", 0, 10, 0, 0, 0, 0, 3, 1.0, 2.0)
    seen = target(2.0, views(1.0, 90), Views(2.0, "shop", 1.96, 2.0, [row]))
    assert DefaultedShare(over=0.25).read(seen) == 0.3
    assert DefaultedShare(over=2.0).read(seen) == 0.03
    assert DefaultedShare().read(target(2.0)) is None


def test_growth_of_one_counter_for_the_growth_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = target(1.0)
    samples: dict[str, float] = {}
    monkeypatch.setattr(seen, "metrics", lambda _component: samples)
    probe = CounterRatio("shop", "retries", "requests")
    assert probe.read(seen) is None
    samples["requests"] = 100.0
    assert probe.read(seen) is None  # growth is since the reading before
    samples.update(requests=200.0, retries=30.0)
    assert probe.read(seen) == pytest.approx(0.3)
    assert probe.read(seen) is None  # nobody asked


def test_a_counter_that_began_anew_has_no_growth(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = target(1.0)
    samples: dict[str, float] | None = None
    monkeypatch.setattr(seen, "metrics", lambda _component: samples)
    probe = CounterRatio("shop", "retries", "requests")
    readings = []
    for retries, requests in ((50.0, 100.0), (20.0, 200.0), (20.0, 300.0), (50.0, 400.0)):
        samples = {"retries": retries, "requests": requests}
        readings.append(probe.read(seen))
    assert readings == [None, None, 0.0, 0.3]
    samples = None
    assert probe.read(seen) is None


def test_the_shares_of_a_build_and_of_a_version_and_of_what_is_unsound() -> None:
    rows = [
        ViewRow(1, "old", "r1", 0, 30, 0, 0, 0, 0, 0, 10.0, 20.0),
        ViewRow(2, "new", "r2", 0, 50, 0, 0, 5, 10, 0, 20.0, 40.0),
        ViewRow(0, "", "r2", 0, 20, 0, 20, 0, 0, 0, 0.0, 0.0),
    ]
    seen = target(2.0, views(1.0, 900), Views(2.0, "shop", 1.96, 2.0, rows))
    assert BuildShare("old").read(seen) == 0.3
    assert BuildShare("gone").read(seen) == 0.0
    assert (VersionShare(1).read(seen), VersionShare(2).read(seen)) == (0.3, 0.5)
    assert UnsoundViews().read(seen) == 0.3
    assert SlateQuality().read(seen) == 0.5
    nothing = target(2.0)
    assert [probe.read(nothing) for probe in (BuildShare("old"), VersionShare(2), UnsoundViews())] == [
        None
    ] * 3
    assert SlateQuality().read(target(2.0, Views(2.0, "shop", 1.96, 2.0, rows[2:]))) is None


def test_a_clock_is_ahead_or_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = target(3.0)
    says = iter([None, {}, {"calendar_day": 5.0}, {"calendar_day": 2.5}])
    monkeypatch.setattr(seen, "metrics", lambda component: next(says) if component == "reader" else None)
    assert [ClockAhead("reader").read(seen) for _ in range(4)] == [None, None, 2.0, -0.5]


def test_the_ends_of_one_component_are_counted() -> None:
    ends = [Exit(day, name, 9, False) for day, name in ((1.0, "reader"), (1.5, "writer"), (2.0, "reader"))]
    assert ComponentEnds("reader").read(target(2.0, *ends)) == 2.0
    assert ComponentEnds("reader").read(target(2.0)) == 0.0


def test_a_component_is_silent_once_it_has_not_answered_for_a_quarter_of_a_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = target(1.0)
    monkeypatch.setattr(seen, "metrics", lambda _component: {} if seen.now > 1.5 else None)
    probe = ComponentSilent("reader")
    readings = []
    for seen.now in (1.0, 1.25, 1.26, 1.5, 1.6):
        readings.append(probe.read(seen))
    assert readings == [None, None, 1.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("probe", "field"),
    [
        (ClockAhead("raeder"), "component"),
        (ComponentEnds("raeder"), "component"),
        (ComponentSilent("raeder"), "component"),
        (CounterRatio("raeder", "a", "b"), "component"),
        (Metric("raeder", "steps"), "component"),
        (Metric("reader", " "), "sample"),
        (OrdersOff("raeder", "steps", usual=1.0), "component"),
        (OrdersOff("reader", "steps", usual=0.0), "usual"),
        (OrdersOff("reader", "steps", usual=float("inf")), "usual"),
        (DeliveryDays("wire"), "link"),
        (PartitionsAltered("wire"), "link"),
        (PartitionsOverdue("wire"), "link"),
        (LinkLatency("events"), "link"),
        (LinkSilent("events"), "link"),
    ],
)
def test_what_could_never_be_read_is_refused(probe: Refusing, field: str) -> None:
    with pytest.raises(MeaninglessChange) as caught:
        probe.refuse(target_of())
    assert caught.value.field == field


def test_the_version_that_answers_most_of_late_is_the_models_age_and_answers_of_none_are_not() -> None:
    old, new = (
        Version(day, "trainer", number, "r", "s", day, [], []) for number, day in ((1, 0.5), (2, 2.0))
    )
    for ended_before, age in ((2.95, 2.5), (2.9, 1.0)):
        seen = target(3.0, old, new, views(ended_before, 50, version=1), views(3.0, 5, version=2))
        assert ModelAge(over=0.1).read(seen) == age
    assert ModelAge().read(target(3.0, old, views(2.95, 5, version=1), views(3.0, 50, version=0))) == 2.5


def test_what_others_say_of_partitions_is_not_of_the_link() -> None:
    events = [
        Partition(1.0, "writer", 0, 9, "w", "written"),
        Partition(1.5, "reader", 0, 9, "w", "delivered"),
        Partition(0.2, "reader", 0, 9, "x", "written"),
        Partition(1.6, "writer", 0, 9, "x", "written"),
        Partition(1.1, "other", 0, 9, "y", "written"),
        Partition(1.9, "other", 0, 9, "y", "delivered"),
        Partition(2.5, "reader", 0, 0, "", "absent"),
    ]
    seen = target(3.0, *events[:2], events[2], *events[4:])
    assert DeliveryDays("events").read(seen) == 0.5
    assert PartitionsAltered("events").read(seen) == 0
    assert DeliveryDays("wire").read(seen) is None
    assert PartitionsAltered("wire").read(seen) is None
    assert PartitionsAltered("events").read(target(3.0, *events)) == 1


def test_what_was_before_the_days_that_are_looked_back_on_does_not_count() -> None:
    long_ago, before, late = views(0.5, 500), views(1.9, 25), views(2.1, 50)
    assert TrafficRatio(over=0.25, before=1.0).read(target(2.25, long_ago, before, late)) == pytest.approx(
        2.0
    )
    lately = ViewsPerDay(over=0.25).read(target(2.25, long_ago, before, late))
    assert lately == pytest.approx(50 * 24)

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest
import yaml

from chaos.app import Wanted, make_catalogue, make_files, plan_run
from chaos.capabilities import Capability, Data, MeaninglessChange
from chaos.catalogue import Catalogue, Shelf
from chaos.contracts import Usable
from chaos.domain.change import Change
from chaos.domain.durations import Milliseconds
from chaos.domain.layer import Mode
from chaos.domain.plan import TrialPlan
from chaos.domain.scenario import Arm
from chaos.domain.target import TargetSpec
from chaos.errors import InvalidInput, UsageError
from chaos.runner.check import effect_of, make_fault
from chaos.runner.overrides import parse_overrides
from chaos.runner.plan import Planner, Request, shortest_seen
from tests.command import CALM
from tests.harness import SCENARIO, TARGET, edited, planned, scenario_of, target_of

LATENCY = {"link": "serving-features", "delay_ms": "225ms"}


def overridden(holes: list[str] | None = None, sets: list[str] | None = None) -> Request:
    return Request(parse_overrides(holes or [], sets or []))


def fault(**changes: object) -> str:
    base = yaml.safe_load(SCENARIO)["faults"][0]
    return edited(faults=[{**base, **changes}])


def problems(text: str = SCENARIO, request: Request | None = None) -> str:
    with pytest.raises(InvalidInput) as caught:
        planned(text, request)
    return str(caught.value)


def test_the_four_arms() -> None:
    arms = {plan.arm: plan for plan in planned().arms}
    assert list(arms) == [Arm.DEFENDED, Arm.CONTROL, Arm.UNDEFENDED, Arm.BARE]
    assert [bool(plan.faults) for plan in arms.values()] == [True, False, True, False]
    assert arms[Arm.CONTROL].layers["freshness"].mode is Mode.ENFORCE
    assert arms[Arm.BARE].layers["freshness"].mode is Mode.OFF
    assert [watched.key for watched in arms[Arm.BARE].effect_watch] == ["late_partition"]


def test_the_fault_says_how_long_it_lasts() -> None:
    (late,) = planned().arms[0].faults
    assert (late.inject_day, late.undo_day) == (2.0, 4.0)


def test_control_and_bare_do_not_depend_on_the_fault() -> None:
    longer = fault(**{"with": {"link": "events", "held_days": "3d"}})
    one, other = planned().arms, planned(longer).arms
    assert one[0].fingerprint() != other[0].fingerprint()
    assert one[1].faults == other[1].faults == []


def test_a_hole_opens_in_defended_and_control_only() -> None:
    plan = planned(request=overridden(["hold"]))
    modes = {arm.arm: arm.layers["hold"].mode for arm in plan.arms}
    assert modes == {
        Arm.DEFENDED: Mode.OFF,
        Arm.CONTROL: Mode.OFF,
        Arm.UNDEFENDED: Mode.OFF,
        Arm.BARE: Mode.OFF,
    }
    assert plan.not_armed == ["hold"]
    assert plan.arms[0].layers["freshness"].mode is Mode.ENFORCE


def test_a_hole_for_a_span_is_a_change_in_time() -> None:
    arm = planned(request=overridden(["hold@1d..3d"])).arms[0]
    (hole,) = arm.holes
    assert (hole.layer, hole.key, hole.value, hole.from_day, hole.until_day) == ("hold", "mode", "off", 1, 3)
    assert arm.layers["hold"].mode is Mode.ENFORCE


def test_settings_reach_layers_and_faults() -> None:
    sets = ["layer.freshness.warn_days=1", "layer.*.mode=observe", "fault.late_partition.held_days=3"]
    arm = planned(request=overridden(sets=sets)).arms[0]
    assert arm.layers["freshness"].parameters == {"warn_days": 1}
    assert arm.layers["hold"].mode is Mode.OBSERVE
    assert arm.faults[0].undo_day == 5.0


@pytest.mark.parametrize(
    ("holes", "sets", "says"),
    [
        (["freshnes"], [], "did you mean 'freshness'"),
        ([], ["layer.freshnes.warn_days=1"], "did you mean 'freshness'"),
        ([], ["layer.freshness.warn_day=1"], "did you mean 'warn_days'"),
        ([], ["layer.freshness.warn_days=-1"], "is below 0"),
        ([], ["layer.freshness.warn_days=soon"], "not a calendar length"),
        ([], ["layer.freshness.mode=on"], "a mode is off, observe or enforce"),
        ([], ["fault.late.held_days=1"], "did you mean 'late_partition'"),
        ([], ["fault.late_partition.link=2018.10"], "no data link '2018.10'"),
    ],
)
def test_overrides_that_match_nothing(holes: list[str], sets: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        planned(request=overridden(holes, sets))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            fault(fault="late_partitions"),
            "there is no fault 'late_partitions' (did you mean 'late_partition'?)",
        ),
        (
            fault(**{"with": {"link": "event", "held_days": "2d"}}),
            "no data link 'event' (did you mean 'events'?)",
        ),
        (
            fault(**{"with": {"link": "wire", "held_days": "2d"}}),
            "is a network link; this needs a data link",
        ),
        (fault(**{"with": {"link": "events"}}), "faults.0.with.held_days: is missing"),
        (fault(**{"with": {"link": "events", "held_day": "2d"}}), "did you mean 'held_days'?"),
        (fault(**{"with": {"link": "events", "held_days": 2}}), "not a calendar length"),
        (fault(**{"with": {"link": "events", "held_days": "6h"}}), "is not late"),
        (fault(**{"with": {"link": "events", "held_days": "4d"}}), "not inside the run's 6 days"),
        (fault(at="7d"), "not inside the run's 6 days"),
        (edited(steady_state=[{"probe": "good_view", "at_least": 1}]), "did you mean 'good_views'?"),
        (
            edited(
                steady_state=[{"probe": "metric", "with": {"component": "x", "sample": "y"}, "at_least": 1}]
            ),
            "the target has no component 'x'",
        ),
        (
            fault(fault="slow_inference", **{"with": {"components": ["writerx"], "service_ms": "9ms"}}),
            "the target has no component 'writerx' (did you mean 'writer'?)",
        ),
        (edited(latent=[{"layer": "holt", "mode": "off"}]), "did you mean 'hold'?"),
        (edited(latent=[{"layer": "freshness", "set": {"warn_days": "x"}}]), "latent.0.set.warn_days"),
        (edited(expect={"detected": {"by": ["freshnes"], "within": "1d"}}), "did you mean 'freshness'?"),
        (edited(decisive=[["hold"], ["freshnes"]]), "decisive.1.0: the target has no layer 'freshnes'"),
        (edited(decisive=[[]]), "decisive.0"),
    ],
)
def test_what_the_target_does_not_have(text: str, says: str) -> None:
    assert says in problems(text)


def test_an_operational_length_above_a_quarter_of_a_day_is_refused() -> None:
    latency = {"fault": "latency", "with": {"link": "wire", "delay_ms": "300ms"}, "at": "2d", "for": "1d"}
    text = edited(faults=[latency])
    assert "are more than a quarter of a day" in problems(text)
    assert planned(text, Request(day_seconds=2.0)).arms[0].day_seconds == 2.0


@pytest.mark.parametrize("part", ["steady_state", "abort_if"])
def test_nor_does_a_probe_look_over_more_than_that(part: str) -> None:
    bound = {"steady_state": "at_most", "abort_if": "above"}[part]
    probe = {"probe": "slowest_request", "with": {"link": "wire", "over_ms": "300ms"}, bound: 100}
    assert f"{part}.0.with.over_ms: 300ms are more than a quarter of a day" in problems(
        edited(**{part: [probe]})
    )


def test_one_that_the_command_line_sets_is_told_as_the_command_line_s() -> None:
    latency = {"fault": "latency", "with": {"link": "wire", "delay_ms": "9ms"}, "at": "2d", "for": "1d"}
    with pytest.raises(UsageError, match=r"^--set fault\.latency\.delay_ms=300ms: 300ms are more than"):
        planned(edited(faults=[latency]), overridden(sets=["fault.latency.delay_ms=300ms"]))


@dataclass(frozen=True)
class Slow:
    """A fault of somebody else's, with a length that it has by itself."""

    name: ClassVar[str] = "slow"
    needs: ClassVar[tuple[type[Capability], ...]] = ()
    delay_ms: Milliseconds = 300.0

    def changes(self, target: Usable) -> Iterator[Change]:
        yield from ()

    def effect(self, spec: TargetSpec) -> None:
        return None


def test_one_that_a_layer_has_by_itself_is_refused_too_where_it_is_armed() -> None:
    target = TARGET.replace("{type: days, default: 0.5, at_least: 0}", "{type: ms, default: 300.0}")
    with pytest.raises(InvalidInput, match=r"day_seconds: warn_days of layer freshness: 300ms are more than"):
        planned(target=target)
    for request in (
        Request(day_seconds=2.0),
        Request(arms=(Arm.UNDEFENDED, Arm.BARE)),
        overridden(holes=["freshness"]),
        overridden(sets=["layer.freshness.warn_days=9"]),
    ):
        assert planned(request=request, target=target).arms


def test_one_that_a_fault_has_by_itself_is_refused_too() -> None:
    catalogue = Catalogue(Shelf("fault", [Slow]), make_catalogue().probes)
    text = edited(faults=[{"fault": "slow", "at": "2d", "for": "1d"}])
    with pytest.raises(InvalidInput, match=r"with\.delay_ms: 300ms are more than a quarter of a day"):
        planned(text, catalogue=catalogue)
    assert planned(text, Request(day_seconds=2.0), catalogue=catalogue).arms[0].faults


def test_a_fault_without_a_length_is_refused() -> None:
    latency = {"fault": "latency", "with": {"link": "wire", "delay_ms": "100ms"}, "at": "2d"}
    assert "needs `for`" in problems(edited(faults=[latency]))


def test_a_scenario_about_load_fixes_its_pace() -> None:
    text = edited(day_seconds=2.0)
    assert planned(text).arms[0].day_seconds == 2.0
    assert "fixes 2 s a day, not 1" in problems(text, Request(day_seconds=1.0))


def test_an_arm_that_is_asked_for_by_name_is_not_left_out_in_silence() -> None:
    two = TARGET + "arms: [defended, control]\n"
    assert [arm.arm for arm in planned(target=two).arms] == [Arm.DEFENDED, Arm.CONTROL]
    assert len(planned(request=Request(arms=(Arm.DEFENDED,)), target=two).arms) == 1
    with pytest.raises(UsageError, match="cannot run the arm 'bare'; it can run defended, control"):
        planned(request=Request(arms=(Arm.DEFENDED, Arm.BARE)), target=two)


def test_no_arm_passes_for_one_without_layers_where_they_cannot_be_switched_off() -> None:
    fixed = TARGET.replace("network, data, layers", "network, data")
    assert [arm.arm for arm in planned(target=fixed).arms] == [Arm.DEFENDED, Arm.CONTROL]
    none = fixed[: fixed.index("layers:")]
    text = edited(expect={"alerted": {"severity": "page", "within": "1d"}})
    assert [arm.arm for arm in planned(text, target=none).arms] == list(Arm)


def test_a_data_toxic_may_name_only_columns_that_the_target_has() -> None:
    spec = target_of(TARGET + "columns: {price: of a product, dwell: seconds}\n")
    found = Data(spec).toxic("events", "scale", column="price", factor=2.0)
    assert found.parameters == {"column": "price", "factor": 2.0}
    with pytest.raises(MeaninglessChange, match="no column 'prize'") as caught:
        Data(spec).toxic("events", "scale", column="prize", factor=2.0)
    assert (caught.value.field, caught.value.nearest) == ("column", "price")
    # a target that lists none has any
    assert Data(target_of()).toxic("events", "scale", column="prize", factor=2.0)


def test_what_decides_and_where_alerts_go_is_checked_against_the_target() -> None:
    assert "decisive.0.1: the target has no layer 'hodl' (did you mean 'hold'?)" in problems(
        edited(decisive=[["freshness", "hodl"]])
    )
    words = TARGET + "alerting: {categories: [model, ML system], severities: [page], receivers: [ml]}\n"
    for field, value, near in (
        ("category", "ML sytem", "ML system"),
        ("severity", "pge", "page"),
        ("routed_to", "mll", "ml"),
        ("component", "reder", "reader"),
    ):
        text = edited(expect={"alerted": {field: value, "within": "1d"}})
        with pytest.raises(InvalidInput) as caught:
            planned(text, target=words)
        assert f"expect.alerted.{field}: the target's alerts have no" in str(caught.value)
        assert f"(did you mean {near!r}?)" in str(caught.value)
    heard = TARGET + "alerting: {told_by: alertmanager, watchdog: Watchdog}\n"
    for asked, place, says in (
        ({"name": "Watchdog"}, "name", "Watchdog is the target's watchdog: it always fires"),
        ({"name": "x", "acknowledged_within": "1d"}, "acknowledged_within", "knows of nobody's answer"),
        ({"name": "x", "unanswered": True}, "unanswered", "knows of nobody's answer"),
    ):
        with pytest.raises(InvalidInput) as caught:
            planned(edited(expect={"alerted": {"within": "1d", **asked}}), target=heard)
        assert f"expect.alerted.{place}: " in str(caught.value)
        assert says in str(caught.value)
    anything = edited(expect={"alerted": {"category": "whatever", "name": "any", "within": "1d"}})
    assert planned(anything).expect.alerted is not None


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"expect": {"alerted": {"within": "1d"}}}, "any alert would do"),
        ({"decisive": [[]]}, "must hold 1 or more"),
        ({"kind": "demonstration", "decisive": [["hold"]]}, "only a defended scenario"),
        ({"kind": "quiet", "faults": [], "expect": {"alerted": {"name": "x", "within": "1d"}}}, "no fault"),
        ({"kind": "quiet", "faults": [], "expect": {"recovered": {"within": "1d"}}}, "no fault"),
        ({"kind": "demonstration", "faults": [], "expect": {"missed_by": ["hold"]}}, "no fault"),
        (
            {"kind": "demonstration", "faults": [], "expect": {"detected": {"by": ["hold"], "within": "1d"}}},
            "expect.detected: no fault",
        ),
        ({"kind": "demonstration", "expect": {"harmful": "error_views"}}, "only a defended scenario"),
        ({"expect": {"harmful": "false_block_days"}}, "expect.harmful: is what layers do"),
        ({"seeds": [3, 1, 3]}, "seed 3 is there twice"),
        ({"seeds": [True]}, "must be a whole number"),
        ({"pass_share": True}, "number"),
        ({"abort_if": [{"probe": "good_views", "below": True}]}, "number"),
        (
            {
                "expect": {
                    "contained": {"of": "error_views", "at_least": 1},
                    "loop": {"gain": {"at_most": True}},
                }
            },
            "number",
        ),
        (
            {"expect": {"detected": {"by": ["hold"], "within": "1d"}, "false_alarms": True}},
            "must be a whole number",
        ),
        ({"expect": {"contained": {"of": "error_views", "at_least": True}}}, "number"),
        (
            {
                "expect": {
                    "contained": {"of": "error_views", "at_least": 1},
                    "budgets": {"lost_events": False},
                }
            },
            "number",
        ),
        ({"steady_state": [{"probe": "good_views", "at_least": 3, "at_most": 1.9}]}, "nothing can hold"),
    ],
)
def test_claims_that_cannot_be_meant(changes: dict[str, object], says: str) -> None:
    assert says in problems(edited(**changes))


# --- faults that fight -----------------------------------------------------------------------------------


def pair(first: dict[str, object], second: dict[str, object]) -> str:
    return edited(faults=[first, second], days="20d")


LATE = {"fault": "late_partition", "with": {"link": "events", "held_days": "2d"}, "at": "2d"}


@pytest.mark.parametrize("at", ["1d", "2d", "3.9d"])
def test_two_faults_that_would_fight_over_one_undo_are_refused(at: str) -> None:
    says = problems(pair(LATE, {**LATE, "id": "later", "at": at}))
    assert "would both set the toxic late on link events at one time" in says
    assert "faults.1.at" in says


@pytest.mark.parametrize("at", ["4d", "7d"])
def test_one_after_the_other_is_fine(at: str) -> None:
    assert len(planned(pair(LATE, {**LATE, "id": "later", "at": at})).arms[0].faults) == 2


def test_two_faults_of_different_things_may_overlap() -> None:
    lost = {"fault": "partial_partition", "with": {"link": "events", "share": 0.5}, "at": "2d", "for": "2d"}
    assert len(planned(pair(LATE, lost)).arms[0].faults) == 2


@pytest.mark.parametrize("at", ["4d", "7d"])
def test_of_two_that_touch_the_one_that_is_made_first_comes_first(at: str) -> None:
    """At one moment, things are done in the order in which they stand in the file."""
    text = pair({**LATE, "id": "later", "at": at}, LATE)
    if at == "7d":
        assert len(planned(text).arms[0].faults) == 2
    else:
        assert "let one end before the other begins" in problems(text)


# --- holes that fight ------------------------------------------------------------------------------------


def holed(*holes: dict[str, object], target: str = TARGET, holes_asked: list[str] | None = None) -> TrialPlan:
    return planned(edited(latent=list(holes)), overridden(holes_asked), target)


def refused(*holes: dict[str, object]) -> str:
    with pytest.raises(InvalidInput) as caught:
        holed(*holes)
    return str(caught.value)


OFF = {"layer": "hold", "mode": "off"}


@pytest.mark.parametrize(
    "second",
    [
        {"layer": "hold", "mode": "observe", "from": "2d", "until": "5d"},
        {"layer": "hold", "mode": "off", "from": "2d", "until": "2.5d"},
        {"layer": "hold", "mode": "off", "from": "1d"},
        {"layer": "hold", "mode": "off", "from": "0.5d", "until": "1d"},
    ],
)
def test_two_holes_in_one_thing_at_one_time_are_refused(second: dict[str, object]) -> None:
    """The first to close would close both."""
    says = refused({**OFF, "from": "1d", "until": "3d"}, second)
    assert "latent.1.from: the hole in hold from day 1 and the hole in hold from day" in says
    assert "would both set the mode of layer hold at one time" in says


def test_two_holes_for_the_whole_run_in_one_thing_are_refused() -> None:
    assert "latent.1: the hole in hold and the hole in hold would both set" in refused(OFF, OFF)


@pytest.mark.parametrize(
    "second",
    [
        {"layer": "hold", "mode": "observe", "from": "3d", "until": "5d"},
        {"layer": "freshness", "mode": "off", "from": "2d", "until": "5d"},
        {"layer": "hold", "mode": "off"},
    ],
)
def test_other_holes_may_be_open_besides(second: dict[str, object]) -> None:
    """One after the other, in another layer, or within one of the whole run, to which it is put back."""
    assert holed({**OFF, "from": "1d", "until": "3d"}, second).arms[0].holes


def test_a_hole_in_another_parameter_of_the_layer_is_fine() -> None:
    warn = {"layer": "freshness", "set": {"warn_days": "2d"}, "from": "2d", "until": "4d"}
    mode = {"layer": "freshness", "mode": "observe", "from": "1d", "until": "3d"}
    assert len(holed(warn, mode).arms[0].holes) == 2
    assert "warn_days of layer freshness" in refused(warn, {**warn, "from": "3d", "until": "5d"})


def test_a_hole_of_the_command_line_fights_as_well() -> None:
    latent = {**OFF, "from": "1d", "until": "3d"}
    with pytest.raises(
        UsageError, match="--hole: the hole in hold from day 1 and the hole in hold from day 2"
    ):
        holed(latent, holes_asked=["hold@2d..4d"])
    assert len(holed(latent, holes_asked=["hold@3d..4d"]).arms[0].holes) == 2
    assert holed({**OFF, "mode": "observe"}, holes_asked=["hold"]).arms[0].layers["hold"].mode is Mode.OFF


@pytest.mark.parametrize("asked", [["hold"], []])
def test_what_a_hole_sets_for_the_whole_run_is_not_set_besides(asked: list[str]) -> None:
    """The hole would win, and nobody would see that the other did nothing."""
    latent = [] if asked else [OFF]
    with pytest.raises(UsageError, match=r"layer\.hold\.mode=observe: the hole in hold sets that"):
        planned(edited(latent=latent), Request(overrides=parse_overrides(asked, ["layer.hold.mode=observe"])))
    both = Request(overrides=parse_overrides(asked, ["layer.*.mode=observe"]))
    layers = planned(edited(latent=latent), both).arms[0].layers
    assert (layers["hold"].mode, layers["freshness"].mode) == (Mode.OFF, Mode.OBSERVE)


def test_what_ends_where_another_begins_is_over_by_then() -> None:
    """1.1 and 2.2 days come to a little more than 3.3: the second would be injected before the first is undone."""
    lost = {"fault": "partial_partition", "with": {"link": "events", "share": 0.5}}
    first = {**lost, "at": "1.1d", "for": "2.2d"}
    second = {**lost, "id": "second", "at": "3.3d", "for": "2d"}
    one, other = planned(edited(faults=[first, second], days="20d")).arms[0].faults
    assert one.undo_day == other.inject_day == 3.3
    thirds = [{**lost, "at": "1d", "for": "40h"}, {**lost, "id": "second", "at": "64h", "for": "1d"}]
    one, other = planned(edited(faults=thirds, days="20d")).arms[0].faults
    assert one.undo_day == other.inject_day


@pytest.mark.parametrize(("lasts", "fine"), [("0d", False), ("0.09d", False), ("0.1d", True)])
def test_what_is_over_before_anybody_looks_is_refused(lasts: str, fine: bool) -> None:
    text = edited(
        faults=[
            {"fault": "partial_partition", "with": {"link": "events", "share": 0.5}, "at": "2d", "for": lasts}
        ]
    )
    if fine:
        assert planned(text).arms[0].faults
    else:
        assert "faults.0.for: partial_partition lasts" in problems(text)


@pytest.mark.parametrize(("lasts", "fine"), [("0.1d", False), ("0.29d", False), ("0.3d", True)])
def test_what_its_probe_sees_only_after_a_while_must_last_for_so_long(lasts: str, fine: bool) -> None:
    """A link is called silent when nothing has come back for 0.15 d; the readings are 0.1 d apart."""
    text = edited(faults=[{"fault": "link_down", "with": {"link": "wire"}, "at": "2d", "for": lasts}])
    if fine:
        assert planned(text).arms[0].faults
    else:
        assert "faults.0.for: link_down lasts" in problems(text)
        assert "seen after 0.3 d" in problems(text)


@pytest.mark.parametrize(
    ("fault", "parameters", "shortest"),
    [("surge", {"factor": 2.0}, 0.5), ("holiday_dip", {"level": 0.75}, 0.2), ("latency", LATENCY, 0.1)],
)
def test_what_is_a_mean_over_a_while_must_last_for_a_part_of_it(
    fault: str, parameters: dict[str, object], shortest: float
) -> None:
    """More shoppers are counted over a day, and seen from a third of what was asked for on."""
    spec, _ = make_files().target("reference-virtual")
    catalogue = make_catalogue()
    effect = effect_of(make_fault(fault, parameters, spec, catalogue), spec, catalogue)
    assert effect is not None
    assert shortest_seen(*effect) == shortest


@pytest.mark.parametrize("kind", ["demonstration", "quiet"])
def test_a_demonstration_claims_something(kind: str) -> None:
    text = edited(kind=kind, expect={}, faults=[])
    if kind == "quiet":
        assert planned(text)
    else:
        with pytest.raises(InvalidInput, match="a demonstration says what it shows, or it cannot fail"):
            planned(text)


@pytest.mark.parametrize(("opens", "fine"), [("3.5d", False), ("1d", False), ("6.5d", True)])
def test_what_waits_for_an_action_may_come_at_any_time_until_its_end(opens: str, fine: bool) -> None:
    hole = {**OFF, "from": opens, "until": "8d"}
    when = {"component": "reader", "action": "save"}
    kill = {"fault": "kill", "with": {"component": "reader"}, "at": "2d", "for": "4d", "when": when}
    text = edited(faults=[kill], latent=[hole], days="20d")
    if fine:
        assert planned(text, target=PROCESSES).arms[0].holes
    else:
        with pytest.raises(InvalidInput, match="kill may end or stop reader while the hole in hold"):
            planned(text, target=PROCESSES)


def test_one_that_waits_to_stop_a_component_may_do_so_within_a_hole() -> None:
    hole = {**OFF, "from": "3d", "until": "8d"}
    when = {"component": "reader", "action": "save"}
    pause = {"fault": "pause", "with": {"component": "reader"}, "at": "4d", "for": "1d", "when": when}
    assert planned(edited(faults=[pause], latent=[hole], days="20d"), target=PROCESSES).arms[0].holes
    with pytest.raises(InvalidInput, match="set or taken back in reader while pause is open"):
        planned(edited(faults=[{**pause, "at": "7.5d"}], latent=[hole], days="20d"), target=PROCESSES)


CATEGORIES = """  schema:
    asked_by: [reader]
    stages: [detect]
    says: what the data may hold
    parameters:
      categories: {type: integer, default: 8}
"""


@pytest.mark.parametrize(("opens", "closes"), [("3d", "5d"), ("1d", "2.5d"), ("4d", "5d")])
def test_a_hole_and_a_fault_that_would_set_the_same_are_refused(opens: str, closes: str) -> None:
    given = {"link": "events", "category": 8, "where": "source", "equals": 3}
    new = {"fault": "new_category", "with": given, "at": "2d", "for": "2d"}
    hole = {"layer": "schema", "set": {"categories": 20}, "from": opens, "until": closes}
    with pytest.raises(InvalidInput) as caught:
        planned(edited(faults=[new], latent=[hole]), target=TARGET + CATEGORIES)
    says = "and new_category would both set the categories of layer schema at one time"
    assert f"faults.0.at: the hole in schema from day {opens[:-1]} {says}" in str(caught.value)
    for fine in ({**hole, "from": "1d", "until": "2d"}, {**hole, "from": "4.5d", "until": "5d"}):
        assert planned(edited(faults=[new], latent=[fine]), target=TARGET + CATEGORIES).arms[0].holes


PROCESSES = TARGET.replace("arms, truth]", "arms, truth, processes]")
HOLED = {**OFF, "from": "3d", "until": "5d"}


def beside(hole: dict[str, object], fault: str, at: str, lasts: str, component: str = "reader") -> str:
    """A scenario with a hole, and a fault of a component."""
    found = {"fault": fault, "with": {"component": component}, "at": at, "for": lasts}
    return edited(faults=[found], latent=[hole], days="20d")


@pytest.mark.parametrize(
    ("fault", "at", "lasts", "says"),
    [
        (
            "kill",
            "3.5d",
            "0.5d",
            "kill would end reader, and with it what the hole in hold from day 3 has set",
        ),
        ("restart", "4d", "3d", "restart would end reader, and with it what the hole in hold from day 3"),
        ("kill", "2d", "2d", "from day 3 would be set or taken back in reader while kill is open"),
        ("stop", "3d", "4d", "stop would end reader"),
        ("pause", "4d", "2d", "set or taken back in reader while pause is open"),
        ("pause", "2d", "1.5d", "set or taken back in reader while pause is open"),
    ],
)
def test_a_setting_of_a_component_that_a_fault_ends_or_stops_is_refused(
    fault: str, at: str, lasts: str, says: str
) -> None:
    """What a component remembers goes with its process, and one that stands still takes nothing."""
    with pytest.raises(InvalidInput) as caught:
        planned(beside(HOLED, fault, at, lasts), target=PROCESSES)
    assert says in str(caught.value)
    assert "faults.0.at" in str(caught.value)
    assert "let one end before the other begins" in str(caught.value)


@pytest.mark.parametrize(
    ("hole", "fault", "at", "lasts", "component"),
    [
        (HOLED, "pause", "3.5d", "1d", "reader"),
        (HOLED, "restart", "2d", "5d", "reader"),
        (HOLED, "kill", "2d", "0.5d", "reader"),
        (HOLED, "kill", "5d", "1d", "reader"),
        (HOLED, "kill", "4d", "2d", "writer"),
        (OFF, "kill", "4d", "2d", "reader"),
    ],
)
def test_a_setting_may_stand_while_its_component_does_not_lose_it(
    hole: dict[str, object], fault: str, at: str, lasts: str, component: str
) -> None:
    """Stopped and let go on within it, ended before or after it, another one ended, or set from the start."""
    assert planned(beside(hole, fault, at, lasts, component), target=PROCESSES).arms[0].faults


def test_a_version_that_cannot_be_there_yet_is_refused() -> None:
    sets = parse_overrides([], ["fault.wrong_alias.version=22"])
    wanted = Wanted(("wrong-alias",), "reference-virtual", overrides=sets)
    with pytest.raises(UsageError, match=r"by day 3\.6 there are versions 1 to 21 at most, and no 22"):
        plan_run(wanted, make_files(), make_catalogue())
    there = replace(wanted, overrides=parse_overrides([], ["fault.wrong_alias.version=21"]))
    assert plan_run(there, make_files(), make_catalogue()).trials


def test_a_scenario_that_was_given_as_a_file_is_known_by_it() -> None:
    found = next(one for one in make_files().scenarios() if one.name == "wrong-alias")
    wanted = Wanted((str(found.path), "late-partition"), "reference-virtual")
    assert plan_run(wanted, make_files(), make_catalogue()).files == {"wrong-alias": str(found.path)}


@pytest.mark.parametrize(
    ("asked", "run", "told"),
    [(None, [3, 5], []), ((5,), [5], []), ((1, 3), [3, 5], ["1 is none of them; it is run with its own"])],
)
def test_a_suite_runs_what_fixes_its_seeds_with_none_but_these_and_says_so(
    asked: tuple[int, ...] | None, run: list[int], told: list[str], tmp_path: Path
) -> None:
    (tmp_path / "calm.yaml").write_text(CALM + "seeds: [3, 5]\n")
    wanted = Wanted((str(tmp_path / "calm.yaml"),), "reference-virtual", seeds=asked, list_not_run=True)
    planned = plan_run(wanted, make_files(), make_catalogue())
    assert [trial.seed for trial in planned.trials] == run
    assert [says.rpartition(": ")[2] for says in planned.notes] == told


# --- names that a layer's parameter can hold -------------------------------------------------------------

NAMED = (
    TARGET
    + """  people:
    asked_by: [reader]
    stages: [recover]
    says: answers
    parameters:
      muted: {type: names, default: [], among: [volume, freshness]}
      free: {type: names, default: []}
"""
)


def test_a_name_that_is_none_of_those_a_parameter_can_hold_is_refused() -> None:
    assert holed({"layer": "people", "set": {"muted": ["volume"], "free": ["any"]}}, target=NAMED)
    with pytest.raises(InvalidInput) as caught:
        holed({"layer": "people", "set": {"muted": ["freshness", "volumee"]}}, target=NAMED)
    (problem,) = caught.value.problems
    assert (problem.field, problem.nearest) == ("latent.0.set.muted", "volume")
    assert "'volumee' is none of volume, freshness" in problem.says


def test_nor_is_it_taken_on_the_command_line() -> None:
    assert planned(request=overridden(None, ["layer.people.muted=volume,freshness"]), target=NAMED)
    with pytest.raises(UsageError, match=r"'freshnes' is none of .* \(did you mean 'freshness'\?\)"):
        planned(request=overridden(None, ["layer.people.muted=volume,freshnes"]), target=NAMED)


def test_a_layers_parameters_are_those_of_the_target_file_where_nobody_sets_them() -> None:
    (armed, *_), off = planned().arms, planned().arms[-1]
    assert armed.layers["freshness"].parameters == {"warn_days": 0.5}
    assert off.layers["freshness"].parameters == {}
    set_ = Request(parse_overrides([], ["layer.freshness.warn_days=1"]))
    assert planned(request=set_).arms[0].layers["freshness"].parameters == {"warn_days": 1.0}


@pytest.mark.parametrize(
    ("settings", "off"),
    [
        (["layer.freshness.mode=off"], ["freshness"]),
        (["layer.*.mode=off"], ["freshness", "hold"]),
        (["layer.*.mode=off", "layer.hold.mode=observe"], ["freshness"]),
        (["layer.hold.mode=observe"], []),
    ],
)
def test_a_layer_that_the_command_line_switches_off_is_not_armed(settings: list[str], off: list[str]) -> None:
    assert planned(request=Request(parse_overrides([], settings))).not_armed == off


# --- what each arm is given ------------------------------------------------------------------------------


def test_a_hole_for_a_span_is_open_in_both_arms_that_have_layers() -> None:
    arms = planned(request=overridden(["hold@1d..3d"])).arms
    assert [[hole.layer for hole in arm.holes] for arm in arms] == [["hold"], ["hold"], [], []]


def test_a_hole_may_leave_its_layer_on() -> None:
    warn = holed({"layer": "freshness", "set": {"warn_days": "12h"}})
    assert warn.arms[0].layers["freshness"].mode is Mode.ENFORCE
    assert warn.arms[0].layers["freshness"].parameters == {"warn_days": 0.5}
    later = holed({"layer": "freshness", "set": {"warn_days": "2d"}})
    assert later.arms[0].layers["freshness"].parameters == {"warn_days": 2.0}
    observed = holed({"layer": "hold", "mode": "observe"})
    assert observed.arms[0].layers["hold"].mode is Mode.OBSERVE
    assert [plan.not_armed for plan in (warn, later, observed, holed(OFF))] == [[], [], [], ["hold"]]


def test_a_target_may_run_some_of_the_arms() -> None:
    some = TARGET + "arms: [defended, control]\n"
    assert [arm.arm for arm in planned(target=some).arms] == [Arm.DEFENDED, Arm.CONTROL]
    with pytest.raises(UsageError, match="cannot run the arm 'bare'; it can run defended, control"):
        planned(request=Request(arms=(Arm.BARE,)), target=some)


def test_each_trial_has_its_seed() -> None:
    scenario, source = scenario_of()
    trial = Planner(scenario, source, target_of(), make_catalogue(), Request()).plan(7)
    assert (trial.seed, {arm.seed for arm in trial.arms}) == (7, {7})


def test_a_layer_that_the_target_has_off_was_not_switched_off_by_anybody() -> None:
    off = TARGET.replace(
        "says: keeps the last good model", "says: keeps the last good model\n    default: off"
    )
    every = Request(parse_overrides([], ["layer.*.mode=off"]))
    assert planned(request=every, target=off).not_armed == ["freshness"]
    assert planned(target=off).arms[0].layers["hold"].mode is Mode.OFF


def test_a_setting_is_read_as_the_parameter_has_it() -> None:
    arm = planned(request=overridden(sets=["layer.freshness.warn_days=12h"])).arms[0]
    assert arm.layers["freshness"].parameters == {"warn_days": 0.5}


def test_a_fault_s_setting_names_it_by_its_id() -> None:
    two = pair(LATE, {**LATE, "id": "later", "at": "8d"})
    arm = planned(two, overridden(sets=["fault.later.held_days=3"])).arms[0]
    assert [(fault.key, fault.undo_day - fault.inject_day) for fault in arm.faults] == [
        ("late_partition", 2.0),
        ("later", 3.0),
    ]


def test_what_has_no_effect_to_look_for_may_be_short() -> None:
    noop = {"fault": "noop", "at": "2d", "for": "0.05d"}
    assert planned(edited(faults=[noop])).arms[0].faults


def test_a_setting_besides_a_hole_for_a_span_is_fine() -> None:
    both = Request(parse_overrides(["hold@1d..3d"], ["layer.hold.mode=observe"]))
    arm = planned(request=both).arms[0]
    assert arm.layers["hold"].mode is Mode.OBSERVE
    assert [hole.value for hole in arm.holes] == ["off"]


# --- what does not fit, further --------------------------------------------------------------------------


def test_a_pace_that_the_scenario_fixes_is_not_slower_either() -> None:
    assert "fixes 2 s a day, not 3" in problems(edited(day_seconds=2.0), Request(day_seconds=3.0))


def test_a_hole_ends_within_the_run() -> None:
    assert planned(request=overridden(["hold@5d..6d"])).arms[0].holes
    with pytest.raises(UsageError, match=r"--hole hold@5d\.\.7d: not inside the run's 6 days"):
        planned(request=overridden(["hold@5d..7d"]))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            edited(abort_if=[{"probe": "good_view", "below": 0.5}]),
            "abort_if.0.probe: there is no probe 'good_view'",
        ),
        (
            edited(kind="demonstration", expect={"missed_by": ["freshnes"]}),
            "expect.missed_by.0: the target has no layer 'freshnes' (did you mean 'freshness'?)",
        ),
        (edited(latent=[{"layer": "freshness", "set": {"warn_days": 2}}]), "2 says no clock: write 2d"),
        (edited(latent=[{"layer": "freshness", "set": {"warn_days": 0.5}}]), "0.5 says no clock: write 0.5d"),
    ],
)
def test_what_is_named_is_looked_up_wherever_it_stands(text: str, says: str) -> None:
    assert says in problems(text)


def test_a_world_that_the_target_does_not_have_is_refused() -> None:
    worlds = TARGET + "worlds: [default, starved]\n"
    assert planned(edited(world="starved"), target=worlds).arms[0].world == "starved"
    with pytest.raises(InvalidInput, match=r"no world 'starvd' \(did you mean 'starved'\?\)"):
        planned(edited(world="starvd"), target=worlds)

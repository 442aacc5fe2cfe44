from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import yaml

from chaos.domain.change import Change
from chaos.domain.event import (
    Action,
    Applied,
    Effect,
    Event,
    Exit,
    Lag,
    Phase,
    Planned,
    Prepared,
    Reading,
    Refused,
    Undone,
    Views,
)
from chaos.domain.plan import TrialPlan
from chaos.drivers.fake import FakeDriver, FakeTarget
from chaos.drivers.toxiproxy import Unreachable
from chaos.errors import ArmFailed, Interrupted, InvalidInput, LeftBehind, UsageError
from chaos.journal import Journal, read, verify
from chaos.runner.execute import Steady
from chaos.runner.overrides import parse_overrides
from chaos.runner.plan import Request
from chaos.runner.readings import reading
from chaos.runner.stop import StopSignal
from chaos.runner.undo import find_undos
from tests.harness import SCENARIO, edited, planned, run_arm, shoppers


def life(target: FakeTarget) -> Iterator[Event]:
    """Shoppers, and a partition each morning unless a toxic holds it; what was held comes afterwards."""
    if not target.on:
        newest = int(target.day() - 0.1) - 1
        target.partitions |= dict.fromkeys(range(newest + 1), 1)
    yield from shoppers(target)


def phases(journal: Path) -> list[str]:
    return [phase.phase for phase in read(journal).of(Phase)]


def test_an_arm_from_provisioning_to_teardown(tmp_path: Path) -> None:
    driver = FakeDriver(life)
    journal = run_arm(tmp_path, planned(), driver)
    assert phases(journal) == [
        "provision",
        "steady_before",
        "inject",
        "observe",
        "undo",
        "steady_after",
        "drain",
        "teardown",
        "done",
    ]
    (target,) = driver.targets
    assert target.done == ["AddDataToxic", "RemoveDataToxic"]
    assert target.closed
    assert target.day() == 6.0


def test_the_undo_is_on_disk_before_the_change_is_applied(tmp_path: Path) -> None:
    found: list[int] = []

    class Looking(FakeDriver):
        def start(self, *arguments: object) -> FakeTarget:  # type: ignore[override]
            target = super().start(*arguments)  # type: ignore[arg-type]
            apply = target.apply

            def look(change: object) -> None:
                found.append(len(find_undos(tmp_path / "undo.jsonl").undos))
                apply(change)  # type: ignore[arg-type]

            target.apply = look  # type: ignore[method-assign, assignment]
            return target

    run_arm(tmp_path, planned(), Looking(life))
    assert found[0] == 1
    assert find_undos(tmp_path / "undo.jsonl").undos == []


def test_the_journal_holds_change_undo_and_what_came_of_them(tmp_path: Path) -> None:
    journal = read(run_arm(tmp_path, planned(), FakeDriver(life)))
    order = [
        type(event) for event in journal.events if isinstance(event, Planned | Prepared | Applied | Undone)
    ]
    assert order == [Planned, Prepared, Applied, Undone]
    (undone,) = journal.of(Undone)
    assert undone.outcome == "undone"
    assert undone.day == pytest.approx(4.0)


def test_the_effect_is_read_in_every_arm_at_the_same_moments(tmp_path: Path) -> None:
    moments = []
    for arm in range(4):
        folder = tmp_path / str(arm)
        folder.mkdir()
        effects = read(run_arm(folder, planned(), FakeDriver(life), arm=arm)).of(Effect)
        moments.append([round(effect.day, 3) for effect in effects])
        assert any(effect.seen for effect in effects) is (arm in (0, 2))
    assert moments[0] == moments[1] == moments[2] == moments[3]


def test_no_fault_without_a_steady_state(tmp_path: Path) -> None:
    text = edited(steady_state=[{"probe": "good_views", "at_least": 2.0}])
    driver = FakeDriver(life)
    journal = run_arm(tmp_path, planned(text), driver)
    assert "inject" not in phases(journal)
    (void,) = [phase for phase in read(journal).of(Phase) if phase.phase == "void"]
    assert "steady state did not hold" in void.says
    assert driver.targets[0].done == []
    assert driver.targets[0].closed


def test_a_fault_after_the_first_is_injected_also_where_that_one_has_taken_the_steady_state(
    tmp_path: Path,
) -> None:
    def unwell(target: FakeTarget) -> Iterator[Event]:
        for event in shoppers(target):
            assert isinstance(event, Views)
            failing = msgspec.structs.replace(event.rows[0], errors=5)
            yield msgspec.structs.replace(event, rows=[failing]) if target.on else event

    held = {"fault": "late_partition", "with": {"link": "events", "held_days": "1d"}, "at": "2d"}
    slow = {"fault": "latency", "with": {"link": "wire", "delay_ms": "5ms"}, "at": "2.5d", "for": "1d"}
    text = edited(faults=[held, slow], expect={"recovered": {"within": "2d"}}, kind="demonstration")
    journal = read(run_arm(tmp_path, planned(text), FakeDriver(unwell)))
    assert [one.says for one in journal.of(Phase) if one.phase == "inject"] == ["late_partition", "latency"]
    assert [one.ok for one in journal.of(Reading) if one.day == pytest.approx(2.5)] == [False, False]
    assert journal.ended is None


def test_a_fault_after_one_that_is_over_needs_a_steady_state_as_the_first_did(tmp_path: Path) -> None:
    def unwell(target: FakeTarget) -> Iterator[Event]:
        for event in shoppers(target):
            assert isinstance(event, Views)
            failing = msgspec.structs.replace(event.rows[0], errors=5)
            yield msgspec.structs.replace(event, rows=[failing]) if target.day() > 4.0 else event

    held = {"fault": "late_partition", "with": {"link": "events", "held_days": "1d"}, "at": "2d"}
    slow = {"fault": "latency", "with": {"link": "wire", "delay_ms": "5ms"}, "at": "4.5d", "for": "1d"}
    text = edited(faults=[held, slow], expect={"recovered": {"within": "2d"}}, kind="demonstration")
    journal = read(run_arm(tmp_path, planned(text), FakeDriver(unwell)))
    assert [one.says for one in journal.of(Phase) if one.phase == "inject"] == ["late_partition"]
    assert journal.ended is not None
    assert journal.ended.says == "the steady state did not hold before the fault"


def test_who_ended_before_the_fault_is_named_where_there_was_no_steady_state(tmp_path: Path) -> None:
    def dies(target: FakeTarget) -> Iterator[Event]:
        if target.day() < 0.1:
            yield Exit(target.day(), "reader", 1, expected=False)
        yield from life(target)

    text = edited(steady_state=[{"probe": "good_views", "at_least": 2.0}])
    journal = run_arm(tmp_path, planned(text), FakeDriver(dies))
    (void,) = [phase for phase in read(journal).of(Phase) if phase.phase == "void"]
    assert void.says == "the steady state did not hold before the fault; reader had ended by itself"


def test_a_probe_without_data_is_not_a_steady_state(tmp_path: Path) -> None:
    journal = run_arm(tmp_path, planned(), FakeDriver())
    assert "void" in phases(journal)
    assert all(reading.ok is None for reading in read(journal).of(Reading))


def test_a_refusal_at_the_targets_door_is_journalled(tmp_path: Path) -> None:
    journal = read(run_arm(tmp_path, planned(), FakeDriver(life, refuses="two people must agree")))
    (refused,) = journal.of(Refused)
    assert (refused.by, refused.says) == ("review", "two people must agree")
    assert not journal.of(Applied)


def test_an_undo_that_fails_is_said_and_tried_again_at_the_end(tmp_path: Path) -> None:
    driver = FakeDriver(life, fails_to_undo=True)
    journal = read(run_arm(tmp_path, planned(), driver))
    # When it was due, before the target drains, and after.
    assert [undone.outcome for undone in journal.of(Undone)] == ["failed"] * 3
    assert driver.targets[0].closed


def test_an_undo_that_failed_comes_right_while_there_is_something_to_be_undone(tmp_path: Path) -> None:
    def mended(target: FakeTarget) -> Iterator[Event]:
        target.fails_to_undo = target.day() < 5
        yield from life(target)

    journal = read(run_arm(tmp_path, planned(), FakeDriver(mended)))
    assert [undone.outcome for undone in journal.of(Undone)] == ["failed", "undone"]
    phases = [phase.phase for phase in journal.of(Phase)]
    assert phases.index("drain") > phases.index("undo")
    drained = next(phase.day for phase in journal.of(Phase) if phase.phase == "drain")
    assert journal.of(Undone)[1].day <= drained


def test_what_breaks_in_a_probe_or_a_fault_ends_the_arm_and_says_so(tmp_path: Path) -> None:
    def breaks(target: FakeTarget) -> Iterator[Event]:
        if target.day() > 3:
            raise ZeroDivisionError("of somebody's own")
        yield from life(target)

    driver = FakeDriver(breaks)
    with pytest.raises(
        ArmFailed, match=r"^a defect of its own: ZeroDivisionError: of somebody's own \(test_exec"
    ):
        run_arm(tmp_path, planned(), driver)
    journal = read(tmp_path / "journal.jsonl")
    assert journal.ended is not None
    assert journal.ended.phase == "void"
    assert "ZeroDivisionError" in journal.ended.says
    assert driver.targets[0].closed


def test_an_arm_whose_calendar_breaks_is_void_undone_and_taken_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def day(target: FakeTarget) -> float:
        if target.now > 2.5:
            raise ArmFailed("their calendar is broken")
        return target.now

    monkeypatch.setattr(FakeTarget, "day", day)
    with pytest.raises(ArmFailed, match="their calendar is broken"):
        run_arm(tmp_path, planned(), FakeDriver(life))
    journal = tmp_path / "journal.jsonl"
    assert phases(journal)[-3:] == ["void", "teardown", "done"]
    told = read(journal).of(Phase)
    assert "their calendar is broken" in told[-3].says
    assert all(2.0 <= phase.day <= 2.5 for phase in told[-3:])
    assert [undone.outcome for undone in read(journal).of(Undone)] == ["undone"]


def test_an_undo_leaves_what_somebody_else_has_changed(tmp_path: Path) -> None:
    def meddled(target: FakeTarget) -> Iterator[Event]:
        if target.day() > 3:
            target.on.clear()
        yield from life(target)

    journal = read(run_arm(tmp_path, planned(), FakeDriver(meddled)))
    assert [undone.outcome for undone in journal.of(Undone)] == ["left"]


@pytest.mark.parametrize(
    ("span", "opened", "closed"), [("1d..3d", 1.0, 3.0), ("0d..0.1h", 0.01, 0.01), ("0d..2d", 0.01, 2.0)]
)
def test_a_hole_opens_and_closes(tmp_path: Path, span: str, opened: float, closed: float) -> None:
    plan = planned(request=Request(parse_overrides([f"hold@{span}"], [])))
    driver = FakeDriver(life)
    journal = read(run_arm(tmp_path, plan, driver))
    layer = [event for event in journal.of(Planned) if event.about.startswith("hole_")]
    assert [round(event.day, 2) for event in layer] == [opened]
    undone = [event.day for event in journal.of(Undone) if event.id.startswith("hole_")]
    assert [round(day, 2) for day in undone] == [closed]
    assert driver.targets[0].values["hold", "mode"] == "enforce"


def test_ctrl_c_stops_undoes_and_takes_down(tmp_path: Path) -> None:
    stop = StopSignal()

    def pressed(target: FakeTarget) -> Iterator[Event]:
        stop.asked = target.day() > 3
        yield from life(target)

    driver = FakeDriver(pressed)
    with pytest.raises(Interrupted):
        run_arm(tmp_path, planned(), driver, stop=stop)
    assert driver.targets[0].done == ["AddDataToxic", "RemoveDataToxic"]
    assert driver.targets[0].closed
    assert "interrupted" in phases(tmp_path / "journal.jsonl")


def test_abort_if_stops_and_undoes(tmp_path: Path) -> None:
    text = edited(abort_if=[{"probe": "partitions_overdue", "with": {"link": "events"}, "above": 0.5}])
    driver = FakeDriver(life)
    journal = run_arm(tmp_path, planned(text), driver)
    (aborted,) = [phase for phase in read(journal).of(Phase) if phase.phase == "aborted"]
    assert "partitions_overdue is 1, above 0.5" in aborted.says
    assert driver.targets[0].done == ["AddDataToxic", "RemoveDataToxic"]


@pytest.mark.parametrize("arm", [0, 3])
def test_nothing_is_injected_that_abort_if_could_not_stop(arm: int, tmp_path: Path) -> None:
    """A sample that is misspelt is none for ever, and so beyond no bound."""
    misspelt = {"probe": "metric", "with": {"component": "reader", "sample": "stps"}, "above": 24}
    bounds = [{"probe": "good_views", "below": 0.1}, misspelt]
    driver = FakeDriver(life)
    journal = run_arm(tmp_path, planned(edited(abort_if=bounds)), driver, arm=arm)
    (void,) = [phase for phase in read(journal).of(Phase) if phase.phase == "void"]
    assert void.says == "abort_if has had no data from metric so far, and could stop nothing"
    assert void.day == pytest.approx(2.0)
    assert driver.targets[0].done == []
    assert driver.targets[0].closed


def test_a_target_that_does_not_come_up_is_said(tmp_path: Path) -> None:
    with pytest.raises(ArmFailed, match="port 1 is taken"):
        run_arm(tmp_path, planned(), FakeDriver(life, fails_to_start="port 1 is taken"))
    assert phases(tmp_path / "journal.jsonl") == ["provision", "void", "done"]
    assert not read(tmp_path / "journal.jsonl").interrupted
    assert verify(tmp_path / "journal.jsonl") == []


class ProxyGone(FakeDriver):
    """A driver whose proxy server is gone when a toxic is to be set."""

    def start(self, *arguments: object) -> FakeTarget:  # type: ignore[override]
        target = super().start(*arguments)  # type: ignore[arg-type]

        def apply(_change: Change) -> None:
            raise Unreachable("no answer from the proxy server at 127.0.0.1:1")

        target.apply = apply  # type: ignore[method-assign]
        return target


def test_a_proxy_server_that_is_gone_makes_the_arm_void(tmp_path: Path) -> None:
    driver = ProxyGone(life)
    with pytest.raises(ArmFailed, match="no answer from the proxy server"):
        run_arm(tmp_path, planned(), driver)
    (void,) = [phase for phase in read(tmp_path / "journal.jsonl").of(Phase) if phase.phase == "void"]
    assert void.says == "no answer from the proxy server at 127.0.0.1:1"
    assert phases(tmp_path / "journal.jsonl")[-2:] == ["teardown", "done"]
    assert driver.targets[0].closed


def test_whatever_error_ends_an_arm_its_trial_is_void_and_the_run_goes_on(tmp_path: Path) -> None:
    class Refusing(FakeDriver):
        def start(self, *arguments: object) -> FakeTarget:  # type: ignore[override]
            target = super().start(*arguments)  # type: ignore[arg-type]

            def apply(_change: Change) -> None:
                raise UsageError("somebody's own driver knows no such link")

            target.apply = apply  # type: ignore[method-assign]
            return target

    with pytest.raises(ArmFailed, match="knows no such link"):
        run_arm(tmp_path, planned(), Refusing(life))
    assert phases(tmp_path / "journal.jsonl")[-3:] == ["void", "teardown", "done"]


def test_a_full_disk_undoes_and_takes_down_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    latency = {"fault": "latency", "with": {"link": "wire", "delay_ms": "9ms"}, "at": "2.5d", "for": "2d"}
    late = {"fault": "late_partition", "with": {"link": "events", "held_days": "2d"}, "at": "2d"}

    def full(file: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def filling(target: FakeTarget) -> Iterator[Event]:
        monkeypatch.setattr(os, "write", full if target.day() > 3 else write)
        yield from life(target)

    driver = FakeDriver(filling)
    with pytest.raises(ArmFailed, match="No space left on device"):
        run_arm(tmp_path, planned(edited(faults=[late, latency])), driver)
    monkeypatch.setattr(os, "write", write)
    assert driver.targets[0].done == ["AddDataToxic", "AddToxic", "RemoveToxic", "RemoveDataToxic"]
    assert driver.targets[0].closed
    assert read(tmp_path / "journal.jsonl").interrupted


ON_SAVE = {
    "faults": [
        {
            "fault": "late_partition",
            "with": {"link": "events", "held_days": "2d"},
            "at": "2d",
            "when": {"component": "writer", "action": "save"},
        }
    ]
}


@pytest.mark.parametrize(
    ("saves", "injected"), [([1.5, 2.55, 3.0], [2.55]), ([1.5], []), ([4.5], [])], ids=str
)
def test_a_fault_that_waits_for_an_action_begins_at_the_first_one_within_its_span(
    tmp_path: Path, saves: list[float], injected: list[float]
) -> None:
    left = list(saves)

    def saving(target: FakeTarget) -> Iterator[Event]:
        yield from life(target)
        while left and target.day() >= left[0] - 1e-6:
            left.pop(0)
            yield Action(target.day(), "reader", "reader", "save")
            yield Action(target.day(), "writer", "writer", "save")

    journal = read(run_arm(tmp_path, planned(edited(**ON_SAVE)), FakeDriver(saving)))
    days = [phase.day for phase in journal.of(Phase) if phase.phase == "inject"]
    assert days == pytest.approx(injected, abs=0.06)
    assert [undone.outcome for undone in journal.of(Undone)] == ["undone"] * len(injected)


def test_a_fault_waits_only_for_a_component_that_is_there() -> None:
    fault = {**ON_SAVE["faults"][0], "when": {"component": "writr", "action": "save"}}
    with pytest.raises(InvalidInput, match=r"when.component.*writr.*did you mean 'writer'"):
        planned(edited(faults=[fault]))


def test_a_quiet_run_of_a_day_ends_after_a_day(tmp_path: Path) -> None:
    driver = FakeDriver(shoppers)
    run_arm(tmp_path, planned(edited(days="1d", kind="quiet", faults=[], expect={"false_alarms": 0})), driver)
    assert driver.targets[0].day() == pytest.approx(1.0)


def test_a_hole_that_the_target_refuses_makes_the_arm_void(tmp_path: Path) -> None:
    """What was planned is not what is measured."""
    hole = {"layer": "hold", "mode": "off", "from": "1d", "until": "3d"}
    driver = FakeDriver(life, refuses="two people must agree")
    with pytest.raises(ArmFailed, match="the hole in hold: review refused it: two people must agree"):
        run_arm(tmp_path, planned(edited(latent=[hole])), driver)
    assert "void" in phases(tmp_path / "journal.jsonl")


@pytest.mark.parametrize("at", ["2d", "1.1d", "32h"])
def test_the_effect_of_the_shortest_fault_is_read_before_it_is_over(tmp_path: Path, at: str) -> None:
    (fault,) = yaml.safe_load(SCENARIO)["faults"]
    short = edited(faults=[{**fault, "at": at, "for": "0.1d"}])
    journal = read(run_arm(tmp_path, planned(short), FakeDriver(life)))
    (effect,) = journal.of(Effect)
    assert effect.day == pytest.approx(journal.of(Undone)[0].day)
    assert journal.events.index(effect) < journal.events.index(journal.of(Undone)[0])


def test_of_several_faults_each_effect_is_looked_for_before_its_injection_too(tmp_path: Path) -> None:
    (fault,) = yaml.safe_load(SCENARIO)["faults"]
    two = [{**fault, "at": "2d", "for": "1d"}, {**fault, "id": "again", "at": "3.5d", "for": "1d"}]
    moments: dict[str, list[list[float]]] = {}
    for arm in range(4):
        (tmp_path / str(arm)).mkdir()
        effects = read(run_arm(tmp_path / str(arm), planned(edited(faults=two)), FakeDriver(life), arm=arm))
        for effect in effects.of(Effect):
            moments.setdefault(effect.fault, [[], [], [], []])[arm].append(round(effect.day, 3))
    assert {key: min(each[0]) for key, each in moments.items()} == {"late_partition": 1.9, "again": 3.4}
    assert all(each == [each[0]] * 4 for each in moments.values())


@pytest.mark.parametrize("value", [True, "3", None, float("nan")])
def test_a_reading_is_a_number_or_nothing(value: object) -> None:
    class Probe:
        name = "theirs"

        def read(self, _target: object) -> object:
            return value

    if value is None or isinstance(value, float):
        assert reading(Probe(), FakeTarget) is None  # type: ignore[arg-type]
        return
    with pytest.raises(ArmFailed, match=r"probe theirs reads .*, which is no number"):
        reading(Probe(), FakeTarget)  # type: ignore[arg-type]


def test_a_probe_that_breaks_is_named() -> None:
    class Probe:
        name = "theirs"

        def read(self, _target: object) -> float:
            raise KeyError("views")

    with pytest.raises(
        ArmFailed, match=r"^probe theirs breaks in its own code: KeyError: 'views' \(test_exec"
    ):
        reading(Probe(), FakeTarget)  # type: ignore[arg-type]


# --- steady state and bounds -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "ok"), [(0.89, False), (0.9, True), (1.1, True), (1.11, False), (None, None)]
)
def test_a_reading_on_a_bound_is_within(value: float | None, ok: bool | None) -> None:
    steady = Steady("good_views", NotRead(), at_least=0.9, at_most=1.1)  # type: ignore[arg-type]
    assert steady.judge(value) is ok


class NotRead:
    """A probe that nobody reads here."""


UNSTEADY = [{"probe": "good_views", "at_least": 2.0}, {"probe": "good_views", "at_least": 0.5}]


@pytest.mark.parametrize("arm", range(4))
def test_every_arm_needs_a_steady_state_of_all_its_probes(tmp_path: Path, arm: int) -> None:
    journal = read(run_arm(tmp_path, planned(edited(steady_state=UNSTEADY)), FakeDriver(life), arm=arm))
    assert journal.ended is not None
    assert journal.ended.phase == "void"
    assert journal.ended.day == pytest.approx(2.0)


def test_a_quiet_run_needs_a_steady_state_on_the_day_that_splits_it(tmp_path: Path) -> None:
    text = edited(kind="quiet", faults=[], expect={"false_alarms": 0}, steady_state=UNSTEADY[:1])
    journal = read(run_arm(tmp_path, planned(text), FakeDriver(life)))
    assert journal.ended is not None
    assert journal.ended.day == pytest.approx(2.0)


STEPS = {"probe": "metric", "with": {"component": "reader", "sample": "steps"}}


@pytest.mark.parametrize(
    ("bound", "day", "says"),
    [
        ({"above": 24}, 1.05, "metric is 25, above 24"),
        ({"below": 2}, 0.05, "metric is 1, below 2"),
        ({"below": 1}, None, ""),
    ],
)
def test_a_run_is_aborted_beyond_a_bound_and_not_on_it(
    tmp_path: Path, bound: dict[str, float], day: float | None, says: str
) -> None:
    """Steps are of 1/24 day; looked at each 0.05 days."""
    journal = read(run_arm(tmp_path, planned(edited(abort_if=[{**STEPS, **bound}])), FakeDriver(life)))
    aborted = [phase for phase in journal.of(Phase) if phase.phase == "aborted"]
    assert [(pytest.approx(one.day), one.says) for one in aborted] == ([] if day is None else [(day, says)])


# --- what is waited for ----------------------------------------------------------------------------------


def test_neither_an_earlier_action_nor_another_component_s_is_waited_for(tmp_path: Path) -> None:
    left = [(1.5, "writer"), (2.3, "reader"), (2.55, "writer")]

    def saving(target: FakeTarget) -> Iterator[Event]:
        yield from life(target)
        while left and target.day() >= left[0][0] - 1e-6:
            _, component = left.pop(0)
            yield Action(target.day(), component, component, "save")

    journal = read(run_arm(tmp_path, planned(edited(**ON_SAVE)), FakeDriver(saving)))
    days = [phase.day for phase in journal.of(Phase) if phase.phase == "inject"]
    assert days == pytest.approx([2.55], abs=0.06)


def waited(
    folder: Path, plan: TrialPlan, driver: FakeDriver, looks: int, stop: StopSignal | None = None
) -> Journal:
    """An arm in which somebody is waited for before each injection and undo, for so many looks."""

    def pause(_before: str, _about: str) -> Callable[[], bool]:
        left = iter(range(looks))
        return lambda: next(left, None) is None

    return read(run_arm(folder, plan, driver, stop=stop, pause=pause))


def test_while_somebody_is_waited_for_all_that_was_planned_is_put_off(tmp_path: Path) -> None:
    driver = FakeDriver(life)
    journal = waited(tmp_path, planned(), driver, looks=20)
    days = {phase.phase: phase.day for phase in journal.of(Phase)}
    late = days["inject"] - 2.0
    assert late > 0.1
    again = days["undo"] - 4.0 - late
    assert again == pytest.approx(late, abs=0.051)
    assert driver.targets[0].day() == pytest.approx(6.0 + late + again)
    assert [undone.day for undone in journal.of(Undone)] == [days["undo"]]


def test_a_run_is_aborted_while_somebody_is_waited_for_too(tmp_path: Path) -> None:
    text = edited(abort_if=[{**STEPS, "above": 49}])
    journal = waited(tmp_path, planned(text), FakeDriver(life), looks=10_000)
    assert journal.ended is not None
    assert journal.ended.phase == "aborted"
    assert journal.ended.day == pytest.approx(50 / 24, abs=0.06)


# --- the end ---------------------------------------------------------------------------------------------


def test_a_target_is_drained_before_it_is_taken_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drained: list[bool] = []
    monkeypatch.setattr(FakeTarget, "drain", lambda target: drained.append(target.closed))
    run_arm(tmp_path, planned(), FakeDriver(life))
    assert drained == [False]


def test_how_late_the_harness_was_is_told_once_a_spell_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From day 1 to day 2 it comes to each moment 0.2 days late."""
    advance = FakeTarget.advance

    def slowly(target: FakeTarget, until_day: float, wake: Callable[[], bool]) -> None:
        advance(target, until_day + (0.2 if 1.0 <= until_day < 2.0 else 0.0), wake)

    monkeypatch.setattr(FakeTarget, "advance", slowly)
    journal = read(run_arm(tmp_path, planned(), FakeDriver(life)))
    told = [(lag.lag_days, lag.over_days > 0) for lag in journal.of(Lag)]
    assert told == [(pytest.approx(0.2), True), (pytest.approx(0.2), False)]


def test_a_target_that_may_have_left_something_behind_is_not_said_to_be_done(tmp_path: Path) -> None:
    class Leaving(FakeDriver):
        def start(self, *_arguments: object) -> FakeTarget:  # type: ignore[override]
            raise LeftBehind("a container would not end")

    with pytest.raises(LeftBehind):
        run_arm(tmp_path, planned(), Leaving())
    assert phases(tmp_path / "journal.jsonl") == ["provision", "void"]


def test_only_who_ended_by_itself_is_named(tmp_path: Path) -> None:
    def dies(target: FakeTarget) -> Iterator[Event]:
        if target.day() < 0.1:
            yield Exit(target.day(), "writer", -9, expected=True)
        yield from life(target)

    journal = read(run_arm(tmp_path, planned(edited(steady_state=UNSTEADY)), FakeDriver(dies)))
    assert journal.ended is not None
    assert journal.ended.says == "the steady state did not hold before the fault"


def test_what_was_said_for_people_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeTarget, "words", lambda _target: {"reader": ["one", "two"]}, raising=False)
    run_arm(tmp_path, planned(), FakeDriver(life))
    assert (tmp_path / "stack" / "logs" / "reader.jsonl").read_text() == "one\ntwo\n"


# --- a stack that stood before ---------------------------------------------------------------------------


def test_in_a_stack_that_stood_before_the_run_begins_on_a_day_of_its_own(tmp_path: Path) -> None:
    class Standing(FakeDriver):
        def start(self, *arguments: object) -> FakeTarget:  # type: ignore[override]
            target = super().start(*arguments)  # type: ignore[arg-type]
            target.now = 1.2
            return target

    hole = {"layer": "hold", "mode": "off", "from": "0.5d", "until": "3d"}
    trial = planned(edited(latent=[hole]))
    arm = trial.arms[0].model_copy(update={"start_day": 1.2})
    journal = read(run_arm(tmp_path, trial.model_copy(update={"arms": [arm]}), Standing(life)))
    assert [one.day for one in journal.of(Planned) if one.about.startswith("hole_")] == pytest.approx([1.21])
    assert min(effect.day for effect in journal.of(Effect)) == pytest.approx(1.7)
    assert min(reading.day for reading in journal.of(Reading)) == pytest.approx(1.45)
    assert next(phase.phase for phase in journal.of(Phase)) == "steady_before"

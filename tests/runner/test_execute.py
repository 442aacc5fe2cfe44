from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from chaos.domain.change import Change
from chaos.domain.event import (
    Action,
    Applied,
    Effect,
    Event,
    Exit,
    Phase,
    Planned,
    Prepared,
    Reading,
    Refused,
    Undone,
)
from chaos.drivers.fake import FakeDriver, FakeTarget
from chaos.drivers.toxiproxy import Unreachable
from chaos.errors import ArmFailed, Interrupted, InvalidInput, UsageError
from chaos.journal import read, verify
from chaos.runner.overrides import parse_overrides
from chaos.runner.plan import Request
from chaos.runner.readings import reading
from chaos.runner.stop import StopSignal
from chaos.runner.undo import open_undos
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
                found.append(len(open_undos(tmp_path / "undo.jsonl")))
                apply(change)  # type: ignore[arg-type]

            target.apply = look  # type: ignore[method-assign, assignment]
            return target

    run_arm(tmp_path, planned(), Looking(life))
    assert found[0] == 1
    assert open_undos(tmp_path / "undo.jsonl") == []


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


def test_a_hole_opens_and_closes(tmp_path: Path) -> None:
    plan = planned(request=Request(parse_overrides(["hold@1d..3d"], [])))
    driver = FakeDriver(life)
    journal = read(run_arm(tmp_path, plan, driver))
    layer = [event for event in journal.of(Planned) if event.about.startswith("hole_")]
    assert [round(event.day, 2) for event in layer] == [1.0]
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

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from chaos.domain.change import AddDataToxic, AddToxic, Change
from chaos.domain.event import (
    Action,
    Applied,
    Effect,
    Event,
    Exit,
    Lag,
    Phase,
    Planned,
    Signal,
    Undone,
    ViewRow,
    Views,
)
from chaos.domain.layer import Mode, SignalKind
from chaos.domain.plan import TrialPlan
from chaos.domain.scenario import Arm
from chaos.domain.verdict import TrialResult, Verdict
from chaos.drivers.fake import STEP_DAYS, FakeDriver, FakeTarget
from chaos.drivers.toxiproxy import Unreachable
from chaos.errors import ArmFailed, ChaosError, LeftBehind, NothingMatched, UndoFailed, UsageError
from chaos.faults.late_partition import LatePartition
from chaos.journal import read, read_folder
from chaos.reports.html import draw
from chaos.results import score_folder
from chaos.runner.adopt import onto
from chaos.runner.plan import Request
from chaos.runner.trials import open_trial
from chaos.runner.undo import find_undos
from chaos.scoring.picture import picture_of
from chaos.standing.up import Asked, plan_of
from chaos.standing.wire import (
    Answer,
    Ask,
    Down,
    Go,
    Inject,
    Run,
    Status,
    StatusIs,
    Stop,
    Undo,
    Waiting,
    Watch,
)
from tests.games import Game, lively
from tests.harness import edited, planned, shoppers, target_of

SLOW = Inject("latency", {"link": "wire", "delay_ms": "225ms"})


# --- by hand ---------------------------------------------------------------------------------------------


def test_a_fault_is_not_promised_to_be_undone_after_the_stack_has_ended(game: Game) -> None:
    injected = game.agenda.at(1, msgspec.structs.replace(SLOW, for_days=200.0))
    game.keep(days=3.0)
    assert injected.answer is not None
    assert injected.answer.says.endswith("undone when the stack ends, on day 3")


def test_a_fault_is_injected_by_hand_and_undone_by_hand(game: Game) -> None:
    injected = game.agenda.at(2, SLOW)
    status = game.agenda.at(3, Status())
    undone = game.agenda.at(4, Undo())
    game.agenda.at(6, Down())
    game.keep()
    assert injected.answer is not None
    assert injected.answer.exit_code == 0
    assert "latency_1 is injected on day 2.0" in injected.answer.says
    assert "until it is undone by hand" in injected.answer.says
    (told,) = status.told
    assert isinstance(told, StatusIs)
    assert [(one.id, one.until_day) for one in told.open] == [("latency_1", None)]
    assert undone.answer is not None
    assert "latency_1 is undone" in undone.answer.says
    assert game.target.on == {}
    seen = [(type(event).__name__, event.day) for event in game.journal.of(Applied)]
    assert len(seen) == 1
    effects = game.journal.of(Effect)
    assert all(effect.seen for effect in effects)
    assert len(effects) > 10
    assert effects[-1].day <= 4.1


def test_a_fault_that_says_how_long_it_lasts_is_undone_by_itself(game: Game) -> None:
    game.agenda.at(2, Inject("late_partition", {"link": "events", "held_days": "3d"}))
    game.agenda.at(8, Down())
    game.keep()
    (undone,) = game.journal.of(Undone)
    assert undone.outcome == "undone"
    assert undone.day == pytest.approx(5, abs=0.1)


def test_for_says_how_long(game: Game) -> None:
    game.agenda.at(2, msgspec.structs.replace(SLOW, for_days=1.5))
    game.agenda.at(8, Down())
    game.keep()
    (undone,) = game.journal.of(Undone)
    assert undone.day == pytest.approx(3.5, abs=0.1)


def test_two_faults_at_once_are_undone_by_name_or_newest_first(game: Game) -> None:
    game.agenda.at(2, SLOW)
    game.agenda.at(2.2, Inject("late_partition", {"link": "events", "held_days": "9d"}))
    unknown = game.agenda.at(3, Undo("latency_7"))
    first = game.agenda.at(4, Undo("latency_1"))
    second = game.agenda.at(5, Undo())
    third = game.agenda.at(6, Undo())
    game.agenda.at(7, Down())
    game.keep()
    answers = [guest.answer for guest in (unknown, first, second, third)]
    assert [answer.exit_code for answer in answers if answer is not None] == [3, 0, 0, 3]
    says = [answer.says for answer in answers if answer is not None]
    assert says[0] == "'latency_7' is not injected; there is latency_1, late_partition_2"
    assert "latency_1 is undone" in says[1]
    assert "late_partition_2 is undone" in says[2]
    assert says[3] == "nothing is injected"


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (Inject("latncy", {}), "there is no fault 'latncy'"),
        (Inject("latency", {"link": "wire"}), "is missing"),
        (Inject("latency", {"link": "wir", "delay_ms": "225ms"}), "the target has no network link 'wir'"),
        (Inject("noop", {}), "noop would change nothing on this target"),
        (
            Inject("latency", {"link": "wire", "delay_ms": "251ms"}),
            "delay_ms: 251ms are more than a quarter of a day, 250ms at 1 s a day",
        ),
    ],
)
def test_what_cannot_be_injected_is_refused_and_nothing_is_touched(
    game: Game, ask: Inject, says: str
) -> None:
    guest = game.agenda.at(2, ask)
    game.agenda.at(3, Down())
    game.keep()
    assert guest.answer is not None
    assert (guest.answer.exit_code, says in guest.answer.says) == (3, True)
    assert game.target.done == []


@pytest.mark.parametrize("error", [ArmFailed("no answer from the data proxy"), KeyError("nosuch")], ids=str)
def test_an_effect_that_cannot_be_read_for_once_leaves_the_stack_standing(
    game: Game, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def delivered(target: FakeTarget, _link: str) -> dict[int, int]:
        if 2.4 < target.day() < 2.55:
            raise error
        return target.partitions

    monkeypatch.setattr(FakeTarget, "delivered", delivered)
    game.agenda.at(2, Inject("late_partition", {"link": "events", "held_days": "2d"}))
    guest = game.agenda.at(3, Down())
    game.keep()
    assert guest.answer == Answer("down")
    effects = game.journal.of(Effect)
    unread = [effect for effect in effects if effect.seen is None]
    assert {error.args[0] in effect.says for effect in unread} == {True}
    assert effects[-1].day > unread[-1].day


def test_going_down_undoes_what_is_still_injected(game: Game) -> None:
    game.agenda.at(2, SLOW)
    leaving = game.agenda.at(3, Down())
    game.keep()
    assert game.target.on == {}
    assert game.target.closed
    assert find_undos(game.folder / "undo.jsonl").undos == []
    assert leaving.answer == Answer("down")
    assert game.driver.closed
    assert game.phases()[-2:] == [("teardown", ""), ("done", "")]


def test_an_undo_that_fails_is_said_with_exit_code_4(game: Game) -> None:
    game.driver.fails_to_undo = True
    game.agenda.at(2, SLOW)
    guest = game.agenda.at(3, Undo())
    game.agenda.at(4, Down())
    with pytest.raises(UndoFailed, match="the fake target cannot undo"):
        game.keep()
    assert guest.answer is not None
    assert guest.answer.exit_code == 4


def mended_on(day: float, game: Game) -> Callable[[], bool]:
    """Undos work again from a day on; whether it has come."""

    def mended() -> bool:
        game.target.fails_to_undo = game.target.day() < day
        return game.target.day() >= day

    return mended


def test_what_could_not_be_undone_stays_injected_and_can_be_undone_again(game: Game) -> None:
    game.driver.fails_to_undo = True
    game.agenda.at(2, SLOW)
    game.agenda.at(3, Undo())
    status = game.agenda.at(3.5, Status())
    again = game.agenda.once(mended_on(4, game), Undo())
    leaving = game.agenda.at(5, Down())
    game.keep()
    (told,) = status.told
    assert isinstance(told, StatusIs)
    assert [(one.id, one.failed) for one in told.open] == [("latency_1", "the fake target cannot undo")]
    assert told.open[0].failed_day == pytest.approx(3, abs=0.1)
    assert again.answer is not None
    assert again.answer.says.startswith("latency_1 is undone on day 4.")
    assert leaving.answer == Answer("down")
    assert [undone.outcome for undone in game.journal.of(Undone)] == ["failed", "undone"]


def test_an_undo_in_time_that_failed_is_told_and_tried_again_until_it_works(game: Game) -> None:
    game.driver.fails_to_undo = True
    game.agenda.at(2, msgspec.structs.replace(SLOW, for_days=1.0))
    before, status = game.agenda.at(2.5, Status()), game.agenda.at(3.5, Status())
    game.agenda.once(mended_on(4, game), Status())
    after = game.agenda.at(5, Status())
    game.agenda.at(6, Down())
    game.keep()
    told = [word for guest in (before, status, after) for word in guest.told if isinstance(word, StatusIs)]
    assert [[one.failed for one in word.open] for word in told] == [
        [""],
        ["the fake target cannot undo"],
        [],
    ]
    assert told[1].open[0].failed_day == pytest.approx(3.45, abs=0.1)
    *failed, last = game.journal.of(Undone)
    assert [one.outcome for one in failed] == ["failed"] * len(failed)
    assert 9 <= len(failed) <= 11
    assert (last.outcome, last.day) == ("undone", pytest.approx(4.05, abs=0.1))


def test_what_is_undone_by_hand_is_not_tried_again(game: Game) -> None:
    game.driver.fails_to_undo = True
    game.agenda.at(2, msgspec.structs.replace(SLOW, for_days=1.0))
    by_hand = game.agenda.once(mended_on(3.96, game), Undo())
    game.agenda.at(6, Down())
    game.keep()
    assert by_hand.answer is not None
    assert by_hand.answer.exit_code == 0
    assert [one.outcome for one in game.journal.of(Undone)].count("undone") == 1
    assert game.journal.of(Undone)[-1].day < 4.1


@pytest.mark.parametrize("undone_first", [False, True])
def test_two_faults_that_set_the_same_thing_are_not_injected_at_once(game: Game, undone_first: bool) -> None:
    game.agenda.at(2, SLOW)
    if undone_first:
        game.agenda.at(2.5, Undo())
    second = game.agenda.at(3, Inject("latency", {"link": "wire", "delay_ms": "240ms"}))
    game.agenda.at(4, Down())
    game.keep()
    assert second.answer is not None
    if undone_first:
        assert second.answer.exit_code == 0
    else:
        assert second.answer.exit_code == 3
        assert second.answer.says.startswith("latency_1 and latency would both set the ")
        assert second.answer.says.endswith(" at one time: undo latency_1 first")


def test_a_fault_whose_undo_in_time_has_failed_keeps_its_place(game: Game) -> None:
    game.driver.fails_to_undo = True
    first = game.agenda.at(2, msgspec.structs.replace(SLOW, for_days=1.0))
    second = game.agenda.at(4, SLOW)
    game.agenda.at(6, Down())
    with pytest.raises(UndoFailed, match="the fake target cannot undo"):
        game.keep()
    assert first.answer is not None
    assert first.answer.exit_code == 0
    assert second.answer is not None
    assert second.answer.says.endswith("at one time: undo latency_1 first")


@dataclass
class Slow(FakeDriver):
    """A driver whose changes take a day and a half, as one of a container's image at a second a day."""

    def start(self, *arguments: object) -> FakeTarget:  # type: ignore[override]
        target = super().start(*arguments)  # type: ignore[arg-type]
        apply = target.apply

        def slowly(change: Change) -> None:
            apply(change)
            target.advance(target.day() + 1.5, lambda: False)

        target.apply = slowly  # type: ignore[method-assign]
        return target


def test_a_fault_has_its_place_for_as_long_as_it_is_open(game: Game) -> None:
    """Its days count from when it is there, which may be long after it was asked for."""
    game.driver = Slow(shoppers)
    game.agenda.at(2, msgspec.structs.replace(SLOW, for_days=1.0))
    second = game.agenda.at(3.8, SLOW)
    game.agenda.at(8, Down())
    game.keep()
    assert second.answer is not None
    assert second.answer.says.endswith("at one time: undo latency_1 first")


class Stuck(FakeDriver):
    """A driver whose engine is gone when it comes to clearing away."""

    def close(self) -> None:
        super().close()
        raise LeftBehind("containers are left: no container engine answers")


def test_what_cannot_be_taken_down_is_said_with_exit_code_4(game: Game) -> None:
    game.driver = Stuck(shoppers)
    leaving = game.agenda.at(3, Down())
    with pytest.raises(LeftBehind):
        game.keep()
    assert leaving.answer == Answer("containers are left: no container engine answers", 4)
    assert game.target.closed


def test_an_undo_that_fails_as_the_stack_goes_down_is_said_too(game: Game) -> None:
    game.driver.fails_to_undo = True
    game.agenda.at(2, SLOW)
    leaving = game.agenda.at(3, Down())
    says = "down, but the undo of latency_1 failed: the fake target cannot undo"
    with pytest.raises(UndoFailed, match=f"^{says}$"):
        game.keep()
    assert leaving.answer == Answer(says, 4)
    assert game.target.closed


def test_an_undo_that_fails_where_the_stack_cannot_go_on_is_said_with_exit_code_4(
    game: Game, monkeypatch: pytest.MonkeyPatch
) -> None:
    game.driver.fails_to_undo = True
    game.agenda.at(2, SLOW)
    advance = FakeTarget.advance

    def until_a_log_cannot_be_read(self: FakeTarget, until_day: float, wake: Callable[[], bool]) -> None:
        advance(self, min(until_day, 3.0), wake)
        if self.now >= 3.0:
            raise ArmFailed("what a component says cannot be read")

    monkeypatch.setattr(FakeTarget, "advance", until_a_log_cannot_be_read)
    with pytest.raises(UndoFailed, match="cannot be read, but the undo of latency_1 failed") as caught:
        game.keep()
    assert caught.value.exit_code == 4
    assert game.target.closed


@dataclass
class Half(FakeDriver):
    """A driver with which the second change of a fault fails."""

    error: Exception = field(default_factory=lambda: ArmFailed("no"))

    def start(self, *arguments: object) -> FakeTarget:  # type: ignore[override]
        target = super().start(*arguments)  # type: ignore[arg-type]
        apply = target.apply

        def half(change: Change) -> None:
            if isinstance(change, AddDataToxic) and change.type == "retype":
                raise self.error
            apply(change)

        target.apply = half  # type: ignore[method-assign]
        return target


@pytest.mark.parametrize(
    "error", [Unreachable("no answer"), UsageError("no such image"), ArmFailed("it ended")]
)
def test_a_fault_that_fails_half_way_is_rolled_back(game: Game, error: ChaosError) -> None:
    game.driver = Half(shoppers, error=error)
    parameters = {"link": "events", "column": "price", "factor": 100, "stored_as": "text"}
    guest = game.agenda.at(2, Inject("unit_change", parameters))
    status = game.agenda.at(3, Status())
    game.agenda.at(4, Down())
    game.keep()
    assert guest.answer == Answer(str(error), error.exit_code)
    assert game.target.done == ["AddDataToxic", "RemoveDataToxic"]
    assert [undone.day for undone in game.journal.of(Undone)] == pytest.approx([2, 2], abs=0.1)
    (told,) = status.told
    assert isinstance(told, StatusIs)
    assert told.open == ()


def test_a_slip_in_a_drivers_code_is_rolled_back_and_the_stack_stands_on(game: Game) -> None:
    game.driver = Half(shoppers, error=KeyError("price"))
    parameters = {"link": "events", "column": "price", "factor": 100, "stored_as": "text"}
    guest = game.agenda.at(2, Inject("unit_change", parameters))
    later = game.agenda.at(3, SLOW)
    leaving = game.agenda.at(4, Down())
    game.keep()
    assert guest.answer is not None
    assert guest.answer.exit_code == 2
    assert guest.answer.says.startswith("a defect of its own: KeyError: 'price' (test_keeper.py, line ")
    assert game.target.done[:2] == ["AddDataToxic", "RemoveDataToxic"]
    assert later.answer is not None
    assert later.answer.exit_code == 0
    assert leaving.answer == Answer("down")


def test_a_slip_in_a_faults_code_leaves_the_stack_standing(
    game: Game, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lasts_days(_fault: LatePartition) -> float:
        raise KeyError("held")

    monkeypatch.setattr(LatePartition, "lasts_days", property(lasts_days))
    guest = game.agenda.at(2, Inject("late_partition", {"link": "events", "held_days": "3d"}))
    leaving = game.agenda.at(4, Down())
    game.keep()
    assert guest.answer is not None
    assert guest.answer.exit_code == 2
    assert guest.answer.says.startswith("a defect of its own: KeyError: 'held' (test_keeper.py, line ")
    assert game.target.done == []
    assert leaving.answer == Answer("down")


def test_a_roll_back_that_fails_is_said_with_exit_code_4(game: Game) -> None:
    game.driver = Half(shoppers, error=Unreachable("no answer"), fails_to_undo=True)
    parameters = {"link": "events", "column": "price", "factor": 100, "stored_as": "text"}
    guest = game.agenda.at(2, Inject("unit_change", parameters))
    game.agenda.at(4, Down())
    with pytest.raises(UndoFailed, match="the fake target cannot undo"):
        game.keep()
    says = "no answer; and the undo of unit_change_1 failed: the fake target cannot undo"
    assert guest.answer == Answer(says, 4)


def test_a_door_that_refuses_is_said(game: Game) -> None:
    game.driver.refuses = "two people must review it"
    guest = game.agenda.at(2, SLOW)
    game.agenda.at(3, Down())
    game.keep()
    assert guest.answer is not None
    assert guest.answer.exit_code == 2
    assert "review refused it: two people must review it" in guest.answer.says


def test_watchers_hear_everything_from_then_on(game: Game) -> None:
    watcher = game.agenda.at(1, Watch())
    game.agenda.at(2, SLOW)
    game.agenda.at(3, Down())
    game.keep()
    kinds = {type(event).__name__ for event in watcher.events}
    assert {"Views", "Phase", "Planned", "Prepared", "Applied", "Undone"} <= kinds
    assert min(event.day for event in watcher.events) >= 0.95


def test_a_stack_that_dies_is_said_and_everything_is_closed(game: Game) -> None:
    def dies(target: FakeTarget) -> Iterable[Event]:
        if target.day() > 3:
            raise ArmFailed("the stack has ended")
        return ()

    game.driver.script = lively(dies)
    game.agenda.at(2, SLOW)
    with pytest.raises(ArmFailed, match="the stack has ended"):
        game.keep()
    assert game.target.closed
    assert ("void", "the stack has ended") in game.phases()


def test_a_fault_that_matches_nothing_is_said_and_the_stack_stands_on(game: Game) -> None:
    told = []

    def unmatched(target: FakeTarget) -> Iterable[Event]:
        if target.day() > 3 and not told:
            told.append(target.day())
            raise NothingMatched("mlchaos_scale: day=2.parquet has no column 'x'")
        return ()

    game.driver.script = lively(unmatched)
    watcher = game.agenda.at(1, Watch())
    game.agenda.at(4, Down())
    game.keep()
    assert ("observe", "mlchaos_scale: day=2.parquet has no column 'x'") in game.phases()
    assert any("no column 'x'" in getattr(event, "says", "") for event in watcher.events)
    assert game.target.day() > 3.9


def test_it_ends_when_its_days_are_over_or_the_user_says_so(game: Game, tmp_path: Path) -> None:
    game.keep(days=3.0)
    assert game.target.day() == pytest.approx(3.0)
    game.folder = tmp_path / "again"
    game.folder.mkdir()
    game.driver.targets.clear()
    game.stop.asked = True
    game.keep(days=30.0)
    assert game.target.day() < 0.1


# --- runs ------------------------------------------------------------------------------------------------

SLOW_SCENARIO = {
    "days": "6d",
    "faults": [
        {"fault": "latency", "with": {"link": "wire", "delay_ms": "225ms"}, "at": "2d", "for": "1.5d"}
    ],
}


def trial_of(start_day: float, **changes: object) -> TrialPlan:
    trial = planned(edited(**{**SLOW_SCENARIO, **changes}), Request(arms=(Arm.DEFENDED,)))
    standing = plan_of(Asked("game", target_of(), 1, "default", 40.0, 1.0))
    return onto(trial, "game", start_day, standing.layers)


def ask_of(trial: TrialPlan, folder: Path, *pauses: str) -> Run:
    folder.mkdir()
    open_trial(trial, folder)
    plan = msgspec.Raw(trial.model_dump_json(by_alias=True).encode())
    return Run(plan, str(folder), "run-1", "2026-01-01T00:00:00+00:00", pauses)


def result_of(folder: Path) -> TrialResult:
    return score_folder(folder / "small-1")


def freshness(*days: float) -> object:
    """Fires in the first step after each of these days."""
    left = list(days)

    def script(target: FakeTarget) -> Iterable[Event]:
        while left and target.day() >= left[0]:
            left.pop(0)
            yield Signal(
                target.day(), "reader", "freshness", SignalKind.FIRED, Mode.ENFORCE, says="late", about="x"
            )
            yield Signal(
                target.day(), "reader", "freshness", SignalKind.CLEARED, Mode.ENFORCE, says="", about="x"
            )

    return script


def reasons_of(result: TrialResult) -> dict[str, tuple[Verdict, str]]:
    return {reason.about: (reason.verdict, reason.says) for reason in result.reasons}


def test_a_scenario_runs_into_a_standing_stack_and_is_judged_on_one_arm(game: Game, tmp_path: Path) -> None:
    game.driver.script = lively(freshness(7.3))  # type: ignore[arg-type]
    ask = ask_of(trial_of(5.0), tmp_path / "run")
    guest = game.agenda.at(4.2, ask)
    game.agenda.at(20, Down())
    game.keep()
    assert guest.answer is not None
    assert (guest.answer.says, guest.answer.exit_code) == ("done", 0)
    result = result_of(tmp_path / "run")
    assert result.verdict is Verdict.PASSED, result.reasons
    assert result.into == "game"
    reasons = reasons_of(result)
    assert "freshness saw it on day 7." in reasons["detected"][1]
    (fault,) = result.faults
    assert fault.injected_day == pytest.approx(7.0, abs=0.1)
    assert fault.undone_day == pytest.approx(8.5, abs=0.1)
    assert fault.containment is None
    assert result.harm.by_arm == {}
    assert [level.when for level in result.service_levels] == ["before", "during", "after"]
    assert all(level.good_share == 1.0 for level in result.service_levels)
    (arm,) = result.arms
    assert not arm.interrupted
    assert game.borrowed == [tmp_path / "run"]
    assert not game.target.on
    assert game.target.day() > 19  # it stood on


def test_what_a_fault_undone_before_a_run_matched_nothing_of_is_not_the_runs(
    game: Game, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are asked for in one moment: no time passes between the undo and the run."""
    says = "mlchaos_scale: day=3.parquet has no column 'x'"
    owed: list[str] = []
    advance, revert = FakeTarget.advance, FakeTarget.revert

    def undo(self: FakeTarget, change: Change) -> str:
        if not self.done.count("RemoveToxic"):
            owed.append(says)
        return revert(self, change)

    def tell(self: FakeTarget, until_day: float, wake: Callable[[], bool]) -> None:
        if owed:
            raise NothingMatched(owed.pop())
        advance(self, until_day, wake)

    monkeypatch.setattr(FakeTarget, "revert", undo)
    monkeypatch.setattr(FakeTarget, "advance", tell)
    game.driver.script = lively(freshness(7.3))  # type: ignore[arg-type]
    game.agenda.at(2, SLOW)
    game.agenda.at(4.2, Undo())
    guest = game.agenda.at(4.2, ask_of(trial_of(5.0), tmp_path / "run"))
    game.agenda.at(12, Down())
    game.keep()
    assert guest.answer == Answer("done")
    assert ("observe", says) in game.phases()
    result = result_of(tmp_path / "run")
    assert result.verdict is Verdict.PASSED, result.reasons


def test_the_charts_of_a_run_are_of_its_own_days(game: Game, tmp_path: Path) -> None:
    def failing(target: FakeTarget) -> Iterable[Event]:
        row = ViewRow(1, "b", "r", 0, 10, 2, 5 if 20 <= target.day() < 21 else 0, 0, 0, 0, 10.0, 15.0)
        return [Views(target.day(), "shop", target.day() - 1 / 24, target.day(), [row])]

    game.driver.script = failing
    game.agenda.at(17.2, ask_of(trial_of(18.0), tmp_path / "run"))
    game.agenda.at(30, Down())
    game.keep()
    picture = picture_of(read_folder(tmp_path / "run" / "small-1"))
    assert (picture.from_day, picture.to_day) == (18.0, pytest.approx(24.0))
    assert picture.lanes is not None
    assert (picture.lanes.from_day, picture.lanes.days) == (picture.from_day, picture.to_day)
    (errors,) = picture.harms
    assert [day for day, _ in errors.points[Arm.DEFENDED]] == [18.5, 19.5, 20.5, 21.5, 22.5, 23.5]
    for chart in (draw(picture, "t").lanes, draw(picture, "t").harms[0][1]):
        days = [int(day) for day in re.findall(r">(\d+)</text>", chart.partition("axis")[2])]
        assert {18, 24} <= set(days)
        assert 0 not in days[:1]


def test_a_layer_that_fires_before_the_fault_too_has_not_seen_it(game: Game, tmp_path: Path) -> None:
    game.driver.script = lively(freshness(5.5, 7.3))  # type: ignore[arg-type]
    game.agenda.at(4.2, ask_of(trial_of(5.0), tmp_path / "run"))
    game.agenda.at(20, Down())
    game.keep()
    verdict, says = reasons_of(result_of(tmp_path / "run"))["detected"]
    assert verdict is Verdict.FAILED
    assert "nobody else saw it either" in says


@pytest.mark.parametrize(("fires_on", "alarms"), [((), 0), ((5.5,), 1), ((7.3,), 1)])
def test_whoever_objects_to_a_benign_change_is_wrong_also_after_it(
    game: Game, tmp_path: Path, fires_on: tuple[float, ...], alarms: int
) -> None:
    game.driver.script = lively(freshness(*fires_on))  # type: ignore[arg-type]
    quiet = {"kind": "quiet", "expect": {"false_alarms": 0}}
    game.agenda.at(4.2, ask_of(trial_of(5.0, **quiet), tmp_path / "run"))
    game.agenda.at(20, Down())
    game.keep()
    result = result_of(tmp_path / "run")
    verdict, says = reasons_of(result)["false alarms"]
    assert verdict is (Verdict.FAILED if alarms else Verdict.PASSED)
    assert f"{alarms or 'no'} false alarm" in says
    assert "in the run" in says
    assert sum(layer.false_alarms or 0 for layer in result.layers) == alarms
    assert reasons_of(result)["effect"][0] is Verdict.PASSED


def test_what_needs_other_arms_is_named_and_not_judged(game: Game, tmp_path: Path) -> None:
    expect = {
        "detected": {"by": ["freshness"], "within": "1d"},
        "contained": {"of": "slow_views", "at_least": 0.9},
        "budgets": {"error_views": 3},
    }
    game.driver.script = lively(freshness(7.3))  # type: ignore[arg-type]
    game.agenda.at(4.2, ask_of(trial_of(5.0, expect=expect), tmp_path / "run"))
    game.agenda.at(20, Down())
    game.keep()
    result = result_of(tmp_path / "run")
    assert result.verdict is Verdict.PASSED
    assert [says.split(":")[0] for says in result.not_measured] == [
        "containment of slow_views",
        "budgets (error_views)",
    ]


def test_while_a_run_has_the_stack_nobody_else_injects_and_everybody_may_look(
    game: Game, tmp_path: Path
) -> None:
    game.agenda.at(4.2, ask_of(trial_of(5.0), tmp_path / "run"))
    other = game.agenda.at(6, SLOW)
    status = game.agenda.at(6, Status())
    second = game.agenda.at(6.1, ask_of(trial_of(8.0), tmp_path / "second"))
    game.agenda.at(20, Down())
    game.keep()
    for guest in (other, second):
        assert guest.answer is not None
        assert (guest.answer.exit_code, "run-1 has the stack" in guest.answer.says) == (3, True)
    (told,) = status.told
    assert isinstance(told, StatusIs)
    assert told.run == "run-1"
    changes = game.journal.of(Planned)
    assert not changes  # those of the run are in the run's own journal


def test_what_is_asked_in_one_moment_with_a_run_is_not_done_after_it(game: Game, tmp_path: Path) -> None:
    game.agenda.at(4.2, ask_of(trial_of(5.0), tmp_path / "run"))
    other = game.agenda.at(4.2, SLOW)
    status = game.agenda.at(12, Status())
    game.agenda.at(20, Down())
    game.keep()
    assert other.answer == Answer("run run-1 has the stack; wait for its end", 3)
    (told,) = status.told
    assert isinstance(told, StatusIs)
    assert told.open == ()


def test_who_has_hung_up_before_it_was_injected_does_not_expect_it(game: Game) -> None:
    guest = game.agenda.at(2, SLOW)
    guest.gone = True
    game.agenda.at(4, Down())
    game.keep()
    assert game.target.done == []


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (Stop(), "the user asked to stop"),
        (None, "whoever began it has gone"),
        (Down(), "the stack is taken down"),
    ],
    ids=["stopped", "hung up", "down"],
)
def test_why_a_run_did_not_get_to_its_end_is_told(
    game: Game, tmp_path: Path, asked: Ask | None, says: str
) -> None:
    guest = game.agenda.at(4.2, ask_of(trial_of(5.0), tmp_path / "run"))
    game.agenda.once(lambda: game.agenda.day() >= 7.5, asked, None if asked == Down() else guest)
    game.agenda.at(20, Down())
    game.keep()
    assert reasons_of(result_of(tmp_path / "run"))["arm"][1].endswith(f"interrupted on day 7.50: {says}")
    assert guest.answer is not None
    rest = "the stack is taken down" if asked == Down() else "the stack stands"
    assert guest.answer.says == f"stopped: what it did is undone, {rest}"


def test_a_run_whose_folder_is_gone_leaves_the_stack_standing(game: Game, tmp_path: Path) -> None:
    ask = ask_of(trial_of(5.0), tmp_path / "run")
    shutil.rmtree(tmp_path / "run")
    guest = game.agenda.at(4.2, ask)
    by_hand = game.agenda.at(6, SLOW)
    game.agenda.at(8, Down())
    game.keep()
    assert guest.answer is not None
    assert guest.answer.exit_code == ArmFailed.exit_code
    assert "No such file or directory" in guest.answer.says
    assert by_hand.answer is not None
    assert by_hand.answer.exit_code == 0


def test_a_run_that_fails_once_it_has_begun_was_no_mistake_of_usage(game: Game, tmp_path: Path) -> None:
    """Its folder would be removed, and with it what there is to be read of it."""
    error = UsageError("no such image")
    game.driver = Half(shoppers, error=error)
    half = {"link": "events", "column": "price", "factor": 100, "stored_as": "text"}
    trial = trial_of(5.0, faults=[{"fault": "unit_change", "with": half, "at": "2d", "for": "1.5d"}])
    guest = game.agenda.at(4.2, ask_of(trial, tmp_path / "run"))
    game.agenda.at(12, Down())
    game.keep()
    assert guest.answer == Answer("no such image", ArmFailed.exit_code)
    assert game.target.done == ["AddDataToxic", "RemoveDataToxic"]


def test_a_run_wants_a_stack_into_which_nothing_is_injected(game: Game, tmp_path: Path) -> None:
    game.agenda.at(2, SLOW)
    guest = game.agenda.at(4.2, ask_of(trial_of(5.0), tmp_path / "run"))
    late = game.agenda.at(6, Undo())
    past = game.agenda.at(8, ask_of(trial_of(7.0), tmp_path / "past"))
    game.agenda.at(20, Down())
    game.keep()
    assert guest.answer is not None
    assert "latency_1 is injected; undo it first" in guest.answer.says
    assert late.answer is not None
    assert past.answer is not None
    assert "it would run from day 7 to 13, and the stack is on day 8.0" in past.answer.says


@pytest.mark.parametrize("how", ["stop", "hang up", "down"])
def test_a_run_that_is_stopped_undoes_what_it_did(game: Game, tmp_path: Path, how: str) -> None:
    guest = game.agenda.at(4.2, ask_of(trial_of(5.0), tmp_path / "run"))
    match how:
        case "stop":
            game.agenda.at(7.5, Stop(), guest)
        case "hang up":
            game.agenda.once(lambda: game.agenda.day() >= 7.5, None, guest)
        case _:
            game.agenda.at(7.5, Down())
    if how != "down":
        game.agenda.at(20, Down())
    game.keep()
    result = result_of(tmp_path / "run")
    assert result.verdict is Verdict.VOID
    assert game.target.on == {}
    assert "AddToxic" in game.target.done
    if how != "down":
        assert game.target.day() > 19
        assert guest.answer is not None or how == "hang up"


def test_what_a_run_could_not_undo_is_injected_and_can_be_undone_by_hand(game: Game, tmp_path: Path) -> None:
    def stuck() -> bool:
        game.target.fails_to_undo = 8 < game.target.day() < 14
        return game.target.day() > 13

    game.agenda.at(4.2, ask_of(trial_of(5.0), tmp_path / "run"))
    status = game.agenda.once(stuck, Status())
    second = game.agenda.at(13.5, ask_of(trial_of(15.0), tmp_path / "second"))
    third = game.agenda.at(13.55, SLOW)

    def free() -> bool:
        game.target.fails_to_undo = game.target.day() < 14
        return game.target.day() >= 14

    leaving = game.agenda.at(20, Down())
    undone = game.agenda.once(lambda: game.target.day() > 13.6 and free(), Undo())
    game.keep()
    (told,) = status.told
    assert isinstance(told, StatusIs)
    assert [(one.id, one.failed) for one in told.open] == [
        ("latency_of_run-1", "the fake target cannot undo")
    ]
    assert second.answer is not None
    assert second.answer.says == "latency_of_run-1 is injected; undo it first"
    assert third.answer is not None
    assert third.answer.says.startswith("latency_of_run-1 and latency would both set the toxic latency")
    assert undone.answer is not None
    assert undone.answer.says.startswith("latency_of_run-1 is undone on day 14.")
    assert game.target.on == {}
    assert leaving.answer == Answer("down")


def test_a_run_of_which_an_undo_cannot_be_read_is_said_to_have_left_something(
    game: Game, tmp_path: Path
) -> None:
    def spoil() -> bool:
        if game.agenda.day() < 7.5:
            return False
        (ledger,) = (tmp_path / "run").rglob("undo.jsonl")
        with ledger.open("ab") as file:
            file.write(b'{"state":"prepared","id":"x-9","undo":{"do":"no_such"}}\n')
        return True

    guest = game.agenda.at(4.2, ask_of(trial_of(5.0), tmp_path / "run"))
    game.agenda.once(spoil, Status())
    game.agenda.at(20, Down())
    game.keep()
    assert guest.answer is not None
    assert guest.answer.exit_code == ArmFailed.exit_code
    assert re.match("what run run-1 did may be there still: .*no undo can be read there", guest.answer.says)


def test_a_run_waits_for_the_facilitator_and_everything_planned_is_put_off(
    game: Game, tmp_path: Path
) -> None:
    game.driver.script = lively(freshness(9.3))  # type: ignore[arg-type]
    ask = ask_of(trial_of(5.0), tmp_path / "run", "inject", "undo")
    guest = game.agenda.at(4.2, ask)
    game.agenda.at(9.0, Go(), guest)  # planned for day 7
    game.agenda.at(12.0, Go(), guest)  # planned for a day and a half later
    game.agenda.at(20, Down())
    game.keep()
    assert [word for word in guest.told if isinstance(word, Waiting)] == [
        Waiting("inject", "latency"),
        Waiting("undo", "latency"),
    ]
    result = result_of(tmp_path / "run")
    (fault,) = result.faults
    assert fault.injected_day == pytest.approx(9.0, abs=0.1)
    assert fault.undone_day == pytest.approx(12.0, abs=0.1)
    assert result.verdict is Verdict.PASSED, result.reasons


def test_what_was_put_off_has_its_time_to_recover_all_the_same(game: Game, tmp_path: Path) -> None:
    def sick(target: FakeTarget) -> Iterable[Event]:
        row = ViewRow(1, "b", "r", 0, 10, 2, 10 if target.day() > 13 else 0, 0, 0, 0, 10.0, 15.0)
        return [Views(target.day(), "shop", target.day() - 1 / 24, target.day(), [row])]

    game.driver.script = sick
    expect = {"detected": {"by": ["freshness"], "within": "1d"}, "recovered": {"within": "2d"}}
    guest = game.agenda.at(4.2, ask_of(trial_of(5.0, expect=expect), tmp_path / "run", "undo"))
    game.agenda.at(13.5, Go(), guest)  # planned for day 8.5, of a run until day 11
    game.agenda.at(20, Down())
    game.keep()
    verdict, says = reasons_of(result_of(tmp_path / "run"))["recovered"]
    assert (verdict, says.partition(": ")[0]) == (Verdict.FAILED, "not steady again within 2 d of the undo")


def test_days_that_were_put_off_are_looked_at_for_false_blocks(game: Game, tmp_path: Path) -> None:
    def holds(target: FakeTarget) -> Iterable[Event]:
        if 12 <= target.day() < 12 + STEP_DAYS:
            yield Signal(target.day(), "reader", "hold", SignalKind.ACTED, Mode.ENFORCE, "no", "x")

    game.driver.script = lively(holds)
    trial = trial_of(5.0, kind="quiet", expect={"budgets": {"false_block_days": 0.5}})
    guest = game.agenda.at(4.2, ask_of(trial, tmp_path / "run", "undo"))
    game.agenda.at(13.5, Go(), guest)  # planned for day 8.5, of a run until day 11
    game.agenda.at(20, Down())
    game.keep()
    verdict, says = reasons_of(result_of(tmp_path / "run"))["budget false_block_days"]
    assert verdict is Verdict.FAILED, says


def saves(*days: float) -> object:
    """The writer saves in the first step after each of these days."""
    left = list(days)

    def script(target: FakeTarget) -> Iterable[Event]:
        while left and target.day() >= left[0]:
            left.pop(0)
            yield Action(target.day(), "writer", "writer", "save")

    return script


def test_a_fault_that_waits_for_an_action_puts_off_everything_planned_too(game: Game, tmp_path: Path) -> None:
    (fault,) = SLOW_SCENARIO["faults"]  # type: ignore[misc]
    waiting = {**fault, "when": {"component": "writer", "action": "save"}}
    game.driver.script = lively(freshness(10.3), saves(7.5))  # type: ignore[arg-type]
    trial = trial_of(5.0, faults=[waiting])
    guest = game.agenda.at(4.2, ask_of(trial, tmp_path / "run", "inject"))
    game.agenda.at(10.0, Go(), guest)  # asked on day 7.5
    game.agenda.at(20, Down())
    game.keep()
    journal = read(tmp_path / "run" / "small-1" / "journal-defended.jsonl")
    assert [lag for lag in journal.of(Lag) if lag.over_days] == []
    result = result_of(tmp_path / "run")
    assert result.faults[0].injected_day == pytest.approx(10.0, abs=0.1)
    assert result.faults[0].undone_day == pytest.approx(11.0, abs=0.1)  # planned for day 8.5
    assert result.verdict is Verdict.PASSED, result.reasons


def test_a_run_that_waits_for_the_facilitator_is_aborted_all_the_same(game: Game, tmp_path: Path) -> None:
    def sick(target: FakeTarget) -> Iterable[Event]:
        row = ViewRow(1, "b", "r", 0, 10, 2, 10 if target.day() > 9.5 else 0, 0, 0, 0, 10.0, 15.0)
        return [Views(target.day(), "shop", target.day() - 1 / 24, target.day(), [row])]

    game.driver.script = sick
    bound = {"probe": "good_views", "with": {"over": "0.25d"}, "below": 0.5}
    guest = game.agenda.at(4.2, ask_of(trial_of(5.0, abort_if=[bound]), tmp_path / "run", "undo"))
    game.agenda.at(14, Go(), guest)  # the undo was planned for day 8.5
    game.agenda.at(20, Down())
    game.keep()
    journal = read(tmp_path / "run" / "small-1" / "journal-defended.jsonl")
    (aborted,) = [phase for phase in journal.of(Phase) if phase.phase == "aborted"]
    assert "good_views is" in aborted.says
    assert aborted.day == pytest.approx(9.7, abs=0.2)
    assert [undone.day for undone in journal.of(Undone)] == pytest.approx([aborted.day], abs=0.1)
    assert game.target.on == {}


def test_somebody_elses_go_is_not_the_runs(game: Game, tmp_path: Path) -> None:
    guest = game.agenda.at(4.2, ask_of(trial_of(5.0), tmp_path / "run", "inject"))
    game.agenda.at(8.0, Go())
    game.agenda.at(10.0, Go(), guest)
    game.agenda.at(20, Down())
    game.keep()
    (fault,) = result_of(tmp_path / "run").faults
    assert fault.injected_day == pytest.approx(10.0, abs=0.1)


def test_an_effect_that_was_there_before_is_void(game: Game, tmp_path: Path) -> None:
    def slow_by_itself(target: FakeTarget) -> Iterable[Event]:
        if target.day() > 6.5:
            ms = 240 + round(24 * target.day()) % 5
            target.on["somebody's"] = AddToxic("wire", "x", "latency", "downstream", 1.0, {"latency": ms})
        return ()

    game.driver.script = lively(slow_by_itself)
    game.agenda.at(4.2, ask_of(trial_of(5.0), tmp_path / "run"))
    game.agenda.at(20, Down())
    game.keep()
    assert reasons_of(result_of(tmp_path / "run"))["effect"] == (
        Verdict.VOID,
        "the effect probe of latency saw the same before the injection",
    )


def test_holes_of_the_scenario_are_opened_for_the_run_and_closed_after_it(game: Game, tmp_path: Path) -> None:
    trial = trial_of(5.0, latent=[{"layer": "freshness", "mode": "off"}])
    guest = game.agenda.at(4.2, ask_of(trial, tmp_path / "run"))
    game.agenda.at(20, Down())
    game.keep()
    assert guest.answer is not None
    assert game.target.done.count("SetLayer") == 2
    assert game.target.values["freshness", "mode"] == "enforce"
    verdict, says = reasons_of(result_of(tmp_path / "run"))["detected"]
    assert verdict is Verdict.FAILED
    assert "not armed: freshness" in says


def test_a_component_that_was_started_again_is_missed_no_more(game: Game) -> None:
    def dies(target: FakeTarget) -> Iterable[Event]:
        if not target.down and 1.0 <= target.day() < 1.0 + STEP_DAYS:
            target.down.add("writer")
            yield Exit(target.day(), "writer", -9, expected=False)

    def started_again() -> bool:
        game.target.down.clear()
        return True

    game.driver = FakeDriver(lively(dies))
    missed = game.agenda.at(2, Status())
    back = game.agenda.once(lambda: game.agenda.day() >= 3 and started_again(), Status())
    game.agenda.at(4, Down())
    game.keep()
    told = [word.gone for guest in (missed, back) for word in guest.told if isinstance(word, StatusIs)]
    assert told == [("writer (code -9)",), ()]

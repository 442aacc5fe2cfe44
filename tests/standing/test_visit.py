"""Whoever leads a game day lets a run go on: by an Enter that was asked for, and by no other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from types import SimpleNamespace
from typing import TextIO

import pytest

from chaos.app import Wanted, make_catalogue, make_files
from chaos.errors import ArmFailed, UsageError
from chaos.runner.stop import StopSignal
from chaos.standing import place, visit
from chaos.standing.up import describe
from chaos.standing.visit import Facilitator, _follow, plan_visit
from chaos.standing.wire import Answer, Ask, Go, StatusIs, Stop, Waiting, Word
from tests.harness import SCENARIO, TARGET, target_of
from tests.standing.test_place import state_of

Step = Word | Callable[[], object]


class Script:
    """The keeper's side, written down: a word is heard; anything else is done, and then nothing is heard."""

    def __init__(self, *steps: Step) -> None:
        self._steps = list(steps)
        self.said: list[Ask] = []

    def say(self, ask: Ask) -> None:
        self.said.append(ask)

    def hear(self, *, patience_s: float) -> Word:
        step = self._steps.pop(0)
        if isinstance(step, Word):
            return step
        step()
        raise TimeoutError(f"nothing for {patience_s} s")


class Desk:
    """Whoever sits there: what is asked of them, and the keys they press."""

    def __init__(self, hears: TextIO, keys: FileIO) -> None:
        self.asked: list[str] = []
        self.notes: list[str] = []
        self.keys = keys
        self.ask: Callable[[], object] = nothing
        self.facilitator = Facilitator(self.asked.append, hears)

    def press_enter(self) -> None:
        self.keys.write(b"\n")

    def follow(self, line: Script) -> Answer:
        watcher = SimpleNamespace(note=self.notes.append)
        return _follow(line, None, StopSignal(), watcher, self.facilitator, self.ask)  # type: ignore[arg-type]


@pytest.fixture
def desk() -> Iterator[Desk]:
    read, write = os.pipe()
    with open(read, encoding="utf-8") as hears, FileIO(write, "w") as keys:
        yield Desk(hears, keys)


def nothing() -> None:
    pass


def test_a_line_lets_it_go_on_and_nothing_else_does(desk: Desk) -> None:
    went_on = desk.facilitator.went_on
    assert went_on() is False
    desk.press_enter()
    assert went_on() is True
    assert went_on() is False
    desk.keys.write(b"go")
    assert went_on() is False
    desk.press_enter()
    assert went_on() is True


def test_nobody_at_the_other_end_is_said(desk: Desk) -> None:
    desk.press_enter()
    desk.keys.close()
    assert desk.facilitator.went_on() is True
    with pytest.raises(UsageError, match="nobody is there to say that it may go on"):
        desk.facilitator.went_on()


def test_a_run_goes_on_at_each_enter_and_the_question_keeps_the_name_to_itself(desk: Desk) -> None:
    line = Script(
        Waiting("inject", "latency"),
        nothing,
        desk.press_enter,
        Waiting("undo", "latency"),
        nothing,
        desk.press_enter,
        Answer("done"),
    )
    assert desk.follow(line) == Answer("done")
    assert line.said == [Go(), Go()]
    assert desk.asked == ["press Enter to inject", "press Enter to undo"]


def test_an_enter_from_before_the_question_does_not_count(desk: Desk) -> None:
    said_before_it_was_asked: list[list[Ask]] = []

    def look() -> None:
        said_before_it_was_asked.append(list(line.said))

    desk.press_enter()
    desk.press_enter()
    line = Script(
        Waiting("inject", "latency"),
        nothing,
        look,
        desk.press_enter,
        nothing,
        desk.press_enter,
        Waiting("undo", "latency"),
        nothing,
        look,
        desk.press_enter,
        Answer("done"),
    )
    desk.follow(line)
    assert said_before_it_was_asked == [[], [Go()]]
    assert line.said == [Go(), Go()]


def test_a_keeper_that_is_silent_for_long_is_asked_and_not_waited_for_if_it_hangs(desk: Desk) -> None:
    """As one that was stopped where it stands, which closes no line."""
    asked: list[int] = []

    def hangs() -> None:
        asked.append(len(line.said))
        if len(asked) == 2:
            raise ArmFailed("the stack 'game' does not answer")

    desk.ask = hangs
    line = Script(
        *[nothing] * 300,
        Waiting("inject", "latency"),
        *[nothing] * 299,
        Waiting("undo", "x"),
        *[nothing] * 300,
    )
    with pytest.raises(ArmFailed, match="does not answer"):
        desk.follow(line)
    assert len(asked) == 2


def test_a_question_that_nobody_can_answer_stops_the_run_and_what_was_measured_is_kept(desk: Desk) -> None:
    desk.press_enter()
    desk.keys.close()
    line = Script(Waiting("inject", "latency"), nothing, Answer("stopped", 130))
    assert desk.follow(line) == Answer("stopped", 130)
    assert line.said == [Stop()]
    assert any("nobody is there" in note for note in desk.notes)


@pytest.mark.parametrize(
    ("day", "day_seconds", "starts"), [(4.9, 30.0, 5.0), (4.9, 5.0, 6.0), (4.99, 300.0, 6.0)]
)
def test_a_run_begins_at_a_midnight_that_it_can_be_asked_for_in_time(
    day: float, day_seconds: float, starts: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets" / "fake.yaml").write_text(TARGET)
    (tmp_path / "small.yaml").write_text(SCENARIO)
    place.write(state_of("game", target="fake", day_seconds=day_seconds))
    monkeypatch.setattr(visit, "ask_status", lambda _state: StatusIs(day, "", (), ()))
    planned, _ = plan_visit(Wanted(("small.yaml",), "fake"), "game", make_files(), make_catalogue())
    assert planned.trials[0].arms[0].start_day == starts


@pytest.mark.parametrize(("seeds", "fits"), [([1, 4], True), ([4], False)])
def test_a_scenario_with_seeds_of_its_own_wants_a_stack_of_one_of_them(
    seeds: list[int], fits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets" / "fake.yaml").write_text(TARGET)
    (tmp_path / "small.yaml").write_text(SCENARIO + f"seeds: {seeds}\n")
    place.write(state_of("game", target="fake"))
    monkeypatch.setattr(visit, "ask_status", lambda _state: StatusIs(2.0, "", (), ()))
    wanted = Wanted(("small.yaml",), "fake")
    if not fits:
        with pytest.raises(UsageError, match="fixes its seeds, and game stands with seed 1"):
            plan_visit(wanted, "game", make_files(), make_catalogue())
        return
    planned, _ = plan_visit(wanted, "game", make_files(), make_catalogue())
    assert [trial.seed for trial in planned.trials] == [1]


def test_what_stands_is_described_as_it_was_brought_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a file of that name says by now, or where there is none by that name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "targets").mkdir()
    (tmp_path / "small.yaml").write_text(SCENARIO)
    file = describe(target_of(), tmp_path)
    assert make_files().target(str(file))[0] == target_of()
    monkeypatch.setattr(visit, "ask_status", lambda _state: StatusIs(2.0, "", (), ()))
    place.write(state_of("game", target="fake", described=str(file)))
    planned, _ = plan_visit(Wanted(("small.yaml",), "fake"), "game", make_files(), make_catalogue())
    assert planned.trials[0].target == "fake"


@pytest.mark.parametrize("name", ["k9s", "reference-local", "reference-virtual", "reference-compose"])
def test_a_description_is_the_target_itself(name: str, tmp_path: Path) -> None:
    spec, _ = make_files().target(name)
    assert make_files().target(str(describe(spec, tmp_path)))[0] == spec

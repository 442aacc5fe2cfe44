"""`mlchaos run --into` as somebody leads it: by the command line, against a keeper of a fake stack."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from chaos.app import make_catalogue
from chaos.contracts import Target
from chaos.domain.event import Exit, Phase
from chaos.drivers.fake import FakeDriver, FakeTarget
from chaos.journal import read
from chaos.processes import born
from chaos.runner.stop import StopSignal
from chaos.standing import place
from chaos.standing.keeper import Keeper, Kept
from chaos.standing.up import Asked, plan_of
from chaos.standing.wire import Ask, Desk, Run, Visitor
from tests.command import begin, complete, until
from tests.harness import TARGET, edited, shoppers, target_of
from tests.standing.test_place import state_of

SECONDS = 60.0
STEP_SECONDS = 0.001
"""A pace at which a question is put while the days pass."""
TOKEN = "t"
FAULT = {"fault": "latency", "with": {"link": "wire", "delay_ms": "225ms"}, "at": "2d", "for": "1.5d"}


class NotingDesk(Desk):
    """Notes whether a run has been asked for."""

    def __init__(self) -> None:
        super().__init__(TOKEN)
        self.lent = False

    def poll(self) -> list[tuple[Visitor, Ask]]:
        asked = super().poll()
        self.lent = self.lent or any(isinstance(ask, Run) for _, ask in asked)
        return asked


class Waits(FakeDriver):
    """A stack whose first day goes on until a run is asked for."""

    def __init__(self, desk: NotingDesk) -> None:
        super().__init__(shoppers)
        self.losing: list[str] = []
        """Components that are about to end by themselves."""
        self._desk = desk

    def start(self, *arguments: object) -> FakeTarget:  # type: ignore[override]
        target = super().start(*arguments)  # type: ignore[arg-type]
        step = target.advance

        def advance(until_day: float, wake: Callable[[], bool]) -> None:
            def woken() -> bool:
                time.sleep(STEP_SECONDS)
                if self.losing:
                    target.down.add(self.losing[0])
                    target.on_event(Exit(target.day(), self.losing[0], 1, False))
                    del self.losing[0]
                return wake()

            while not self._desk.lent and not woken():
                pass
            step(until_day, woken)

        target.advance = advance  # type: ignore[method-assign]
        return target


@dataclass
class Place:
    """A folder in which a fake stack stands, and a scenario for it."""

    folder: Path
    desk: NotingDesk
    driver: Waits

    def run(self, *options: str, stdin: int) -> subprocess.Popen[str]:
        words = ("run", "small.yaml", "--into", "game", "--out", "visit", *options)
        return begin(*words, folder=self.folder, stdin=stdin)

    def lose(self, component: str) -> None:
        """It ends by itself, and the stack has heard of it."""
        self.driver.losing.append(component)
        assert until(lambda: not self.driver.losing, SECONDS)

    def phases(self) -> list[str]:
        return [phase.phase for phase in read(self.folder / "visit/small-1/journal-defended.jsonl").of(Phase)]


@pytest.fixture
def stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets" / "fake.yaml").write_text(TARGET)
    (tmp_path / "small.yaml").write_text(edited(faults=[FAULT]))
    (tmp_path / "kept").mkdir()
    desk, stop = NotingDesk(), StopSignal()
    driver = Waits(desk)
    kept = Kept(
        run="game",
        mlchaos="0",
        started_at="2026-01-01T00:00:00+00:00",
        versions={},
        folder=tmp_path / "kept",
        plan=plan_of(Asked("game", target_of(), 1, "default", 90.0, 1.0)),
        spec=target_of(),
        catalogue=make_catalogue(),
        driver=driver,
        desk=desk,
        stop=stop,
        borrowed=lambda _folder: None,
    )

    def ready(_target: Target) -> None:
        me = psutil.Process()
        place.write(state_of("game", target="fake", port=desk.port, token=TOKEN, started=born(me)))

    thread = threading.Thread(target=Keeper(kept).keep, args=(ready,))
    thread.start()
    try:
        while not place.is_taken("game"):
            assert thread.is_alive()
        yield Place(tmp_path, desk, driver)
    finally:
        stop.asked = True
        thread.join(SECONDS)
    assert not thread.is_alive()


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def lines_until(process: subprocess.Popen[str], words: str) -> list[str]:
    """What it says up to the line that has these words."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if words in line:
            return said
    raise AssertionError(f"never said {words!r}: {''.join(said)}{process.stderr and process.stderr.read()}")


def lead(process: subprocess.Popen[str], press_enter: Callable[[], object]) -> list[str]:
    """Press Enter whenever it is asked for; what it says before its answer."""
    said = lines_until(process, "press Enter to inject")
    press_enter()
    said += lines_until(process, "press Enter to undo")
    press_enter()
    return [*said, *lines_until(process, " · into game")[:-1]]


@contextmanager
def a_pipe() -> Iterator[tuple[int, Callable[[], object]]]:
    read, write = os.pipe()
    try:
        yield read, lambda: os.write(write, b"\n")
    finally:
        os.close(read)
        os.close(write)


@contextmanager
def a_terminal() -> Iterator[tuple[int, Callable[[], object]]]:
    keys, terminal = pty.openpty()
    try:
        yield terminal, lambda: os.write(keys, b"\n")
    finally:
        os.close(terminal)
        os.close(keys)


@pytest.mark.parametrize("by", [a_pipe, a_terminal])
def test_a_run_goes_on_at_each_enter(
    stands: Place, by: Callable[[], AbstractContextManager[tuple[int, Callable[[], object]]]]
) -> None:
    with by() as (stdin, press_enter), ended(stands.run("--pause-before", "inject,undo", stdin=stdin)) as run:
        press_enter()  # before anything is asked: it does not count
        said = lead(run, press_enter)
        outcome = complete(run, seconds=SECONDS)
    assert (outcome.code, outcome.err) == (1, "")  # no layer of a fake stack sees anything
    assert any("latency      injected" in line for line in said)
    assert any("latency      undone" in line for line in said)
    assert stands.phases().count("paused") == 2


def test_with_json_it_asks_on_standard_error_and_says_nothing_else_there(stands: Place) -> None:
    with (
        a_pipe() as (stdin, press_enter),
        ended(stands.run("--pause-before", "undo", "--json", stdin=stdin)) as run,
    ):
        assert run.stderr is not None
        assert run.stderr.readline() == "press Enter to undo\n"
        press_enter()
        outcome = complete(run, seconds=SECONDS)
    assert (outcome.code, outcome.err) == (1, "")
    assert json.loads(outcome.out)["trials"][0]["scenario"] == "small"


def test_blind_keeps_the_names_off_every_line_before_the_answer(stands: Place) -> None:
    options = ("--pause-before", "inject,undo", "--blind")
    with a_pipe() as (stdin, press_enter), ended(stands.run(*options, stdin=stdin)) as run:
        said = lead(run, press_enter)
        outcome = complete(run, seconds=SECONDS)
    assert (outcome.code, outcome.err) == (1, "")
    assert any("injected" in line for line in said)
    assert [line for line in said if "latency" in line or "small" in line] == []


@pytest.mark.parametrize("entered", [b"", b"\n\n"], ids=["nothing", "two lines, and then nobody"])
def test_nobody_to_press_enter_is_said_before_anything_starts(stands: Place, entered: bytes) -> None:
    read, write = os.pipe()
    os.write(write, entered)
    os.close(write)
    with ended(stands.run("--pause-before", "inject", stdin=read)) as run:
        outcome = complete(run, seconds=SECONDS)
    os.close(read)
    says = "mlchaos: --pause-before: nobody is there to say that it may go on; its input is at its end\n"
    assert (outcome.code, outcome.out, outcome.err) == (3, "", says)
    assert not (stands.folder / "visit").exists()
    assert not stands.desk.lent


def test_nobody_is_needed_where_nothing_is_waited_for(stands: Place) -> None:
    with ended(stands.run(stdin=subprocess.DEVNULL)) as run:
        outcome = complete(run, seconds=SECONDS)
    assert (outcome.code, outcome.err) == (1, "")
    assert "latency" in outcome.out


def test_who_stops_a_run_with_ctrl_c_gets_its_exit_code_and_what_was_measured(stands: Place) -> None:
    with a_pipe() as (stdin, _press), ended(stands.run("--pause-before", "inject", stdin=stdin)) as run:
        lines_until(run, "press Enter to inject")
        run.send_signal(signal.SIGINT)
        outcome = complete(run, seconds=SECONDS)
    assert outcome.code == 130, outcome
    assert (stands.folder / "visit" / "results.json").exists()
    assert "void" in outcome.out
    assert "stopping: undoing what it did; the stack stays" in outcome.out
    assert "taking down" not in outcome.out


def test_no_run_is_judged_on_a_stack_that_has_lost_a_component(stands: Place) -> None:
    stands.lose("writer")
    with ended(stands.run(stdin=subprocess.DEVNULL)) as run:
        outcome = complete(run, seconds=SECONDS)
    says = "mlchaos: writer (code 1) of game ended by itself; what is run now would judge that\n"
    assert (outcome.code, outcome.err) == (3, says)
    assert not (stands.folder / "visit").exists()

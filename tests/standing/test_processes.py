"""A stack of real processes that stands: faults by hand, and what is left when its keeper is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from chaos.domain.event import Applied, Signal, Undone
from chaos.journal import read
from chaos.runner.undo import find_undos
from chaos.standing import place
from tests.command import Outcome, begin, complete, until

pytestmark = pytest.mark.processes

GONE_SECONDS = 5.0


class Standing:
    """A stack that a process of its own keeps."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def mlchaos(self, *arguments: object) -> Outcome:
        return complete(begin(*arguments, folder=self.folder), seconds=300)

    @property
    def state(self) -> place.State:
        previous = Path.cwd()
        os.chdir(self.folder)
        try:
            return place.find("game")
        finally:
            os.chdir(previous)


@pytest.fixture
def standing(tmp_path: Path) -> Iterator[Standing]:
    standing = Standing(tmp_path)
    outcome = standing.mlchaos("stack", "up", "--name", "game", "--day-seconds", "4", "-d")
    assert (outcome.code, outcome.err) == (0, "")
    keeper = psutil.Process(standing.state.pid)
    started = [keeper, *keeper.children(recursive=True)]
    try:
        yield standing
    finally:
        standing.mlchaos("stack", "down", "--name", "game")
        for process in started:
            with suppress(psutil.NoSuchProcess):
                process.kill()


def test_a_fault_by_hand_on_real_processes(standing: Standing) -> None:
    status = standing.mlchaos("stack", "status", "--name", "game")
    assert status.code == 0
    assert status.out.count(" up ") == 10
    again = standing.mlchaos("stack", "up", "--name", "game", "-d")
    assert (again.code, "already" in again.err) == (3, True)
    injected = standing.mlchaos(
        "inject", "latency", "link=serving-features", "delay_ms=150ms", "--into", "game"
    )
    assert (injected.code, injected.err) == (0, "")
    assert injected.out.startswith("latency_1 is injected on day ")
    assert "injected: latency_1" in standing.mlchaos("stack", "status", "--name", "game").out
    journal = Path(standing.state.folder) / "journal-standing.jsonl"
    saw = [signal for signal in read(journal).of(Signal) if signal.layer == "fallback"]
    assert until(lambda: any(s.layer == "fallback" for s in read(journal).of(Signal)) or bool(saw), 60), (
        "serving never fell back"
    )
    undone = standing.mlchaos("undo", "--into", "game")
    assert (undone.code, "latency_1 is undone" in undone.out) == (0, True)
    assert [type(event) for event in read(journal).of(Undone)] == [Undone]
    down = standing.mlchaos("stack", "down", "--name", "game")
    assert (down.code, down.out) == (0, "down\n")
    assert not read(journal).interrupted
    assert standing.mlchaos("stack", "status").out == "no stack stands here\n"


def test_a_keeper_that_is_killed_leaves_nothing(standing: Standing) -> None:
    injected = standing.mlchaos(
        "inject", "latency", "link=serving-features", "delay_ms=50ms", "--into", "game"
    )
    assert (injected.code, injected.err) == (0, "")
    folder = Path(standing.state.folder)
    keeper = psutil.Process(standing.state.pid)
    started = keeper.children(recursive=True)
    assert len(started) > 10
    keeper.send_signal(signal.SIGKILL)
    assert until(lambda: not any(alive(process) for process in started), GONE_SECONDS)
    assert find_undos(folder / "undo.jsonl").undos == []
    journal = read(folder / "journal-standing.jsonl")
    assert journal.interrupted
    assert len(journal.of(Applied)) == 1
    assert not (folder / "warmup").exists()
    assert standing.mlchaos("stack", "status").out == "no stack stands here\n"


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

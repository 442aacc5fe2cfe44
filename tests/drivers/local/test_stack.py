"""The driver's handle on a stack's warm parent: who asked what, and whose answer it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import psutil
import pytest

from chaos.drivers.local import stack as stack_module
from chaos.drivers.local.program import Program
from chaos.drivers.local.stack import StackParent
from chaos.errors import ArmFailed, LeftBehind
from tests.command import until

T = TypeVar("T")


class Parent:
    """A parent that says what it is given to say; None is a silence for longer than anybody waits."""

    def __init__(self, *says: dict[str, Any] | None) -> None:
        self._says = deque(says)
        self.asked: list[object] = []

    def send(self, message: object) -> None:
        self.asked.append(message)

    def receive(self, kind: type[T], *, timeout_s: float) -> T:
        said = self._says.popleft()
        if said is None:
            raise ArmFailed(f"said nothing for {timeout_s:g} s")
        return msgspec.convert(said, kind)

    def waiting(self) -> bool:
        return False

    def check(self) -> None:
        """It runs."""


def parent(*says: dict[str, Any] | None) -> StackParent:
    return StackParent(Parent({"ready": True}, *says), lambda _name, _pid: None)  # type: ignore[arg-type]


def test_an_answer_that_comes_too_late_is_not_taken_for_that_to_the_next_question() -> None:
    stack = parent(
        None,  # to `stop`, which takes its time
        {"ok": True},  # that is its answer
        {"exit": "trainer", "code": 0},
        {"ok": True, "pids": {"trainer": 7}},
    )
    with pytest.raises(ArmFailed, match="said nothing"):
        stack.tell("stop", "trainer")
    stack.tell("start", "trainer")
    assert stack.pids == {"trainer": 7}
    assert [one.component for one in stack.ended()] == ["trainer"]


def test_what_went_wrong_with_an_earlier_question_is_not_said_of_the_next() -> None:
    stack = parent(None, {"ok": False, "error": "no such component"}, {"ok": True, "pids": {"shop": 3}})
    with pytest.raises(ArmFailed, match="said nothing"):
        stack.tell("kill", "nobody")
    assert stack.up(Path("settings.json")) == {"shop": 3}


def test_an_answer_of_its_own_that_is_no_is_told() -> None:
    stack = parent({"ok": False, "error": "no such component"}, {"ok": True})
    with pytest.raises(ArmFailed, match="the stack: no such component"):
        stack.tell("kill", "nobody")
    stack.down()


def test_a_stopped_process_stands_still_until_it_goes_on_or_ends() -> None:
    process = subprocess.Popen(["sleep", "60"])
    stack = parent({"ok": True, "pids": {"shop": process.pid}})
    stack.up(Path("settings.json"))
    try:
        assert not stack.stands_still("shop")
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)  # until it has stopped
        assert stack.stands_still("shop")
        process.send_signal(signal.SIGCONT)
        assert not stack.stands_still("shop")
    finally:
        process.kill()
        process.wait()
    assert not stack.stands_still("shop")
    assert not stack.stands_still("features")  # which is not up


# --- what lives on ---------------------------------------------------------------------------------------

STUBBORN = """
import json, signal, subprocess, sys

def start():
    ignore = lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL, preexec_fn=ignore)

def say(**words):
    print(json.dumps(words), flush=True)

say(ready=True)
running, besides = {}, start()
for line in sys.stdin:
    asked = json.loads(line)
    if asked["do"] == "down":
        for process in running.values():
            process.terminate()
            process.wait()
    name = asked.get("component", "shop")
    running[name] = start()
    say(ok=True, pids={name: running[name].pid})
besides.wait()
"""


class Stubborn:
    """A real parent with two components that heed no SIGTERM, and hold its standard output as well."""

    def __init__(self, folder: Path) -> None:
        script = folder / "parent.py"
        script.write_text(STUBBORN)
        self.told: list[tuple[str, int]] = []
        self.program = Program("stack", [sys.executable, str(script)], folder / "stack.err", {})
        self.stack = StackParent(self.program, lambda name, pid: self.told.append((name, pid)))
        self.stack.up(folder / "settings.json")
        self.stack.tell("start", "trainer")
        of_parent = psutil.Process(self.program.pid).children()
        self.all = {one.pid: one for one in of_parent}

    def alive(self, pid: int) -> bool:
        one = self.all[pid]
        return one.is_running() and one.status() != psutil.STATUS_ZOMBIE


@pytest.fixture
def stubborn(tmp_path: Path) -> Iterator[Stubborn]:
    made = Stubborn(tmp_path)
    yield made
    for one in made.all.values():
        with suppress(psutil.NoSuchProcess):
            one.kill()
    made.program.kill()
    made.program.close()


@pytest.mark.processes
def test_what_a_start_answers_is_told_of_as_well(stubborn: Stubborn) -> None:
    assert [name for name, _ in stubborn.told] == ["shop", "trainer"]
    assert dict(stubborn.told) == stubborn.stack.pids


@pytest.mark.processes
def test_components_of_a_parent_that_hangs_are_killed_with_it(
    stubborn: Stubborn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack_module, "UP_SECONDS", 0.5)
    with pytest.raises(ArmFailed, match=r"^stack said nothing for 0.5 s"):
        stubborn.stack.down()
    assert len(stubborn.all) == 3  # one of them it has never told of
    assert [pid for pid in stubborn.all if stubborn.alive(pid)] == []
    assert stubborn.program.code == -signal.SIGKILL
    assert stubborn.stack.pids == {}


@pytest.mark.processes
def test_components_of_a_parent_that_died_are_killed(stubborn: Stubborn) -> None:
    os.kill(stubborn.program.pid, signal.SIGKILL)
    assert until(lambda: stubborn.program.code is not None, 5.0)
    with pytest.raises(ArmFailed, match=r"^stack has ended$"):
        stubborn.stack.ended()
    assert all(stubborn.alive(pid) for _, pid in stubborn.told)
    with pytest.raises(ArmFailed, match=r"^stack has ended$"):
        stubborn.stack.down()
    assert [pid for _, pid in stubborn.told if stubborn.alive(pid)] == []
    assert stubborn.stack.pids == {}


@pytest.mark.processes
def test_what_is_there_after_the_parents_own_end_is_killed(stubborn: Stubborn) -> None:
    os.kill(next(pid for pid in stubborn.all if pid not in stubborn.stack.pids.values()), signal.SIGKILL)
    stubborn.stack.close()
    assert stubborn.program.code == 0
    assert [pid for pid in stubborn.all if stubborn.alive(pid)] == []


@pytest.mark.processes
def test_what_survives_is_left_behind_and_tried_again(
    stubborn: Stubborn, monkeypatch: pytest.MonkeyPatch
) -> None:
    stubborn.program.kill()
    with monkeypatch.context() as patch:
        patch.setattr(stack_module, "kill", lambda family: [one for one in family if one.name == "shop"])
        says = rf"^still there, though killed: shop \({dict(stubborn.told)['shop']}\); `mlchaos recover`"
        with pytest.raises(LeftBehind, match=says):
            stubborn.stack.down()
    assert list(stubborn.stack.pids) == ["shop"]
    with pytest.raises(ArmFailed, match="has ended"):
        stubborn.stack.down()
    assert not any(stubborn.alive(pid) for _, pid in stubborn.told)

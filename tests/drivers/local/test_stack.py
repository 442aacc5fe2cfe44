"""The driver's handle on a stack's warm parent: who asked what, and whose answer it was."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import deque
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from chaos.drivers.local.stack import StackParent
from chaos.errors import ArmFailed

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


def parent(*says: dict[str, Any] | None) -> StackParent:
    return StackParent(Parent({"ready": True}, *says))  # type: ignore[arg-type]


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

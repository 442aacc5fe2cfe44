"""What `mlchaos stack down` makes of the keeper's last word."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from chaos.drivers.fake import FakeDriver
from chaos.errors import ArmFailed, UndoFailed, UsageError
from chaos.processes import born
from chaos.standing import by_hand, place, up
from chaos.standing.keeper import Keeper
from chaos.standing.wire import Answer, Desk, Down, Open, StatusIs
from tests.harness import target_of
from tests.standing.test_place import state_of

TOKEN = "t"
Keep = Callable[[Answer | None], None]


@pytest.fixture
def keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keep]:
    """Has a process keep a stack, which says this when it is asked to take it down, and ends (None: says nothing)."""
    monkeypatch.chdir(tmp_path)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    desk = Desk(TOKEN)
    threads = []

    def serve(goodbye: Answer | None) -> None:
        asked = []
        while not asked:
            asked = desk.poll()
        ((visitor, ask),) = asked
        assert ask == Down()
        if goodbye is not None:
            visitor.tell(goodbye)
            desk.close()
            process.communicate(b"\n")

    def begin(goodbye: Answer | None) -> None:
        started = born(psutil.Process(process.pid))
        place.write(state_of("game", pid=process.pid, started=started, port=desk.port, token=TOKEN))
        threads.append(threading.Thread(target=serve, args=(goodbye,)))
        threads[-1].start()

    yield begin
    for thread in threads:
        thread.join()
    desk.close()
    process.communicate()


def test_a_stack_that_is_down_is_said_to_be(keep: Keep) -> None:
    keep(Answer("down"))
    assert up.down("game") == "down"


def test_what_could_not_be_taken_down_is_not_passed_over(keep: Keep) -> None:
    keep(Answer("containers are left: no container engine answers", 4))
    with pytest.raises(UndoFailed, match="containers are left") as caught:
        up.down("game")
    assert caught.value.exit_code == 4


def test_a_keeper_that_never_says_goodbye_is_waited_for_so_long(
    keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(up, "DOWN_SECONDS", 0.2)
    keep(None)
    with pytest.raises(ArmFailed, match=r"did not end in 0\.2 s"):
        up.down("game")


def test_a_stack_that_ends_by_itself_says_what_could_not_be_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody asked for it by `stack down`, so nobody else hears of it."""
    says = "down, but the undo of latency_1 failed: no answer"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(up, "check", lambda _asked: None)
    monkeypatch.setattr(up, "make_driver", lambda *_: FakeDriver())
    monkeypatch.setattr(up, "Guardian", lambda _folder: Namespace(close=lambda: None))

    def keep(self: Keeper, _ready: object) -> None:
        self._kept.desk.close()
        raise UndoFailed(says)

    monkeypatch.setattr(Keeper, "keep", keep)
    told: list[str] = []
    with pytest.raises(UndoFailed, match=f"^{says}$"):
        up.up(up.Asked("game", target_of(), 1, "default", 3.0, 1.0), told.append)
    assert told == []


def test_a_ctrl_c_is_answered_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def keep(keeper: Keeper, _ready: object) -> str:
        signal.raise_signal(signal.SIGINT)
        told.append("undoing")
        keeper._kept.desk.close()
        return ""

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(up, "check", lambda _asked: None)
    monkeypatch.setattr(up, "make_driver", lambda *_: FakeDriver())
    monkeypatch.setattr(up, "Guardian", lambda _folder: Namespace(close=lambda: None))
    monkeypatch.setattr(Keeper, "keep", keep)
    up.up(up.Asked("game", target_of(), 1, "default", 3.0, 1.0), told.append)
    assert told == ["stopping: undoing and taking down", "undoing", "down"]


def test_the_stack_of_somebody_else_is_not_taken_for_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    place.write(state_of("game"))
    told: list[str] = []
    with pytest.raises(UsageError, match=r"^no stack stands under the name .other. here"):
        up.detach(["stack", "down", "--name", "other"], "game", told.append)
    assert told == []


def test_whoever_watches_is_told_that_the_stack_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def serve() -> None:
        while not desk.poll():
            pass
        desk.close()

    monkeypatch.chdir(tmp_path)
    desk = Desk(TOKEN)
    place.write(state_of("game", port=desk.port, token=TOKEN))
    thread = threading.Thread(target=serve)
    thread.start()
    says = by_hand.watch("game", lambda event: pytest.fail(str(event)))
    thread.join()
    assert says == "the stack 'game' is gone: it ended, or was taken down"


def test_a_stack_that_does_not_answer_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask_status(state: place.State) -> StatusIs:
        if state.name == "a":
            raise ArmFailed("the stack 'a' does not answer")
        return StatusIs(3.0, "", (), ())

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(up, "ask_status", ask_status)
    for name in ("a", "b"):
        place.write(state_of(name))
    assert list(up.status(None)) == [
        "a              reference-local, the stack 'a' does not answer",
        "b              reference-local, day 3.00 of 90",
    ]


def test_why_a_component_is_down_is_told_in_a_few_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        address = f"127.0.0.1:{holder.getsockname()[1]}"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(up, "ask_status", lambda _state: StatusIs(3.0, "", (), ()))
    place.write(state_of("game", addresses={"shop": address}))
    _, shop = up.status("game")
    assert shop == f"shop           down  GET {address}/health: Connection refused"


def test_nothing_is_said_to_be_injected_for_longer_than_the_stack_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    injected = (Open("latency_1", 2.0, 200.0), Open("latency_2", 2.5, 4.0))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(up, "ask_status", lambda _state: StatusIs(3.0, "", injected, ()))
    place.write(state_of("game"))
    _, *told = up.status("game")
    assert [one.rpartition(", ")[2] for one in told] == ["until day 90.00", "until day 4.00"]


@pytest.mark.parametrize(
    ("one", "says"),
    [
        (
            Open("latency_1", 2.0, 3.0, 19.9, "no answer"),
            "until day 3.00; its undo failed on day 19.90 and is tried again: no answer",
        ),
        (
            Open("latency_1", 2.0, None, 4.0, "no answer"),
            "until it is undone by hand; its undo failed on day 4.00: no answer",
        ),
        (Open("latency_1", 2.0, 30.0, 4.0, "no"), "until day 30.00; its undo failed on day 4.00: no"),
    ],
)
def test_an_undo_that_failed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one: Open, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(up, "ask_status", lambda _state: StatusIs(20.0, "", (one,), ()))
    place.write(state_of("game"))
    _, told = up.status("game")
    assert told == f"injected: latency_1 since day 2.00, {says}"

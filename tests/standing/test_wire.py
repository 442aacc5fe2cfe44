from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from chaos.domain.event import Phase
from chaos.errors import ArmFailed, Interrupted, UndoFailed, UsageError
from chaos.standing import wire
from chaos.standing.wire import Answer, Ask, Desk, Down, Happened, Line, Status, Undo, Visitor


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk("secret")
    yield desk
    desk.close()


def heard(desk: Desk, count: int) -> list[tuple[Visitor, Ask]]:
    """What is asked, looked for until so much has come."""
    asked: list[tuple[Visitor, Ask]] = []
    for _ in range(100_000):
        asked += desk.poll()
        if len(asked) >= count:
            return asked
    raise AssertionError(f"only {asked}")


def received(desk: Desk, caller: socket.socket) -> bytes:
    """What the desk answers, looked for."""
    caller.setblocking(False)
    for _ in range(100_000):
        assert desk.poll() == []
        with suppress(BlockingIOError):
            return caller.recv(1000)
    raise AssertionError("no answer")


def test_what_is_asked_is_heard_in_order_and_answered(desk: Desk) -> None:
    with Line("game", desk.port, "secret") as line:
        line.say(Status())
        line.say(Undo("latency_1"))
        asked = heard(desk, 2)
        assert [ask for _, ask in asked] == [Status(), Undo("latency_1")]
        visitor = asked[0][0]
        visitor.tell(Happened(Phase(1.5, "inject", "x")))
        visitor.tell(Answer("done"))
        assert line.hear() == Happened(Phase(1.5, "inject", "x"))
        assert line.hear() == Answer("done")


def test_who_does_not_know_the_token_is_sent_away(desk: Desk) -> None:
    with Line("game", desk.port, "guess") as line:
        line.say(Down())
        assert len(desk.visitors) == 0
        for _ in range(100_000):
            assert desk.poll() == []
            with suppress(TimeoutError):
                assert line.hear(patience_s=0.001) == Answer("this is not for you", 3)
                return
    pytest.fail("it was not sent away")


@pytest.mark.parametrize("token", ["é".encode(), b"\xff\xfe"])
def test_a_token_in_no_known_letters_is_a_wrong_one(desk: Desk, token: bytes) -> None:
    with socket.create_connection(("127.0.0.1", desk.port)) as caller:
        caller.sendall(b'{"token":"' + token + b'","ask":{"ask":"status"}}\n')
        assert b"this is not for you" in received(desk, caller)


def test_what_is_not_a_request_is_sent_away(desk: Desk) -> None:
    with socket.create_connection((wire.HOST, desk.port)) as caller:
        caller.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert b"this is not for you" in received(desk, caller)


def test_a_line_in_two_pieces_is_one_request(desk: Desk) -> None:
    with socket.create_connection((wire.HOST, desk.port)) as caller:
        caller.sendall(b'{"token":"secret","ask":')
        for _ in range(1_000):
            assert desk.poll() == []
        caller.sendall(b'{"ask":"down"}}\n')
        ((_, ask),) = heard(desk, 1)
        assert ask == Down()


def test_a_watcher_that_does_not_read_holds_nobody_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_BACKLOG", 100_000)
    with Line("game", desk.port, "secret") as line:
        line.say(Status())
        ((visitor, _),) = heard(desk, 1)
        for _ in range(5_000):
            visitor.tell(Happened(Phase(1.0, "x" * 10_000)))
            if visitor.gone:
                break
        assert visitor.gone
        desk.poll()
        assert desk.visitors == []


def test_who_hangs_up_is_gone(desk: Desk) -> None:
    with Line("game", desk.port, "secret") as line:
        line.say(Status())
        ((visitor, _),) = heard(desk, 1)
    for _ in range(100_000):
        desk.poll()
        if visitor.gone:
            break
    assert visitor.gone


def test_a_keeper_that_is_gone_is_said() -> None:
    desk = Desk("secret")
    with Line("game", desk.port, "secret") as line:
        line.say(Status())
        heard(desk, 1)
        desk.close()
        with pytest.raises(ArmFailed, match="the stack 'game' is gone"):
            line.hear()
    with pytest.raises(ArmFailed, match="the stack 'game' does not answer"):
        Line("game", desk.port, "secret")


def test_a_keeper_that_says_nothing_is_waited_for_so_long_and_no_longer(desk: Desk) -> None:
    with Line("game", desk.port, "secret") as line, pytest.raises(TimeoutError):
        line.hear(patience_s=0.01)


@pytest.mark.parametrize(
    ("code", "error"), [(2, ArmFailed), (3, UsageError), (4, UndoFailed), (130, Interrupted)]
)
def test_an_answer_raises_what_its_exit_code_stands_for(code: int, error: type[Exception]) -> None:
    with pytest.raises(error, match="no"):
        Answer("no", code).ok_or_raise()
    assert Answer("yes").ok_or_raise() == "yes"

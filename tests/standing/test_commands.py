from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

from chaos.standing import place, up
from tests.command import Command, in_process
from tests.standing.test_place import state_of


@pytest.fixture
def mlchaos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(tmp_path)
    return in_process(monkeypatch, capsys)


@pytest.mark.parametrize(
    "words",
    [
        ("inject", "latency", "--into", "game"),
        ("undo", "--into", "game"),
        ("watch", "--into", "game"),
        ("run", "slow-features", "--into", "game"),
        ("stack", "down", "--name", "game"),
        ("stack", "status", "--name", "game"),
    ],
)
def test_a_stack_that_is_not_there_is_one_message(
    mlchaos: Command, words: tuple[str, ...], tmp_path: Path
) -> None:
    outcome = mlchaos(*words)
    assert (outcome.code, outcome.err) == (3, "mlchaos: no stack stands under the name 'game' here\n")
    assert list(tmp_path.iterdir()) == []


def test_what_can_be_no_stacks_name_is_said_whatever_option_it_came_by(mlchaos: Command) -> None:
    says = "'Game' is no stack's name: use small letters, digits and single dashes, as in game-day"
    for words in (("undo", "--into", "Game"), ("stack", "down", "--name", "Game")):
        assert mlchaos(*words).err == f"mlchaos: {says}\n"


def test_no_stack_at_all(mlchaos: Command) -> None:
    assert mlchaos("stack", "status").out == "no stack stands here\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("inject", "latncy"), "inject latncy: there is no fault 'latncy' (did you mean 'latency'?)"),
        (("inject", "latency", "link"), "'link': write parameters as key=value"),
        (("inject", "latency", "link=a", "link=b"), "link is given twice"),
        (
            ("inject", "latency", "lnk=serving-features"),
            "inject latency: latency has no parameter 'lnk' (did you mean 'link'?)",
        ),
        (
            ("inject", "latency", "link=serving-feature", "delay_ms=225ms"),
            "the target has no network link 'serving-feature' (did you mean 'serving-features'?)",
        ),
        (("inject", "latency", "link=serving-features", "delay_ms=5d"), "'5d' is on the calendar"),
        (("inject", "latency", "link=serving-features", "delay_ms=9", "--for", "9"), "--for 9: "),
        (("inject", "latency", "link=serving-features", "delay_ms=9", "--for", "0d"), "must be above 0"),
        (("run", "slow-features", "--seed", "2"), "--seed has no meaning with --into"),
        (("run", "slow-features", "--day-seconds", "2"), "--day-seconds has no meaning with --into"),
        (("run", "slow-features", "--arms", "control"), "--arms has no meaning with --into"),
        (("run", "slow-features", "--rerun-void", "3"), "--rerun-void has no meaning with --into"),
        (("run", "slow-features", "--jobs", "2"), "--jobs has no meaning with --into"),
        (("run", "slow-features", "--no-cache"), "--no-cache has no meaning with --into"),
        (("run", "slow-features", "--keep", "always"), "--keep has no meaning with --into"),
        (("run", "slow-features", "late-partition"), "--into takes one scenario at a time"),
        (("run", "slow-features", "--target", "reference-virtual"), "--target has no meaning with --into"),
        (("run", "slow-features", "--pause-before", "injct"), "'injct' is not one of inject, undo"),
    ],
)
def test_bad_input_is_told_before_the_stack_is_asked(
    mlchaos: Command, words: tuple[str, ...], says: str
) -> None:
    place.write(state_of("game"))  # nobody listens there
    outcome = mlchaos(*words, "--into", "game")
    assert outcome.code == 3
    assert says in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_keeper_that_does_not_answer_is_said(mlchaos: Command) -> None:
    place.write(state_of("game"))
    outcome = mlchaos("undo", "--into", "game")
    assert outcome.code == 2
    assert "the stack 'game' does not answer" in outcome.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--name", "Game Day"), "use small letters, digits and single dashes"),
        (("--target", "reference-virtual"), "target 'reference-virtual' cannot stand by itself"),
        (("--world", "nowhere"), "--world nowhere: the target has default"),
        (("--day-seconds", "0"), "--day-seconds must be above 0"),
        (("--name", "taken"), "a stack stands under the name 'taken' already"),
    ],
)
def test_a_stack_that_cannot_stand_is_refused_before_anything_is_started(
    mlchaos: Command, words: tuple[str, ...], says: str
) -> None:
    place.write(state_of("taken"))
    for detach in ((), ("-d",)):
        outcome = mlchaos("stack", "up", *words, *detach)
        assert outcome.code == 3
        assert says in outcome.err


def test_a_name_under_which_a_stack_comes_up_is_refused_and_its_log_left_alone(mlchaos: Command) -> None:
    with place.reserved("game"):
        log = place.FOLDER / "game.log"
        log.write_text("coming up")
        outcome = mlchaos("stack", "up", "--name", "game", "-d")
        says = "a stack comes up under the name 'game' already; see `mlchaos stack status`"
        assert (outcome.code, outcome.err) == (3, f"mlchaos: {says}\n")
        assert log.read_text() == "coming up"


def test_whoever_interrupts_a_command_is_told_that_it_was(
    mlchaos: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def status(_name: str | None) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(up, "status", status)
    outcome = mlchaos("stack", "status")
    assert (outcome.code, outcome.err) == (130, "mlchaos: interrupted\n")


def test_pausing_needs_a_standing_stack(mlchaos: Command) -> None:
    outcome = mlchaos("run", "slow-features", "--pause-before", "inject")
    assert outcome.code == 3
    assert "name one with --into" in outcome.err

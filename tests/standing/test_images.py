"""What a fault needs of the engine of a stack that stands is found out before anybody there is asked for it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from docker.errors import ImageNotFound

from chaos.app import Wanted, check_can_start, check_can_visit, make_catalogue, make_files, plan_run
from chaos.drivers.compose import surroundings
from chaos.engine import NoEngine
from chaos.errors import UsageError
from chaos.standing import place
from tests.command import Command, in_process
from tests.standing.test_place import state_of

OLD = {"component": "serving-b", "image": "old:1", "build": "2018.4"}
MISSED = Wanted(("missed-replica",), "reference-compose", seeds=(1,))


class Engine:
    """Images that are here, and those that can be had."""

    def __init__(self, here: tuple[str, ...] = (), elsewhere: tuple[str, ...] = ()) -> None:
        self.here, self.elsewhere = list(here), elsewhere
        self.images = self

    def get(self, image: str) -> None:
        if image not in self.here:
            raise ImageNotFound(image)

    def pull(self, image: str) -> None:
        if image not in self.elsewhere:
            raise ImageNotFound(image)
        self.here.append(image)

    def close(self) -> None:
        pass


@pytest.fixture
def mlchaos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(tmp_path)
    place.write(state_of("game", target="reference-compose"))  # nobody listens there
    return in_process(monkeypatch, capsys)


def test_an_image_that_cannot_be_had_is_told_before_the_stack_is_asked(
    mlchaos: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surroundings, "connect", lambda _timeout: Engine())
    words = [f"{key}={value}" for key, value in OLD.items()]
    outcome = mlchaos("inject", "old_image", *words, "--into", "game")
    assert outcome.code == 3
    assert outcome.err.startswith("mlchaos: image 'old:1' is not here and cannot be pulled; ")
    assert outcome.err.count("\n") == 1


def test_an_image_that_can_be_had_is_there_when_the_stack_is_asked(
    mlchaos: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(elsewhere=("old:1",))
    monkeypatch.setattr(surroundings, "connect", lambda _timeout: engine)
    words = [f"{key}={value}" for key, value in OLD.items()]
    outcome = mlchaos("inject", "old_image", *words, "--into", "game")
    assert (outcome.code, "the stack 'game' does not answer" in outcome.err) == (2, True)
    assert engine.here == ["old:1"]


def test_a_visit_asks_for_nothing_that_only_a_stack_that_comes_up_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The stack that stands holds the ports itself, and has its memory already."""
    planned = plan_run(MISSED, make_files(), make_catalogue())
    engine = Engine(here=("mlchaos-stack:2018.4",))
    monkeypatch.setattr(surroundings, "connect", lambda _timeout: engine)
    with socket.create_server(("127.0.0.1", 0)) as held:
        monkeypatch.setenv("MLFLOW_PORT", str(held.getsockname()[1]))
        check_can_visit(MISSED, planned)
        with pytest.raises(UsageError, match="the port is taken"):
            check_can_start(MISSED, planned)


def test_a_visit_asks_for_the_engine_and_for_the_images_of_its_faults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone(_timeout: float) -> Engine:
        raise NoEngine("no container engine answers")

    planned = plan_run(MISSED, make_files(), make_catalogue())
    monkeypatch.setattr(surroundings, "connect", gone)
    with pytest.raises(NoEngine):
        check_can_visit(MISSED, planned)
    monkeypatch.setattr(surroundings, "connect", lambda _timeout: Engine())
    with pytest.raises(UsageError, match=r"image 'mlchaos-stack:2018\.4' is not here"):
        check_can_visit(MISSED, planned)

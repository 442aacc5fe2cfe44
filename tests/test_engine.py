"""What is said where there is no engine, and what a run's mark is good for."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
import requests
from docker.errors import APIError, DockerException

from chaos import engine
from chaos.engine import NoEngine, asking, connect, mark, marked
from chaos.errors import ArmFailed


def test_no_engine_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(NoEngine, match=r"no container engine answers.*docker info") as caught:
        connect()
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)
    del caught
    gc.collect()  # a socket that was left open would be told of here


@pytest.mark.parametrize(
    ("cause", "says"),
    [
        (PermissionError(13, "Permission denied"), "no permission on the container engine's socket"),
        (requests.ReadTimeout("Read timed out."), "the container engine does not answer"),
        (ConnectionRefusedError(111, "Connection refused"), "no container engine answers"),
    ],
)
def test_why_there_is_none(cause: Exception, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise DockerException("Error while fetching server API version") from cause

    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")  # nothing is looked for on this machine
    monkeypatch.setattr("docker.from_env", fail)
    with pytest.raises(NoEngine, match=says):
        connect()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (requests.ConnectionError("gone"), "pausing it: the container engine does not answer any more"),
        (APIError("409", None, "container is not running"), "pausing it: container is not running"),
    ],
)
def test_an_engine_that_fails_in_the_middle(error: Exception, says: str) -> None:
    with pytest.raises(ArmFailed, match=says), asking("pausing it"):
        raise error


def test_the_mark_of_a_run(tmp_path: Path) -> None:
    assert marked(tmp_path) is None
    mark(tmp_path, "mlchaos-0123")
    assert marked(tmp_path) == "mlchaos-0123"
    assert (tmp_path / engine.MARK).is_file()


def test_a_mark_that_is_damaged_is_said(tmp_path: Path) -> None:
    (tmp_path / engine.MARK).touch()  # as a machine leaves it that loses its power
    with pytest.raises(ArmFailed, match=r"containers\.json is damaged, .*`docker ps -a --filter label="):
        marked(tmp_path)
    mark(tmp_path, "mlchaos-0123")
    assert [path.name for path in tmp_path.iterdir()] == [engine.MARK]

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import psutil
import pytest

from chaos.errors import UsageError
from chaos.processes import born
from chaos.standing import place
from tests.command import REPOSITORY


def state_of(name: str, **changes: object) -> place.State:
    me = psutil.Process()
    state = place.State(name, "reference-local", me.pid, born(me), "/x", 1, "t", 1, "default", 90, 30)
    return msgspec.structs.replace(state, **changes)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_stack_is_found_by_its_name_and_its_token_is_its_owners() -> None:
    place.write(state_of("game"))
    assert place.find("game").token == "t"
    assert place.is_taken("game")
    assert stat.S_IMODE(place.path_of("game").stat().st_mode) == 0o600
    place.path_of("game").unlink()
    assert not place.is_taken("game")


def test_a_name_that_is_not_there_gets_the_nearest() -> None:
    place.write(state_of("game-day"))
    with pytest.raises(
        UsageError, match=r"no stack stands under the name 'gameday' here \(did you mean 'game-day'\?\)"
    ):
        place.find("gameday")
    with pytest.raises(UsageError, match="; there is game-day"):
        place.find("xyz")


@pytest.mark.parametrize("name", ["Game", "a b", "../x", "-x", "", "a--b"])
def test_a_name_that_cannot_be_one_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="use small letters"):
        place.path_of(name)


def test_a_stack_whose_keeper_is_gone_does_not_stand() -> None:
    place.write(state_of("dead", started=1.0))  # another process has its number now
    place.write(state_of("game"))
    assert [state.name for state in place.standing()] == ["game"]
    (place.FOLDER / "torn.json").write_text("{")
    assert [state.name for state in place.standing()] == ["game"]


def test_a_name_is_taken_from_the_moment_at_which_its_stack_comes_up() -> None:
    with place.reserved("game"):
        with (
            pytest.raises(UsageError, match="a stack comes up under the name 'game' already"),
            place.reserved("game"),
        ):
            pytest.fail("there are two")
        place.write(state_of("game"))
        with (
            pytest.raises(UsageError, match="a stack stands under the name 'game' already"),
            place.reserved("game"),
        ):
            pytest.fail("there are two")
        with place.reserved("other"):
            pass
    assert not place.is_taken("game")
    with place.reserved("game"):
        pass


def test_who_was_killed_takes_no_name() -> None:
    command = "from chaos.standing import place; c = place.reserved('game'); c.__enter__(); print('up', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"up\n"
        with pytest.raises(UsageError, match="comes up"), place.reserved("game"):
            pytest.fail("there are two")
        other.kill()
        other.wait()
    with place.reserved("game"):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system keeps the moment itself")
def test_a_stack_is_found_after_a_step_of_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    place.write(state_of("game"))
    booted = psutil.boot_time()
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: booted + 2.0)
    assert place.is_taken("game")

"""An arm that does not come up says what stood in its way; and no run takes another's containers for its own."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.errors import NotFound

from chaos.clock import WallClock
from chaos.domain.event import Event
from chaos.drivers.compose import driver, stack
from chaos.drivers.compose.driver import ComposeDriver
from chaos.drivers.compose.project import Project
from chaos.engine import marked
from chaos.errors import ArmFailed
from tests.harness import planned, target_of


class Container:
    """One that has ended, by its service; what it wrote to standard output and to standard error."""

    def __init__(self, service: str, code: int, out: str = "", err: str = "") -> None:
        self.id = self.name = service
        self.labels = {"com.docker.compose.service": service}
        self.status = "exited"
        self.attrs = {"State": {"ExitCode": code}}
        self._out, self._err = out, err

    def logs(self, *, stderr: bool = True, tail: int | None = None) -> bytes:
        lines = (self._out + (self._err if stderr else "")).splitlines(keepends=True)
        return "".join(lines[-tail:] if tail else lines).encode()

    def remove(self, **_: object) -> None:
        pass


class Engine:
    """As much of the SDK's client as is asked here."""

    def __init__(self, *found: Container) -> None:
        self._found = found
        self._closed = threading.Event()
        self.containers = self
        self.networks = self.volumes = self._Nothing()

    class _Nothing:
        def list(self, **_: object) -> list[object]:
            return []

    def list(self, **_: object) -> list[Container]:
        return list(self._found)

    def get(self, name: str) -> Container:
        for one in self._found:
            if name == one.id or name.endswith(f"-{one.id}-1"):
                return one
        raise NotFound(name)

    def events(self, **_: object) -> Engine:
        return self

    def __iter__(self) -> Iterator[Any]:
        self._closed.wait(10)
        return iter(())

    def close(self) -> None:
        self._closed.set()


def start(folder: Path, monkeypatch: pytest.MonkeyPatch, engine: Engine, compose: str = "") -> None:
    """Bring an arm up on this engine; Compose says `compose` and fails, if that is given."""

    def up(_project: Project, _changes: str, _day_seconds: float) -> None:
        if compose:
            raise ArmFailed(compose)

    monkeypatch.setattr(driver, "connect", lambda *_: engine)
    monkeypatch.setattr(stack, "connect", lambda *_: Engine())
    monkeypatch.setattr(Project, "up", up)
    made = ComposeDriver(folder, WallClock(), folder / "c.yml", lambda _name, _pid: None)
    made.start(planned().arms[0], target_of(), folder / "arm", list[Event]().append)


@pytest.mark.parametrize(
    ("begin", "says"),
    [
        (
            Container("begin", 1, err="Traceback\nModuleNotFoundError: no module\n"),
            "the stack did not begin: begin ended with code 1: ModuleNotFoundError: no module",
        ),
        (
            Container("begin", 1, out='{"event":"log","says":"no"}\n'),
            'begin ended with code 1: {"event":"log","says":"no"}',
        ),
        (Container("begin", -9), "the stack did not begin: begin ended with code -9"),
        (
            Container("begin", 2, out="usage: reference_stack\n"),
            "did not begin: begin ended with code 2: usage: ",
        ),
        (Container("begin", 1, out='{"waiting":["shop","trainer"]}\n'), "not healthy in time: shop, trainer"),
    ],
)
def test_a_begin_that_fails_is_told_at_once(
    begin: Container, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "BEGIN_SECONDS", 2.0)
    with pytest.raises(ArmFailed, match=f"the arm cannot be set up: .*{says}"):
        start(tmp_path, monkeypatch, Engine(begin))


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (
            Container("prepare", 1, err="k9s: No space left on device\n"),
            "; prepare ended with code 1: k9s: No space ",
        ),
        (Container("prepare", 0, out="done\n"), "didn't complete successfully: exit 1$"),
    ],
)
def test_what_compose_says_goes_with_the_last_words_of_what_failed(
    prepare: Container, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compose = 'docker compose: service "prepare" didn\'t complete successfully: exit 1'
    with pytest.raises(ArmFailed, match=says) as caught:
        start(tmp_path, monkeypatch, Engine(Container("fine", 0, out="fine\n"), prepare), compose)
    assert str(caught.value).startswith(f"the arm cannot be set up: {compose}")


def test_no_two_runs_share_a_label_even_by_one_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "connect", lambda *_: Engine())
    labels = set()
    for _ in range(2):
        folder = tmp_path / "out"
        folder.mkdir()
        made = ComposeDriver(folder, WallClock(), folder / "c.yml", lambda _name, _pid: None)
        # Whoever finds the folder finds the containers: the label is on disk before the first of them.
        label = marked(folder)
        assert label is not None
        assert made._project.container("shop") == f"{label}-shop-1"
        labels.add(label)
        shutil.rmtree(folder)
    assert len(labels) == 2

"""What containers say, as an engine hands it on: in pieces, again after each look, by a clock that may step back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker import DockerClient
from docker.errors import APIError, NotFound

from chaos.domain.event import Views
from chaos.drivers.compose import logs
from chaos.drivers.compose.logs import ContainerLogs
from chaos.errors import ArmFailed
from tests.command import until
from tests.containers import engine_or_skip, image_of

SOON_SECONDS = 10.0
PATIENCE_SECONDS = 60.0

engine = pytest.fixture(engine_or_skip)


def at(second: int, text: str) -> bytes:
    """An entry of the engine's log."""
    return f"2026-01-01T00:00:{second:02}.000000000Z {text}".encode()


class Engine:
    """One container's log, which is handed out once for each of `looks`; then the container is gone."""

    def __init__(self, *looks: tuple[str, list[bytes]]) -> None:
        self._looks = list(looks)
        self.all_told = threading.Event()
        self.since: list[float | None] = []
        self.containers = self
        self.id = ""

    def get(self, name: str) -> Engine:
        if not self._looks:
            self.all_told.set()
            raise NotFound(name)
        self.id = self._looks[0][0]
        return self

    def logs(self, *, since: float | None, **_: object) -> Iterator[bytes]:
        self.since.append(since)
        yield from self._looks.pop(0)[1]


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LOOK_AGAIN_SECONDS", 0.001)


def kept(engine: Engine, folder: Path) -> list[str]:
    """The lines that are kept of what the engine hands out."""
    found = ContainerLogs(engine, {"shop": "run-shop-1"}, folder)  # type: ignore[arg-type]
    assert engine.all_told.wait(SOON_SECONDS)
    list(found.rest())
    return (folder / "shop.jsonl").read_text().splitlines()


def test_what_is_handed_out_again_is_taken_once(tmp_path: Path) -> None:
    first = [at(1, "a\n"), at(2, "b\n"), at(2, "c\n")]
    engine = Engine(("x", first), ("x", first), ("x", [*first[1:], at(3, "d\n")]))
    assert kept(engine, tmp_path) == ["a", "b", "c", "d"]
    assert engine.since[0] is None
    assert engine.since[1] == engine.since[2]


def test_a_clock_that_steps_back_loses_no_line_and_repeats_none(tmp_path: Path) -> None:
    first = [at(8, "a\n"), at(9, "b\n"), at(3, "back\n"), at(4, "c\n")]
    engine = Engine(
        ("x", first), ("x", [*first, at(5, "d\n")]), ("x", [at(8, "a\n"), at(5, "d\n"), at(6, "e\n")])
    )
    assert kept(engine, tmp_path) == ["a", "b", "back", "c", "d", "e"]


def test_a_log_that_has_lost_its_beginning_is_taken_up_at_the_first_newer_line(tmp_path: Path) -> None:
    engine = Engine(("x", [at(1, "a\n"), at(2, "b\n")]), ("x", [at(1, "a\n"), at(3, "c\n"), at(2, "d\n")]))
    assert kept(engine, tmp_path) == ["a", "b", "c", "d"]


def test_another_container_of_the_name_has_a_log_of_its_own(tmp_path: Path) -> None:
    engine = Engine(("x", [at(5, "old\n")]), ("y", [at(4, "new\n"), at(5, "newer\n")]))
    assert kept(engine, tmp_path) == ["old", "new", "newer"]
    assert engine.since == [None, None]


def test_a_long_line_comes_in_pieces_each_with_a_stamp(tmp_path: Path) -> None:
    pieces = [at(1, '{"says":'), at(1, '"long"'), at(2, "}\n")]
    assert kept(Engine(("x", [*pieces, at(3, "b\n")])), tmp_path) == ['{"says":"long"}', "b"]


def test_half_a_line_is_none_until_the_rest_of_it_has_come(tmp_path: Path) -> None:
    engine = Engine(("x", [at(1, "a\n"), at(2, "ha")]), ("x", [at(1, "a\n"), at(2, "ha"), at(2, "lf\n")]))
    assert kept(engine, tmp_path) == ["a", "half"]


@pytest.mark.containers
def test_a_line_that_a_real_engine_splits_is_one_event(engine: DockerClient, tmp_path: Path) -> None:
    said = (
        "import json; row = dict(version=1, build='b', replica='r', segment=0, n=1, abandoned=0, errors=0, slow=0, "
        "fallback=0, defaulted=0, served_value=1.0, best_value=1.0); "
        "print(json.dumps(dict(event='views', day=1.0, component='shop', start_day=0.9, end_day=1.0, rows=[row] * 300)))"
    )
    container = engine.containers.create(image_of("collector"), ["-c", said], entrypoint=["python"])
    try:
        found = ContainerLogs(engine, {"shop": str(container.name)}, tmp_path)
        container.start()
        events: list[object] = []
        assert until(lambda: bool(events.extend(found.poll()) or events), PATIENCE_SECONDS)
        found.close()
    finally:
        container.remove(force=True)
    (views,) = events
    assert isinstance(views, Views)
    assert len(views.rows) == 300


def failure(found: ContainerLogs) -> str:
    """Why a log cannot be followed any more, once that is known."""
    told: list[str] = []

    def failed() -> bool:
        try:
            list(found.poll())
        except ArmFailed as error:
            told.append(str(error))
        return bool(told)

    assert until(failed, SOON_SECONDS)
    return told[0]


def test_a_full_disk_is_no_engine_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "shop.jsonl").symlink_to("/dev/full")
    engine = Engine(("x", [at(1, "a\n")]))
    found = ContainerLogs(engine, {"shop": "run-shop-1"}, tmp_path)  # type: ignore[arg-type]
    assert failure(found) == "the log of shop cannot be written: No space left on device"


def test_a_log_that_nobody_can_follow_does_not_pass_for_a_silent_one(tmp_path: Path) -> None:
    engine = Engine(("x", [at(1, "a\n"), b"\xff\xff what is this\n"]))
    found = ContainerLogs(engine, {"shop": "run-shop-1"}, tmp_path)  # type: ignore[arg-type]
    assert failure(found).startswith("the log of shop cannot be followed: UnicodeDecodeError")
    elsewhere = ContainerLogs(engine, {"shop": "run-shop-1"}, tmp_path / "gone")  # type: ignore[arg-type]
    assert failure(elsewhere) == "the log of shop cannot be written: No such file or directory"


class Refusing(Engine):
    """An engine that breaks off once, where it has nothing more, or hangs there, after what it has handed out."""

    def __init__(self, *looks: tuple[str, list[bytes]], hangs: bool) -> None:
        super().__init__(*looks)
        self.hangs = hangs
        self.let_go = threading.Event()
        self.last = threading.Event()

    def logs(self, *, since: float | None, **_: object) -> Iterator[bytes]:
        yield from super().logs(since=since)
        if not self._looks and not self.last.is_set():
            self.last.set()
            self.let_go.wait(SOON_SECONDS)
            if not self.hangs:
                raise APIError("broken off")


@pytest.mark.parametrize(
    ("hangs", "says"),
    [(True, r"has not told the whole log-shop within 0\.1 s"), (False, "does not answer any more")],
)
def test_last_words_that_the_engine_keeps_to_itself_are_no_silence(
    hangs: bool, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "LAST_WORDS_SECONDS", 0.1 if hangs else SOON_SECONDS)
    monkeypatch.setattr(
        logs, "LOOK_AGAIN_SECONDS", SOON_SECONDS
    )  # ended by `rest`: the next look is the last
    engine = Refusing(("x", [at(1, "a\n")]), ("x", [at(1, "a\n")]), hangs=hangs)
    found = ContainerLogs(engine, {"shop": "run-shop-1"}, tmp_path)  # type: ignore[arg-type]
    assert until(lambda: len(engine.since) == 1, SOON_SECONDS)
    if not hangs:
        engine.let_go.set()
    with pytest.raises(ArmFailed, match=says):
        list(found.rest())
    engine.let_go.set()


def test_a_look_that_breaks_off_before_the_last_one_loses_nothing(tmp_path: Path) -> None:
    engine = Refusing(("x", [at(1, "a\n")]), hangs=False)
    found = ContainerLogs(engine, {"shop": "run-shop-1"}, tmp_path)  # type: ignore[arg-type]
    assert engine.last.wait(SOON_SECONDS)
    engine._looks.append(("x", [at(1, "a\n"), at(2, "b\n")]))
    heard = threading.Thread(target=lambda: list(found.rest()))
    heard.start()
    assert until(found._ending.is_set, SOON_SECONDS)
    engine.let_go.set()
    heard.join(SOON_SECONDS)
    assert (tmp_path / "shop.jsonl").read_text().splitlines() == ["a", "b"]

"""A stack of containers that stands: looked at, faults by hand, a run, and what is left when its keeper is killed."""

from __future__ import annotations

import re
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from docker import DockerClient

from chaos.domain.event import Effect, Signal, Undone, Views
from chaos.engine import containers_of, marked
from chaos.journal import read
from tests.command import CALM, begin, complete, until
from tests.containers import engine_or_skip
from tests.standing.test_processes import Standing

pytestmark = pytest.mark.containers

# Loose bounds: what is tested here does not depend on whether the machine keeps up.
CALM_ENOUGH = CALM.replace("probe: good_views\n    at_least: 0.9", "probe: views_per_day\n    at_least: 1")
PATIENCE_SECONDS = 120.0

engine = pytest.fixture(scope="module")(engine_or_skip)


@contextmanager
def stood(engine: DockerClient, folder: Path) -> Iterator[Standing]:
    standing = Standing(folder)
    up = ("stack", "up", "--name", "game", "--target", "reference-compose", "--day-seconds", "5", "-d")
    outcome = standing.mlchaos(*up)
    assert (outcome.code, outcome.err) == (0, "")
    run = marked(Path(standing.state.folder))
    assert run is not None
    try:
        yield standing
    finally:
        standing.mlchaos("stack", "down", "--name", "game")
        ours = {"label": f"org.mlchaos.run={run}"}
        # A guardian may be at it still: it takes the containers down first.
        assert until(lambda: containers_of(engine, run) == [], PATIENCE_SECONDS)
        assert until(lambda: engine.networks.list(filters=ours) == [], PATIENCE_SECONDS)
        assert until(lambda: engine.volumes.list(filters=ours) == [], PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def standing(engine: DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """One stack for all that leave it as it was: coming up is what takes time."""
    with stood(engine, tmp_path_factory.mktemp("game")) as standing:
        yield standing


def test_a_game_day(standing: Standing) -> None:
    status = standing.mlchaos("stack", "status", "--name", "game")
    assert status.code == 0
    assert status.out.count(" up ") == 10
    (mlflow,) = re.findall(r"MLflow +(http://127\.0\.0\.1:\d+/)", status.out)
    with urllib.request.urlopen(mlflow, timeout=10) as page:
        assert b"MLflow" in page.read()
    again = standing.mlchaos("stack", "up", "--name", "game", "--target", "reference-compose", "-d")
    assert (again.code, "already" in again.err) == (3, True)

    watching = begin("watch", "--into", "game", folder=standing.folder)
    journal = Path(standing.state.folder) / "journal-standing.jsonl"
    for words, id in (
        (("latency", "link=serving-features", "delay_ms=150ms"), "latency_1"),
        (("pause", "component=serving-a"), "pause_2"),
        (("disk_full", "component=collector"), "disk_full_3"),
    ):
        injected = standing.mlchaos("inject", *words, "--into", "game")
        assert (injected.code, injected.err) == (0, "")
        assert injected.out.startswith(f"{id} is injected on day ")
        assert f"injected: {id}" in standing.mlchaos("stack", "status", "--name", "game").out
        assert until(
            lambda id=id: any(e.fault == id and e.seen for e in read(journal).of(Effect)),  # type: ignore[misc]
            PATIENCE_SECONDS,
        ), f"{id} does not bite"
        undone = standing.mlchaos("undo", "--into", "game")
        assert (undone.code, f"{id} is undone" in undone.out) == (0, True)
    assert {event.outcome for event in read(journal).of(Undone)} == {"undone"}
    assert any(signal.layer == "fallback" for signal in read(journal).of(Signal))
    watching.send_signal(signal.SIGINT)
    watched = complete(watching)
    assert watched.code == 130
    assert "latency" in watched.out + watched.err


def test_a_run_has_the_stack_for_itself(standing: Standing) -> None:
    (standing.folder / "calm.yaml").write_text(CALM_ENOUGH)
    run = begin("run", "calm.yaml", "--into", "game", "--out", "visit", folder=standing.folder)

    def has_it() -> bool:
        return "has it" in standing.mlchaos("stack", "status", "--name", "game").out

    assert until(lambda: has_it() or run.poll() is not None, PATIENCE_SECONDS)
    assert run.poll() is None, run.communicate()
    refused = standing.mlchaos("inject", "pause", "component=oncall", "--into", "game")
    assert (refused.code, "has the stack; wait for its end" in refused.err) == (3, True)
    second = standing.mlchaos("run", "calm.yaml", "--into", "game", "--out", "second")
    assert (second.code, "has game; wait for its end" in second.err) == (3, True)
    assert not (standing.folder / "second").exists()
    outcome = complete(run, seconds=PATIENCE_SECONDS)
    assert outcome.code in (0, 1, 2), outcome.err
    visit = read(standing.folder / "visit" / "calm-1" / "journal-defended.jsonl")
    assert visit.of(Views)
    assert (standing.folder / "visit" / "report.html").is_file()
    assert standing.mlchaos("stack", "status", "--name", "game").out.count(" up ") == 10


def test_a_keeper_that_is_killed_leaves_no_container(engine: DockerClient, tmp_path: Path) -> None:
    with stood(engine, tmp_path) as standing:
        injected = standing.mlchaos("inject", "cpu_limit", "component=oncall", "cpus=0.05", "--into", "game")
        assert (injected.code, injected.err) == (0, "")
        folder = Path(standing.state.folder)
        run = marked(folder)
        assert run is not None
        psutil.Process(standing.state.pid).send_signal(signal.SIGKILL)
        assert until(lambda: containers_of(engine, run) == [], PATIENCE_SECONDS)
        assert until(lambda: read(folder / "journal-standing.jsonl").interrupted, PATIENCE_SECONDS)
        assert standing.mlchaos("stack", "status").out == "no stack stands here\n"

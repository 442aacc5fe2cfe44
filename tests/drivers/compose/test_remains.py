"""Runs in containers leave nothing behind, however they end; and what somebody else ends is not passed over."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient

from chaos.domain.event import Phase, Views
from chaos.domain.verdict import Results
from chaos.engine import RUN_LABEL, marked
from chaos.journal import read
from tests.command import CALM, begin, cannot_run, complete, until
from tests.containers import engine_or_skip, image_of
from tests.relay import ENGINE, Relay

pytestmark = pytest.mark.containers

SECONDS = 600.0
GONE_SECONDS = 60.0
PROJECT_LABEL = "com.docker.compose.project"
# Loose bounds: what is tested here does not depend on whether the machine keeps up.
LOOSE = CALM.replace("probe: good_views\n    at_least: 0.9", "probe: views_per_day\n    at_least: 1")
REAL = ("--target", "reference-compose", "--arms", "defended", "--day-seconds", "5")

engine = pytest.fixture(engine_or_skip)


class Census:
    """What there is of runs on the engine; other people's things come and go as they like.

    By the run's own label, by that of Compose, and by name: what has lost its label is seen too.
    """

    def __init__(self, client: DockerClient) -> None:
        self._client = client

    def of(self, *folders: Path) -> list[str]:
        runs = [run for folder in folders if (run := marked(folder)) is not None]
        found = {
            f"{kind} {one.name}"
            for run in runs
            for mine in ({"label": f"{RUN_LABEL}={run}"}, {"label": f"{PROJECT_LABEL}={run}"}, {"name": run})
            for kind, ones in self._of(mine).items()
            for one in ones
        }
        return sorted(found)

    def _of(self, mine: dict[str, str]) -> dict[str, list[Any]]:
        return {
            "container": self._client.containers.list(all=True, ignore_removed=True, filters=mine),
            "network": self._client.networks.list(filters=mine),
            "volume": self._client.volumes.list(filters=mine),
        }

    def nameless(self) -> int:
        """Images without a name, and volumes with an engine's name for them."""
        images = self._client.images.list(filters={"dangling": True})
        volumes = [one for one in self._client.volumes.list() if re.fullmatch("[0-9a-f]{64}", one.name)]
        return len(images) + len(volumes)


@pytest.fixture
def census(engine: DockerClient) -> Census:
    return Census(engine)


@pytest.mark.parametrize(
    "days", [2, pytest.param(60, marks=pytest.mark.soak)], ids=lambda days: f"{days} days"
)
def test_two_runs_side_by_side(census: Census, tmp_path: Path, days: int) -> None:
    (tmp_path / "calm.yaml").write_text(LOOSE.replace("days: 2d", f"days: {days}d"))
    nameless = census.nameless()
    runs = [begin("run", "calm.yaml", *REAL, "--out", name, folder=tmp_path) for name in ("one", "other")]
    folders = [tmp_path / "one", tmp_path / "other"]
    ended = [complete(run, seconds=SECONDS + 10 * days) for run in runs]
    for outcome, folder in zip(ended, folders, strict=True):
        assert outcome.code in (0, 1, 2), outcome.err
        journal = read(folder / "calm-1" / "journal-defended.jsonl")
        assert "done" in [one.phase for one in journal.of(Phase)]
        assert journal.of(Views)[-1].end_day >= days - 1
    assert marked(folders[0]) != marked(folders[1])
    assert census.of(*folders) == []
    assert census.nameless() <= nameless


@contextmanager
def somebody_elses(client: DockerClient, name: str) -> Iterator[list[str]]:
    """A network, a volume and a container that nobody uses just now and that carry no label."""
    with ExitStack() as stack:
        stack.callback(client.networks.create(name).remove)
        stack.callback(client.volumes.create(name).remove)
        stack.callback(client.containers.create(image_of("collector"), ["reference_stack"], name=name).remove)
        yield [f"{kind} {name}" for kind in ("container", "network", "volume")]


def test_a_killed_runner_leaves_nothing_but_what_is_not_its_own(
    census: Census, engine: DockerClient, tmp_path: Path
) -> None:
    (tmp_path / "calm.yaml").write_text(LOOSE)
    folder = tmp_path / "run"
    with ExitStack() as stack:
        run = begin("run", "calm.yaml", *REAL, "--out", "run", folder=tmp_path)
        try:
            assert until(lambda: len(census.of(folder)) > 8, SECONDS)
            others = stack.enter_context(somebody_elses(engine, f"{marked(folder)}-somebody-1"))
            assert set(census.of(folder)) > set(others)  # by their names alone
        finally:
            run.kill()
            run.communicate()
        assert until(lambda: census.of(folder) == others, GONE_SECONDS), census.of(folder)


def lives(folder: Path, arm: str = "defended") -> bool:
    """Whether shoppers have been served in the run's one arm."""
    journal = folder / "calm-1" / f"journal-{arm}.jsonl"
    return journal.is_file() and bool(read(journal).of(Views))


@pytest.mark.parametrize(
    ("service", "arm"),
    [
        ("oncall", "defended"),
        ("toxiproxy", "control"),
        pytest.param("postgres", "control", marks=pytest.mark.soak),  # seen in the same way as the proxy
    ],
)
def test_a_container_killed_by_hand_makes_the_arm_void(
    census: Census, engine: DockerClient, tmp_path: Path, service: str, arm: str
) -> None:
    (tmp_path / "calm.yaml").write_text(LOOSE.replace("days: 2d", "days: 3d"))
    folder = tmp_path / "run"
    run = begin("run", "calm.yaml", *REAL, "--arms", arm, "--out", "run", folder=tmp_path)
    try:
        assert until(lambda: lives(folder, arm), SECONDS)
        engine.containers.get(f"{marked(folder)}-{service}-1").kill()
    except BaseException:
        run.kill()
        raise
    assert complete(run, seconds=SECONDS).code == 2
    results = Results.model_validate_json((folder / "results.json").read_bytes())
    says = [reason.says for reason in results.trials[0].reasons if reason.verdict == "void"]
    assert any(service in one and "ended" in one for one in says), says
    assert census.of(folder) == []


def test_ctrl_c_while_containers_come_up_takes_them_down(census: Census, tmp_path: Path) -> None:
    (tmp_path / "calm.yaml").write_text(LOOSE)
    folder = tmp_path / "run"
    run = begin("run", "calm.yaml", *REAL, "--out", "run", folder=tmp_path)
    try:
        assert until(lambda: len(census.of(folder)) > 4, SECONDS)
    except BaseException:
        run.kill()
        raise
    run.send_signal(signal.SIGINT)
    outcome = complete(run, seconds=GONE_SECONDS)
    assert (outcome.code, "stopped by the user" in outcome.err) == (130, True)
    phases = [phase.phase for phase in read(folder / "calm-1" / "journal-defended.jsonl").of(Phase)]
    assert phases == ["provision", "interrupted"]
    assert census.of(folder) == []


def test_an_engine_that_is_gone_in_the_middle_and_comes_back(census: Census, tmp_path: Path) -> None:
    if os.environ.get("DOCKER_HOST", f"unix://{ENGINE}") != f"unix://{ENGINE}" or not Path(ENGINE).exists():
        cannot_run(f"containers: the engine is not at {ENGINE}")
    (tmp_path / "calm.yaml").write_text(LOOSE.replace("days: 2d", "days: 20d"))
    folder = tmp_path / "run"
    with Relay(tmp_path / "engine.sock") as relay:
        run = begin(
            "run",
            "calm.yaml",
            *REAL,
            "--out",
            "run",
            folder=tmp_path,
            environment={"DOCKER_HOST": relay.url},
        )
        try:
            assert until(lambda: lives(folder), SECONDS)
        except BaseException:
            run.kill()
            raise
    outcome = complete(run, seconds=GONE_SECONDS)
    assert outcome.code == 4
    assert outcome.err.count("mlchaos: ") == 1
    assert f"mlchaos recover {folder}" in outcome.err
    journal = read(folder / "calm-1" / "journal-defended.jsonl")
    assert any(
        "does not answer any more" in phase.says for phase in journal.of(Phase) if phase.phase == "void"
    )
    assert census.of(folder) != []
    recovered = complete(begin("recover", "run", folder=tmp_path), seconds=GONE_SECONDS)
    assert (recovered.code, "containers" in recovered.out) == (0, True)
    assert census.of(folder) == []

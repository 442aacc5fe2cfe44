"""Runs in containers leave nothing behind: two side by side, and one whose runner is killed."""

from __future__ import annotations

from pathlib import Path

import pytest
from docker import DockerClient

from chaos.engine import containers_of, marked
from tests.command import CALM, begin, complete, until
from tests.containers import engine_or_skip

pytestmark = pytest.mark.containers

SECONDS = 600.0
GONE_SECONDS = 60.0
# Loose bounds: what is tested here does not depend on whether the machine keeps up.
LOOSE = CALM.replace("probe: good_views\n    at_least: 0.9", "probe: views_per_day\n    at_least: 1")
REAL = ("--target", "reference-compose", "--arms", "defended", "--day-seconds", "5")

engine = pytest.fixture(engine_or_skip)


class Census:
    """What there is of this project on the engine; other people's things come and go as they like."""

    def __init__(self, client: DockerClient) -> None:
        self._client = client

    def of(self, *folders: Path) -> list[str]:
        runs = [run for folder in folders if (run := marked(folder)) is not None]
        found = [one.name for run in runs for one in containers_of(self._client, run)]
        for run in runs:
            label = {"label": f"org.mlchaos.run={run}"}
            found += [one.name for one in self._client.volumes.list(filters=label)]
            found += [one.name for one in self._client.networks.list(filters=label)]
        return found

    def nameless(self) -> int:
        return len(self._client.images.list(filters={"dangling": True}))


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
        journal = (folder / "calm-1" / "journal-defended.jsonl").read_text()
        assert '"event":"views"' in journal
        assert '"phase":"done"' in journal
    assert marked(folders[0]) != marked(folders[1])
    assert census.of(*folders) == []
    assert census.nameless() <= nameless


def test_a_killed_runner_leaves_nothing(census: Census, tmp_path: Path) -> None:
    (tmp_path / "calm.yaml").write_text(LOOSE)
    folder = tmp_path / "run"
    run = begin("run", "calm.yaml", *REAL, "--out", "run", folder=tmp_path)
    try:
        assert until(lambda: len(census.of(folder)) > 8, SECONDS)
    finally:
        run.kill()
        run.communicate()
    assert until(lambda: census.of(folder) == [], GONE_SECONDS)

"""A scenario in containers, from the command line to its verdict: the short edition of the one that teaches first."""

from __future__ import annotations

from pathlib import Path

import pytest
from docker import DockerClient

from chaos.domain.verdict import Results
from chaos.engine import containers_of, marked
from tests.command import begin, complete
from tests.containers import engine_or_skip
from tests.live.editions import EDITIONS

pytestmark = pytest.mark.containers

SECONDS = 900.0
PACE = "3"
"""Seconds a day, as for most scenarios in containers (docs/containers.md)."""

engine = pytest.fixture(engine_or_skip)


def test_a_late_partition_is_detected_and_contained(engine: DockerClient, tmp_path: Path) -> None:
    (edition,) = [one for one in EDITIONS if one.scenario == "late-partition"]
    words = ("run", edition.write(tmp_path), "--target", "reference-compose", "--day-seconds", PACE)
    # Void is for a machine that stood still meanwhile, which says nothing about the platform.
    outcome = complete(begin(*words, "--out", "run", "--rerun-void", "2", folder=tmp_path), seconds=SECONDS)
    assert (outcome.code, outcome.err) == (0, ""), outcome.out
    (trial,) = Results.model_validate_json((tmp_path / "run" / "results.json").read_bytes()).trials
    assert trial.verdict == "passed"
    (fault,) = trial.faults
    assert fault.detection is not None
    assert (fault.detection.layer, fault.detection.expected) in (("volume", True), ("freshness", True))
    assert fault.containment is not None
    assert fault.containment.ratio >= 0.9
    assert containers_of(engine, marked(tmp_path / "run") or "") == []

"""Compose as a process: it outlives nobody who has started it."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from chaos.clock import WallClock
from chaos.drivers.compose.project import Project


def test_a_compose_that_cannot_be_written_down_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\nexec sleep 60\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    pids: list[int] = []

    def full(_name: str, pid: int) -> None:
        pids.append(pid)
        raise OSError(28, "No space left on device")

    project = Project("run", tmp_path / "c.yml", tmp_path / "logs", WallClock(), full, lambda: False)
    with pytest.raises(OSError, match="No space left on device"):
        project.up("{}", 1.0)
    assert not psutil.pid_exists(pids[0])

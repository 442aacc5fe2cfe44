"""What the stack costs in containers: the images that count, and an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import containers
from benchmarks.live import Row

COMPOSE = """#!/bin/sh
echo stack:1
echo postgres:1
echo stack:1
case "$*" in *"--profile observe"*) echo prometheus:1 ;; esac
"""


def test_every_image_counts_once_and_prometheus_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker = tmp_path / "docker"
    docker.write_text(COMPOSE)
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert containers.images() == ["postgres:1", "prometheus:1", "stack:1"]


@pytest.mark.parametrize(("memory", "code"), [(2.9, 0), (3.1, 1)])
def test_a_missed_bar_is_an_exit_code(
    memory: float, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def bars(_folder: Path) -> Iterator[Row]:
        yield Row("memory", memory, "GiB", 3.0)
        yield Row("taken down", 1.0, "s", 8.0)

    monkeypatch.setattr(containers, "bars", bars)
    assert containers.main(["bars"]) == code
    assert "taken down" in capsys.readouterr().out  # those after it are measured all the same

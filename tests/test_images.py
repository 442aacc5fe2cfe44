"""`make images` writes the images' names to .env, and leaves what else is in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.command import REPOSITORY

ENGINE = """#!/bin/sh
# No registry answers; the stand-ins are here.
case "$*" in
    *inspect*mlchaos-*) echo id ;;
    pull* | *inspect*) exit 1 ;;
esac
"""
NAMES = """STACK_IMAGE=mlchaos-stack:local
PYTHON_IMAGE=mlchaos-base:bookworm
POSTGRES_IMAGE=mlchaos-postgres:15
TOXIPROXY_IMAGE=mlchaos-toxiproxy:2.12.0
PROMETHEUS_IMAGE=mlchaos-prometheus:bookworm
"""


def test_the_names_are_written_and_other_lines_are_kept(tmp_path: Path) -> None:
    for name in (".ci/images", "docker-compose.yml", "Dockerfile"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(ENGINE)
    docker.chmod(0o755)
    others = {name: value for name, value in os.environ.items() if not name.endswith("_IMAGE")}
    environment = {**others, "PATH": f"{docker.parent}:{os.environ['PATH']}"}

    def make() -> str:
        done = subprocess.run(
            [tmp_path / ".ci" / "images"], env=environment, check=True, capture_output=True, text=True
        )
        assert done.stdout == NAMES
        return (tmp_path / ".env").read_text()

    assert make() == NAMES
    (tmp_path / ".env").write_text("MLFLOW_PORT=5001\nexport STACK_IMAGE=old:1\nPROMETHEUS_PORT=9")
    assert make() == make() == f"MLFLOW_PORT=5001\nPROMETHEUS_PORT=9\n{NAMES}"

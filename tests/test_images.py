"""`make images` writes the images' names to .env, leaves what else is in it, and says what it lacks."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.command import REPOSITORY

ENGINE = """#!/bin/sh
# No registry answers; the stand-ins are here.
case "$*" in
    *inspect*mlchaos-*) echo id ;;
    pull* | *inspect*) exit 1 ;;
    build*) for last; do :; done; echo "$last" >>built ;;
esac
"""
NAMES = """STACK_IMAGE=mlchaos-stack:local
PYTHON_IMAGE=mlchaos-base:bookworm
POSTGRES_IMAGE=mlchaos-postgres:15
TOXIPROXY_IMAGE=mlchaos-toxiproxy:2.12.0
PROMETHEUS_IMAGE=mlchaos-prometheus:2.42
"""
PROGRAMS = ("bash", "cat", "dirname", "grep", "head", "mktemp", "rm", "sed", "timeout")
"""All that it needs besides Docker where nothing is to be built."""


class Images:
    """The command in a copy of what it reads, with no programs but those above and a Docker that `answers`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in (".ci/images", "docker-compose.yml", "Dockerfile"):
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copy(REPOSITORY / name, folder / name)
        self._programs = folder / "bin"
        self._programs.mkdir()
        for name in PROGRAMS:
            found = shutil.which(name)
            assert found is not None
            (self._programs / name).symlink_to(found)

    def make(self, answers: str = ENGINE) -> subprocess.CompletedProcess[str]:
        docker = self._programs / "docker"
        docker.write_text(answers)
        docker.chmod(0o755)
        others = {name: value for name, value in os.environ.items() if not name.endswith("_IMAGE")}
        return subprocess.run(
            [self._programs / "bash", self.folder / ".ci" / "images"],
            env={**others, "PATH": str(self._programs)},
            check=False,
            capture_output=True,
            text=True,
        )


@pytest.fixture
def images(tmp_path: Path) -> Images:
    return Images(tmp_path)


def test_the_names_are_written_and_other_lines_are_kept(images: Images) -> None:
    def make() -> str:
        done = images.make()
        assert (done.returncode, done.stdout) == (0, NAMES), done.stderr
        return (images.folder / ".env").read_text()

    assert make() == NAMES
    # Of a stand-in that is there too: it may be one of before.
    assert (images.folder / "built").read_text().split() == [".ci/postgres", ".ci/prometheus", ".", "."]
    (images.folder / ".env").write_text("MLFLOW_PORT=5001\nexport STACK_IMAGE=old:1\nPROMETHEUS_PORT=9")
    assert make() == make() == f"MLFLOW_PORT=5001\nPROMETHEUS_PORT=9\n{NAMES}"


def test_a_registry_that_does_not_answer_in_time_is_not_waited_for_again(images: Images) -> None:
    in_time = ENGINE.replace("    pull* |", '    pull*) echo "$3" >>pulled; exit 1 ;;\n   ')
    images.make(in_time)
    tried = (images.folder / "pulled").read_text().split()
    assert tried == [
        "python:3.11-slim-bookworm",
        "postgres:15",
        "ghcr.io/shopify/toxiproxy:2.12.0",
        "prom/prometheus:v2.53.5",
    ]
    (images.folder / "pulled").unlink()
    images.make(in_time.replace("exit 1 ;;\n   ", "exit 124 ;;\n   "))  # as `timeout` says it
    assert (images.folder / "pulled").read_text().split() == [tried[0], tried[2]]


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        ("info", "no container engine answers; see `docker info`"),
        (
            "*inspect*mlchaos-base:*",
            "mlchaos-base:bookworm is built with debootstrap, which is not here: "
            "install it, or name an image by PYTHON_IMAGE",
        ),
        (
            "*inspect*mlchaos-toxiproxy:*",
            "mlchaos-toxiproxy:2.12.0 is built with go, which is not here: "
            "install it, or name an image by TOXIPROXY_IMAGE",
        ),
    ],
)
def test_what_is_lacking_is_said_in_one_line(images: Images, missing: str, says: str) -> None:
    done = images.make(ENGINE.replace("in\n", f"in\n    {missing}) echo lost >&2; exit 1 ;;\n", 1))
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{says}\n")
    assert not (images.folder / ".env").exists()

"""`make soak` and `make campaigns` do all of their work, and fail where any of it does."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.command import REPOSITORY

RECORD = '#!/bin/sh\necho "${0##*/} $*" >> done\n'


@pytest.mark.parametrize(
    ("target", "work"),
    [
        (
            "soak",
            [
                "python -m benchmarks.soak",
                "pytest -m soak -q -s tests/drivers/compose",
                "mlchaos ablation --target reference-virtual --seeds 1..5",
            ],
        ),
        (
            "campaigns",
            ["mlchaos run slow-site-sated --target reference-virtual", "pytest -m soak -q -s tests/soak"],
        ),
    ],
)
def test_what_fails_first_does_not_hide_the_rest(target: str, work: list[str], tmp_path: Path) -> None:
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(REPOSITORY / name, tmp_path)
    (tmp_path / ".venv" / "installed").touch()
    # Not as a part of the make that may have started these tests.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }

    def make(*failing: str) -> tuple[bool, list[str]]:
        done = tmp_path / "done"
        done.write_text("")
        for name in ("python", "pytest", "mlchaos"):
            (programs / name).write_text(RECORD + ("exit 1\n" if name in failing else ""))
            (programs / name).chmod(0o755)
        ended = subprocess.run(
            ["make", target], cwd=tmp_path, env=environment, capture_output=True, check=False
        )
        return ended.returncode == 0, done.read_text().splitlines()

    assert make() == (True, work)
    for one in work:
        assert make(one.partition(" ")[0]) == (False, work)

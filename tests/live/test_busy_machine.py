"""A machine that does not keep up gives void, with what was measured of it: neither a pass nor a failure."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.comparison import run
from chaos.domain.verdict import Verdict
from tests.command import CALM

pytestmark = pytest.mark.processes

NEIGHBOURS = 12 * (os.cpu_count() or 1)
"""Enough of them leave the stack a small part of each processor, whatever else it shares them with."""
SECONDS = 300
"""They end by themselves, whatever becomes of the test."""
SPIN = f"import time; end = time.monotonic() + {SECONDS}\nwhile time.monotonic() < end: pass"


@pytest.fixture
def busy() -> Iterator[None]:
    processes = [subprocess.Popen([sys.executable, "-S", "-c", SPIN]) for _ in range(NEIGHBOURS)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.mark.usefixtures("busy")
def test_a_busy_machine_gives_void_and_says_how_late_it_was(tmp_path: Path) -> None:
    (tmp_path / "calm.yaml").write_text(CALM)
    options = ("--arms", "defended", "--day-seconds", "1")
    (trial,) = run(
        "reference-local", "1..1", [str(tmp_path / "calm.yaml")], tmp_path / "run", *options
    ).trials
    assert trial.verdict is Verdict.VOID, trial.reasons
    assert [one.says for one in trial.reasons if one.about == "lag"], trial.reasons

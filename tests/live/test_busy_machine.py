"""A machine that does not keep up gives void, with what was measured of it: neither a pass nor a failure."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.domain.verdict import Results, Verdict
from tests.command import CALM, begin, complete, until

pytestmark = pytest.mark.processes

NEIGHBOURS = 12 * (os.cpu_count() or 1)
"""Enough of them leave the stack a small part of each processor, whatever else it shares them with."""
SECONDS = 300
"""They end by themselves, whatever becomes of the test."""
SPIN = (
    "import sys, time; sys.stdin.read(); "
    f"end = time.monotonic() + {SECONDS}\nwhile time.monotonic() < end: pass"
)


class Neighbours:
    """Processes that wait until they are let loose, and then want all of the machine."""

    def __init__(self) -> None:
        command = [sys.executable, "-S", "-c", SPIN]
        self._processes = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(NEIGHBOURS)]

    def let_loose(self) -> None:
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()

    def end(self) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            with process:
                pass


@pytest.fixture
def neighbours() -> Iterator[Neighbours]:
    found = Neighbours()
    try:
        yield found
    finally:
        found.end()


def test_a_busy_machine_gives_void_and_says_how_late_it_was(tmp_path: Path, neighbours: Neighbours) -> None:
    (tmp_path / "calm.yaml").write_text(CALM.replace("days: 2d", "days: 5d"))
    options = ("--target", "reference-local", "--arms", "defended", "--day-seconds", "1", "--out", "run")
    running = begin("run", "calm.yaml", *options, folder=tmp_path)
    came_up = until(lambda: any(tmp_path.glob("run/calm-1/defended/**/origin")), SECONDS)
    # Not before: a stack that cannot come up says less of the machine than one that cannot keep its time.
    neighbours.let_loose()
    outcome = complete(running, seconds=SECONDS)
    assert came_up, outcome
    (trial,) = Results.model_validate_json((tmp_path / "run" / "results.json").read_bytes()).trials
    assert trial.verdict is Verdict.VOID, trial.reasons
    assert [one.says for one in trial.reasons if one.about == "lag"], trial.reasons

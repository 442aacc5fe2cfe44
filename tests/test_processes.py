"""Which process is meant, and its end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import msgspec
import psutil
import pytest

from chaos.processes import Known, alive, below, kill, known

PARENT = "import subprocess; subprocess.Popen(['sleep', '60']); print(flush=True); input()"


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    """A process that has started another."""
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (child,) = psutil.Process(process.pid).children()
        yield process
        for one in (process, child):
            with suppress(psutil.NoSuchProcess):
                one.kill()


def known_here(process: subprocess.Popen[str]) -> Known:
    found = known("parent", process.pid)
    assert found is not None
    return found


def test_who_is_killed_takes_along_what_it_has_started(parent: subprocess.Popen[str]) -> None:
    (child,) = below(psutil.Process(parent.pid))
    assert child.name == "sleep"
    assert kill([known_here(parent)]) == []
    assert alive(child.pid, child.started) is None
    assert alive(parent.pid, 0.0) is None


def test_a_later_process_of_the_same_number_is_left_alone(parent: subprocess.Popen[str]) -> None:
    meant = known_here(parent)
    (child,) = below(psutil.Process(parent.pid))
    assert kill([msgspec.structs.replace(meant, started=meant.started - 1.0)]) == []
    assert alive(meant.pid, meant.started) is not None
    assert kill([child]) == []  # which its parent has not waited for: it is none any more
    assert alive(meant.pid, meant.started) is not None


def test_who_has_ended_is_not_known(parent: subprocess.Popen[str]) -> None:
    parent.kill()
    parent.wait()
    assert known("parent", parent.pid) is None

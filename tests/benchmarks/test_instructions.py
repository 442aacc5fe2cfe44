"""Instructions of two checkouts: what Valgrind says is read, and what cannot be counted is refused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.instructions import ENDS, counted, parts, table

SAID = "==4397== \n==4397== I   refs:      7,120,688,477\n"


def test_what_valgrind_says_is_read() -> None:
    assert counted(SAID) == 7_120_688_477


def test_an_arm_that_was_not_counted_is_no_arm_of_no_instructions() -> None:
    with pytest.raises(ValueError, match="no such file"):
        counted("==1== no such file")


def test_the_halves_of_a_day_are_what_is_between_the_counts() -> None:
    assert parts(dict(zip(ENDS, (1000, 1200, 1700), strict=True))) == (200, 500)


def test_the_ratio_is_that_of_whole_days() -> None:
    found = {"before": (200_000_000, 600_000_000), "now": (200_000_000, 400_000_000)}
    lines = [line.split() for line in table(found, views=600).splitlines()]
    assert lines[1] == ["before", "200.0", "M", "600.0", "M", "800.0", "M", "667", "k"]
    assert lines[2] == ["now", "200.0", "M", "400.0", "M", "600.0", "M", "667", "k", "0.750"]


@pytest.mark.parametrize(
    ("arguments", "path", "says"),
    [(["."], "", "valgrind is not installed"), (["tests"], os.environ["PATH"], "no checkout")],
)
def test_what_cannot_be_counted_is_refused(arguments: list[str], path: str, says: str) -> None:
    command = [sys.executable, "-m", "benchmarks.instructions", *arguments]
    environment = {**os.environ, "PATH": path}
    found = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, cwd=Path.cwd()
    )
    assert (found.returncode, says in found.stderr) == (3, True), found.stderr

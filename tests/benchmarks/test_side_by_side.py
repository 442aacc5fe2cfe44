"""Two checkouts side by side: the ratio is that of each round, and a folder that is none is refused."""

import subprocess
import sys
from pathlib import Path

from benchmarks.side_by_side import table


def test_the_ratio_is_that_of_each_round_so_that_a_slow_minute_counts_for_both() -> None:
    lines = table([1.0, 2.0, 4.0], [0.5, 1.0, 3.0]).splitlines()
    assert lines[1].split() == ["before", "1.00", "s", "2.00", "s"]
    assert lines[2].split() == ["now", "0.50", "s", "1.00", "s", "0.50"]


def test_what_is_no_checkout_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.side_by_side", str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 3
    assert "no checkout" in found.stderr


def test_a_checkout_next_to_itself() -> None:
    command = [sys.executable, "-m", "benchmarks.side_by_side", ".", "--rounds", "1"]
    command += ["--world", "starved", "--days", "0.2"]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in found.stdout.splitlines()[1:]] == ["before", "now"]

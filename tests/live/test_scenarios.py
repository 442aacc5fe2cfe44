"""Scenarios of every family on real processes, in short editions, by one command; and the same in virtual time.

That of late-partition in full, which is the main job, is held against virtual time where it is run from the wheel;
five seeds of it and of slow-features: make campaigns.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.comparison import run, table
from chaos.domain.verdict import TrialResult
from tests.live.editions import DAY_SECONDS, EDITIONS, target

FAMILIES = ("data", "overload", "configuration", "latency")


def trials(extends: str, folder: Path, *options: str) -> dict[str, TrialResult]:
    """Each edition's trial with seed 1."""
    folder.mkdir(exist_ok=True)
    files = [str(edition.write(folder)) for edition in EDITIONS]
    pace = ("--day-seconds", f"{DAY_SECONDS:g}")
    results = run(str(target(extends, folder)), "1..1", files, folder / "run", *pace, *options)
    return {trial.scenario: trial for trial in results.trials}


def told(found: dict[str, TrialResult]) -> dict[str, list[str]]:
    """What did not pass, by scenario."""
    return {
        name: [f"{one.about}: {one.says}" for one in trial.reasons if one.verdict != "passed"]
        for name, trial in found.items()
        if trial.verdict != "passed"
    }


def test_there_are_two_of_each_family() -> None:
    families = [edition.family for edition in EDITIONS]
    assert all(families.count(family) >= 2 for family in FAMILIES)
    assert len(EDITIONS) >= 8


def test_short_editions_pass_in_virtual_time(tmp_path: Path) -> None:
    found = trials("reference-virtual", tmp_path)
    assert told(found) == {}
    assert set(found) == {edition.scenario for edition in EDITIONS}


@pytest.mark.processes
def test_short_editions_pass_on_real_processes_as_virtual_time_says(tmp_path: Path) -> None:
    found = trials("reference-local", tmp_path / "live", "--rerun-void", "3")
    assert told(found) == {}
    assert set(found) == {edition.scenario for edition in EDITIONS}
    rows = table(list(found.values()), list(trials("reference-virtual", tmp_path / "virtual").values()))
    assert {row.scenario for row in rows if row.agrees} == set(found)
    assert [str(row) for row in rows if row.agrees is False] == []

"""Scenarios of every family on real processes, in short editions, by one command; and the same in virtual time.

That of late-partition in full, which is the main job, is held against virtual time where it is run from the wheel;
five seeds of it and of slow-features: make campaigns.
"""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest

from benchmarks.comparison import run, table
from chaos.domain.verdict import TrialResult
from tests.live.editions import DAY_SECONDS, EDITIONS, target

FAMILIES = ("data", "overload", "configuration", "latency")
LOOK_DAYS = 1 / 24
"""A layer looks so often, or is looked at."""


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


def as_soon(live: TrialResult, virtual: TrialResult) -> bool:
    """Whether the layers that virtual time has first were so on real processes but for one look."""
    fired = {one.layer: one.first_fired_day for one in live.layers if one.first_fired_day is not None}
    found = [(one.detection, other.detection) for one, other in zip(live.faults, virtual.faults, strict=True)]
    return all(
        first is not None and second is not None and fired.get(second.layer, inf) <= first.day + LOOK_DAYS
        for first, second in found
    )


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
    virtual = trials("reference-virtual", tmp_path / "virtual")
    rows = table(list(found.values()), list(virtual.values()))
    assert {row.scenario for row in rows if row.agrees} == set(found)
    disagree = [row for row in rows if row.agrees is False]
    either = [edition.scenario for edition in EDITIONS if edition.first_by_chance]
    by_chance = [name for name in either if as_soon(found[name], virtual[name])]
    first = "first detection by"
    assert [str(row) for row in disagree if row.what != first or row.scenario not in by_chance] == []

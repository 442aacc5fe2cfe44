"""A verdict on real processes, held against that of virtual time; five seeds: make campaigns.

That of late-partition, which is the main job, is held against it where it is run from the wheel.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.comparison import run, run_virtual, table
from chaos.domain.verdict import Verdict
from tests.live.editions import DAY_SECONDS

pytestmark = pytest.mark.processes

SCENARIO = "slow-features"


def test_a_trial_on_real_processes_comes_to_what_virtual_time_says(tmp_path: Path) -> None:
    # As in tests/live: a pace that a machine keeps which has something else to do now and then.
    pace = ("--day-seconds", f"{DAY_SECONDS:g}")
    live = run("reference-local", "1..1", [SCENARIO], tmp_path / "live", *pace, "--rerun-void", "3")
    virtual = run_virtual(live, "1..1", [SCENARIO], tmp_path / "virtual")
    said = [f"{trial.verdict.value}: {reason.says}" for trial in live.trials for reason in trial.reasons]
    assert [trial.verdict for trial in live.trials] == [Verdict.PASSED], said
    rows = table(live.trials, virtual.trials)
    assert any(row.agrees for row in rows)
    assert [str(row) for row in rows if row.agrees is False] == []

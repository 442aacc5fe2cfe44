"""The table of real processes beside virtual time."""

from __future__ import annotations

from benchmarks.soak import Row, groups, pace_now, table
from chaos.app import make_files
from chaos.domain.verdict import Verdict
from tests.journals import Story


def test_every_scenario_is_in_one_group_and_quiet_ones_are_apart() -> None:
    found = list(groups([]))
    names = [name for group in found for name in group.names]
    assert len(names) == len(set(names))
    assert {one.name for one in make_files().scenarios()} - set(names) == {"slow-site-sated"}
    quiet = {name: group.quiet for group in found for name in group.names}
    assert quiet["fault-free-month"]
    assert not quiet["late-partition"]
    assert not quiet["surge"]


def test_scenarios_with_a_pace_of_their_own_are_apart() -> None:
    paced = {name: group.paced for group in groups(["surge", "late-partition"]) for name in group.names}
    assert paced == {"surge": True, "late-partition": False}


def test_a_slow_machine_has_longer_days() -> None:
    assert pace_now(1.25, 1e6) == 1.25
    assert 3.0 < pace_now(1.25, 37_000) < 3.5


def test_a_row_tells_both_and_why_one_did_not_pass() -> None:
    trial = Story().score()
    (row,) = table([trial], [trial])
    assert row.agrees
    assert row.same_layer
    assert " | passed (volume) | passed (volume) |  |" in str(row)
    (alone,) = table([trial], [])
    assert not alone.agrees
    failed = trial.model_copy(update={"verdict": Verdict.FAILED})
    row = Row("a", failed, trial, "detected: nobody")
    assert not row.agrees
    assert str(row).endswith("| detected: nobody | **no**")
    void = trial.model_copy(update={"verdict": Verdict.VOID})
    assert not Row("a", void, void, "effect").agrees


def test_another_layer_that_was_first_is_told_and_is_no_other_verdict() -> None:
    trial = Story().score()
    (fault,) = trial.faults
    assert fault.detection is not None
    other = fault.model_copy(update={"detection": fault.detection.model_copy(update={"layer": "freshness"})})
    (row,) = table([trial], [trial.model_copy(update={"faults": [other]})])
    assert row.agrees
    assert not row.same_layer
    assert str(row).endswith("| passed (volume) | passed (freshness) | another layer first |")

"""A verdict does not depend on how many seconds a day takes, but for scenarios about load."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.app import Wanted, make_catalogue, make_files, plan_run
from chaos.domain.verdict import Results
from chaos.execution import at_this_machines_pace
from tests.command import Command, in_process

PACES = (2, 60)
"""Beside 1 s a day, at which tests/test_verdicts.py runs both."""


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize(
    ("scenario", "detector"), [("late-partition", "volume"), ("slow-features", "fallback")]
)
def test_the_verdict_and_who_detects_are_those_of_a_day_of_a_second(
    scenario: str,
    detector: str,
    pace: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    mlchaos: Command = in_process(monkeypatch, capsys)
    options = ("--target", "reference-virtual", "--day-seconds", pace, "--keep", "never", "--out", "run")
    outcome = mlchaos("run", scenario, *options, "--json")
    (trial,) = Results.model_validate_json(outcome.out).trials
    assert trial.verdict == "passed", [reason.says for reason in trial.reasons]
    assert [fault.detection and fault.detection.layer for fault in trial.faults] == [detector]


def paces(wanted: Wanted, pieces_per_second: float) -> tuple[set[float], list[str]]:
    """The seconds a day of all arms on a machine that does so much, and what the user is told."""
    told: list[str] = []
    planned = plan_run(wanted, make_files(), make_catalogue())
    paced = at_this_machines_pace(wanted, planned, told.append, lambda: pieces_per_second)
    return {arm.day_seconds for trial in paced.trials for arm in trial.arms}, told


def test_a_slow_machine_takes_longer_days_and_says_so() -> None:
    wanted = Wanted(("late-partition", "slow-features"), "reference-local")
    assert paces(wanted, 1e6) == ({1.0}, [])
    (slower,), (says,) = paces(wanted, 75_000.0)
    assert slower > 1.5
    assert f"a day takes {slower:g} s, not 1" in says


def test_a_pace_that_is_asked_for_is_kept() -> None:
    assert paces(Wanted(("late-partition",), "reference-local", day_seconds=1.0), 1.0) == ({1.0}, [])


def test_a_scenario_about_load_keeps_its_pace_and_the_others_do_not() -> None:
    assert paces(Wanted(("surge",), "reference-local"), 1.0) == ({1.0}, [])
    both, _ = paces(Wanted(("surge", "late-partition"), "reference-local"), 1.0)
    assert both == {1.0, 4.0}


def test_virtual_time_has_no_machine_to_wait_for() -> None:
    assert paces(Wanted(("late-partition",), "reference-virtual"), 1.0) == ({1.0}, [])

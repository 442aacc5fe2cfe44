"""A verdict does not depend on how many seconds a day takes, but for scenarios about load."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.domain.verdict import Results
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

"""A defended scenario is worth having: it names a kind of harm that must be there without layers."""

from __future__ import annotations

import re

import pytest

from chaos.app import make_files
from chaos.domain.scenario import Harm, Kind, Scenario

FILES = make_files()
SCENARIOS = [FILES.scenario(found.name)[0] for found in FILES.scenarios()]
DEFENDED = [scenario for scenario in SCENARIOS if scenario.kind is Kind.DEFENDED]


@pytest.mark.parametrize("scenario", DEFENDED, ids=lambda scenario: scenario.scenario)
def test_a_defended_scenario_names_the_harm_it_defends_against(scenario: Scenario) -> None:
    expect = scenario.expect
    named = expect.contained.of if expect.contained is not None else expect.harmful
    assert named is not None
    assert named is not Harm.QUALITY_PCT_DAYS  # noise of one seed is no ground for a verdict


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.scenario)
def test_what_a_scenario_teaches_is_one_sentence(scenario: Scenario) -> None:
    assert scenario.teaches.endswith(".")
    assert re.findall(r"[.!?][\"')]*\s", scenario.teaches) == []

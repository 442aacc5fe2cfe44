"""A scenario of the size of many others is left out of a suite that does not name it, and that is said."""

from __future__ import annotations

import pytest

from chaos.app import Wanted, make_catalogue, make_files, plan_run
from chaos.domain.verdict import NotRun

LARGE = "slow-site-sated"


def planned(*by_name: str, suite: bool = True) -> tuple[list[str], list[NotRun]]:
    wanted = Wanted(("late-partition", LARGE), "reference-virtual", list_not_run=suite, by_name=by_name)
    found = plan_run(wanted, make_files(), make_catalogue())
    return [trial.scenario.scenario for trial in found.trials], found.not_run


@pytest.mark.parametrize("by_name", [(), ("loop",), ("latency", "late-partition")])
def test_a_suite_leaves_it_to_a_run_of_its_own(by_name):
    trials, not_run = planned(*by_name)
    assert trials == ["late-partition"]
    assert [(one.scenario, one.needs) for one in not_run] == [(LARGE, [])]
    assert not_run[0].why == "it is as large as many others; name it to run it"


def test_whoever_names_it_has_it():
    assert planned("loop", LARGE) == (["late-partition", LARGE], [])
    assert planned(suite=False) == (["late-partition", LARGE], [])

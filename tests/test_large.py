"""A scenario of the size of many others is left out of a suite that does not name it, and that is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from chaos.app import Wanted, make_catalogue, make_files, plan_run
from chaos.domain.verdict import NotRun
from chaos.errors import InvalidInput

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


@pytest.mark.parametrize("target", ["reference-local", "reference-compose"])
def test_a_world_for_virtual_time_alone_is_not_lived_through_live(target):
    files, catalogue = make_files(), make_catalogue()
    wanted = Wanted((LARGE,), target)
    with pytest.raises(InvalidInput) as caught:
        plan_run(wanted, files, catalogue)
    (problem,) = caught.value.problems
    assert (problem.field, problem.line) == ("world", 10)
    assert problem.says == f"target {target!r} lacks what this needs: world sated"
    for by_name in ((), (LARGE,)):
        found = plan_run(replace(wanted, list_not_run=True, by_name=by_name), files, catalogue)
        assert found.trials == []
        assert [one.why for one in found.not_run] == ["the target lacks world sated"]


def test_other_worlds_of_scenarios_are_there_live():
    files = make_files()
    worlds = {files.scenario(str(found.path))[0].world for found in files.scenarios()}
    for target in ("reference-local", "reference-compose"):
        assert worlds - set(files.target(target)[0].worlds) == {"sated"}


def test_a_world_that_no_target_has_is_a_mistake_wherever_it_is_run(tmp_path):
    files = make_files()
    text = Path(files.scenario("slow-site")[1].file).read_text()
    (tmp_path / "odd.yaml").write_text(text.replace("world: hungry", "world: hungri"))
    for target in ("reference-local", "reference-virtual"):
        wanted = Wanted((str(tmp_path / "odd.yaml"),), target, list_not_run=True)
        with pytest.raises(InvalidInput, match="no world 'hungri' \\(did you mean 'hungry'"):
            plan_run(wanted, files, make_catalogue())

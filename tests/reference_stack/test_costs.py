from __future__ import annotations

import re
from pathlib import Path

import pytest

import reference_stack
from reference_stack.costs import Costs, Way, fitted_costs, kind_of
from reference_stack.defaults import settings_from
from reference_stack.settings import COMPONENTS
from reference_stack.wiring import LINKS

SOURCES = Path(reference_stack.__file__).parent


def test_every_cost_that_comes_with_the_stack_is_of_something_that_is_there() -> None:
    costs = fitted_costs()
    kinds = {kind_of(component) for component in COMPONENTS}
    assert {name.partition(".")[0] for name in (*costs.handling_ms, *costs.work_ms)} <= kinds
    assert set(costs.ways) <= set(LINKS)
    ways = [costs.way, *costs.ways.values()]
    numbers = [*costs.handling_ms.values(), *costs.work_ms.values(), *(way.way_ms for way in ways)]
    assert all(0.0 <= number < 250.0 for number in numbers)


def test_all_blocking_work_has_a_cost() -> None:
    named = re.compile(r'^_?[A-Z]+ = "((?:collector|features|trainer|orchestrator|serving)\.[a-z]+)"$', re.M)
    found = {name for file in SOURCES.rglob("*.py") for name in named.findall(file.read_text())}
    assert found == set(fitted_costs().work_ms)


def test_the_replicas_are_one_kind_and_a_link_may_have_its_own_way() -> None:
    costs = Costs(
        way=Way(0.3, 0.1),
        ways={"shop-collector": Way(0.5, 0.2)},
        handling_ms={"serving.recommend": 0.4, "servings.other": 9.0},
    )
    assert costs.handling_of("serving-b") == {"recommend": 0.4}
    assert costs.handling_of("collector") == {}
    assert (costs.way_of("shop-collector").way_ms, costs.way_of("serving-features").way_ms) == (0.5, 0.3)


def test_a_target_may_change_one_cost_and_work_that_nobody_measured_is_an_error() -> None:
    costs = settings_from({"costs": {"work_ms": {"trainer.fit": 99.0}}}).costs
    assert costs.of_work("trainer.fit") == 99.0
    assert costs.of_work("trainer.read") == fitted_costs().of_work("trainer.read")
    with pytest.raises(KeyError, match=r"no 'trainer\.fly'.*trainer\.fit"):
        costs.of_work("trainer.fly")

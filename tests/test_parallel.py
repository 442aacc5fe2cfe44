"""The order in which workers begin arms."""

from dataclasses import dataclass

import pytest

from chaos.parallel import staggered


@dataclass(frozen=True)
class Trial:
    name: str
    arms: tuple[str, ...] = ("defended", "control", "undefended", "bare")


@pytest.mark.parametrize("jobs", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_every_arm_is_begun_once_and_the_first_of_a_trial_well_before_its_others(
    jobs: int, count: int
) -> None:
    trials = [Trial(str(number)) for number in range(count)]
    order = [(trial.name, arm) for trial, arms in staggered(trials, jobs) for arm in arms]  # type: ignore[arg-type]
    assert sorted(order) == sorted((trial.name, arm) for trial in trials for arm in trial.arms)
    for index, trial in enumerate(trials):
        first = order.index((trial.name, "defended"))
        between = order.index((trial.name, "control")) - first
        assert between >= min(jobs, count - index)

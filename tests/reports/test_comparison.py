"""Two runs side by side: what a layer adds, what it costs, and what has changed since last night."""

from __future__ import annotations

import json

import pytest

from chaos.domain.comparison import ComparedScenario, Comparison, Turn
from chaos.domain.layer import Mode, Outcome
from chaos.domain.scenario import Harm
from chaos.domain.verdict import Results, TrialResult, Verdict
from chaos.errors import UsageError
from chaos.reports.comparison import compare, lines
from chaos.reports.json_report import dumps
from tests.journals import Story, Told, quiet, results_of, without


def trial(told: Told) -> TrialResult:
    return Story(told).score()


CALM = trial(quiet())
LATE = [trial(Told(seed=seed)) for seed in (1, 2)]
UNHELD = [trial(without(Told(seed=seed), "hold")) for seed in (1, 2)]


def shown(found: Comparison, width: int = 100) -> list[str]:
    return [line.plain for line in lines(found, width)]


def row(before: TrialResult, after: TrialResult) -> ComparedScenario:
    (found,) = compare(results_of(before), results_of(after)).scenarios
    return found


def changed(trial: TrialResult, kind: Harm, value: float | None) -> TrialResult:
    harm = trial.harm.model_copy(update={"defended": {**(trial.harm.defended or {}), kind: value}})
    return trial.model_copy(update={"harm": harm})


def test_two_runs_that_came_to_the_same_differ_in_nothing() -> None:
    found = compare(results_of(*LATE, CALM), results_of(*LATE, CALM))
    assert [one.turn for one in found.scenarios] == [Turn.SAME, Turn.SAME]
    assert shown(found)[2:] == ["in both          3 trials; scenarios: 2 same", ""]


def test_what_goes_with_a_layer_is_told_with_what_it_did() -> None:
    found = compare(results_of(*LATE, CALM), results_of(*UNHELD, CALM))
    late, calm = found.scenarios
    assert (late.turn, calm.turn) == (Turn.WORSE, Turn.SAME)
    assert (late.before.counts.passed, late.after.counts.passed, late.seeds) == (2, 0, [1, 2])
    assert late.before.contained is not None
    assert late.after.contained is not None
    assert late.before.contained > 0.9 > late.after.contained
    said = shown(found)
    assert said[2] == "in both          3 trials; scenarios: 1 worse, 1 same"
    assert said[4].startswith(
        "worse    late-partition             passed 2 → 0, failed 0 → 2 of 2; contained 1.00 →"
    )
    (hold,) = [line for line in said if line.startswith("layer    hold")]
    assert "not armed 0 → 2" in hold
    assert "contained 2 → 0" in hold


def test_the_same_the_other_way_round_is_better() -> None:
    assert row(UNHELD[0], LATE[0]).turn is Turn.BETTER


@pytest.mark.parametrize(
    ("verdict", "turn"),
    [(Verdict.PASSED, Turn.SAME), (Verdict.FAILED, Turn.WORSE), (Verdict.VOID, Turn.WORSE)],
)
def test_a_pass_that_is_none_any_more_is_worse(verdict: Verdict, turn: Turn) -> None:
    assert row(CALM, CALM.model_copy(update={"verdict": verdict})).turn is turn


def test_as_many_passes_with_other_figures_are_a_change() -> None:
    found = compare(results_of(CALM), results_of(changed(CALM, Harm.STALE_DAYS, 3.04)))
    assert [one.turn for one in found.scenarios] == [Turn.CHANGED]
    assert shown(found)[-1].endswith("stale_days 0.0 → 3.0")
    assert row(CALM, changed(CALM, Harm.STALE_DAYS, 0.01)).turn is Turn.SAME


def test_what_is_not_measured_any_more_is_a_change_and_no_zero() -> None:
    found = compare(results_of(CALM), results_of(changed(CALM, Harm.FALSE_BLOCK_DAYS, None)))
    assert shown(found)[-1].endswith("false_block_days 0.0 → -")
    assert found.scenarios[0].after.harm[Harm.FALSE_BLOCK_DAYS] is None


@pytest.mark.parametrize(("seeds", "told"), [(1, False), (4, True)])
def test_noise_of_quality_is_no_change(seeds: int, told: bool) -> None:
    """Half of the noise on one seed is all of it on the mean of four."""
    before = [changed(CALM, Harm.QUALITY_PCT_DAYS, 0.0).model_copy(update={"seed": n}) for n in range(seeds)]
    after = [changed(one, Harm.QUALITY_PCT_DAYS, 11.5) for one in before]
    found = compare(results_of(*before), results_of(*after))
    assert ("quality_pct_days 0.0 → 11.5" in shown(found)[-1]) is told


def test_false_alarms_that_a_new_layer_costs_are_told() -> None:
    new = CALM.layers[0].model_copy(update={"layer": "gate", "mode": Mode.OBSERVE, "false_alarms": 2})
    found = compare(results_of(CALM), results_of(CALM.model_copy(update={"layers": [*CALM.layers, new]})))
    assert found.scenarios[0].turn is Turn.CHANGED
    said = shown(found)
    assert any("false alarms 0.00 → 2.00" in line for line in said)
    assert "layer    gate                       only after: observe, false alarms 2" in said
    back = compare(results_of(CALM.model_copy(update={"layers": [*CALM.layers, new]})), results_of(CALM))
    assert "layer    gate                       only before: observe, false alarms 2" in shown(back)


def test_a_layer_is_told_with_its_modes_and_with_outcomes_of_trials_that_both_have() -> None:
    observed = Told(seed=1, modes={"hold": Mode.OBSERVE})
    found = compare(results_of(*LATE), results_of(trial(observed), trial(Told(seed=7))))
    assert (found.trials, found.before.alone, found.after.alone) == (1, 1, 1)
    (hold,) = [one for one in found.layers if one.layer == "hold"]
    assert hold.before is not None
    assert hold.before.outcomes == {Outcome.CONTAINED: 1}
    assert any(
        line.startswith("layer    hold                       enforce → observe; ") for line in shown(found)
    )
    assert "1 more that the other has not" in shown(found)[0]


def test_runs_without_a_trial_in_common_cannot_be_compared() -> None:
    with pytest.raises(UsageError, match="no scenario and seed in common"):
        compare(results_of(LATE[0]), results_of(LATE[1]))


def test_lines_fit_a_narrow_terminal() -> None:
    found = compare(results_of(*LATE, CALM), results_of(*UNHELD, CALM))
    assert max(map(len, shown(found, 80)[2:])) <= 80


def test_as_data_it_is_read_back() -> None:
    found = compare(results_of(*LATE, CALM), results_of(*UNHELD, CALM))
    assert Comparison.model_validate_json(dumps(found)) == found
    assert json.loads(dumps(found))["scenarios"][0]["turn"] == "worse"


def test_the_options_of_each_are_told() -> None:
    with_option = results_of(*UNHELD).model_copy(update={"options": ["--set", "layer.hold.mode=off"]})
    said = shown(compare(results_of(*LATE), Results.model_validate(with_option)))
    assert said[0].endswith(": --target reference-local")
    assert said[1].endswith(": --set layer.hold.mode=off")

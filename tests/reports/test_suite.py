"""The answer of a suite: every scenario has its line, and every failure its command."""

from __future__ import annotations

import io
from pathlib import Path

from chaos.domain.verdict import NotRun, Results
from chaos.reports.screen import Screen
from chaos.reports.suite import suite_answer
from tests.journals import Story, Told, results_of, without


def shown(count: int) -> str:
    told = [Told(scenario=f"late-{index}", seed=seed) for index in range(count) for seed in (1, 2)]
    told[0] = without(told[0], "hold")
    results = results_of(*(Story(one).score() for one in told))
    results = results.model_copy(update={"not_run": [NotRun(scenario="other", needs=["network"])]})
    text = io.StringIO()
    Screen(quiet=False, file=text).results(results, Path("runs/one"))
    return text.getvalue()


def rows_of(results: Results) -> dict[str, str]:
    """The answer's lines by their first word."""
    lines = (line.plain for line in suite_answer(results, Path("runs/one")))
    return {line.split()[0]: line for line in lines if line}


def test_no_scenario_is_left_out_however_many_there_are() -> None:
    lines = shown(10).splitlines()
    assert "20 trials of 10 scenarios" in lines[0]
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.startswith("late-")}
    assert len(rows) == 10
    assert rows["late-0"][:3] == ["1", "1", "-"]
    assert rows["late-1"][:3] == ["2", "-", "-"]


def test_a_delay_says_of_how_many_faults_it_is() -> None:
    seen = [Told(scenario=f"seen-{index}") for index in range(8)]
    blind = [without(Told(scenario="blind", seed=seed), "freshness", "volume") for seed in (1, 2)]
    results = results_of(*(Story(one).score() for one in (*seen, *blind, Told(scenario="blind", seed=3))))
    rows = rows_of(results)
    assert "0.00 d (1 of 3)" in rows["blind"]
    assert "0.00 d  " in rows["seen-1"]
    assert "never" in rows_of(results_of(*(Story(one).score() for one in (*seen, *blind))))["blind"]


def test_the_share_the_failure_with_its_command_and_what_was_not_run() -> None:
    text = shown(9)
    assert "17 of 18 trials passed (94.4%)" in text
    assert "failed  late-0, seed 1" in text
    assert "repeat it: mlchaos run late-0" in text
    assert "--seed 1" in text
    assert "other: the target lacks network" in text

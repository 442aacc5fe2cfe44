"""The price of layers is told of quiet scenarios, as means over their seeds, on the screen and on the page."""

from __future__ import annotations

from pathlib import Path

from chaos.domain.scenario import Harm
from chaos.domain.verdict import TrialResult
from chaos.reports.html import render
from chaos.reports.price import Price, prices
from chaos.reports.suite import suite_answer
from chaos.scoring.picture import picture_of
from tests.journals import Story, Told, quiet, results_of


def trial(scenario: str, alarms: int | None, blocked: float | None, stale: float) -> TrialResult:
    found = Story(quiet()).score()
    layers = [layer.model_copy(update={"false_alarms": None}) for layer in found.layers]
    layers[0] = layers[0].model_copy(update={"false_alarms": alarms})
    harm = {**(found.harm.defended or {}), Harm.FALSE_BLOCK_DAYS: blocked, Harm.STALE_DAYS: stale}
    of_arm = found.harm.model_copy(update={"defended": harm})
    return found.model_copy(update={"scenario": scenario, "layers": layers, "harm": of_arm})


TRIALS = [
    trial("calm", 0, 0.0, 0.2),
    Story(Told()).score(),
    trial("busy", 2, 0.5, 0.0),
    trial("busy", 1, None, 1.0),
    trial("unknown", None, None, 0.0),
]


def test_means_over_the_seeds_that_were_measured_and_none_of_what_was_not() -> None:
    assert prices(TRIALS) == [
        Price("calm", 1, 0.0, 0.0, 0.2),
        Price("busy", 2, 1.5, 0.5, 0.5),
        Price("unknown", 1, None, None, 0.0),
    ]


def test_the_screen_and_the_page_tell_it() -> None:
    lines = [line.plain for line in suite_answer(results_of(*TRIALS), Path("runs/one"))]
    at = next(index for index, line in enumerate(lines) if line.startswith("price, "))
    told = [line.split() for line in lines[at + 1 : at + 4]]
    assert told == [
        ["calm", "0.00", "0.00", "0.20"],
        ["busy", "1.50", "0.50", "0.50"],
        ["unknown", "-", "-", "0.00"],
    ]
    page = render(results_of(*TRIALS[:1], *TRIALS[2:]), Path("nowhere"), picture_of, {})
    row = page[page.index("<td>busy</td>") :].partition("</tr>")[0]
    assert [cell.partition("<")[0] for cell in row.split('<td class="n">')[1:]] == [
        "2",
        "1.50",
        "0.50",
        "0.50",
    ]


def test_without_a_quiet_scenario_nothing_is_told() -> None:
    lines = [line.plain for line in suite_answer(results_of(TRIALS[1]), Path("runs/one"))]
    assert not [line for line in lines if line.startswith("price, ")]

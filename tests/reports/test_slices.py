"""The layers of a run side by side: who did what against which fault, and who did nothing at all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from chaos.domain.layer import Outcome
from chaos.domain.verdict import TrialResult
from chaos.reports.html import render
from chaos.reports.slices import slices
from chaos.reports.suite import suite_answer
from chaos.scoring.picture import picture_of
from tests.journals import Story, Told, quiet, results_of, without

P, C, D = Outcome.PREVENTED, Outcome.CONTAINED, Outcome.DETECTED
MISSED, UNREACHED, OFF = Outcome.MISSED, Outcome.NOT_REACHED, Outcome.NOT_ARMED


def trial(scenario: str, outcomes: Mapping[str, Outcome | None], expected: str = "") -> TrialResult:
    found = Story(Told(scenario=scenario)).score()
    like = found.layers[0]
    layers = [
        like.model_copy(
            update={"layer": name, "outcome": of, "expected": ["detect"] if name == expected else []}
        )
        for name, of in outcomes.items()
    ]
    return found.model_copy(update={"layers": layers})


RUN = [
    trial("late", {"volume": D, "hold": C, "burn": MISSED, "canary": OFF}, "volume"),
    trial("late", {"volume": MISSED, "hold": C, "burn": MISSED, "canary": OFF}, "volume"),
    trial("late", {"volume": D, "hold": C, "burn": UNREACHED, "canary": OFF}, "volume"),
    trial("alias", {"volume": MISSED, "hold": MISSED, "burn": MISSED, "canary": OFF}, "canary"),
    trial("cut-short", {"volume": None, "hold": None, "burn": None, "canary": None}),
    Story(quiet()).score(),
]


def test_a_scenario_has_a_cell_for_each_layer_and_a_quiet_one_has_no_row() -> None:
    found = slices(RUN)
    assert found.layers == ("volume", "hold", "burn", "canary")
    cells = {row.scenario: [cell.outcome for cell in row.cells] for row in found.rows}
    assert cells == {
        "late": [D, C, MISSED, OFF],
        "alias": [MISSED, MISSED, MISSED, OFF],
        "cut-short": [None] * 4,
    }
    assert [cell.says for cell in found.rows[0].cells] == [
        "volume: detected in 2, missed in 1; expected",
        "hold: contained in 3",
        "burn: missed in 2, not reached in 1",
        "canary: not armed in 3",
    ]
    assert found.rows[2].cells[0].says == "volume: not measured"


def test_of_outcomes_that_are_equally_frequent_the_strongest_is_shown() -> None:
    (row,) = slices([trial("late", {"hold": one}) for one in (MISSED, D, C)]).rows
    assert row.cells[0].outcome is C


def test_what_went_through_every_layer_and_who_did_nothing_is_told() -> None:
    found = slices(RUN)
    assert [row.scenario for row in found.rows if row.through_all] == ["alias"]
    assert found.idle == ("burn",)
    assert slices(RUN[:1] + RUN[3:4]).idle == ("burn",)
    assert slices([trial("late", {"hold": MISSED}), trial("late", {"hold": P})]).idle == ()
    assert slices([]).rows == ()


def test_what_scoring_found_is_what_is_shown() -> None:
    told = [Told(scenario="late"), without(Told(scenario="blind"), "volume")]
    rows = slices([Story(one).score() for one in told]).rows
    volume = [next(cell for cell in row.cells if cell.layer == "volume") for row in rows]
    assert [cell.outcome for cell in volume] == [D, OFF]


def test_the_page_shows_each_cell_with_its_words() -> None:
    page = render(results_of(*RUN), Path("nowhere"), picture_of, {})
    table = page[page.index('<table class="slices">') :].partition("</table>")[0]
    assert re.findall(r'<th class="of">([a-z]+)</th>', table) == ["volume", "hold", "burn", "canary"]
    row = next(one for one in table.split("<tr>") if ">late</td>" in one)
    assert re.findall(r"<b>(.*?)</b>", row) == ["D*", "C", "○*", "–"]
    assert 'class="detected expected" title="volume: detected in 2, missed in 1; expected"' in row
    assert '<td class="bad">alias</td>' in table
    assert "cut-short" in table
    assert "neither prevented, contained nor detected any of these: burn<" in page


def test_a_single_trial_and_quiet_ones_have_no_such_table() -> None:
    for trials in ([RUN[0]], [RUN[-1]] * 2):
        assert 'class="slices"' not in render(results_of(*trials), Path("nowhere"), picture_of, {})


def test_the_answer_of_a_suite_names_who_did_nothing() -> None:
    lines = [line.plain for line in suite_answer(results_of(*RUN), Path("runs/one"))]
    assert "armed, and did nothing against any of these faults: burn" in lines
    lines = [line.plain for line in suite_answer(results_of(RUN[-1]), Path("runs/one"))]
    assert not [line for line in lines if line.startswith("armed, ")]

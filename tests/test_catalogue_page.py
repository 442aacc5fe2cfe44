"""docs/catalogue.md is what the code says; `make catalogue` writes it anew."""

from __future__ import annotations

import re

import pytest

from chaos.app import make_catalogue, make_files
from chaos.catalogue_page import page
from chaos.domain.scenario import Loop, Scenario
from chaos.domain.source import build, parse_source
from chaos.entries import LOOP, Entry, fault_entry, layer_entry, probe_entry, scenario_entry
from tests.command import REPOSITORY


def test_the_page_is_current() -> None:
    assert (REPOSITORY / "docs" / "catalogue.md").read_text() == page(), "run `make catalogue`"


def test_everything_that_can_be_named_has_a_heading() -> None:
    files, catalogue = make_files(), make_catalogue()
    names = [*catalogue.faults.names(), *catalogue.probes.names(), *files.target("k9s")[0].layers]
    names += [found.name for found in [*files.scenarios(), *files.targets()]]
    headings = re.findall(r"^### `(.+)`$", page(), re.MULTILINE)
    assert sorted(headings) == sorted(names)


def told(entry: Entry) -> dict[str, tuple[str, str, str | None]]:
    return {one.name: (one.unit, one.range, one.default) for one in entry.parameters}


def test_parameters_have_units_ranges_and_defaults() -> None:
    catalogue, spec = make_catalogue(), make_files().target("k9s")[0]
    latency = told(fault_entry("latency", catalogue, []))
    assert latency["delay_ms"] == ("milliseconds", "", None)
    assert latency["jitter_ms"] == ("milliseconds", "", "0ms")
    assert told(probe_entry("model_age", catalogue, [])) == {"over": ("calendar days", "", "0.1d")}
    burn = told(layer_entry("burn", spec, []))
    assert burn["objective"] == ("share", "at least 0, at most 0.999999", "0.99")
    assert burn["fast_long_days"] == ("calendar days", "at least 0.001, at most 3.25", "1.0")


def test_who_answers_is_told() -> None:
    files, catalogue = make_files(), make_catalogue()
    late, _ = files.scenario("late-partition")
    facts = dict(scenario_entry(late).facts)
    assert facts["detected by"] == "volume or freshness, within 1d"
    assert "hold" in facts["decided by"]
    assert facts["contained"] == "at least 0.9 of defective_views"
    assert "held_days 5d" in facts["faults"]
    used = dict(fault_entry("late_partition", catalogue, [late]).facts)
    assert used["in"] == "late-partition (seen by volume or freshness)"
    assert dict(layer_entry("hold", files.target("k9s")[0], [late]).facts)["decides"] == "late-partition"


@pytest.mark.parametrize("word", ["/tmp", "/home", "/work", "/root"])
def test_the_page_names_no_place_of_a_machine(word: str) -> None:
    assert word not in page()


def test_only_what_can_be_given_is_a_parameter() -> None:
    catalogue = make_catalogue()
    for name in catalogue.faults.names():
        assert list(told(fault_entry(name, catalogue, []))) == list(catalogue.faults.parameters(name))
    for name in catalogue.probes.names():
        assert list(told(probe_entry(name, catalogue, []))) == list(catalogue.probes.parameters(name))
    assert list(told(probe_entry("counter_ratio", catalogue, []))) == ["component", "counter", "per"]


WHOLE = """
scenario: whole
kind: defended
teaches: nothing but what is told of a scenario
source: tests
days: 20d
day_seconds: 2.0
large: true
seeds: [3, 5]
pass_share: 0.8
steady_state: [{probe: good_views, at_least: 0.9}]
faults:
  - fault: torn_checkpoint
    with: {component: trainer, reader: serving-a}
    at: 3d
    for: 1d
    when: {component: trainer, action: save}
expect:
  alerted: {category: model, routed_to: ml, within: 1d, acknowledged_within: 0.5d}
  budgets: {slow_views: 60, stale_days: 0.5, lost_events: 0}
  loop: {users_at_end: {at_least: 0.3, at_most: 0.6}, gain: {at_most: 1}}
  recovered: {within: 2d}
  false_alarms: 0
"""


def test_all_that_a_scenario_claims_is_told() -> None:
    scenario = build(Scenario, parse_source("whole.yaml", WHOLE.encode()))
    facts = dict(scenario_entry(scenario).facts)
    assert facts["a day"] == "2 s, the pace that its load needs"
    assert facts["large"] == "left to a run of its own, unless it is named"
    assert facts["seeds"] == "3, 5, and no others"
    assert facts["passes"] == "where 0.8 of its trials do"
    assert facts["faults"].endswith("at the first save of trainer from day 3 on for 1d")
    assert facts["alerted"] == (
        "category model, routed_to ml, within 1d of the effect, acknowledged within 0.5d"
    )
    assert facts["budgets"] == "at most 60 slow_views; at most 0.5 stale_days; no lost_events"
    assert facts["latency loop"] == (
        "without layers (1: as without the fault), users at the end of the fault at least 0.3 and at most "
        "0.6; gain of the loop at most 1"
    )
    assert facts["recovered"] == "within 2d of the undo"
    assert facts["false alarms"] == "none"


def test_every_bound_on_the_loop_has_its_words() -> None:
    assert set(LOOP) == set(Loop.model_fields)


def test_an_alert_that_nobody_is_to_answer_is_told() -> None:
    text = WHOLE.replace("acknowledged_within: 0.5d", "unanswered: true")
    facts = dict(scenario_entry(build(Scenario, parse_source("whole.yaml", text.encode()))).facts)
    assert facts["alerted"].endswith("within 1d of the effect, answered by nobody")

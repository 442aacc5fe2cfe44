"""docs/catalogue.md is what the code says; `make catalogue` writes it anew."""

from __future__ import annotations

import re

import pytest

from chaos.app import make_catalogue, make_files
from chaos.catalogue_page import page
from chaos.entries import Entry, fault_entry, layer_entry, probe_entry, scenario_entry
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
    assert burn["objective"] == ("share", "at least 0, at most 1", "0.99")
    assert burn["fast_long_days"] == ("calendar days", "at least 0", "1.0")


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

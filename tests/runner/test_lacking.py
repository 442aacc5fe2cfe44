from __future__ import annotations

import pytest

from chaos.app import make_catalogue
from chaos.domain.source import Path_
from chaos.domain.target import TargetSpec
from chaos.runner.lacking import needs_lacking
from chaos.runner.overrides import Overrides, parse_overrides
from chaos.runner.plan import Planner, Request
from tests.harness import SCENARIO, TARGET, edited, scenario_of, target_of


def lacking_of(text: str, spec: TargetSpec, asked: Overrides | None = None) -> dict[str, Path_]:
    return needs_lacking(scenario_of(text)[0], spec, make_catalogue(), asked or Overrides())


def test_what_the_target_lacks_is_listed_not_run() -> None:
    spec = target_of(TARGET.replace("network, data, layers", "network, layers"))
    assert lacking_of(SCENARIO, spec) == {"data": ("faults", 0)}


@pytest.mark.parametrize(
    ("asked", "lacking"),
    [
        (Overrides(), {}),
        (parse_overrides(["hold"], []), {"layers": ()}),
        (parse_overrides([], ["layer.hold.mode=off"]), {"layers": ()}),
        (parse_overrides([], ["fault.late_partition.held_days=2"]), {}),
    ],
    ids=str,
)
def test_a_layer_cannot_be_set_where_none_can_be_switched(
    asked: Overrides, lacking: dict[str, Path_]
) -> None:
    spec = target_of(TARGET.replace("network, data, layers", "network, data"))
    assert lacking_of(SCENARIO, spec, asked) == lacking


def test_a_hole_of_the_scenario_needs_that_too() -> None:
    spec = target_of(TARGET.replace("network, data, layers", "network, data"))
    hole = edited(latent=[{"layer": "hold", "mode": "off"}])
    for asked in (Overrides(), parse_overrides(["freshness"], [])):
        assert lacking_of(hole, spec, asked) == {"layers": ("latent",)}


def test_a_toxic_that_the_links_cannot_have_is_listed_not_run() -> None:
    latency = {"fault": "latency", "with": {"link": "wire", "delay_ms": "100ms"}, "at": "2d", "for": "1d"}
    for toxics, lacking in (("[timeout, noop]", ["toxic latency"]), ("[latency, noop]", []), ("[]", [])):
        spec = target_of(TARGET + f"toxics: {toxics}\n")
        assert list(lacking_of(edited(faults=[latency]), spec)) == lacking


BLIND = TARGET.replace(", truth", "")
DETECTED = {"detected": {"by": ["freshness"], "within": "1d"}}
SLATES = {"probe": "slate_quality", "at_least": 0.4}
WINNER = {"fault": "offline_winner", "with": {"component": "reader", "scale": 100}, "at": "2d", "for": "2d"}


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"expect": {"contained": {"of": "quality_pct_days", "at_least": 0.5}}}, ("expect",)),
        ({"expect": {**DETECTED, "harmful": "quality_pct_days"}}, ("expect",)),
        ({"expect": {**DETECTED, "budgets": {"quality_pct_days": 20}}}, ("expect",)),
        ({"expect": {**DETECTED, "loop": {"gain": {"at_most": 0.5}}}}, ("expect",)),
        ({"steady_state": [{"probe": "good_views", "at_least": 0.9}, SLATES]}, ("steady_state", 1, "probe")),
        ({"abort_if": [{"probe": "slate_quality", "below": 0.1}]}, ("abort_if", 0, "probe")),
        ({"faults": [WINNER]}, ("faults", 0)),
        ({}, None),
    ],
    ids=str,
)
def test_who_does_not_know_the_truth_is_asked_for_nothing_that_rests_on_it(
    changes: dict[str, object], place: tuple[str | int, ...] | None
) -> None:
    scenario, source = scenario_of(edited(**changes))
    for text, lacking in ((TARGET, {}), (BLIND, {"truth": place} if place else {})):
        spec = target_of(text.replace("network, data", "network, config, data"))
        assert lacking_of(edited(**changes), spec) == lacking
        planner = Planner(scenario, source, spec, make_catalogue(), Request())
        assert [arm.truth for arm in planner.plan(1).arms] == [text is TARGET] * 4

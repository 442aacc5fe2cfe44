"""Every fault of the catalogue is held to one contract."""

from __future__ import annotations

import dataclasses

import pytest

from chaos.app import make_catalogue, make_files
from chaos.capabilities import Containers, Described, MeaninglessChange
from chaos.contracts import Fault, Refusing
from chaos.drivers.fake import FakeTarget, silent
from chaos.runner.check import effect_of, make_fault
from tests.harness import planned

EXAMPLES: dict[str, dict[str, object]] = {
    "noop": {},
    "late_partition": {"link": "events", "held_days": "5d"},
    "cpu_limit": {"component": "serving-a", "cpus": 0.05},
    "out_of_memory": {"component": "features", "mib": 24},
    "old_image": {"component": "serving-b", "image": "mlchaos-stack:2018.4", "build": "2018.4"},
    "disconnect": {"component": "collector"},
    "disk_full": {"component": "collector"},
    "kill": {"component": "features"},
    "stop": {"component": "features"},
    "pause": {"component": "serving-a"},
    "link_down": {"link": "serving-features"},
    "clock_shift": {"component": "collector", "ahead_days": "1.5d"},
    "latency": {"link": "serving-features", "delay_ms": "225ms"},
    "partial_partition": {"link": "events", "share": 0.4},
    "duplicate_replay": {"link": "events", "copies": 2},
    "schema_drift": {"link": "events", "column": "dwell", "renamed_to": "dwell_s"},
    "missing_values": {"link": "events", "column": "dwell", "share": 0.6},
    "unit_change": {"link": "events", "column": "dwell", "factor": 1000.0, "stored_as": "int16"},
    "clock_skew": {"link": "events", "column": "day", "ahead_days": "2d", "share": 0.4},
    "poisoned_source": {
        "link": "events",
        "where": "source",
        "equals": 1,
        "values": ["clicked=1", "dwell=60"],
    },
    "wrong_alias": {"version": 2},
    "bad_config": {"components": ["serving-a", "serving-b"], "key": "placements", "value": ""},
    "partial_rollout": {
        "missed": "serving-b",
        "replicas": ["serving-a", "serving-b"],
        "build": "2018.4",
        "flag": "promo",
    },
    "online_skew": {"replicas": ["serving-a", "serving-b"], "build": "2026.2"},
    "backlog": {"link": "events", "partitions": 200},
    "bad_hyperparameter": {"component": "trainer", "key": "learning_rate", "value": 1e15},
    "oversized_feature_file": {"component": "trainer"},
    "slow_challenger": {"component": "trainer", "inference_ms": "180ms"},
    "offline_winner": {"component": "trainer", "scale": -30.0},
    "restart": {"component": "serving-a"},
    "torn_checkpoint": {"component": "trainer", "reader": "serving-a"},
    "registry_outage": {"links": ["serving-registry"], "restart": "serving-a"},
    "holiday_dip": {"level": 0.75},
    "new_category": {"link": "events", "category": 8, "where": "source", "equals": 3},
    "price_change": {"link": "events", "by": 0.3, "where": "source", "equals": 0},
    "planned_backfill": {"link": "events"},
    "telemetry_gone": {"watcher": "monitor", "sample": 'scrape_errors_total{about="features"}'},
    "added_column": {"link": "events", "column": "consent"},
    "surge": {"factor": 1.6},
    "slow_inference": {"components": ["serving-a", "serving-b"], "service_ms": "10ms"},
    "eager_retries": {"timeout_ms": "60ms", "attempts": 3},
    "starve": {"component": "serving-b", "stopped_ms": "30ms", "running_ms": "30ms"},
    "silent_default": {"link": "serving-features", "delay_ms": "100ms", "default_after_ms": "15ms"},
    "delayed_partition": {"link": "events", "delay_days": "0.1d"},
}


HEALTHY = {
    "bad_config": 1.0,
    "oversized_feature_file": 1.0,
    "slow_challenger": 1.0,
    "offline_winner": 0.6,
    "holiday_dip": 1.0,
}
"""What the effect's probe reads while nothing is wrong, where that is not 0."""


def make(name: str) -> Fault:
    return make_catalogue().faults.make(name, EXAMPLES[name])


def test_every_fault_has_an_example_here() -> None:
    assert sorted(EXAMPLES) == make_catalogue().faults.names()


@pytest.mark.parametrize("name", sorted(EXAMPLES))
class TestContract:
    def test_it_is_frozen_and_documented(self, name: str) -> None:
        fault = make(name)
        assert dataclasses.is_dataclass(fault)
        assert type(fault).__doc__
        field = next(iter(EXAMPLES[name]), None)
        if field is not None:
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(fault, field, "other")

    def test_it_changes_something_and_the_same_each_time(self, name: str) -> None:
        spec, _ = make_files().target("reference-compose")
        changes = list(make(name).changes(Described(spec)))
        assert changes == list(make(name).changes(Described(spec)))
        assert bool(changes) is (name != "noop")

    def test_it_needs_what_it_uses(self, name: str) -> None:
        spec, _ = make_files().target("reference-compose")
        bare = spec.model_copy(update={"capabilities": []})
        fault = make(name)
        if fault.needs:
            with pytest.raises(MeaninglessChange, match="has no capability"):
                list(fault.changes(Described(bare)))

    def test_its_effect_is_read_by_a_probe_of_the_catalogue(self, name: str) -> None:
        spec, _ = make_files().target("reference-compose")
        check = make(name).effect(spec)
        assert (check is None) is (name == "noop")
        if check is not None:
            make_catalogue().probes.make(check.probe, check.parameters)
            assert not check.seen(HEALTHY.get(name, 0.0))


@pytest.mark.parametrize(
    ("name", "parameters", "field"),
    [
        ("late_partition", {"link": "events", "held_days": "0.5d"}, "held_days"),
        ("latency", {"link": "serving-features", "delay_ms": "0ms"}, "delay_ms"),
        ("partial_partition", {"link": "events"}, "share"),
        ("schema_drift", {"link": "events", "column": "dwell"}, "renamed_to"),
        ("schema_drift", {"link": "events", "column": "dwell", "stored_as": "int99"}, "stored_as"),
        ("clock_skew", {"link": "events", "column": "day", "ahead_days": "0d"}, "ahead_days"),
        ("delayed_partition", {"link": "events", "delay_days": "0.2d"}, "delay_days"),
        ("new_category", {"link": "events", "category": 7, "where": "source", "equals": 3}, "category"),
        ("surge", {"factor": 1.0}, "factor"),
        ("slow_inference", {"components": [], "service_ms": "9ms"}, "components"),
        ("slow_inference", {"components": ["serving-c"], "service_ms": "9ms"}, "components"),
        ("eager_retries", {"timeout_ms": "60ms", "attempts": 1}, "attempts"),
        ("starve", {"component": "serving-b", "stopped_ms": "1ms", "running_ms": "30ms"}, "stopped_ms"),
        ("starve", {"component": "serving-c", "stopped_ms": "90ms", "running_ms": "30ms"}, "component"),
        (
            "silent_default",
            {"link": "serving-features", "delay_ms": "9ms", "default_after_ms": "9ms"},
            "default_after_ms",
        ),
        ("cpu_limit", {"component": "serving-a", "cpus": 2.0}, "cpus"),
        ("cpu_limit", {"component": "serving-q", "cpus": 0.1}, "component"),
        ("out_of_memory", {"component": "features", "mib": 1}, "mib"),
        ("disk_full", {"component": "monitor"}, "component"),
        ("old_image", {"component": "serving-b", "image": " ", "build": "2018.4"}, "image"),
        ("old_image", {"component": "serving-q", "image": "old:1", "build": "2018.4"}, "component"),
        ("clock_shift", {"component": "collector", "ahead_days": "0.1d"}, "ahead_days"),
        ("latency", {"link": "serving-features", "delay_ms": "5ms", "jitter_ms": "6ms"}, "jitter_ms"),
        ("wrong_alias", {"version": 0}, "version"),
        ("bad_config", {"components": [], "key": "placements", "value": ""}, "components"),
        ("bad_config", {"components": ["serving-c"], "key": "placements", "value": ""}, "components"),
        (
            "partial_rollout",
            {"missed": "serving-b", "replicas": ["serving-b"], "build": "2018.4", "flag": "promo"},
            "missed",
        ),
        ("online_skew", {"replicas": [], "build": "2026.2"}, "replicas"),
        ("online_skew", {"replicas": ["serving-c"], "build": "2026.2"}, "replicas"),
        ("online_skew", {"replicas": ["serving-a"], "build": "2026.3"}, "build"),
        (
            "partial_rollout",
            {
                "missed": "serving-b",
                "replicas": ["serving-a", "serving-b"],
                "build": "2017.4",
                "flag": "promo",
            },
            "build",
        ),
        ("backlog", {"link": "serving-features", "partitions": 9}, "link"),
        ("oversized_feature_file", {"component": "trainer", "times": 1}, "times"),
        ("slow_challenger", {"component": "trainer", "inference_ms": "0ms"}, "inference_ms"),
        ("offline_winner", {"component": "trainer", "scale": 0.0}, "scale"),
        ("registry_outage", {"links": [], "restart": "serving-a"}, "links"),
        ("registry_outage", {"links": ["serving-registry"], "restart": "serving-z"}, "restart"),
    ],
)
def test_parameters_that_cannot_be_meant(name: str, parameters: dict[str, object], field: str) -> None:
    spec, _ = make_files().target("reference-compose")
    fault = make_catalogue().faults.make(name, parameters)
    assert isinstance(fault, Refusing)
    with pytest.raises(MeaninglessChange) as caught:
        fault.refuse(spec)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("name", "parameters", "field", "near"),
    [
        ("partial_partition", {"link": "events", "share": 1.5}, "share", None),
        ("partial_partition", {"link": "events", "where": "shrd"}, "where", "shard"),
        ("partial_partition", {"link": "events", "share": 0.5, "equals": 2}, "equals", None),
        (
            "poisoned_source",
            {"link": "events", "where": "", "equals": 0, "values": ["dwell=60"]},
            "where",
            None,
        ),
        ("new_category", {"link": "events", "category": 8, "where": "", "equals": 0}, "where", None),
        ("duplicate_replay", {"link": "events", "copies": 1}, "copies", None),
        ("backlog", {"link": "events", "partitions": 0}, "partitions", None),
        ("backlog", {"link": "events", "partitions": 9, "share": 0.0}, "share", None),
        ("backlog", {"link": "events", "partitions": 9, "column": "dy"}, "column", "day"),
        ("schema_drift", {"link": "events", "column": "dwel", "renamed_to": "x"}, "column", "dwell"),
        ("missing_values", {"link": "events", "column": "pric"}, "column", "price"),
        ("unit_change", {"link": "events", "column": "dwell", "factor": 1.0}, "factor", None),
        ("price_change", {"link": "events", "by": 0.0}, "by", None),
        ("new_category", {"link": "events", "category": 8, "where": "sorce", "equals": 3}, "where", "source"),
        ("poisoned_source", {"link": "events", "where": "source", "equals": 1, "values": []}, "values", None),
        (
            "poisoned_source",
            {"link": "events", "where": "source", "equals": 1, "values": ["clikced=1"]},
            "values",
            "clicked",
        ),
    ],
)
def test_data_toxics_that_cannot_be_meant_are_refused_at_planning_time(
    name: str, parameters: dict[str, object], field: str, near: str | None
) -> None:
    spec, _ = make_files().target("k9s")
    fault = make_catalogue().faults.make(name, parameters)
    with pytest.raises(MeaninglessChange) as caught:
        list(fault.changes(Described(spec)))
    assert (caught.value.field, caught.value.nearest) == (field, near)


NAN, INFINITE = float("nan"), float("inf")
WRONG: dict[str, list[object]] = {
    "ahead_days": ["0d", "-1d", "soon"],
    "attempts": [0, 1],
    "build": ["2026.9"],
    "by": [0, NAN, INFINITE],
    "category": [0, 7, -1, 1.5],
    "column": ["dwel", ""],
    "component": ["serving-c"],
    "components": [[], ["serving-c"]],
    "copies": [-1, 0, 1, 1000],
    "cpus": [0, 9, NAN],
    "default_after_ms": ["0ms", "240ms", "15d"],
    "delay_days": ["0d", "-1d", "5ms"],
    "delay_ms": ["0ms", "-5ms", "1d"],
    "equals": ["one", 1.5],
    "factor": [0, 1.0, -2, NAN, INFINITE],
    "flag": ["", " "],
    "held_days": ["0d", "-1d", "infd", "forever"],
    "image": ["", " "],
    "inference_ms": ["0ms"],
    "jitter_ms": ["-1ms", "900ms"],
    "key": ["", " "],
    "level": [0, 1, 1.5, -1, NAN],
    "layer": ["shcema"],
    "limit": ["categoris", "mode", "price_limit"],
    "link": ["serving-fetures"],
    "links": [[], ["serving-fetures"], ["events"]],
    "mib": [0],
    "missed": ["serving-c"],
    "partitions": [-1, 0, 19, 1001],
    "reader": ["serving-c"],
    "renamed_to": ["", "dwell", "clicked"],
    "replicas": [[], ["serving-c"]],
    "restart": ["serving-c"],
    "running_ms": ["0ms"],
    "sample": ["", " "],
    "scale": [0, NAN],
    "service_ms": ["0ms"],
    "setting": ["", " "],
    "share": [0, -0.1, 1.1, NAN],
    "spared": [["serving-c"]],
    "stopped_ms": ["0ms"],
    "stored_as": ["int99"],
    "times": [0, 1],
    "timeout_ms": ["0ms"],
    "usual": [0, -1, NAN, INFINITE],
    "value": [NAN],
    "values": [[], ["clicked"], ["clikced=1"], ["clicked=nan"]],
    "version": [0, -1, 1.5],
    "watcher": ["serving-c"],
    "where": ["shrd"],
}
"""What no fault can mean by a parameter of that name."""
ANY_WILL_DO = {"approved_by", "by_push", "bypass"}
FREE = {("added_column", "column"), ("bad_config", "value"), ("old_image", "build")}
"""A new column may have any name but one that is there; a pushed value may be as bad as one likes, and an old image
of any build."""


def plan(name: str, parameters: dict[str, object]) -> None:
    """All that is asked of a fault when its scenario is planned."""
    spec, _ = make_files().target("reference-compose")
    catalogue = make_catalogue()
    fault = make_fault(name, parameters, spec, catalogue)
    list(fault.changes(Described(spec)))
    effect_of(fault, spec, catalogue)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_the_examples_are_meant(name: str) -> None:
    plan(name, EXAMPLES[name])


def _cases() -> list[tuple[str, str, object]]:
    faults = make_catalogue().faults
    return [
        (name, field, wrong)
        for name in sorted(EXAMPLES)
        for field in faults.parameters(name)
        if field not in ANY_WILL_DO and (name, field) not in FREE
        for wrong in WRONG[field]
    ]


@pytest.mark.parametrize(("name", "field", "wrong"), _cases())
def test_no_fault_takes_what_it_cannot_mean(name: str, field: str, wrong: object) -> None:
    """It is refused by the name of the parameter that the user wrote."""
    with pytest.raises(MeaninglessChange) as caught:
        plan(name, {**EXAMPLES[name], field: wrong})
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("name", "field", "wrong"),
    [
        ("surge", "factor", "1.6"),
        ("partial_partition", "share", "0.4"),
        ("poisoned_source", "equals", True),
        ("bad_hyperparameter", "value", "2"),
        ("wrong_alias", "version", True),
        ("wrong_alias", "bypass", "no"),
        ("bad_config", "bypass", 1),
    ],
)
def test_text_is_no_number_and_only_true_or_false_is_a_boolean(name: str, field: str, wrong: object) -> None:
    with pytest.raises(MeaninglessChange, match=r"is not (a number|true or false)") as caught:
        plan(name, {**EXAMPLES[name], field: wrong})
    assert caught.value.field == field


def test_a_number_that_yaml_takes_for_text_is_one() -> None:
    """`value: 1e15`, as two built-in scenarios have it."""
    plan("bad_hyperparameter", {**EXAMPLES["bad_hyperparameter"], "value": "1e15"})


@pytest.mark.parametrize("name", sorted(name for name, given in EXAMPLES.items() if "link" in given))
def test_a_link_of_the_other_kind_is_refused(name: str) -> None:
    example = EXAMPLES[name]
    other = "serving-features" if example["link"] == "events" else "events"
    with pytest.raises(MeaninglessChange) as caught:
        plan(name, {**example, "link": other})
    assert caught.value.field == "link"


IN_CONTAINERS = sorted(
    name
    for name in EXAMPLES
    if Containers in make_catalogue().faults.get(name).needs and "component" in EXAMPLES[name]
)


@pytest.mark.parametrize("name", IN_CONTAINERS)
def test_a_component_that_is_not_there_is_told_where_there_are_no_containers_too(name: str) -> None:
    """As `mlchaos validate` looks at a file, and as a suite does before it lists what it does not run."""
    spec, _ = make_files().target("k9s")
    with pytest.raises(MeaninglessChange) as caught:
        make_fault(name, {**EXAMPLES[name], "component": "colector"}, spec, make_catalogue())
    assert (caught.value.field, caught.value.nearest) == ("component", "collector")


def test_a_column_that_is_there_is_not_added() -> None:
    spec, _ = make_files().target("reference-compose")
    fault = make_catalogue().faults.make("added_column", {"link": "events", "column": "dwell"})
    assert isinstance(fault, Refusing)
    with pytest.raises(MeaninglessChange, match="already"):
        fault.refuse(spec)


def test_an_outage_is_proved_by_the_link_of_whoever_starts_anew() -> None:
    """That it starts anew makes views unsound whether or not anything was cut."""
    spec, _ = make_files().target("reference-virtual")
    example = {"links": ["monitor-registry", "serving-registry"], "restart": "serving-a"}
    check = make_catalogue().faults.make("registry_outage", example).effect(spec)
    assert check is not None
    assert (check.probe, check.parameters["link"]) == ("link_silent", "serving-registry")


def test_starving_is_looked_for_over_a_whole_cycle() -> None:
    spec, _ = make_files().target("reference-virtual")
    check = make("starve").effect(spec)
    assert check is not None
    assert (check.probe, check.parameters["over_ms"], check.at_least) == ("slowest_request", "60ms", 15.0)


@pytest.mark.parametrize(
    ("largest", "bad"), [(2.0, False), (4.5, False), (0.0, True), (0.05, True), (4e5, True)]
)
def test_a_hyperparameter_is_bad_to_either_side(largest: float, bad: bool) -> None:
    """Nothing learnt, or weights that diverged; one that is not finite is told as the largest number."""
    spec, _ = make_files().target("reference-virtual")
    check = make("bad_hyperparameter").effect(spec)
    assert check is not None
    probe = make_catalogue().probes.make(check.probe, check.parameters)
    made = FakeTarget(planned().arms[0], spec, lambda _event: None, silent)
    made.metrics = lambda _component: {"training_largest_weight": largest}  # type: ignore[method-assign]
    value = probe.read(made)
    assert value is not None
    assert check.seen(value) is bad

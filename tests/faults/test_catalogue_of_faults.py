"""Every fault of the catalogue is held to one contract."""

from __future__ import annotations

import dataclasses
import math

import pytest

from chaos.app import make_catalogue, make_files
from chaos.capabilities import Containers, Described, MeaninglessChange
from chaos.contracts import Fault, Refusing
from chaos.domain.change import (
    AddDataToxic,
    AddToxic,
    Change,
    Configure,
    Disconnect,
    FillDisk,
    Kill,
    LimitCpu,
    LimitMemory,
    Pause,
    Promote,
    Push,
    RunImage,
    Scalar,
    SetAlias,
    SetLayer,
    SetLinkUp,
    Start,
    Starve,
    Stop,
)
from chaos.domain.target import NetworkLink
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


# --- what each of them does ------------------------------------------------------------------------------


def data(type: str, **parameters: Scalar) -> AddDataToxic:
    return AddDataToxic("events", f"mlchaos_{type}", type, parameters)


def latency(ms: int, jitter: int = 0) -> AddToxic:
    attributes = {"latency": ms, "jitter": jitter}
    return AddToxic(
        "serving-features", "mlchaos_latency_downstream", "latency", "downstream", 1.0, attributes
    )


WHERE: dict[str, object] = {"share": 0.4, "where": "source", "equals": 3}
BOTH = ["serving-a", "serving-b"]
DOES: list[tuple[str, dict[str, object], list[Change]]] = [
    ("added_column", {}, [data("add", column="consent")]),
    ("backlog", {"share": 0.3, "partitions": 20}, [data("backfill", partitions=20, column="day", share=0.3)]),
    ("bad_config", {}, [Push("orchestrator", "placements", "", BOTH, "release script", "")]),
    (
        "bad_config",
        {"approved_by": "ann"},
        [Push("orchestrator", "placements", "", BOTH, "release script", "ann")],
    ),
    ("bad_config", {"bypass": True}, [Configure(name, "placements", "") for name in BOTH]),
    ("bad_hyperparameter", {}, [Configure("trainer", "learning_rate", 1e15)]),
    (
        "bad_hyperparameter",
        {"by_push": True},
        [Push("orchestrator", "learning_rate", 1e15, ["trainer"], "researcher", "reviewer")],
    ),
    ("clock_shift", {}, [Configure("collector", "clock_ahead_days", 1.5)]),
    ("clock_skew", {}, [data("skew", column="day", by=2.0, share=0.4)]),
    ("cpu_limit", {}, [LimitCpu("serving-a", 0.05)]),
    ("delayed_partition", {}, [data("late", held_days=0.1)]),
    ("disconnect", {}, [Disconnect("collector")]),
    ("disk_full", {}, [FillDisk("collector")]),
    (
        "duplicate_replay",
        {"copies": 3, **WHERE},
        [data("duplicate", copies=3, share=0.4, where="source", equals=3)],
    ),
    ("eager_retries", {}, [Configure("shop", "timeout_ms", 60.0), Configure("shop", "attempts", 3)]),
    ("holiday_dip", {}, [Configure("shop", "surge", 0.75)]),
    ("kill", {}, [Kill("features")]),
    ("late_partition", {}, [data("late", held_days=5.0)]),
    ("latency", {"jitter_ms": "20ms"}, [latency(225, 20)]),
    ("link_down", {}, [SetLinkUp("serving-features", up=False)]),
    (
        "missing_values",
        {**WHERE},
        [data("nulls", column="dwell", share=0.4, where="source", equals=3)],
    ),
    (
        "new_category",
        {"category": 9},
        [
            SetLayer("schema", "categories", 10),
            data("poison", values=["category=9"], where="source", equals=3),
        ],
    ),
    ("noop", {}, []),
    ("offline_winner", {}, [Configure("trainer", "export_scale", -30.0)]),
    ("old_image", {}, [RunImage("serving-b", "mlchaos-stack:2018.4")]),
    ("online_skew", {}, [Configure(name, "build", "2026.2") for name in BOTH]),
    ("out_of_memory", {}, [LimitMemory("features", 24)]),
    ("oversized_feature_file", {"times": 3}, [Configure("trainer", "schemas", 3)]),
    ("partial_partition", {**WHERE}, [data("drop", share=0.4, where="source", equals=3)]),
    (
        "partial_rollout",
        {},
        [
            Configure("serving-b", "build", "2018.4"),
            Push("orchestrator", "promo", True, BOTH, "release script", "reviewer"),
        ],
    ),
    ("pause", {}, [Pause("serving-a")]),
    ("planned_backfill", {}, [data("reorder")]),
    (
        "poisoned_source",
        {"share": 0.4},
        [data("poison", values=["clicked=1", "dwell=60"], share=0.4, where="source", equals=1)],
    ),
    ("price_change", {"equals": 3}, [data("skew", column="price", by=0.3, where="source", equals=3)]),
    (
        "registry_outage",
        {"links": ["serving-registry", "monitor-registry"]},
        [
            SetLinkUp("serving-registry", up=False),
            SetLinkUp("monitor-registry", up=False),
            Kill("serving-a"),
            Start("serving-a"),
        ],
    ),
    ("restart", {}, [Kill("serving-a"), Start("serving-a")]),
    ("schema_drift", {}, [data("rename", column="dwell", to="dwell_s")]),
    ("schema_drift", {"renamed_to": "", "stored_as": "text"}, [data("retype", column="dwell", to="text")]),
    (
        "silent_default",
        {},
        [*(Configure(name, "default_after_ms", 15.0) for name in BOTH), latency(100)],
    ),
    ("slow_challenger", {}, [Configure("trainer", "inference_ms", 180.0)]),
    ("slow_inference", {}, [Configure(name, "shell.service_ms", 10.0) for name in BOTH]),
    ("starve", {"running_ms": "20ms"}, [Starve("serving-b", 30.0, 20.0)]),
    ("stop", {}, [Stop("features")]),
    ("surge", {}, [Configure("shop", "surge", 1.6)]),
    ("torn_checkpoint", {}, [Kill("trainer"), Start("trainer")]),
    (
        "unit_change",
        {"factor": 4.0, **WHERE},
        [
            data("scale", column="dwell", factor=4.0, share=0.4, where="source", equals=3),
            data("retype", column="dwell", to="int16"),
        ],
    ),
    (
        "unit_change",
        {"stored_as": ""},
        [data("scale", column="dwell", factor=1000.0, share=1.0, where="", equals=0)],
    ),
    ("wrong_alias", {}, [Promote("orchestrator", "champion", 2, "release script")]),
    ("wrong_alias", {"bypass": True}, [SetAlias("champion", 2)]),
]


@pytest.mark.parametrize(("name", "given", "changes"), DOES)
def test_a_fault_does_what_its_parameters_say(
    name: str, given: dict[str, object], changes: list[Change]
) -> None:
    spec, _ = make_files().target("reference-compose")
    fault = make_catalogue().faults.make(name, {**EXAMPLES[name], **given})
    assert list(fault.changes(Described(spec))) == changes


WATCHED = [
    "monitor-registry",
    "monitor-collector",
    "monitor-trainer",
    "monitor-serving-a",
    "monitor-serving-b",
]
WATCHED += ["monitor-orchestrator", "monitor-oncall", "monitor-shop"]


def test_whoever_watches_loses_the_links_of_its_own_but_for_those_to_whom_is_spared() -> None:
    spec, _ = make_files().target("reference-compose")
    shared = NetworkLink.model_validate({"kind": "network", "from": ["monitor", "oncall"], "to": "trainer"})
    spec = spec.model_copy(update={"links": {**spec.links, "shared": shared}})
    gone = make_catalogue().faults.make(
        "telemetry_gone", {**EXAMPLES["telemetry_gone"], "spared": ["features"]}
    )
    assert list(gone.changes(Described(spec))) == [SetLinkUp(link, up=False) for link in WATCHED]


def test_every_fault_is_among_them() -> None:
    assert sorted({name for name, _, _ in DOES} | {"telemetry_gone"}) == sorted(EXAMPLES)


LOW, HIGH = -math.inf, math.inf
SHOWS: dict[str, tuple[str, float, float]] = {
    "added_column": ("partitions_altered", 1, HIGH),
    "backlog": ("metric", 20, HIGH),
    "bad_config": ("good_views", LOW, 0.9),
    "bad_hyperparameter": ("orders_off", 1.3, HIGH),
    "clock_shift": ("clock_ahead", 1.2, HIGH),
    "clock_skew": ("partitions_altered", 1, HIGH),
    "cpu_limit": ("slowest_request", 30, HIGH),
    "delayed_partition": ("delivery_days", 0.1, HIGH),
    "disconnect": ("component_silent", 1, HIGH),
    "disk_full": ("metric", 0.99, HIGH),
    "duplicate_replay": ("partitions_altered", 1, HIGH),
    "eager_retries": ("counter_ratio", 0.5, HIGH),
    "holiday_dip": ("traffic_ratio", LOW, 0.875),
    "kill": ("component_ends", 1, HIGH),
    "late_partition": ("partitions_overdue", 1, HIGH),
    "latency": ("link_latency", 202.5, HIGH),
    "link_down": ("link_silent", 1, HIGH),
    "missing_values": ("partitions_altered", 1, HIGH),
    "new_category": ("partitions_altered", 1, HIGH),
    "offline_winner": ("slate_quality", LOW, 0.4),
    "old_image": ("build_share", 0.05, HIGH),
    "online_skew": ("build_share", 0.5, HIGH),
    "out_of_memory": ("component_ends", 2, HIGH),
    "oversized_feature_file": ("good_views", LOW, 0.9),
    "partial_partition": ("partitions_altered", 1, HIGH),
    "partial_rollout": ("build_share", 0.05, HIGH),
    "pause": ("component_silent", 1, HIGH),
    "planned_backfill": ("partitions_altered", 1, HIGH),
    "poisoned_source": ("partitions_altered", 1, HIGH),
    "price_change": ("partitions_altered", 1, HIGH),
    "registry_outage": ("link_silent", 1, HIGH),
    "restart": ("unsound_views", 0.1, HIGH),
    "schema_drift": ("partitions_altered", 1, HIGH),
    "silent_default": ("defaulted_share", 0.2, HIGH),
    "slow_challenger": ("good_views", LOW, 0.9),
    "slow_inference": ("bad_views", 0.1, HIGH),
    "starve": ("slowest_request", 15, HIGH),
    "stop": ("component_silent", 1, HIGH),
    "surge": ("traffic_ratio", 1.2, HIGH),
    "telemetry_gone": ("metric", 1, HIGH),
    "torn_checkpoint": ("metric", 1, HIGH),
    "unit_change": ("partitions_altered", 1, HIGH),
    "wrong_alias": ("version_share", 0.05, HIGH),
}
"""The probe that shows a fault of EXAMPLES, and from where on, or up to where, it has bitten."""


@pytest.mark.parametrize("name", sorted(EXAMPLES.keys() - {"noop"}))
def test_a_fault_has_bitten_from_its_bound_on(name: str) -> None:
    spec, _ = make_files().target("reference-compose")
    check = make(name).effect(spec)
    assert check is not None
    assert (check.probe, check.at_least, check.at_most) == pytest.approx(SHOWS[name])


def test_latency_with_jitter_has_bitten_from_the_least_delay_on() -> None:
    spec, _ = make_files().target("reference-compose")
    fault = make_catalogue().faults.make("latency", {**EXAMPLES["latency"], "jitter_ms": "25ms"})
    check = fault.effect(spec)
    assert check is not None
    assert check.at_least == pytest.approx(180.0)


def test_eager_retries_are_retries_for_each_request() -> None:
    spec, _ = make_files().target("reference-compose")
    check = make("eager_retries").effect(spec)
    assert check is not None
    assert check.parameters == {
        "component": "shop",
        "counter": "retries_total",
        "per": "first_attempts_total",
    }


@pytest.mark.parametrize(
    ("name", "given", "wrong"),
    [
        ("backlog", {"partitions": 20}, {"partitions": 19}),
        ("clock_shift", {"ahead_days": "0.6d"}, {"ahead_days": "0.59d"}),
        ("cpu_limit", {"cpus": 0.01}, {"cpus": 0.009}),
        ("cpu_limit", {"cpus": 0.5}, {"cpus": 0.51}),
        ("delayed_partition", {"delay_days": "0.19d"}, {"delay_days": "0.2d"}),
        ("eager_retries", {"attempts": 20}, {"attempts": 21}),
        ("eager_retries", {"attempts": 2}, {"attempts": 1}),
        ("holiday_dip", {"level": 0.1}, {"level": 0.09}),
        ("holiday_dip", {"level": 0.95}, {"level": 0.96}),
        ("late_partition", {"held_days": "1d"}, {"held_days": "23h"}),
        ("latency", {"jitter_ms": "225ms"}, {"jitter_ms": "226ms"}),
        ("new_category", {"category": 8}, {"category": 7}),
        ("out_of_memory", {"mib": 6}, {"mib": 5}),
        ("oversized_feature_file", {"times": 2}, {"times": 1}),
        ("partial_partition", {"share": 0.99}, {"share": 1.0}),
        ("silent_default", {"default_after_ms": "99ms"}, {"default_after_ms": "100ms"}),
        ("slow_inference", {"components": ["serving-a"]}, {"components": ["serving-a", "serving-a"]}),
        ("starve", {"stopped_ms": "10ms"}, {"stopped_ms": "9.9ms"}),
        ("surge", {"factor": 1.1}, {"factor": 1.09}),
        ("surge", {"factor": 10.0}, {"factor": 10.1}),
        ("wrong_alias", {"version": 1}, {"version": 0}),
    ],
)
def test_a_parameter_may_lie_on_its_limit_and_not_beyond(
    name: str, given: dict[str, object], wrong: dict[str, object]
) -> None:
    plan(name, {**EXAMPLES[name], **given})
    with pytest.raises(MeaninglessChange) as caught:
        plan(name, {**EXAMPLES[name], **wrong})
    assert caught.value.field == next(iter(wrong))

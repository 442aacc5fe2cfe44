"""Every fault of the catalogue is held to one contract."""

from __future__ import annotations

import dataclasses

import pytest

from chaos.app import make_catalogue, make_files
from chaos.capabilities import Described, MeaninglessChange
from chaos.contracts import Fault, Refusing

EXAMPLES: dict[str, dict[str, object]] = {
    "noop": {},
    "late_partition": {"link": "events", "held_days": "5d"},
    "latency": {"link": "serving-features", "delay_ms": "225ms"},
}


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
        spec, _ = make_files().target("k9s")
        changes = list(make(name).changes(Described(spec)))
        assert changes == list(make(name).changes(Described(spec)))
        assert bool(changes) is (name != "noop")

    def test_it_needs_what_it_uses(self, name: str) -> None:
        spec, _ = make_files().target("k9s")
        bare = spec.model_copy(update={"capabilities": []})
        fault = make(name)
        if fault.needs:
            with pytest.raises(MeaninglessChange, match="has no capability"):
                list(fault.changes(Described(bare)))

    def test_its_effect_is_read_by_a_probe_of_the_catalogue(self, name: str) -> None:
        spec, _ = make_files().target("k9s")
        check = make(name).effect(spec)
        assert (check is None) is (name == "noop")
        if check is not None:
            make_catalogue().probes.make(check.probe, check.parameters)
            assert not check.seen(0.0)


@pytest.mark.parametrize(
    ("name", "parameters", "field"),
    [
        ("late_partition", {"link": "events", "held_days": "0.5d"}, "held_days"),
        ("latency", {"link": "serving-features", "delay_ms": "0ms"}, "delay_ms"),
        ("latency", {"link": "serving-features", "delay_ms": "5ms", "jitter_ms": "6ms"}, "jitter_ms"),
    ],
)
def test_parameters_that_cannot_be_meant(name: str, parameters: dict[str, object], field: str) -> None:
    spec, _ = make_files().target("k9s")
    fault = make_catalogue().faults.make(name, parameters)
    assert isinstance(fault, Refusing)
    with pytest.raises(MeaninglessChange) as caught:
        fault.refuse(spec)
    assert caught.value.field == field

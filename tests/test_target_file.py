"""What targets/k9s.yaml says of the stack, against the stack itself: neither imports the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import msgspec
import pytest

from chaos.app import make_files
from chaos.domain.target import DataLink, LayerSpec, NetworkLink, Parameter, TargetSpec, ToxicName
from chaos.proxies.network.toxics import by_type
from reference_stack.collector.component import Collector
from reference_stack.collector.partition import COLUMNS
from reference_stack.component import Component
from reference_stack.defaults import LAYERS, default_settings
from reference_stack.features.component import Features
from reference_stack.layers.contract import Layer, Mode
from reference_stack.layers.host import hooks_of, load
from reference_stack.monitor.component import Monitor
from reference_stack.monitor.routing import read_routing
from reference_stack.monitor.rules import RULES
from reference_stack.oncall.actions import ACTIONS
from reference_stack.oncall.component import OnCall
from reference_stack.orchestrator.component import Orchestrator
from reference_stack.registry.served import RegistryService
from reference_stack.serving.component import Serving
from reference_stack.settings import COMPONENTS, LayerSettings, ShopSettings, StackSettings
from reference_stack.shop.component import Shop
from reference_stack.trainer.component import Trainer
from reference_stack.wiring import DATA_LINKS, FOLDERS, LINKS
from reference_stack.world import PRESETS

CLASSES: Mapping[str, type[Component]] = {  # type: ignore[type-arg]
    "collector": Collector,
    "features": Features,
    "trainer": Trainer,
    "registry": RegistryService,
    "serving-a": Serving,
    "serving-b": Serving,
    "orchestrator": Orchestrator,
    "monitor": Monitor,
    "oncall": OnCall,
    "shop": Shop,
}
TYPES: Mapping[str, tuple[type, ...]] = {
    "integer": (int,),
    "number": (float,),
    "days": (float,),
    "ms": (float,),
    "share": (float,),
    "boolean": (bool,),
    "text": (str,),
    "names": (list,),
}


@pytest.fixture(scope="module", params=["k9s", "reference-local", "reference-virtual"])
def spec(request: pytest.FixtureRequest) -> TargetSpec:
    return make_files().target(request.param)[0]


def layer_class(name: str) -> type[Layer]:
    return load(name, LayerSettings(use=LAYERS[name]))


def defaults_of(name: str) -> dict[str, object]:
    encoded = msgspec.json.encode(msgspec.convert({}, layer_class(name).Parameters))
    defaults: dict[str, object] = msgspec.json.decode(encoded)
    return defaults


def test_the_components(spec: TargetSpec) -> None:
    assert sorted(spec.components) == sorted(COMPONENTS)
    assert sorted(CLASSES) == sorted(COMPONENTS)


def test_who_answers_the_shops_views(spec: TargetSpec) -> None:
    assert spec.called_by(["shop"]) == ["collector", "features", "registry", "serving-a", "serving-b", "shop"]


def test_the_columns(spec: TargetSpec) -> None:
    assert list(spec.columns) == list(COLUMNS)


def test_the_network_links(spec: TargetSpec) -> None:
    told = {
        name: (sorted(link.from_), link.to)
        for name, link in spec.links.items()
        if isinstance(link, NetworkLink)
    }
    assert told == {name: (sorted(link.callers), link.callee) for name, link in LINKS.items()}


def test_the_data_links(spec: TargetSpec) -> None:
    told = {name: link for name, link in spec.links.items() if isinstance(link, DataLink)}
    assert sorted(told) == sorted(DATA_LINKS)
    for name, (source, sink) in DATA_LINKS.items():
        assert sorted(told[name].from_) == sorted(FOLDERS[source]), name
        assert (told[name].to,) == FOLDERS[sink], name
        features = StackSettings().features
        assert told[name].due == features.due_days, name
        integrity = told[name].integrity
        assert integrity is not None
        assert integrity.max_late == features.max_late_days, name
        if spec.driver.kind == "local":
            assert spec.driver.settings["folders"][name] == {"source": source, "sink": sink}


def test_the_layers_and_who_asks_them(spec: TargetSpec) -> None:
    asked_by = {
        name: sorted(
            component
            for component, cls in CLASSES.items()
            if set(hooks_of(layer_class(name))) & set(cls.hooks)
        )
        for name in LAYERS
    }
    assert {name: sorted(layer.asked_by) for name, layer in spec.layers.items()} == asked_by
    assert all(layer.default.value == LayerSettings(use="").mode.value for layer in spec.layers.values())
    assert [mode.value for mode in Mode] == ["off", "observe", "enforce"]


@pytest.mark.parametrize("name", LAYERS)
def test_the_parameters_of_a_layer(spec: TargetSpec, name: str) -> None:
    layer: LayerSpec = spec.layers[name]
    defaults = defaults_of(name)
    assert list(layer.parameters) == list(defaults)
    for key, parameter in layer.parameters.items():
        assert parameter.default == defaults[key], key
        assert type(defaults[key]) in TYPES[parameter.type], key
        assert (parameter.type == "days") == key.endswith("_days"), key
        assert (parameter.type == "ms") == key.endswith("_ms"), key


@pytest.mark.parametrize("name", LAYERS)
def test_what_the_file_allows_the_layer_takes(spec: TargetSpec, name: str) -> None:
    """Its default, and both ends of its range, in the shape in which the harness hands them over."""
    for key, parameter in spec.layers[name].parameters.items():
        for value in (parameter.default, parameter.at_least, parameter.at_most):
            if value is not None:
                taken = parameter.read(as_given(parameter, value))
                msgspec.convert({key: taken}, layer_class(name).Parameters)


def as_given(parameter: Parameter, value: object) -> object:
    """A bound is a float in the file; a whole number is asked for as one."""
    return int(value) if parameter.type == "integer" and isinstance(value, float) else value


@pytest.mark.parametrize("world", [each.name for each in PRESETS])
def test_a_layer_has_the_same_limits_in_a_world_by_the_file_and_by_the_stack(
    spec: TargetSpec, world: str
) -> None:
    for name, layer in default_settings(world).layers.items():
        assert spec.layers[name].defaults(world) == {**defaults_of(name), **layer.parameters}


def test_the_worlds_and_the_normal_page_view(spec: TargetSpec) -> None:
    """`sated` has so many page views that it is for virtual time alone."""
    live = spec.driver.kind == "local"
    assert spec.worlds == [world.name for world in PRESETS if not (live and world.name == "sated")]
    assert spec.normal_ms == ShopSettings().normal_ms


def test_the_words_of_alerts_are_those_of_the_rules_and_the_routing(spec: TargetSpec) -> None:
    routing = read_routing()
    assert {rule.category for rule in RULES} == set(spec.alerting.categories)
    assert {rule.severity for rule in RULES} == set(spec.alerting.severities)
    assert {route.to for route in routing.routes} | {routing.default} == set(spec.alerting.receivers)


def test_the_names_that_people_can_be_told_of(spec: TargetSpec) -> None:
    """Of a name that is not there nothing would be muted, and nothing done."""
    people = spec.layers["people"].parameters
    assert set(people["severities"].among) == {rule.severity for rule in RULES}
    assert people["muted"].among == [*(rule.name for rule in RULES), "dead_man"]
    assert people["instead"].among == list(ACTIONS)
    unlisted = [
        (name, key)
        for name, layer in spec.layers.items()
        for key, one in layer.parameters.items()
        if one.type == "names" and not one.among
    ]
    assert unlisted == []


def test_a_target_may_name_every_toxic_of_the_proxy_and_no_other() -> None:
    assert sorted(get_args(ToxicName)) == sorted(by_type())

from pathlib import Path

import pytest
import yaml

from reference_stack.defaults import LAYERS, WORLD_LAYERS, default_settings, draw_world, settings_from
from reference_stack.layers.contract import Mode
from reference_stack.layers.drift import DriftParameters
from reference_stack.layers.host import load
from reference_stack.settings import COMPONENTS, REPLICAS, SettingsError
from reference_stack.wiring import DATA_LINKS, FOLDERS, LINKS, PUSHED, SCRAPED, folder_path
from reference_stack.world import PRESETS

K9S = Path(__file__).parents[2] / "targets" / "k9s.yaml"


def test_links_and_folders_join_components_that_there_are():
    for link in LINKS.values():
        assert {*link.callers, link.callee} <= set(COMPONENTS)
    for users in FOLDERS.values():
        assert set(users) <= set(COMPONENTS)
    assert {end for ends in DATA_LINKS.values() for end in ends} <= set(FOLDERS)
    assert {f"monitor-{name}" for name in SCRAPED} | {f"orchestrator-{name}" for name in PUSHED} <= set(LINKS)


def test_the_target_file_names_the_same_links():
    described = yaml.safe_load(K9S.read_text())["links"]
    network = {name: link for name, link in described.items() if link["kind"] == "network"}
    assert {name: (tuple(link["from"]), link["to"]) for name, link in network.items()} == {
        name: (link.callers, link.callee) for name, link in LINKS.items()
    }
    assert set(described) - set(network) == set(DATA_LINKS)


def test_every_layer_can_be_loaded_and_is_armed():
    settings = default_settings()
    assert set(settings.layers) == set(LAYERS)
    for name, layer in settings.layers.items():
        assert load(name, layer).name == name
        assert layer.mode is Mode.ENFORCE


def test_half_as_many_views_again_are_too_many_for_a_replica():
    views_a_second = 600 / len(REPLICAS)
    for replica in REPLICAS:
        shell = default_settings().shells[replica]
        capacity = shell.workers / shell.service_ms * 1000
        assert views_a_second < capacity < 1.5 * views_a_second


def test_limits_depend_on_how_many_views_a_world_has():
    assert set(WORLD_LAYERS) <= {world.name for world in PRESETS}
    starved, default = settings_from({"world": "starved"}), settings_from({})
    assert starved.layers["volume"].parameters["customers_low"] == 0.51
    assert default.layers["volume"].parameters == {}
    assert settings_from(
        {"world": "starved", "layers": {"volume": {"parameters": {"customers_low": 0.4}}}}
    ).layers["volume"].parameters == {**starved.layers["volume"].parameters, "customers_low": 0.4}


@pytest.mark.parametrize("world", [world for world, layers in WORLD_LAYERS.items() if "drift" in layers])
def test_the_noise_of_a_world_s_days_goes_by_its_own_rows_and_clicks(world):
    drift, default = WORLD_LAYERS[world]["drift"], DriftParameters()
    share = drift["rows"] / default.rows
    assert drift["clicks"] / default.clicks == pytest.approx(share, rel=0.2)


def test_changes_go_into_nested_settings_and_leave_the_rest():
    changed = settings_from({"shop": {"surge": 2.0}, "layers": {"hold": {"mode": "off"}}, "seed": 7})
    assert (changed.shop.surge, changed.shop.normal_ms) == (2.0, default_settings().shop.normal_ms)
    assert changed.layers["hold"].mode is Mode.OFF
    assert changed.layers["hold"].use == LAYERS["hold"]
    assert changed.seed == 7


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"shop": {"surg": 2.0}}, "surg"),
        ({"layers": {"hold": {"mode": "on"}}}, "on"),
        ({"seed": "one"}, "seed"),
        ({"layers": {"ours": {"mode": "off"}}}, "use"),
    ],
)
def test_what_cannot_be_used_is_named(changes, says):
    with pytest.raises(SettingsError, match=says):
        settings_from(changes)


def test_a_world_that_is_not_there_is_named():
    with pytest.raises(SettingsError, match="atlantis"):
        draw_world(settings_from({"world": "atlantis"}))


def test_the_inbox_may_lie_elsewhere():
    settings = settings_from({"root": "/r", "inbox": "/elsewhere/in"})
    assert folder_path("inbox", settings) == Path("/elsewhere/in")
    assert folder_path("outbox", settings) == Path("/r/outbox")
    assert folder_path("inbox", settings_from({"root": "/r"})) == Path("/r/inbox")

"""What a stack is made with unless something else is asked for: settings, armed layers, a world."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from reference_stack.costs import fitted_costs
from reference_stack.settings import (
    REPLICAS,
    LayerSettings,
    ServingSettings,
    SettingsError,
    ShellSettings,
    StackSettings,
)
from reference_stack.world import PRESETS, World, preset

LAYERS: dict[str, str] = {
    "schema": "reference_stack.layers.schema:Schema",
    "volume": "reference_stack.layers.volume:Volume",
    "drift": "reference_stack.layers.drift:Drift",
    "backlog": "reference_stack.layers.backlog:Backlog",
    "freshness": "reference_stack.layers.freshness:Freshness",
    "hold": "reference_stack.layers.hold:Hold",
    "evaluation": "reference_stack.layers.evaluation:Evaluation",
    "admission": "reference_stack.layers.admission:Admission",
    "canary": "reference_stack.layers.canary:Canary",
    "config": "reference_stack.layers.config:Config",
    "skew": "reference_stack.layers.skew:Skew",
    "version": "reference_stack.layers.version:Version",
    "fallback": "reference_stack.layers.fallback:Fallback",
    "shed": "reference_stack.layers.shed:Shed",
    "retry": "reference_stack.layers.retry:Retry",
    "breaker": "reference_stack.layers.breaker:Breaker",
    "burn": "reference_stack.layers.burn:Burn",
    "meta": "reference_stack.layers.meta:Meta",
    "people": "reference_stack.layers.people:People",
}
"""The stack's own defensive layers, each with its class."""

WORLD_LAYERS: dict[str, dict[str, dict[str, object]]] = {
    "starved": {
        "volume": {
            "rows_low": 0.48,
            "rows_high": 1.60,
            "customers_low": 0.51,
            "customers_high": 1.40,
            "ctr_low": 0.51,
            "ctr_high": 1.59,
            "null_share_high": 0.037,
            "join_hit_low": 0.92,
        },
        "drift": {
            "rows": 2260,
            "clicks": 260,
            "segment": 0.12,
            "shard": 0.12,
            "customer": 0.24,
            "dwell": 0.17,
        },
        "skew": {"defaulted": 0.3},
    },
    "rich": {
        "volume": {
            "rows_low": 0.58,
            "rows_high": 1.46,
            "customers_low": 0.82,
            "customers_high": 1.17,
            "ctr_low": 0.64,
            "ctr_high": 1.30,
            "null_share_high": 0.030,
            "join_hit_low": 0.995,
        },
        "drift": {
            "rows": 7400,
            "clicks": 1035,
            "segment": 0.041,
            "shard": 0.024,
            "customer": 0.072,
            "dwell": 0.053,
        },
    },
    "hungry": {"volume": {"join_hit_low": 0.94}},
}
"""Parameters of layers that depend on how many views a day has: world.md's limits at k = 6 for V = 300 and
V = 1000, for skew twice what benchmarks.guards measured, for drift clicks of the median day. The layers' own
defaults are those for V = 600. In `hungry` six products a day are new, and customers are seldom seen."""

_PRODUCTS_ROOM = 1.5
_SERVICE_MS = 5.0
_HEADROOM = 4 / 3
_LEAST_VIEWS_A_DAY = 600


def default_settings(world: str = "default") -> StackSettings:
    """The settings of a healthy stack in a world, with every layer armed."""
    limits = {**WORLD_LAYERS.get(world, {})}
    room = products_room(world)
    limits["admission"] = {"max_products": room, **limits.get("admission", {})}
    layers = {
        name: LayerSettings(use=use, parameters=dict(limits.get(name, {}))) for name, use in LAYERS.items()
    }
    return StackSettings(
        world=world,
        shells=dict.fromkeys(REPLICAS, serving_shell(world)),
        layers=layers,
        costs=fitted_costs(),
        serving=ServingSettings(max_products=room),
    )


def products_room(world: str) -> int:
    """How many products a version may have in serving: half as many again as a window of the world holds.

    In `default` those are 100 live ones and 7 that left within the window.
    """
    found = next((each for each in PRESETS if each.name == world), PRESETS[0])
    return int(_PRODUCTS_ROOM * (found.products + found.launches_per_day * found.window_days))


def serving_shell(world: str) -> ShellSettings:
    """A replica that can take a third more than its share of the world's views, at one day a second.

    In `default` that is 400 views/s: 600 views a day are 300 for each of two, and half as many again too
    many. Worlds with fewer views have replicas of that size too.
    """
    views = next((each.views_per_day for each in PRESETS if each.name == world), _LEAST_VIEWS_A_DAY)
    capacity = _HEADROOM * max(views, _LEAST_VIEWS_A_DAY) / len(REPLICAS)
    workers = max(1, round(capacity * _SERVICE_MS / 1000.0))
    return ShellSettings(workers=workers, queue=64, service_ms=round(1000.0 * workers / capacity, 3))


def settings_from(changes: Mapping[str, object]) -> StackSettings:
    """The default settings of the world that is asked for with some of them changed, nested ones by their
    own fields. Raises SettingsError, naming the field.
    """
    defaults = default_settings(str(changes.get("world", "default")))
    try:
        return msgspec.convert(merged(msgspec.to_builtins(defaults), changes), StackSettings)
    except msgspec.ValidationError as error:
        raise SettingsError(str(error)) from error


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with some of them changed, nested ones by their own fields."""
    found = dict(base)
    for key, value in changes.items():
        below = found.get(key)
        if isinstance(below, dict) and isinstance(value, Mapping):
            found[key] = merged(below, value)
        else:
            found[key] = value
    return found


def draw_world(settings: StackSettings) -> World:
    """The world of the settings. Raises SettingsError for one that is not there."""
    try:
        return World.draw(preset(settings.world), settings.seed)
    except KeyError as error:
        raise SettingsError(str(error.args[0])) from error

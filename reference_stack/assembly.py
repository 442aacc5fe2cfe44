"""How the stack is put together: its links, folders and default settings, and what each component is given.

shop ──▶ serving-a, serving-b ──▶ features, registry        monitor ──▶ everyone, oncall
  └────▶ collector ─▶ outbox ══events══▶ inbox ─▶ features        orchestrator ──▶ features, trainer,
                                                                 registry, and whoever takes settings
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from reference_stack.collector.component import Collector
from reference_stack.collector.partition import Decode, decode
from reference_stack.component import Component
from reference_stack.costs import fitted_costs
from reference_stack.features.component import Features
from reference_stack.monitor.component import Monitor
from reference_stack.monitor.routing import read_routing
from reference_stack.oncall.actions import ACTED_ON
from reference_stack.oncall.component import OnCall
from reference_stack.orchestrator.component import Orchestrator
from reference_stack.ports import Folder, Port, Registry, RegistryReader, Runtime
from reference_stack.registry.memory import MemoryRegistry
from reference_stack.registry.served import RegistryService
from reference_stack.serving.component import Serving
from reference_stack.settings import (
    REPLICAS,
    LayerSettings,
    ServingSettings,
    SettingsError,
    ShellSettings,
    StackSettings,
)
from reference_stack.shop.component import Shop
from reference_stack.shop.shopper import Replica
from reference_stack.telemetry import Telemetry
from reference_stack.trainer.component import Trainer
from reference_stack.trainer.factors import Solver
from reference_stack.world import PRESETS, World, preset


class Link(NamedTuple):
    """A network link: who asks over it, and who answers."""

    callers: tuple[str, ...]
    callee: str


PUSHED = ("collector", "features", "trainer", *REPLICAS, "monitor", "oncall")
"""Components whose settings the orchestrator may push."""
SCRAPED = ("collector", "features", "trainer", *REPLICAS, "orchestrator", "oncall", "shop")
"""Components whose metrics the monitor reads; what the registry says of itself is not for it to read."""

LINKS: dict[str, Link] = {
    "shop-serving-a": Link(("shop",), "serving-a"),
    "shop-serving-b": Link(("shop",), "serving-b"),
    "shop-collector": Link(("shop",), "collector"),
    "serving-features": Link(REPLICAS, "features"),
    "serving-registry": Link(REPLICAS, "registry"),
    "features-collector": Link(("features",), "collector"),
    "trainer-registry": Link(("trainer",), "registry"),
    "orchestrator-registry": Link(("orchestrator",), "registry"),
    **{f"orchestrator-{callee}": Link(("orchestrator",), callee) for callee in PUSHED},
    "monitor-registry": Link(("monitor",), "registry"),
    **{f"monitor-{callee}": Link(("monitor",), callee) for callee in SCRAPED},
    **{f"oncall-{callee}": Link(("oncall",), callee) for callee in ACTED_ON},
}
"""Network links by name. `monitor-oncall` carries alerts and scrapes, `orchestrator-features` and
`orchestrator-trainer` the daily cycle and pushes."""

EVENTS = "events"
DATA_LINKS: dict[str, tuple[str, str]] = {EVENTS: ("outbox", "inbox")}
"""Data links by name: source and sink folder."""

FOLDERS: dict[str, tuple[str, ...]] = {
    "outbox": ("collector",),
    "inbox": ("features",),
    "collector": ("collector",),
    "features": ("features", "trainer"),
    "trainer": ("trainer",),
    "registry": ("registry",),
    "serving": REPLICAS,
    "orchestrator": ("orchestrator",),
    "monitor": ("monitor",),
    "oncall": ("oncall",),
    "shop": ("shop",),
}
"""Folders below the stack's root by name, and who uses them."""

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

REGISTRY_WRITERS = ("trainer", "orchestrator")
"""Components that change the registry; the others only read it."""
_REGISTRY_TIMEOUT_DAYS = 0.2
_REGISTRY_WRITE_MS = 1000.0
"""What a request that changes the registry is given at least: MLflow needs 20 to 40 ms for one."""
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


def registry_timeout_ms(component: str, day_seconds: float) -> float:
    """How long a component waits for the registry to answer, in either kind of time."""
    timeout_ms = 1000.0 * _REGISTRY_TIMEOUT_DAYS * day_seconds
    return max(timeout_ms, _REGISTRY_WRITE_MS) if component in REGISTRY_WRITERS else timeout_ms


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


def folder_path(name: str, settings: StackSettings) -> Path:
    """Where a folder of `FOLDERS` lies when folders are directories; the inbox may lie elsewhere."""
    if name == "inbox" and settings.inbox:
        return Path(settings.inbox)
    return Path(settings.root) / name


@dataclass(frozen=True)
class Parts:
    """What components are made of. `ports` and `folders` by the names of `LINKS` and `FOLDERS`.

    `registry` is asked by trainer and orchestrator, `reader` (by default the same) by serving and monitor;
    neither is needed to build another component.
    """

    settings: StackSettings
    runtime: Runtime
    telemetry: Telemetry
    ports: Callable[[str], Port]
    folders: Callable[[str], Folder]
    registry: Registry | None
    reader: RegistryReader | None
    world: World
    decode: Decode
    solve: Solver | None

    def some_registry(self) -> Registry:
        """The registry. Raises SettingsError where none was given."""
        if self.registry is None:
            raise SettingsError("this component needs a registry")
        return self.registry

    def some_reader(self) -> RegistryReader:
        """The registry to read. Raises SettingsError where none was given."""
        return self.reader or self.some_registry()


def build_component(
    name: str,
    settings: StackSettings,
    runtime: Runtime,
    telemetry: Telemetry,
    ports: Callable[[str], Port],
    folders: Callable[[str], Folder],
    registry: Registry | None,
    *,
    reader: RegistryReader | None = None,
    world: World | None = None,
    decode: Decode = decode,
    solve: Solver | None = None,
) -> Component[Any]:
    """A component of the stack, not yet running.

    `reader` is a registry that can only be read, for serving and monitor, where it is not `registry`;
    `world` spares drawing it again, `decode` may remember partitions for several components. Raises
    SettingsError for settings that cannot be used and KeyError for a name that is no component.
    """
    if world is None:
        world = draw_world(settings)
    parts = Parts(settings, runtime, telemetry, ports, folders, registry, reader, world, decode, solve)
    return _BUILDERS[name](name, parts)


def draw_world(settings: StackSettings) -> World:
    """The world of the settings. Raises SettingsError for one that is not there."""
    try:
        return World.draw(preset(settings.world), settings.seed)
    except KeyError as error:
        raise SettingsError(str(error.args[0])) from error


def _collector(_name: str, p: Parts) -> Component[Any]:
    return Collector(
        p.runtime,
        p.telemetry,
        p.settings.collector,
        p.settings.layers,
        p.settings.build,
        folder=p.folders("collector"),
        outbox=p.folders("outbox"),
        decode=p.decode,
    )


def _features(_name: str, p: Parts) -> Component[Any]:
    return Features(
        p.runtime,
        p.telemetry,
        p.settings.features,
        p.settings.layers,
        p.settings.build,
        collector=p.ports("features-collector"),
        inbox=p.folders("inbox"),
        store=p.folders("features"),
        catalogue=p.world.catalogue,
        categories=p.world.parameters.categories,
        segments=p.world.parameters.segments,
        decode=p.decode,
    )


def _trainer(_name: str, p: Parts) -> Component[Any]:
    return Trainer(
        p.runtime,
        p.telemetry,
        p.settings.trainer,
        p.settings.layers,
        p.settings.build,
        registry=p.some_registry(),
        store=p.folders("features"),
        folder=p.folders("trainer"),
        catalogue=p.world.catalogue,
        decode=p.decode,
        solve=p.solve,
    )


def _registry(_name: str, p: Parts) -> Component[Any]:
    return RegistryService(
        p.runtime,
        p.telemetry,
        p.settings.layers,
        p.settings.build,
        registry=MemoryRegistry(p.folders("registry"), p.runtime.day),
    )


def _serving(name: str, p: Parts) -> Component[Any]:
    return Serving(
        name,
        p.runtime,
        p.telemetry,
        p.settings.serving,
        p.settings.layers,
        p.settings.build,
        features=p.ports("serving-features"),
        registry=p.some_reader(),
        folder=p.folders("serving"),
        catalogue=p.world.catalogue,
        seed=p.settings.seed,
    )


def _orchestrator(_name: str, p: Parts) -> Component[Any]:
    return Orchestrator(
        p.runtime,
        p.telemetry,
        p.settings.orchestrator,
        p.settings.layers,
        p.settings.build,
        features=p.ports("orchestrator-features"),
        trainer=p.ports("orchestrator-trainer"),
        registry=p.some_registry(),
        pushes={callee: p.ports(f"orchestrator-{callee}") for callee in PUSHED},
        folder=p.folders("orchestrator"),
        missing_days=p.settings.features.missing_days,
        poll_days=p.settings.features.poll_days,
        catalogue=p.world.catalogue,
    )


def _monitor(_name: str, p: Parts) -> Component[Any]:
    return Monitor(
        p.runtime,
        p.telemetry,
        p.settings.monitor,
        p.settings.layers,
        p.settings.build,
        scraped={callee: p.ports(f"monitor-{callee}") for callee in SCRAPED},
        oncall=p.ports("monitor-oncall"),
        registry=p.some_reader(),
        folder=p.folders("monitor"),
        routing=read_routing(p.settings.routing),
    )


def _oncall(_name: str, p: Parts) -> Component[Any]:
    return OnCall(
        p.runtime,
        p.telemetry,
        p.settings.oncall,
        p.settings.layers,
        p.settings.build,
        folder=p.folders("oncall"),
        seed=p.settings.seed,
        ports={callee: p.ports(f"oncall-{callee}") for callee in ACTED_ON},
    )


def _shop(name: str, p: Parts) -> Component[Any]:
    return Shop(
        name,
        p.runtime,
        p.telemetry,
        p.settings.shop,
        p.settings.layers,
        p.settings.build,
        world=p.world,
        replicas=[Replica(replica, p.ports(f"shop-{replica}")) for replica in REPLICAS],
        collector=p.ports("shop-collector"),
        folder=p.folders("shop"),
        end_day=p.settings.days,
    )


_BUILDERS: dict[str, Callable[[str, Parts], Component[Any]]] = {
    "collector": _collector,
    "features": _features,
    "trainer": _trainer,
    "registry": _registry,
    **dict.fromkeys(REPLICAS, _serving),
    "orchestrator": _orchestrator,
    "oncall": _oncall,
    "monitor": _monitor,
    "shop": _shop,
}

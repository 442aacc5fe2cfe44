"""How the stack is put together: what each component is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reference_stack.collector.component import Collector
from reference_stack.collector.partition import Decode, decode
from reference_stack.component import Component
from reference_stack.defaults import draw_world
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
from reference_stack.settings import REPLICAS, SettingsError, StackSettings
from reference_stack.shop.component import Shop
from reference_stack.shop.shopper import Replica
from reference_stack.telemetry import Telemetry
from reference_stack.trainer.component import Trainer
from reference_stack.trainer.factors import Solver
from reference_stack.wiring import PUSHED, SCRAPED
from reference_stack.world import World


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

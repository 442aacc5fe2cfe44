"""The whole stack in one virtual loop: weeks per second, and a handle on it for whoever tests it.

`VirtualStack` offers what a harness needs of a system in its own process (time, links, folders, processes,
settings, logs, registry), and knows nothing of any harness.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from reference_stack.assembly import build_component
from reference_stack.collector.partition import remembering
from reference_stack.component import Component
from reference_stack.defaults import draw_world, settings_from
from reference_stack.folders import Held, MemoryFolder, whole
from reference_stack.messages import (
    CONFIGURE,
    SETTING,
    ConfigureReply,
    ConfigureRequest,
    SettingReply,
    SettingRequest,
)
from reference_stack.ports import Folder, ModelVersion, Port, PortError, Registry, Unreachable
from reference_stack.registry.memory import MemoryRegistry
from reference_stack.registry.served import PortRegistry
from reference_stack.runtime import run_to_end
from reference_stack.settings import COMPONENTS, ShellSettings, StackSettings
from reference_stack.shells.server import Outcome
from reference_stack.shells.virtual_link import VirtualLink
from reference_stack.shells.virtual_loop import GC_THRESHOLDS
from reference_stack.shells.virtual_machine import VirtualMachine, VirtualProcess
from reference_stack.telemetry import Telemetry
from reference_stack.trainer.factors import Solver
from reference_stack.virtual_data_link import VirtualDataLink
from reference_stack.wiring import DATA_LINKS, EVENTS, LINKS, registry_link, registry_timeout_ms
from reference_stack.world import World

with suppress(ImportError):  # a process may do without: see `imports.Without`
    import pandas  # noqa: F401 (pyarrow looks for it when it makes its first array: before a fork, then)
    import sklearn.utils.extmath  # noqa: F401 (what the first fit imports, likewise)

Store = dict[str, bytes]
LogListener = Callable[[str, str], object]

_encoder = msgspec.json.Encoder(order="deterministic")
_decode = remembering()
"""For all stacks of a process: those of a trial begin with the same partitions."""


class RegistryHandle:
    """The registry past its door and its links: for looking, and for whoever does not ask first."""

    def __init__(self, registry: MemoryRegistry) -> None:
        self._registry = registry

    def resolve(self, alias: str) -> int | None:
        """The version that an alias names, or None."""
        return run_to_end(self._registry.resolve(alias))

    def set_alias(self, alias: str, version: int) -> None:
        """Flip an alias. Raises NotFound."""
        run_to_end(self._registry.set_alias(alias, version))

    def drop_alias(self, alias: str) -> None:
        """Remove an alias."""
        run_to_end(self._registry.drop_alias(alias))

    def versions(self) -> Sequence[ModelVersion]:
        """All versions, oldest first."""
        return run_to_end(self._registry.versions())

    def register(self, artifact: bytes, tags: dict[str, str]) -> ModelVersion:
        """Register a version that no trainer made. Raises Rejected."""
        return run_to_end(self._registry.register(artifact=artifact, parameters={}, metrics={}, tags=tags))

    def artifact(self, version: int) -> bytes:
        """A model's bytes. Raises NotFound."""
        return run_to_end(self._registry.artifact(version))


class VirtualStack:
    """All components, started on `start_day` over the files of `store`, which itself stays as it is.

    Listeners are called in the middle of the loop: they may note, and must not let time pass.
    """

    def __init__(
        self,
        settings: StackSettings,
        store: Mapping[str, bytes] | None = None,
        *,
        start_day: float = 0.0,
        world: World | None = None,
        components: Sequence[str] = COMPONENTS,
        solve: Solver | None = None,
    ) -> None:
        self.settings = settings
        self._store: dict[str, Held] = {**store} if store else {}
        self.machine = VirtualMachine(
            settings.seed,
            settings.day_seconds,
            start_day=start_day,
            on_exit=self._exited,
            costs=settings.costs,
        )
        self._solve = solve
        self._world = world if world is not None else draw_world(settings)
        self._log_listeners: list[LogListener] = []
        for name, link in LINKS.items():
            self.machine.link(name, link.callee)
        self._data_links = {
            name: VirtualDataLink(self.machine, name, self.disk(source), self.disk(sink))
            for name, (source, sink) in DATA_LINKS.items()
        }
        self.registry = RegistryHandle(MemoryRegistry(self.disk("registry"), self.machine.day))
        for component in components:
            self.start(component)

    # --- time ----------------------------------------------------------------------------------------

    def day(self) -> float:
        """The calendar."""
        return self.machine.day()

    def advance(self, until_day: float, wake: Callable[[], bool] | None = None) -> None:
        """Let time pass until a day, or until `wake`, asked at each instant, says so."""
        self.machine.advance(until_day, wake)

    # --- links and folders ---------------------------------------------------------------------------

    def link(self, name: str) -> VirtualLink:
        """A network link. Raises KeyError naming those there are."""
        if name not in self.machine.links:
            raise KeyError(f"no link {name!r}; there are {', '.join(self.machine.links)}")
        return self.machine.links[name]

    def folder(self, name: str) -> VirtualDataLink:
        """A data link. Raises KeyError naming those there are."""
        if name not in self._data_links:
            raise KeyError(f"no data link {name!r}; there are {', '.join(self._data_links)}")
        return self._data_links[name]

    def disk(self, name: str) -> MemoryFolder:
        """A folder of the stack, as it lies on the disk."""
        return MemoryFolder(self._store, name)

    def files(self) -> Store:
        """The files of all folders, as they lie on the disk now."""
        return whole(self._store)

    # --- processes -----------------------------------------------------------------------------------

    def start(self, component: str) -> None:
        """Start a component that is not running. Raises KeyError where there is none of that name."""
        if component not in COMPONENTS:
            raise KeyError(f"no component {component!r}; there are {', '.join(COMPONENTS)}")
        shell = self.settings.shells.get(component, ShellSettings())
        self.machine.start(component, lambda process: self._build(component, process), shell)

    def kill(self, component: str) -> None:
        """End a component at once: its memory is lost, its folders stay."""
        self._process(component)
        self.machine.end(component)

    def stop(self, component: str) -> None:
        """End a component in good order: open requests are answered, within a second."""
        self._process(component)
        self.machine.stop(component)

    def pause(self, component: str) -> None:
        """Stop a component where it stands."""
        self._process(component).pause()

    def resume(self, component: str) -> None:
        """Let a paused component go on."""
        self._process(component).resume()

    def running(self, component: str) -> bool:
        """Whether a component has a process, paused or not."""
        return self.machine.process(component) is not None

    # --- settings, requests, telemetry ---------------------------------------------------------------

    def setting(self, component: str, key: str) -> object:
        """One value in force. Raises Rejected for a key that is not there, or Unreachable."""
        reply = self._ask(component, SETTING.name, SettingRequest(key=key))
        assert isinstance(reply, SettingReply)
        return msgspec.json.decode(reply.value)

    def configure(self, component: str, key: str, value: object) -> object:
        """Set one value; the one before. Raises Rejected or Unreachable."""
        raw = msgspec.Raw(msgspec.json.encode(value))
        reply = self._ask(component, CONFIGURE.name, ConfigureRequest(key=key, value=raw))
        assert isinstance(reply, ConfigureReply)
        return msgspec.json.decode(reply.previous)

    def request(
        self, component: str, operation: str, body: bytes, on_reply: Callable[[int, bytes], object]
    ) -> None:
        """Ask a component past every link; `on_reply` is given an HTTP status and a JSON body."""
        self.machine.request(component, operation, body, on_reply)

    def metrics(self, component: str) -> str:
        """What its /metrics would give. Raises Unreachable where there is no process."""
        server = self._process(component).server
        return "" if server is None else server.component.telemetry.render()

    def on_log(self, listener: LogListener) -> None:
        """Tell of each log line: component, JSON. The stack adds `exit` lines {component, code}."""
        self._log_listeners.append(listener)

    def close(self) -> None:
        """End everything. What it was made of holds itself in circles, so memory is given back by a search
        for those, which an arm does not make on its way.
        """
        self.machine.close()
        gc.collect()

    # --- inside --------------------------------------------------------------------------------------

    def _build(self, component: str, process: VirtualProcess) -> Component[Any]:
        def port(link: str) -> Port:
            return self.machine.links[link].port(process)

        def folder(name: str) -> Folder:
            found: Folder = self.disk(name)
            if name == DATA_LINKS[EVENTS][0]:
                found = self._data_links[EVENTS].source(found)
            return process.folder(found)

        sink = process.sink(lambda line: self._logged(component, line))
        telemetry = Telemetry(component, process.runtime, sink)
        registry = self._registry_for(component, port)
        return build_component(
            component,
            self.settings,
            process.runtime,
            telemetry,
            port,
            folder,
            registry,
            world=self._world,
            decode=_decode,
            solve=self._solve,
        )

    def _registry_for(self, component: str, port: Callable[[str], Port]) -> Registry | None:
        link = registry_link(component)
        if link is None:
            return None
        return PortRegistry(port(link), timeout_ms=registry_timeout_ms(component, self.settings.day_seconds))

    def _logged(self, component: str, line: str) -> None:
        for listener in self._log_listeners:
            listener(component, line)

    def _exited(self, component: str, code: int) -> None:
        line = {"event": "exit", "day": round(self.day(), 4), "component": component, "code": code}
        self._logged(component, _encoder.encode(line).decode())

    def _process(self, component: str) -> VirtualProcess:
        process = self.machine.process(component)
        if process is None:
            raise Unreachable(f"{component} is not running")
        return process

    def _ask(self, component: str, operation: str, request: msgspec.Struct) -> msgspec.Struct:
        """Ask without letting time pass."""
        outcomes: list[Outcome] = []
        self._process(component).submit(operation, request, outcomes.append)
        if not outcomes:
            self.machine.advance(self.machine.day())
        outcome = outcomes[0] if outcomes else Unreachable(f"{component} does not answer")
        if isinstance(outcome, PortError):
            raise outcome
        return outcome


def factory(
    *, seed: int, day_seconds: float, days: float, settings: Mapping[str, object], root: Path
) -> VirtualStack:
    """A stack that begins on day 0 from the warm-up of its seed and world.

    `settings` are changes to the default ones. The warm-up is read from `root` if it lies there, else from
    the cache, where it is made if need be; nothing is written to `root`. Raises SettingsError.
    """
    from reference_stack.warmup import warm_store

    settle_heap()
    changed = settings_from({**settings, "seed": seed, "day_seconds": day_seconds, "days": days})
    return VirtualStack(changed, warm_store(changed.world, seed, root))


def settle_heap() -> None:
    """Once in a process: what is there by now, libraries above all, stays, and no search for cycles need go
    through it again. Later searches are seldom: what views leave behind is no cycle.
    """
    if not gc.get_freeze_count():
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)

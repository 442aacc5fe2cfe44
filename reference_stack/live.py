"""The stack's components as real processes: what each is given when time is the machine's."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from reference_stack.assembly import build_component
from reference_stack.component import Component
from reference_stack.defaults import LAYERS, merged, settings_from
from reference_stack.folders import open_folder
from reference_stack.ports import Folder, Registry, RegistryReader
from reference_stack.registry.rest import RestRegistry
from reference_stack.registry.traced import TracedRegistry
from reference_stack.settings import COMPONENTS, SettingsError, StackSettings, read_file
from reference_stack.shells.addresses import free_addresses
from reference_stack.shells.live import Life, line_sink, open_log, run_component
from reference_stack.shells.processes import Body
from reference_stack.wiring import LINKS, REGISTRY_WRITERS, folder_path, registry_link, registry_timeout_ms

_PARTITIONS = ("pyarrow.parquet", "pandas")
"""Pyarrow looks for pandas when it makes its first array, which takes half a second then."""
_FITTING = "sklearn.utils.extmath"
_WARM = (*_PARTITIONS, _FITTING)
_HANDLE_PARTITIONS = ("collector", "features", "trainer")


def build_live(life: Life) -> Component[Any]:
    """A component with directories, HTTP ports and, where it asks one, the MLflow registry.

    Raises SettingsError.
    """
    settings = life.settings

    def folder(name: str) -> Folder:
        return open_folder(str(folder_path(name, settings)))

    own = folder_path(life.name, settings)
    life.telemetry.gauges["disk_used_share"] = lambda: _used_share(own)
    registry: Registry | None = None
    reader: RegistryReader | None = None
    link = registry_link(life.name)
    timeout_ms = registry_timeout_ms(life.name, settings.day_seconds)
    if link is not None:
        writes = life.name in REGISTRY_WRITERS
        rest = RestRegistry(life.address(link), timeout_ms=timeout_ms)
        traced = TracedRegistry(rest, link, life.tracer)
        registry, reader = (traced, None) if writes else (None, traced)
        life.closing.append(rest.close)
    return build_component(
        life.name, settings, life.runtime, life.telemetry, life.port, folder, registry, reader=reader
    )


def _used_share(folder: Path) -> float:
    """How much of the disk that a folder is on, or will be, is used."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    total, _, free = shutil.disk_usage(there)
    return 1.0 - free / total if total else 0.0


def read_changes(path: Path, more: str = "") -> StackSettings:
    """The default settings with the changes of a YAML or JSON file, and on top of them those of `more`: JSON,
    an object a line, each on top of those before.

    Raises SettingsError.
    """
    changes = read_file(path, dict[str, object])
    try:
        for further in _further(more):
            changes = merged(changes, further)
        return settings_from(changes)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error


def _further(text: str) -> list[dict[str, object]]:
    try:
        return msgspec.json.Decoder(dict[str, object]).decode_lines(text)
    except msgspec.DecodeError as error:
        raise SettingsError(f"the further changes: {error}") from error


def preload() -> None:
    """Import what the components need that have no nursery, so that they start in milliseconds."""
    layers = (use.partition(":")[0] for use in LAYERS.values())
    for name in (*_WARM, *layers):
        importlib.import_module(name)


def warm(component: str) -> None:
    """Import what a component in a process of its own would else import in its first day."""
    if component in _HANDLE_PARTITIONS:
        for name in _PARTITIONS:
            importlib.import_module(name)
    if component == "trainer":
        importlib.import_module(_FITTING)
    for use in LAYERS.values():
        importlib.import_module(use.partition(":")[0])


def choose(name: str, settings: StackSettings, file: Path) -> Body:
    """What runs in a component's process: the shop is a program of its own, the registry MLflow's server."""
    if name == "shop":
        from reference_stack.shop.process import command

        return Body(program=command(file))
    if name == "registry":
        return Body(run=lambda: serve_registry(settings))
    return Body(run=lambda: serve_logged(name, settings))


def serve_logged(name: str, settings: StackSettings) -> int:
    """Serve a component that writes its log below the stack's root; the exit code."""
    with open_log(Path(settings.root), name) as log:
        return run_component(name, settings, build_live, line_sink(log))


def serve_registry(settings: StackSettings) -> int:
    """Serve MLflow until SIGTERM; the exit code."""
    from reference_stack.registry.server import serve

    serve(settings)
    return 0


def with_addresses(settings: StackSettings) -> StackSettings:
    """The settings with free loopback addresses for all components, direct links, and the outbox as inbox,
    where they name none.
    """
    addresses = settings.addresses or free_addresses(COMPONENTS)
    direct = {name: addresses[link.callee] for name, link in LINKS.items() if link.callee in addresses}
    return replace(
        settings,
        addresses=addresses,
        links={**direct, **settings.links},
        inbox=settings.inbox or str(Path(settings.root) / "outbox"),
    )

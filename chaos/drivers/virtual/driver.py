"""Brings arms up in this process, by the factory that the target file names."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import os
import site
import sysconfig
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import ClassVar, cast

from chaos.domain.event import Event
from chaos.domain.plan import ArmPlan
from chaos.domain.source import merge
from chaos.domain.target import TargetSpec
from chaos.drivers.virtual.protocol import Factory
from chaos.drivers.virtual.target import VirtualTarget, broken
from chaos.errors import ArmFailed, ChaosError, UsageError, told


class VirtualDriver:
    """Every arm is a fresh target. `found` is where its factory was found: what comes from elsewhere is not
    what the runner means.
    """

    name: ClassVar[str] = "virtual"

    def __init__(self, found: str | None = None) -> None:
        self._found = found

    def start(
        self, plan: ArmPlan, spec: TargetSpec, folder: Path, on_event: Callable[[Event], None]
    ) -> VirtualTarget:
        """Make a target and take it to day 0. Raises ArmFailed where the factory cannot be had or fails."""
        factory = load_factory(spec)
        self._check_home(spec)
        try:
            inner = factory(
                seed=plan.seed,
                day_seconds=plan.day_seconds,
                days=plan.days,
                settings=merge(
                    spec.driver.stack,
                    {
                        "world": plan.world,
                        "layers": {
                            name: {"mode": layer.mode.value, "parameters": layer.parameters}
                            for name, layer in plan.layers.items()
                        },
                        "shop": {"normal_ms": spec.normal_ms},
                    },
                ),
                root=folder,
            )
        except ChaosError:
            raise
        except ValueError as error:
            raise ArmFailed(f"{spec.driver.factory}: {error}") from error  # it refuses what it was given
        except (Exception, SystemExit) as error:
            raise ArmFailed(broken(spec, "start", (), error)) from error
        return VirtualTarget(plan, spec, inner, on_event)

    def _check_home(self, spec: TargetSpec) -> None:
        loaded = home_of(spec.driver.factory or "")
        if self._found and loaded and loaded != self._found:
            raise ArmFailed(
                f"target {spec.target!r}: factory {spec.driver.factory!r} was loaded from {loaded}, "
                f"and found in {self._found}"
            )

    def close(self) -> None:
        """Nothing is shared between arms."""


def check_factory(spec: TargetSpec) -> None:
    """Raises UsageError for a factory that is not there."""
    if _spec_of(spec.driver.factory or "") is None:
        raise UsageError(
            f"target {spec.target!r}: cannot find the package of its factory {spec.driver.factory!r}; "
            "is it installed, or on PYTHONPATH?"
        )


def packages_of(spec: TargetSpec) -> list[Path]:
    """Where a target's factory, its layers and its command `ahead` come from: see `package_of`.

    Raises UsageError for a factory that is not there, and OSError.
    """
    check_factory(spec)
    package = package_of(spec.driver.factory or "")
    layers = spec.driver.stack.get("layers", {})
    used: list[object] = [layer.get("use") for layer in layers.values() if isinstance(layer, dict)]
    used += [module for option, module in itertools.pairwise(spec.driver.ahead) if option == "-m"]
    others = {path for use in used if isinstance(use, str) for path in package_of(use)}
    return [*package, *sorted(others - set(package))]


def package_of(attribute: str) -> list[Path]:
    """The folder of the package that `module:attribute` is in; of a module by itself the files and folders
    beside it, which it may import or read, where it is not an installed one. Empty for what is not there.
    """
    found = _spec_of(attribute)
    if found is None:
        return []
    if found.submodule_search_locations is not None:
        return sorted(map(Path, found.submodule_search_locations))
    file = Path(found.origin or "")
    places = {*sysconfig.get_paths().values(), *site.getsitepackages(), site.getusersitepackages()}
    archived = not file.parent.is_dir()
    if archived or file.parent in map(Path, places):
        return [file]
    hidden = (".", "__pycache__")
    beside = (path for path in file.parent.iterdir() if not path.name.startswith(hidden))
    return sorted(path for path in beside if path.is_file() or path.is_dir())


def home_of(attribute: str) -> str:
    """The file of the module, or of the package, that `module:attribute` is in: the one that is loaded, once
    one is. Empty for what is not there, or does not say where it is from.
    """
    found = _spec_of(attribute)
    if found is None:
        return ""
    places = [found.origin] if found.has_location else [*(found.submodule_search_locations or ())]
    return os.pathsep.join(os.path.realpath(place) for place in places if place)


def _spec_of(attribute: str) -> ModuleSpec | None:
    root = attribute.partition(":")[0].partition(".")[0]
    try:
        return importlib.util.find_spec(root) if root else None
    except ValueError:  # of a module that says nothing of where it is from
        return None


def load_factory(spec: TargetSpec) -> Factory:
    """The factory that a target names. Raises ArmFailed."""
    module, _, attribute = (spec.driver.factory or "").partition(":")
    try:
        return cast("Factory", getattr(importlib.import_module(module), attribute))
    except (Exception, SystemExit) as error:
        says = str(error) if isinstance(error, ImportError | AttributeError | ValueError) else told(error)
        raise ArmFailed(
            f"target {spec.target!r}: cannot load factory {spec.driver.factory!r}: {says}"
        ) from error

"""Brings arms up in this process, by the factory that the target file names."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, cast

from chaos.domain.event import Event
from chaos.domain.plan import ArmPlan
from chaos.domain.source import merge
from chaos.domain.target import TargetSpec
from chaos.drivers.virtual.protocol import Factory
from chaos.drivers.virtual.target import VirtualTarget, broken
from chaos.errors import ArmFailed, ChaosError


class VirtualDriver:
    """Every arm is a fresh target."""

    name: ClassVar[str] = "virtual"

    def start(
        self, plan: ArmPlan, spec: TargetSpec, folder: Path, on_event: Callable[[Event], None]
    ) -> VirtualTarget:
        """Make a target and take it to day 0. Raises ArmFailed where the factory cannot be had or fails."""
        factory = load_factory(spec)
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
        except Exception as error:
            raise ArmFailed(broken(spec, "start", (), error)) from error
        return VirtualTarget(plan, spec, inner, on_event)

    def close(self) -> None:
        """Nothing is shared between arms."""


def packages_of(spec: TargetSpec) -> list[Path]:
    """The folders of the packages that a target's factory and its layers come from, or their files.

    Raises ArmFailed for a factory that is not there.
    """
    package = _package_of(spec.driver.factory or "")
    if package is None:
        raise ArmFailed(
            f"target {spec.target!r}: cannot find the package of its factory {spec.driver.factory!r}"
        )
    layers = spec.driver.stack.get("layers", {})
    used = [layer.get("use") for layer in layers.values() if isinstance(layer, dict)]
    others = {_package_of(use) for use in used if isinstance(use, str)}  # one that is missing is told later
    return [package, *sorted(other for other in others if other not in (None, package))]


def _package_of(attribute: str) -> Path | None:
    root = attribute.partition(":")[0].partition(".")[0]
    found = importlib.util.find_spec(root) if root else None
    if found is None or found.origin is None:
        return None
    file = Path(found.origin)
    return file.parent if file.name == "__init__.py" else file


def load_factory(spec: TargetSpec) -> Factory:
    """The factory that a target names. Raises ArmFailed."""
    module, _, attribute = (spec.driver.factory or "").partition(":")
    try:
        return cast("Factory", getattr(importlib.import_module(module), attribute))
    except (ImportError, AttributeError, ValueError) as error:
        raise ArmFailed(
            f"target {spec.target!r}: cannot load factory {spec.driver.factory!r}: {error}"
        ) from error

"""What all components share: health, metrics, and settings that can be changed while they run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from reference_stack.layers.contract import Hook
from reference_stack.layers.host import LayerSet
from reference_stack.messages import (
    CONFIGURE,
    HEALTH,
    SCRAPE,
    SETTING,
    ConfigureReply,
    ConfigureRequest,
    Empty,
    HealthReply,
    ScrapeReply,
    SettingReply,
    SettingRequest,
)
from reference_stack.overrides import Overrides
from reference_stack.ports import Operation, Rejected, Reply, Request, Runtime
from reference_stack.settings import LayerSettings, SettingsError
from reference_stack.telemetry import Telemetry

Settings = TypeVar("Settings", bound=msgspec.Struct)
Handler = Callable[..., Awaitable[Any]]


def serves(
    operation: Operation[Request, Reply],
) -> Callable[[Callable[[Any, Request], Awaitable[Reply]]], Callable[[Any, Request], Awaitable[Reply]]]:
    """Mark a method as the answer to an operation."""

    def mark(
        method: Callable[[Any, Request], Awaitable[Reply]],
    ) -> Callable[[Any, Request], Awaitable[Reply]]:
        method.__operation__ = operation  # type: ignore[attr-defined]
        return method

    return mark


def operations_of(component: object) -> dict[str, tuple[Operation[Any, Any], Handler]]:
    """A component's operations by name, each with the bound method that answers it."""
    found: dict[str, tuple[Operation[Any, Any], Handler]] = {}
    for name in sorted(dir(type(component))):
        operation = getattr(getattr(type(component), name), "__operation__", None)
        if operation is not None:
            found[operation.name] = (operation, getattr(component, name))
    return found


class Door(Protocol):
    """Decides who may come in, before anybody waits for a worker."""

    def admits(self, in_flight: int) -> bool:
        """Whether a request may come in while `in_flight` others wait or are at a worker."""
        ...

    def served(self, total_s: float, service_s: float) -> None:
        """A request has left its worker, `total_s` after its arrival and `service_s` after it got there."""
        ...


def life_of(runtime: Runtime) -> int:
    """A number for a process whose work begins now, its clock running: what it counts is not to be set
    against what another life has counted.
    """
    return 1 + round(1e6 * max(0.0, runtime.day()))


CLOCK = "clock_ahead_days"
"""A setting of every component: how far its calendar is ahead of the true one; below 0 for behind."""


class Component(Generic[Settings]):
    """A component of the stack: a plain class with a runtime, a voice, settings and the layers it asks.

    `run` is its work besides answering, started once the day has begun; `ready` says that it can answer.
    In real processes `prepare` comes before: what a service does first of all takes time that shoppers feel.
    """

    hooks: tuple[Hook, ...] = ()
    door: Door | None = None

    def __init__(
        self,
        name: str,
        runtime: Runtime,
        telemetry: Telemetry,
        settings: Settings,
        layers: dict[str, LayerSettings],
        build: str,
    ) -> None:
        self.name = name
        self.runtime = runtime
        self.telemetry = telemetry
        self.settings = settings
        self.build = build
        self.layers = LayerSet(layers, telemetry, self.hooks)
        self.ready = True
        self._clock_ahead_days = 0.0
        self._overrides = Overrides(runtime, telemetry, self._get, self._set)

    async def prepare(self) -> None:
        """What is done before the component says that it is ready, where it starts with all others."""

    async def run(self) -> None:
        """Work that goes on by itself until the component ends; nothing by default."""

    @serves(HEALTH)
    async def health(self, _request: Empty) -> HealthReply:
        """Whether the component can answer."""
        return HealthReply(ready=self.ready, component=self.name, build=self.build)

    @serves(SCRAPE)
    async def scrape(self, _request: Empty) -> ScrapeReply:
        """All metrics."""
        return ScrapeReply(day=self.runtime.day(), samples=self.telemetry.metrics.samples())

    @serves(CONFIGURE)
    async def configure(self, request: ConfigureRequest) -> ConfigureReply:
        """Set `layers.NAME.mode`, `layers.NAME.PARAMETER`, the clock or one of the component's own settings.

        Raises Rejected for a key that is not there, a value that does not fit, an end that is past, or one
        that nobody answers for.
        """
        if request.until_day is not None and not (request.by and request.until_day > self.runtime.day()):
            raise Rejected("an override with an end needs who makes it (by), and an until_day to come")
        try:
            previous = self._set(request.key, msgspec.json.decode(request.value))
        except (SettingsError, msgspec.ValidationError) as error:
            raise Rejected(str(error)) from error
        self.telemetry.log("configured", key=request.key, value=request.value, previous=previous)
        self._overrides.note(request, previous)
        return ConfigureReply(previous=msgspec.Raw(msgspec.json.encode(previous)))

    @serves(SETTING)
    async def setting(self, request: SettingRequest) -> SettingReply:
        """One value in force. Raises Rejected for a key that is not there."""
        try:
            value = self._get(request.key)
        except SettingsError as error:
            raise Rejected(str(error)) from error
        return SettingReply(value=msgspec.Raw(msgspec.json.encode(value)))

    def _get(self, key: str) -> object:
        if key == CLOCK:
            return self._clock_ahead_days
        if key.startswith("layers."):
            layer, parameter = self._layer_key(key)
            host = self.layers.named(layer)
            if host is None:
                raise SettingsError(f"{self.name} asks no layer {layer!r}")
            return host.setting(parameter)
        if key not in self.settings.__struct_fields__:
            raise SettingsError(f"{self.name} has no setting {key!r}")
        value: object = getattr(self.settings, key)
        return value

    def _set(self, key: str, value: object) -> object:
        if key == CLOCK:
            before, self._clock_ahead_days = self._clock_ahead_days, msgspec.convert(value, float)
            self.runtime.move_clock(self._clock_ahead_days)
            return before
        if key.startswith("layers."):
            layer, parameter = self._layer_key(key)
            host = self.layers.named(layer)
            if host is None:
                raise SettingsError(f"{self.name} asks no layer {layer!r}")
            return host.configure(parameter, value)
        previous = self._get(key)
        changed = {**msgspec.to_builtins(self.settings), key: value}
        self.settings = msgspec.convert(changed, type(self.settings))
        return previous

    def _layer_key(self, key: str) -> tuple[str, str]:
        parts = key.split(".")
        if len(parts) != 3:
            raise SettingsError(f"{key!r} is not layers.NAME.PARAMETER")
        return parts[1], parts[2]

"""Loads layers by `module:attribute`, asks them, and says what they said."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterable, Mapping

import msgspec

from reference_stack.layers.contract import GREEN, Decision, Hook, Layer, Mode
from reference_stack.settings import LayerSettings, SettingsError
from reference_stack.telemetry import Telemetry, sample_key


class LayerHost:
    """One layer in its place: mode, parameters and signals.

    A signal is written when something changes (`fired`, `acted`, `cleared`), `reached` once a calendar day;
    `about` tells apart what the layer watches, such as the component behind a heartbeat. The gauge
    `layer_fired`, from which alerts are made, stays 0 for a layer that only observes.
    """

    def __init__(self, layer: type[Layer], settings: LayerSettings, telemetry: Telemetry) -> None:
        self.name = layer.name
        self.hooks = hooks_of(layer)
        self.mode = settings.mode
        self.said = GREEN
        """The newest decision as the layer made it: what it would do where it only observes, too."""
        self._class = layer
        self._parameters = dict(settings.parameters)
        self._telemetry = telemetry
        self._layer = self._build(self._parameters)
        self._state: dict[str, tuple[bool, bool]] = {}
        self._objected_day: dict[str, float] = {}
        self._reached_on: int | None = None
        self._reached_key = sample_key("layer_reached_total", {"layer": self.name})
        self._counts = telemetry.metrics.values

    def _build(self, parameters: Mapping[str, object]) -> Layer:
        try:
            return self._class(msgspec.convert(dict(parameters), self._class.Parameters))
        except msgspec.ValidationError as error:
            raise SettingsError(f"layer {self.name}: {error}") from error

    def configure(self, key: str, value: object) -> object:
        """Set `mode` or a parameter at run time; the previous value. Raises SettingsError."""
        if key == "mode":
            previous: object = self.mode.value
            try:
                self.mode = Mode(str(value))
            except ValueError as error:
                raise SettingsError(
                    f"layer {self.name}: mode is off, observe or enforce, not {value!r}"
                ) from error
            if previous != self.mode.value:
                self._forget()
            return previous
        previous = self.setting(key)
        changed = {**self._parameters, key: value}
        self._layer = self._build(changed)
        self._parameters = changed
        return previous

    def setting(self, key: str) -> object:
        """The mode or a parameter's value in force. Raises SettingsError."""
        if key == "mode":
            return self.mode.value
        in_force = msgspec.to_builtins(msgspec.convert(self._parameters, self._class.Parameters))
        if key not in in_force:
            raise SettingsError(f"layer {self.name} has no parameter {key!r}")
        return in_force[key]

    def ask(self, evidence: object, *, day: float, about: str = "", linger_days: float = 0.0) -> Decision:
        """The layer's decision as it counts: GREEN when off, never acting when it only observes.

        Where it is asked very often, a layer is called clear only `linger_days` after it last objected.
        """
        if self.mode is Mode.OFF:
            self.said = GREEN
            return GREEN
        self._counts[self._reached_key] += 1.0
        today = math.floor(day)
        if self._reached_on != today:
            self._reached_on = today
            self._signal("reached", "", about)
        decision = self.said = self._layer.decide(evidence)
        objects = decision.fired or decision.acts
        if not objects and about not in self._state:
            return decision  # as before: by far the most frequent case
        if objects and linger_days:
            self._objected_day[about] = day
        since_days = day - self._objected_day.get(about, -math.inf)
        if objects or not 0.0 <= since_days < linger_days:  # below 0: of a clock that was ahead
            self._note(decision, about)
        if self.mode is Mode.OBSERVE and decision.acts:
            return msgspec.structs.replace(decision, acts=False, rows={}, sources=())
        return decision

    def _note(self, decision: Decision, about: str) -> None:
        fired, acted = self._state.get(about, (False, False))
        if decision.fired and not fired:
            self._signal("fired", decision.says, about)
        if decision.acts and not acted:
            self._signal("acted" if self.mode is Mode.ENFORCE else "would_have_acted", decision.says, about)
        if (fired or acted) and not (decision.fired or decision.acts):
            self._signal("cleared", decision.says, about)
        if (decision.fired, decision.acts) != (fired, acted):
            self._state[about] = (decision.fired, decision.acts)
            self._gauge()

    def objects(self, about: str) -> bool:
        """Whether the layer objects to something, or would if it did not only observe."""
        return any(self._state.get(about, ()))

    def release(self, about: str, says: str) -> None:
        """What the layer watched is no longer its business, such as a partition that has left the window."""
        if any(self._state.pop(about, ())):
            self._signal("cleared", says, about)
            self._gauge()

    def _gauge(self) -> None:
        firing = self.mode is Mode.ENFORCE and any(state[0] for state in self._state.values())
        self._telemetry.metrics.set("layer_fired", float(firing), layer=self.name)

    def _forget(self) -> None:
        # What it said in another mode does not count in this one: an alert of a layer now off must end,
        # and one that now enforces must say anew what it objects to.
        if self._state:
            self._state.clear()
            self._telemetry.metrics.set("layer_fired", 0.0, layer=self.name)

    def _signal(self, signal: str, says: str, about: str) -> None:
        self._telemetry.log(
            "signal", layer=self.name, signal=signal, mode=self.mode.value, says=says, about=about
        )


class LayerSet:
    """The layers that a component asks, by hook, in the order of the settings."""

    def __init__(
        self, settings: Mapping[str, LayerSettings], telemetry: Telemetry, hooks: Iterable[Hook]
    ) -> None:
        wanted = tuple(hooks)
        self._hosts: dict[str, LayerHost] = {}
        for name, layer in settings.items():
            loaded = load(name, layer)
            if set(hooks_of(loaded)) & set(wanted):
                self._hosts[name] = LayerHost(loaded, layer, telemetry)
        hosts = self._hosts.values()
        self._at = {hook: tuple(host for host in hosts if hook in host.hooks) for hook in Hook}

    def at(self, hook: Hook) -> tuple[LayerHost, ...]:
        """The layers of one hook."""
        return self._at[hook]

    def named(self, name: str) -> LayerHost | None:
        """One layer, if this component asks it."""
        return self._hosts.get(name)


def enforced(hosts: Iterable[LayerHost]) -> bool:
    """Whether one of the layers enforces; else what they would have done is only said."""
    return any(host.mode is Mode.ENFORCE for host in hosts)


def hooks_of(layer: type[Layer]) -> tuple[Hook, ...]:
    """Where a layer is asked: at its hook, and at others that it names in `also`."""
    return (layer.hook, *getattr(layer, "also", ()))


def load(name: str, settings: LayerSettings) -> type[Layer]:
    """The class that the settings name. Raises SettingsError when it is not there or is no layer."""
    module_name, _, attribute = settings.use.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(f"layer {name}: cannot load {settings.use!r}: {error}") from error
    missing = [word for word in ("name", "hook", "Parameters", "decide") if not hasattr(found, word)]
    if missing:
        raise SettingsError(f"layer {name}: {settings.use!r} lacks {', '.join(missing)}")
    if found.name != name:
        raise SettingsError(f"layer {name}: {settings.use!r} calls itself {found.name!r}")
    layer: type[Layer] = found
    for hook in hooks_of(layer):
        if hook not in list(Hook):  # nobody would ever ask it
            says = f"hook {str(hook)!r} is none of {', '.join(Hook)}"
            raise SettingsError(f"layer {name}: {settings.use!r}: {says}")
    return layer

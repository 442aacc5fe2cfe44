"""A target: the system under test, as its file describes it."""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, model_validator

from chaos.domain.durations import Days, Milliseconds, parse_days, parse_ms
from chaos.domain.layer import Mode, Stage
from chaos.domain.scenario import KEBAB, Arm, Strict
from chaos.domain.source import misplaced
from chaos.errors import nearest

_FACTORY = re.compile(r"^[\w.]+:[\w.]+$")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_URL = re.compile(r"^[\w+.-]+://")
_ADDRESS = re.compile(
    r"^((?:[\w-]+\.)+[A-Za-z][\w-]*|\d{1,3}(?:\.\d{1,3}){3}|\[[0-9A-Fa-f:.]+\]|localhost):\d{1,5}(/|$)"
)
_HOST_KEY = re.compile(r"(^|_)host(name)?s?$")
_NAMED_ADDRESS = re.compile(r"^([\w.-]+):\d{1,5}(/|$)")
_LOOKED_UP: Mapping[str, tuple[str, ...]] = {"local": ("folders",), "compose": ("links", "disks")}
"""Of a driver's settings those that are looked up by name."""
_ADDRESS_KEY = re.compile(r"(^|_)(broker|server|endpoint|upstream|address)(e?s)?$")
ToxicName = Literal[
    "latency", "bandwidth", "slow_close", "timeout", "reset_peer", "slicer", "limit_data", "noop"
]
"""Toxiproxy's toxics."""
ParameterValue = str | int | float | bool | list[str]


class CapabilityName(enum.StrEnum):
    """What may be asked of a target; what it lacks is not measured, or refused at planning time."""

    NETWORK = "network"
    DATA = "data"
    PROCESSES = "processes"
    CONFIG = "config"
    REGISTRY = "registry"
    TRAFFIC = "traffic"
    CONTAINERS = "containers"
    LAYERS = "layers"
    TELEMETRY = "telemetry"
    TRUTH = "truth"
    ARMS = "arms"


class Component(Strict):
    """A named service. `health` is the path that answers once it is ready; `host` is an address of its own,
    only for systems that run elsewhere.
    """

    role: str
    health: str = "/health"
    host: str | None = None


class Integrity(Strict):
    """What a data link promises its reader."""

    max_late: Days | None = None
    max_loss: float | None = Field(default=None, ge=0, le=1)
    duplicates: bool | None = None
    ordered: bool | None = None


class NetworkLink(Strict):
    """A connection from some components to one other."""

    kind: Literal["network"]
    from_: list[str] = Field(alias="from", min_length=1)
    to: str


class DataLink(Strict):
    """A folder that one component writes and another reads."""

    kind: Literal["data"]
    from_: list[str] = Field(alias="from", min_length=1)
    to: str
    due: Days
    integrity: Integrity | None = None


Link = Annotated[NetworkLink | DataLink, Field(discriminator="kind")]


class UnknownWord(ValueError):
    """A name that is none of those that a parameter can hold; `nearest` is the closest of them."""

    def __init__(self, name: str, among: Sequence[str]) -> None:
        self.nearest = nearest(name, among)
        super().__init__(f"{name!r} is none of {', '.join(among)}")


class Parameter(Strict):
    """A layer's parameter: its type, range and default. `among` are the names that `names` can hold; none
    listed: any.
    """

    type: Literal["days", "ms", "number", "integer", "share", "boolean", "text", "names"]
    default: ParameterValue
    at_least: float | None = None
    at_most: float | None = None
    among: list[str] = []
    worlds: dict[str, ParameterValue] = {}
    """Its default in worlds in which it is another."""
    says: str = ""

    @model_validator(mode="after")
    def _holds_its_defaults(self) -> Parameter:
        places: dict[tuple[str, ...], ParameterValue] = {
            ("worlds", name): value for name, value in self.worlds.items()
        }
        for place, value in ({("default",): self.default} | places).items():
            try:
                self.read(value)
            except ValueError as error:
                raise misplaced(place, str(error)) from error
        return self

    def read(self, value: object) -> ParameterValue:
        """A value as the layer takes it: lengths as bare numbers of their clock.

        Raises ValueError; UnknownWord for a name that is not there.
        """
        match self.type:
            case "boolean":
                if not isinstance(value, bool):
                    raise ValueError(f"{value!r} is not true or false")
                return value
            case "text":
                if not isinstance(value, str):
                    raise ValueError(f"{value!r} is not text")
                return value
            case "names":
                names = value.split(",") if isinstance(value, str) else value
                if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                    raise ValueError(f"{value!r} is not a list of names")
                for name in names if self.among else ():
                    if name not in self.among:
                        raise UnknownWord(name, self.among)
                return names
            case "days" if isinstance(value, str):
                value = parse_days(value)
            case "ms" if isinstance(value, str):
                value = parse_ms(value)
        return self._in_range(value)

    def _in_range(self, value: object) -> float | int:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{value!r} is not a number")
        if self.type == "integer" and not isinstance(value, int):
            raise ValueError(f"{value!r} is not a whole number")
        if self.type == "share" and not 0 <= value <= 1:
            raise ValueError(f"{value!r} is not a share between 0 and 1")
        if self.at_least is not None and value < self.at_least:
            raise ValueError(f"{value!r} is below {self.at_least:g}")
        if self.at_most is not None and value > self.at_most:
            raise ValueError(f"{value!r} is above {self.at_most:g}")
        return value


class LayerSpec(Strict):
    """A defensive layer: which components ask it, what it is for, its parameters."""

    asked_by: list[str] = Field(min_length=1)
    stages: list[Stage] = Field(min_length=1)
    says: str
    default: Mode = Mode.ENFORCE
    parameters: dict[str, Parameter] = {}

    def defaults(self, world: str) -> dict[str, ParameterValue]:
        """What its parameters are in a world where nobody sets them, as the layer takes them."""
        return {name: one.read(one.worlds.get(world, one.default)) for name, one in self.parameters.items()}


class AlertLabels(Strict):
    """Which of an alert's labels say what the harness asks of it; its name is its `alertname`."""

    category: str = "category"
    severity: str = "severity"
    about: str = "about"
    layer: str = "layer"


class Alerting(Strict):
    """How the target's alerts are heard of, and their words, so that a misspelt one is found at planning time
    (empty: any).

    `told_by`: log lines of the components, or Alertmanager, which posts them to the harness. `watchdog`: the
    name of the alert that always fires. Without having heard it, silence tells nothing.
    """

    told_by: Literal["log", "alertmanager"] = "log"
    watchdog: str = ""
    labels: AlertLabels = AlertLabels()
    categories: list[str] = []
    severities: list[str] = []
    receivers: list[str] = []

    @property
    def answers_told(self) -> bool:
        """Whether it is told who answers an alert: Alertmanager knows only to whom it was sent."""
        return self.told_by != "alertmanager"


class Doors(Strict):
    """Who may be asked for a change: the components that take promotion requests and configuration pushes,
    and the registry alias that a promotion moves.
    """

    promotions: str | None = None
    pushes: str | None = None
    champion: str = "champion"


class TrafficSpec(Strict):
    """Where the target's traffic comes from: a component, the settings of its that faults may change, and
    the counters that show it: `requests` (first attempts) and `retries`.
    """

    component: str
    surge: str = "surge"
    timeout_ms: str = "timeout_ms"
    attempts: str = "attempts"
    requests: str = "first_attempts_total"
    retries: str = "retries_total"


class DriverSpec(Strict):
    """How the target is brought up: the driver's name and what it needs to know.

    `stack` is handed on to the target itself, below what the plan says. `forks` says that arms may be lived
    through as one until they part, and the process be forked there; `ahead` is a command that makes what arms
    of a seed start from while the workers come up: docs/in-process.md.
    """

    kind: Literal["fake", "local", "virtual", "compose"]
    command: list[str] = []
    factory: str | None = None
    settings: dict[str, Any] = {}
    stack: dict[str, Any] = {}
    forks: bool = False
    ahead: list[str] = []


class TargetSpec(Strict):
    """The system under test. A file may extend another and replaces what it names."""

    target: str = Field(pattern=KEBAB)
    extends: str | None = None
    says: str
    driver: DriverSpec
    capabilities: list[CapabilityName]
    arms: list[Arm] = Field(default=list(Arm), min_length=1)
    day_seconds: float = Field(default=1.0, gt=0)
    day_work: float | None = Field(
        default=None, gt=0, description="what a day costs, in pieces of work: docs/targets.md"
    )
    normal_ms: Milliseconds = 0.0
    components: dict[str, Component] = Field(min_length=1)
    links: dict[str, Link] = {}
    layers: dict[str, LayerSpec] = {}
    traffic: TrafficSpec | None = None
    alerting: Alerting = Alerting()
    doors: Doors = Doors()
    columns: dict[str, str] = {}
    toxics: list[ToxicName] = Field(
        default=[], description="toxics that network links can have; none listed: any"
    )
    worlds: list[str] = []
    versions: int | None = Field(
        default=None, ge=1, description="model versions, from 1 on, that are there when a run begins"
    )
    builds: list[str] = Field(
        default=[], description="builds that components can be rolled out to; none listed: any"
    )
    hosts: list[str] = []

    def called_by(self, components: Iterable[str]) -> list[str]:
        """These components and all that they call over network links, directly or not, in file order."""
        found = set(components)
        calls = [link for link in self.links.values() if isinstance(link, NetworkLink)]
        for _ in self.components:
            found |= {link.to for link in calls if not found.isdisjoint(link.from_)}
        return [component for component in self.components if component in found]

    def far_hosts(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Hosts beyond loopback, each with where it is named: a component's, or one for the driver, in a URL,
        as `host:port` or under a name such as `database_host`.

        Containers have a network of their own, with no way out.
        """
        for name, component in self.components.items():
            if component.host is not None and component.host not in _LOOPBACK:
                yield ("components", name, "host"), component.host
        if self.driver.kind != "compose":
            for part in ("settings", "stack"):
                for path, host in _hosts_in(getattr(self.driver, part), ("driver", part)):
                    if host not in _LOOPBACK:
                        yield path, host

    @model_validator(mode="after")
    def _lists_what_is_far(self) -> TargetSpec:
        for path, host in self.far_hosts():
            if host not in self.hosts:
                says = f"{host!r} is not on loopback and not listed under `hosts`"
                raise misplaced(path, says, self.hosts, host)
        return self

    @model_validator(mode="after")
    def _names_only_what_it_has(self) -> TargetSpec:
        for name, link in self.links.items():
            ends = [(("from", index), end) for index, end in enumerate(link.from_)]
            for path, end in [*ends, (("to",), link.to)]:
                if end not in self.components:
                    says = f"names a component {end!r} that is not there"
                    raise misplaced(("links", name, *path), says, self.components, end)
        for door in ("promotions", "pushes"):
            keeper = getattr(self.doors, door)
            if keeper is not None and keeper not in self.components:
                says = f"names a component {keeper!r} that is not there"
                raise misplaced(("doors", door), says, self.components, keeper)
        if self.traffic is not None and self.traffic.component not in self.components:
            says = f"names a component {self.traffic.component!r} that is not there"
            raise misplaced(("traffic", "component"), says, self.components, self.traffic.component)
        given = self.driver.stack.get("layers")
        for name in given if isinstance(given, dict) else ():
            if name not in self.layers:
                says = "is none of the target's `layers`: nobody could switch it off"
                raise misplaced(("driver", "stack", "layers", name), says, self.layers, name)
        for name, layer in self.layers.items():
            for index, component in enumerate(layer.asked_by):
                if component not in self.components:
                    says = f"names a component {component!r} that is not there"
                    raise misplaced(("layers", name, "asked_by", index), says, self.components, component)
        return self

    @model_validator(mode="after")
    def _maps_what_is_looked_up(self) -> TargetSpec:
        for part, keys in (("settings", _LOOKED_UP.get(self.driver.kind, ())), ("stack", ("layers",))):
            given = getattr(self.driver, part)
            for key in keys:
                if not isinstance(given.get(key, {}), dict):
                    raise misplaced(("driver", part, key), "must be a mapping of keys to values")
        return self

    @model_validator(mode="after")
    def _can_be_alerted(self) -> TargetSpec:
        if self.alerting.told_by == "alertmanager":
            if self.driver.kind in ("virtual", "compose"):
                raise misplaced(("alerting", "told_by"), "alertmanager is for targets of kind local")
            if not self.alerting.watchdog:
                says = "is missing: without an alert that always fires nobody knows whether any is heard"
                raise misplaced(("alerting", "watchdog"), says)
        elif self.alerting.labels != AlertLabels():
            says = "are those of Alertmanager's alerts: a log line has fields of these names itself"
            raise misplaced(("alerting", "labels"), says)
        return self

    @model_validator(mode="after")
    def _can_be_driven(self) -> TargetSpec:
        if self.driver.kind == "local" and not self.driver.command:
            raise misplaced(("driver", "command"), "is missing: a local target is started by a command")
        data = [name for name, link in self.links.items() if isinstance(link, DataLink)]
        if self.driver.kind == "local":
            folders = self._driver_has("folders", "data link", data)
            for name in data:
                if not _are_folders(folders.get(name)):
                    says = f"is missing: data link {name!r} needs its folders, {{source: …, sink: …}}"
                    raise misplaced(("driver", "settings", "folders", name), says)
        live = self.driver.kind in ("local", "compose")
        if live and CapabilityName.REGISTRY in self.capabilities and not self.driver.settings.get("model"):
            says = "is missing: the registry's aliases are those of a model"
            raise misplaced(("driver", "settings", "model"), says)
        if live and CapabilityName.REGISTRY in self.capabilities and "registry" not in self.components:
            place = ("capabilities", self.capabilities.index(CapabilityName.REGISTRY))
            says = "'registry' needs a component of that name, which is asked for the aliases"
            raise misplaced(place, says, self.components, "registry")
        if self.driver.kind == "compose":
            network = [name for name in self.links if name not in data]
            addresses = self._driver_has("links", "network link", network)
            for name in network:
                if not isinstance(addresses.get(name), str):
                    says = f"is missing: network link {name!r} needs the address at which it is called"
                    raise misplaced(("driver", "settings", "links", name), says)
            self._driver_has("disks", "component", self.components)
        if self.driver.kind == "virtual" and not _FACTORY.match(self.driver.factory or ""):
            raise misplaced(("driver", "factory"), "must be written as module:attribute")
        if self.driver.kind != "virtual" and self.driver.ahead:
            raise misplaced(("driver", "ahead"), "is for targets of kind virtual")
        return self

    def _driver_has(self, setting: str, what: str, known: Iterable[str]) -> dict[str, Any]:
        """A setting of the driver by the names of what the target has; empty where it is none."""
        found: dict[str, Any] = self.driver.settings.get(setting, {})
        for name in found:
            if name not in known:
                says = f"the target has no {what} {name!r}"
                raise misplaced(("driver", "settings", setting, name), says, known, name)
        return found


def _are_folders(value: object) -> bool:
    return (
        isinstance(value, dict)
        and sorted(value) == ["sink", "source"]
        and all(isinstance(folder, str) for folder in value.values())
    )


def _hosts_in(value: object, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _hosts_in(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _hosts_in(inner, (*path, index))
    elif isinstance(value, str):
        named = next((part for part in reversed(path) if isinstance(part, str)), "")
        yield from ((path, host) for host in _hosts_named(named, value))


def _hosts_named(key: str, value: str) -> Iterator[str]:
    for one in value.removeprefix("jdbc:").split(","):
        yield from _host_of(key, one.strip())


def _host_of(key: str, value: str) -> Iterator[str]:
    if _URL.match(value):
        parts = urlsplit(value)
        found = [parts.hostname or "", *parse_qs(parts.query).get("host", [])]
    elif address := _ADDRESS.match(value) or (_ADDRESS_KEY.search(key) and _NAMED_ADDRESS.match(value)):
        found = [address[1].strip("[]")]
    else:
        found = [value] if _HOST_KEY.search(key) else []
    # A database's host that begins with a slash is a socket on this machine.
    yield from (host for host in found if host and not host.startswith("/"))

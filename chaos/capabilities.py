"""What can be asked of a target: frozen verbs that build Changes and do nothing by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, TypeVar

from chaos.domain.change import (
    AddDataToxic,
    AddToxic,
    Configure,
    Disconnect,
    FillDisk,
    Kill,
    LimitCpu,
    LimitMemory,
    Pause,
    Promote,
    Push,
    RunImage,
    Scalar,
    SetAlias,
    SetLayer,
    SetLinkUp,
    Start,
    Starve,
    Stop,
)
from chaos.domain.data_toxics import BadParameter, make_data_toxic, named_columns
from chaos.domain.target import CapabilityName, DataLink, NetworkLink, TargetSpec, TrafficSpec
from chaos.errors import nearest


class MeaninglessChange(ValueError):
    """A fault asks for what this target does not have; `field` is the fault's parameter."""

    def __init__(self, field: str, says: str, nearest: str | None = None) -> None:
        self.field = field
        self.nearest = nearest
        super().__init__(says)

    @property
    def of_its_field(self) -> str:
        """The message for who has no line to look at: it begins with the field, unless that is in it."""
        says = str(self)
        return f"{self.field}: {says}" if self.field and self.field not in says else says


class BeyondTarget(MeaninglessChange):
    """The target cannot do this whatever the parameters; `need` is what it lacks, as `suite` lists it."""

    def __init__(self, need: str, says: str) -> None:
        self.need = need
        super().__init__("", says)


def network_link(spec: TargetSpec, link: str, field: str = "link") -> str:
    """The name of a network link that is there. Raises MeaninglessChange for the parameter `field`."""
    found = spec.links.get(link)
    if found is None:
        known = [name for name, one in spec.links.items() if isinstance(one, NetworkLink)]
        raise MeaninglessChange(field, f"the target has no network link {link!r}", nearest(link, known))
    if not isinstance(found, NetworkLink):
        raise MeaninglessChange(field, f"{link!r} is a data link; this needs a network link")
    return link


def link_to(spec: TargetSpec, component: str, field: str = "component") -> str:
    """The first network link that leads to a component. Raises MeaninglessChange: nothing would show it."""
    for name, link in spec.links.items():
        if isinstance(link, NetworkLink) and link.to == component:
            return name
    raise MeaninglessChange(field, f"no network link leads to {component!r}: nothing shows it")


def data_link(spec: TargetSpec, link: str) -> str:
    """The name of a data link that is there. Raises MeaninglessChange."""
    found = spec.links.get(link)
    if found is None:
        known = [name for name, one in spec.links.items() if isinstance(one, DataLink)]
        raise MeaninglessChange("link", f"the target has no data link {link!r}", nearest(link, known))
    if not isinstance(found, DataLink):
        raise MeaninglessChange("link", f"{link!r} is a network link; this needs a data link")
    return link


def component_of(spec: TargetSpec, component: str, field: str = "component") -> str:
    """The name of a component that is there. Raises MeaninglessChange for the fault's parameter `field`."""
    if component not in spec.components:
        near = nearest(component, spec.components)
        raise MeaninglessChange(field, f"the target has no component {component!r}", near)
    return component


def build_of(spec: TargetSpec, build: str, field: str = "build") -> str:
    """A build that components can be rolled out to; any, where the target names none.

    Raises MeaninglessChange for the fault's parameter `field`.
    """
    if spec.builds and build not in spec.builds:
        raise MeaninglessChange(field, f"the target has no build {build!r}", nearest(build, spec.builds))
    return build


def column_of(spec: TargetSpec, column: str, field: str = "column") -> str:
    """The name of a column of the data that is there; any, where the target names none.

    Raises MeaninglessChange for the fault's parameter `field`.
    """
    if spec.columns and column not in spec.columns:
        near = nearest(column, spec.columns)
        raise MeaninglessChange(field, f"the target's data has no column {column!r}", near)
    return column


@dataclass(frozen=True)
class Capability:
    """The base of all: it knows the target's description, never the target."""

    name: ClassVar[CapabilityName]
    spec: TargetSpec


MESSAGE_TOXICS = ("latency", "timeout", "reset_peer", "limit_data", "noop")
"""Of Toxiproxy's toxics those that mean something where whole messages pass, as in virtual time."""
LEAST_MESSAGE_BYTES = 100
TOXICS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "latency": ("latency", "jitter"),
        "bandwidth": ("rate",),
        "slow_close": ("delay",),
        "timeout": ("timeout",),
        "reset_peer": ("timeout",),
        "slicer": ("average_size", "size_variation", "delay"),
        "limit_data": ("bytes",),
        "noop": (),
    }
)
"""Toxiproxy's toxics, with their attributes."""
STREAMS = ("downstream", "upstream")


def _check_toxic(type: str, stream: str, toxicity: float, attributes: Mapping[str, object]) -> None:
    """Raises MeaninglessChange for one that a proxy would refuse, or would take and do nothing."""
    if type not in TOXICS:
        raise MeaninglessChange("", f"Toxiproxy has no toxic {type!r}", nearest(type, TOXICS))
    if stream not in STREAMS:
        says = f"a toxic is of stream downstream or upstream, not {stream!r}"
        raise MeaninglessChange("", says, nearest(stream, STREAMS))
    if not 0 <= toxicity <= 1:
        raise MeaninglessChange("toxicity", f"toxicity is a share between 0 and 1, not {toxicity!r}")
    for name, value in attributes.items():
        if name not in TOXICS[type]:
            near = nearest(name, TOXICS[type])
            raise MeaninglessChange("", f"toxic {type!r} has no attribute {name!r}", near)
        if isinstance(value, bool) or not isinstance(value, int):
            raise MeaninglessChange("", f"{name} of toxic {type!r} is a whole number, not {value!r}")


@dataclass(frozen=True)
class Network(Capability):
    """Network links and their toxics."""

    name: ClassVar[CapabilityName] = CapabilityName.NETWORK

    def toxic(
        self, link: str, type: str, *, stream: str = "downstream", toxicity: float = 1.0, **attributes: int
    ) -> AddToxic:
        """A toxic of Toxiproxy's kind on a network link.

        Raises MeaninglessChange, also for what Toxiproxy lacks, and BeyondTarget for a kind that the target's
        links cannot have.
        """
        _check_toxic(type, stream, toxicity, attributes)
        able = self.spec.toxics or (MESSAGE_TOXICS if self.spec.driver.kind == "virtual" else ())
        if able and type not in able:
            has = ", ".join(able)
            says = f"the links of target {self.spec.target!r} have no toxic {type!r}; they have {has}"
            raise BeyondTarget(f"toxic {type}", says)
        if self.spec.driver.kind == "virtual" and attributes.get("bytes", 0) > LEAST_MESSAGE_BYTES:
            says = f"in virtual time {type} breaks every message, as one of {LEAST_MESSAGE_BYTES} bytes would"
            raise BeyondTarget(f"toxic {type} of {attributes['bytes']} bytes", says)
        return AddToxic(
            link=network_link(self.spec, link),
            name=f"mlchaos_{type}_{stream}",
            type=type,
            stream=stream,
            toxicity=toxicity,
            attributes=attributes,
        )

    def down(self, link: str, *, field: str = "link") -> SetLinkUp:
        """Cut a network link; `field` is the parameter that names it. Raises MeaninglessChange."""
        return SetLinkUp(link=network_link(self.spec, link, field), up=False)


@dataclass(frozen=True)
class Data(Capability):
    """Data links and their toxics."""

    name: ClassVar[CapabilityName] = CapabilityName.DATA

    def toxic(self, link: str, type: str, **parameters: Scalar) -> AddDataToxic:
        """A data toxic on a data link. Raises MeaninglessChange, also for a column that the data lacks."""
        data_link(self.spec, link)
        try:
            made = make_data_toxic(type, parameters)
        except BadParameter as error:
            raise MeaninglessChange(error.field, str(error)) from error
        except ValueError as error:
            raise MeaninglessChange("", str(error)) from error
        for field, column in named_columns(made):
            column_of(self.spec, column, field)
        return AddDataToxic(
            link=data_link(self.spec, link), name=f"mlchaos_{type}", type=type, parameters=parameters
        )


@dataclass(frozen=True)
class Processes(Capability):
    """Components as processes."""

    name: ClassVar[CapabilityName] = CapabilityName.PROCESSES

    def kill(self, component: str) -> Kill:
        """End a component at once. Raises MeaninglessChange."""
        return Kill(component=component_of(self.spec, component))

    def start(self, component: str) -> Start:
        """Start a component again that was ended. Raises MeaninglessChange."""
        return Start(component=component_of(self.spec, component))

    def stop(self, component: str) -> Stop:
        """End a component in good order and keep it down. Raises MeaninglessChange."""
        return Stop(component=component_of(self.spec, component))

    def pause(self, component: str) -> Pause:
        """Stop a component where it stands. Raises MeaninglessChange."""
        return Pause(component=component_of(self.spec, component))

    def starve(self, component: str, stopped_ms: float, running_ms: float) -> Starve:
        """Stop a component and let it run in turn. Raises MeaninglessChange."""
        return Starve(component_of(self.spec, component), stopped_ms, running_ms)


@dataclass(frozen=True)
class Containers(Capability):
    """Components as containers: what an engine can do to them beyond ending them."""

    name: ClassVar[CapabilityName] = CapabilityName.CONTAINERS

    def cpus(self, component: str, cpus: float) -> LimitCpu:
        """Limit a component to so many processors' time. Raises MeaninglessChange."""
        return LimitCpu(component=component_of(self.spec, component), cpus=cpus)

    def memory(self, component: str, mib: int) -> LimitMemory:
        """Restart a component with so much memory, in MiB. Raises MeaninglessChange."""
        return LimitMemory(component=component_of(self.spec, component), mib=mib)

    def image(self, component: str, image: str) -> RunImage:
        """Run a component from another image. Raises MeaninglessChange."""
        return RunImage(component=component_of(self.spec, component), image=image)

    def disconnect(self, component: str) -> Disconnect:
        """Take a component off the network. Raises MeaninglessChange."""
        return Disconnect(component=component_of(self.spec, component))

    def fill_disk(self, component: str) -> FillDisk:
        """Fill a component's disk. Raises MeaninglessChange where it has none of its own."""
        disks = self.spec.driver.settings.get("disks", {})
        if component_of(self.spec, component) not in disks:
            says = f"{component!r} has no disk of its own that could be filled"
            raise MeaninglessChange("component", says, nearest(component, disks))
        return FillDisk(component=component)


@dataclass(frozen=True)
class Config(Capability):
    """Settings of components."""

    name: ClassVar[CapabilityName] = CapabilityName.CONFIG

    def push(self, component: str, key: str, value: Scalar, *, field: str = "key") -> Configure:
        """Set a component's setting; `field` is the parameter that names it. Raises MeaninglessChange."""
        return Configure(component_of(self.spec, component), key=_named(key, field), value=value)

    def ask(
        self,
        components: list[str],
        key: str,
        value: Scalar,
        *,
        by: str,
        approved_by: str = "",
        field: str = "key",
    ) -> Push:
        """Ask the target's door to set a value on components; `field` is the parameter that names the key.

        Raises MeaninglessChange.
        """
        door = self.spec.doors.pushes
        if door is None:
            raise MeaninglessChange("", f"target {self.spec.target!r} has no door for configuration pushes")
        named = [component_of(self.spec, component) for component in components]
        key = _named(key, field)
        return Push(door=door, key=key, value=value, components=named, by=by, approved_by=approved_by)


def _named(key: str, field: str) -> str:
    if not key.strip():
        raise MeaninglessChange(field, "a setting without a name is none")
    return key


@dataclass(frozen=True)
class Traffic(Capability):
    """Those who use the target: how many come, and how their clients behave."""

    name: ClassVar[CapabilityName] = CapabilityName.TRAFFIC

    def surge(self, factor: float) -> Configure:
        """Multiply the arrivals. Raises MeaninglessChange."""
        spec = self._spec()
        return Configure(component=spec.component, key=spec.surge, value=factor)

    def clients(self, *, timeout_ms: float, attempts: int) -> Iterator[Configure]:
        """How long clients wait for an answer, and how often they ask. Raises MeaninglessChange."""
        spec = self._spec()
        yield Configure(component=spec.component, key=spec.timeout_ms, value=timeout_ms)
        yield Configure(component=spec.component, key=spec.attempts, value=attempts)

    def _spec(self) -> TrafficSpec:
        if self.spec.traffic is None:
            says = f"target {self.spec.target!r} does not say where its traffic comes from"
            raise MeaninglessChange("", says)
        return self.spec.traffic


@dataclass(frozen=True)
class Registry(Capability):
    """The model registry."""

    name: ClassVar[CapabilityName] = CapabilityName.REGISTRY

    def flip(self, alias: str, version: int) -> SetAlias:
        """Flip an alias directly, past every door."""
        return SetAlias(alias=alias, version=version)

    def promote(self, version: int, *, by: str) -> Promote:
        """Ask the target's door to promote a version. Raises MeaninglessChange."""
        door = self.spec.doors.promotions
        if door is None:
            raise MeaninglessChange("", f"target {self.spec.target!r} has no door for promotions")
        return Promote(door=door, alias=self.spec.doors.champion, version=version, by=by)


@dataclass(frozen=True)
class Layers(Capability):
    """The switches and parameters of the defensive layers."""

    name: ClassVar[CapabilityName] = CapabilityName.LAYERS

    def set(self, layer: str, key: str, value: Scalar, *, field: str = "key") -> SetLayer:
        """Set a layer's mode or a parameter; `field` is the parameter that names the key.

        Raises MeaninglessChange.
        """
        found = self.spec.layers.get(layer)
        if found is None:
            raise MeaninglessChange(
                "layer", f"the target has no layer {layer!r}", nearest(layer, self.spec.layers)
            )
        if key != "mode" and key not in found.parameters:
            near = nearest(key, found.parameters)
            raise MeaninglessChange(field, f"layer {layer!r} has no parameter {key!r}", near)
        return SetLayer(layer=layer, key=key, value=value)


C = TypeVar("C", bound=Capability)


@dataclass(frozen=True)
class Described:
    """A target known by its description alone: enough for every verb, and so for a dry run."""

    spec: TargetSpec

    def use(self, capability: type[C]) -> C:
        """A capability's verbs. Raises MeaninglessChange where the target lacks it."""
        if capability.name not in self.spec.capabilities:
            raise MeaninglessChange("", f"target {self.spec.target!r} has no capability {capability.name}")
        return capability(self.spec)

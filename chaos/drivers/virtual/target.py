"""The live handle of one arm in virtual time."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar, cast

import msgspec

from chaos.capabilities import Capability, Described
from chaos.domain.change import (
    AddDataToxic,
    AddToxic,
    Change,
    Configure,
    Kill,
    Pause,
    RemoveDataToxic,
    RemoveToxic,
    Resume,
    Scalar,
    SetAlias,
    SetLayer,
    SetLinkUp,
    Start,
)
from chaos.domain.data_toxics import Parcel, make_data_toxic
from chaos.domain.event import Event, Exit
from chaos.domain.plan import ArmPlan
from chaos.domain.target import TargetSpec
from chaos.drivers.observed import read_line
from chaos.drivers.virtual.protocol import InProcessTarget, PartitionShape
from chaos.drivers.virtual.toxics import shape_of
from chaos.errors import ArmFailed, ChangeRefused

C = TypeVar("C", bound=Capability)
E = TypeVar("E", bound=Event)
Remove = Callable[[], None]

FRESH_DAYS = 0.5
_PARTITION = re.compile(r"^day=(-?\d+)\.")
_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{[^\n]*\})?) ([^ \n]+)", re.MULTILINE)


class _ExitLine(msgspec.Struct, tag_field="event", tag="exit"):
    component: str
    code: int


_exits = msgspec.json.Decoder(_ExitLine)


class VirtualTarget:
    """One arm: lets virtual time pass, makes changes, hands on what the components say."""

    def __init__(
        self, plan: ArmPlan, spec: TargetSpec, inner: InProcessTarget, on_event: Callable[[Event], None]
    ) -> None:
        self._plan = plan
        self._spec = spec
        self._inner = inner
        self._on_event = on_event
        self._seen: dict[object, list[Event]] = {}
        self._toxics: dict[tuple[str, str], Remove] = {}
        self._pings: dict[str, tuple[float, float]] = {}
        self._ending: set[str] = set()
        inner.on_log(self._logged)

    # --- reading -----------------------------------------------------------------------------------------

    @property
    def spec(self) -> TargetSpec:
        """The target's description."""
        return self._spec

    def use(self, capability: type[C]) -> C:
        """A capability's verbs."""
        return Described(self._spec).use(capability)

    def day(self) -> float:
        """The calendar of the virtual loop."""
        return self._inner.day()

    def metrics(self, component: str) -> Mapping[str, float] | None:
        """Samples of what /metrics would give; None where the component is gone."""
        if not self._inner.running(component):
            return None
        return {name: float(value) for name, value in _SAMPLE.findall(self._inner.metrics(component))}

    def link_ms(self, link: str) -> float | None:
        """The newest health request over the link that came back; starts the next one."""
        sent = self.day()

        def came_back(ms: float) -> None:
            self._pings[link] = (sent, ms)

        newest = self._pings.get(link)
        self._inner.link(link).ping(came_back)
        return None if newest is None or sent - newest[0] > FRESH_DAYS else newest[1]

    def seen(self, kind: type[E]) -> Sequence[E]:
        """The events of one kind so far."""
        return cast("list[E]", self._seen.get(kind, []))

    def delivered(self, link: str) -> Mapping[int, int] | None:
        """The partitions at the link's sink."""
        found = {}
        for name, size in self._inner.folder(link).delivered().items():
            if match := _PARTITION.match(name):
                found[int(match[1])] = size
        return found

    # --- time --------------------------------------------------------------------------------------------

    def advance(self, until_day: float, wake: Callable[[], bool]) -> None:
        """Run the loop."""
        self._inner.advance(until_day, wake)

    def drain(self) -> None:
        """Everything said has been heard already."""

    def _logged(self, _component: str, line: str) -> None:
        event: Event | None = read_line(line)
        if event is None and '"event":"exit"' in line:
            ended = _exits.decode(line)
            event = Exit(self.day(), ended.component, ended.code, ended.component in self._ending)
        if event is not None:
            self._seen.setdefault(type(event), []).append(event)
            self._on_event(event)

    # --- changes -----------------------------------------------------------------------------------------

    def prepare(self, change: Change) -> Change | None:
        """The undo of a change, from what is there now."""
        match change:
            case AddToxic(link=link, name=name):
                return RemoveToxic(link, name)
            case AddDataToxic(link=link, name=name):
                return RemoveDataToxic(link, name)
            case SetLinkUp(link=link, up=up):
                return SetLinkUp(link, not self._inner.link(link).is_down, expect=up)
            case Configure(component=component, key=key, value=value):
                return Configure(component, key, self._setting(component, key), expect=_text(value))
            case SetLayer(layer=layer, key=key, value=value):
                return SetLayer(layer, key, self._layer(layer, key), expect=_text(value))
            case Kill(component=component):
                return Start(component)
            case Pause(component=component):
                return Resume(component)
            case SetAlias(alias=alias, version=version):
                return SetAlias(alias, self._inner.registry.resolve(alias), expect=version)
            case _:
                return None

    def apply(self, change: Change) -> None:  # noqa: PLR0912 (one case a change)
        """Make a change. Raises ChangeRefused or ArmFailed."""
        match change:
            case AddToxic(link=link, name=name):
                self._toxics[link, name] = self._inner.link(link).shape(shape_of(change))
            case AddDataToxic(link=link, name=name):
                self._toxics[link, name] = self._inner.folder(link).shape(_partition_shape(change))
            case RemoveToxic(link=link, name=name) | RemoveDataToxic(link=link, name=name):
                self._toxics.pop((link, name), _nothing)()
            case SetLinkUp(link=link, up=up):
                (self._inner.link(link).up if up else self._inner.link(link).down)()
            case Configure(component=component, key=key, value=value):
                self._configure(component, key, value)
            case SetLayer(layer=layer, key=key, value=value):
                for component in self._spec.layers[layer].asked_by:
                    self._configure(component, f"layers.{layer}.{key}", value)
            case Kill(component=component):
                self._ending.add(component)
                self._inner.kill(component)
            case Start(component=component):
                self._ending.discard(component)
                self._inner.start(component)
            case Pause(component=component):
                self._inner.pause(component)
            case Resume(component=component):
                self._inner.resume(component)
            case SetAlias(alias=alias, version=None):
                self._inner.registry.drop_alias(alias)
            case SetAlias(alias=alias, version=int(version)):
                self._inner.registry.set_alias(alias, version)

    def revert(self, undo: Change) -> str:
        """Play an undo; a value that is no longer the fault's is left alone."""
        if self._changed_meanwhile(undo):
            return "left"
        self.apply(undo)
        return "undone"

    def close(self) -> None:
        """End the target."""
        self._ending |= set(self._spec.components)
        self._inner.close()

    def _changed_meanwhile(self, undo: Change) -> bool:
        match undo:
            case RemoveToxic(link=link, name=name) | RemoveDataToxic(link=link, name=name):
                return (link, name) not in self._toxics
            case SetLinkUp(link=link, expect=expect):
                return self._inner.link(link).is_down == expect
            case Configure(component=component, key=key, expect=expect):
                return _text(self._setting(component, key)) != expect
            case SetLayer(layer=layer, key=key, expect=expect):
                return _text(self._layer(layer, key)) != expect
            case SetAlias(alias=alias, expect=expect):
                return self._inner.registry.resolve(alias) != expect
            case Start(component=component):
                return self._inner.running(component)
            case _:
                return False

    def _layer(self, layer: str, key: str) -> Scalar:
        return self._setting(self._spec.layers[layer].asked_by[0], f"layers.{layer}.{key}")

    def _setting(self, component: str, key: str) -> Scalar:
        if not self._inner.running(component):
            raise ArmFailed(f"{component} is not running")
        return cast("Scalar", self._inner.setting(component, key))

    def _configure(self, component: str, key: str, value: Scalar) -> None:
        if not self._inner.running(component):
            raise ArmFailed(f"{component} is not running")
        try:
            self._inner.configure(component, key, value)
        except ValueError as error:
            raise ChangeRefused(component, str(error)) from error


def _partition_shape(change: AddDataToxic) -> PartitionShape:
    try:
        toxic = make_data_toxic(change.type, change.parameters)
    except ValueError as error:
        raise ArmFailed(str(error)) from error

    def shape(name: str, data: bytes, written: float, now: float) -> Sequence[tuple[str, bytes]] | None:
        parcel = Parcel(name, data, written)
        if toxic.passes_at(parcel) > now:
            return None
        return [(passed.name, passed.data) for passed in toxic.shape(parcel)]

    return shape


def _nothing() -> None:
    pass


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()

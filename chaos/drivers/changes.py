"""How every driver undoes a change: what to put back, and when to leave it alone. It only reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from chaos.domain.change import (
    AddDataToxic,
    AddToxic,
    Change,
    Configure,
    Feed,
    Kill,
    Pause,
    Promote,
    Push,
    RemoveDataToxic,
    RemoveToxic,
    Resume,
    Scalar,
    SetAlias,
    SetLayer,
    SetLinkUp,
    Start,
    Starve,
    Stop,
    TakeBack,
    as_text,
)
from chaos.domain.target import TargetSpec
from chaos.errors import ArmFailed


class Present(Protocol):
    """What is there now, as a driver reads it of its target. Each may raise ArmFailed."""

    @property
    def spec(self) -> TargetSpec:
        """The target's description."""
        ...

    def setting(self, component: str, key: str) -> Scalar:
        """A component's setting in force."""
        ...

    def alias(self, name: str) -> int | None:
        """The version that a registry alias names."""
        ...

    def link_up(self, link: str) -> bool:
        """Whether a network link is open."""
        ...

    def has_toxic(self, link: str, name: str) -> bool:
        """Whether a network link has a toxic of that name."""
        ...

    def has_data_toxic(self, link: str, name: str) -> bool:
        """Whether a data link has a toxic of that name."""
        ...

    def running(self, component: str) -> bool:
        """Whether a component has a process, paused or not."""
        ...

    def stands_still(self, component: str) -> bool:
        """Whether a component's process is stopped and waits to be let go on; False where nobody can say."""
        ...


def undo_of(change: Change, present: Present) -> Change | None:
    """The undo of a change that is about to be made, None where there is none. Raises ArmFailed."""
    match change:
        case AddToxic(link=link, name=name):
            return RemoveToxic(link, name)
        case AddDataToxic(link=link, name=name):
            return RemoveDataToxic(link, name)
        case SetLinkUp(link=link, up=up):
            return SetLinkUp(link, present.link_up(link), expect=up)
        case Configure(component=component, key=key, value=value):
            return Configure(component, key, _to_put_back(present, component, key), expect=as_text(value))
        case SetLayer(layer=layer, key=key, value=value):
            first = present.spec.layers[layer].asked_by[0]
            put_back = _to_put_back(present, first, f"layers.{layer}.{key}")
            return SetLayer(layer, key, put_back, expect=as_text(value))
        case Kill(component=component) | Stop(component=component):
            return Start(component)
        case Pause(component=component):
            return Resume(component)
        case Starve(component=component):
            return Feed(component)
        case SetAlias(alias=alias, version=version):
            return SetAlias(alias, present.alias(alias), expect=version)
        case Promote(alias=alias, version=version):
            return SetAlias(alias, present.alias(alias), expect=version)
        case Push(key=key, value=value, components=components):
            values = {component: _to_put_back(present, component, key) for component in components}
            return TakeBack(key, values, expect=as_text(value))
        case _:
            return None


def _to_put_back(present: Present, component: str, key: str) -> Scalar:
    """The setting in force, where an undo that was written down can put it back: a mapping could not be read
    again. Raises ArmFailed.
    """
    value = present.setting(component, key)
    try:
        same: object = msgspec.json.decode(msgspec.json.encode(value), type=Scalar)
    except (msgspec.MsgspecError, TypeError, ValueError):
        same = None
    if same is None and value is not None:
        raise ArmFailed(f"{key} of {component} is {value!r}, which no undo could put back")
    return value


def changed_meanwhile(undo: Change, present: Present) -> bool:
    """Whether what an undo would put back is no longer the fault's, so that it is left. Raises ArmFailed."""
    match undo:
        case RemoveToxic(link=link, name=name):
            return not present.has_toxic(link, name)
        case RemoveDataToxic(link=link, name=name):
            return not present.has_data_toxic(link, name)
        case SetLinkUp(link=link, expect=expect):
            return present.link_up(link) != expect
        case Configure(component=component):
            return not _holding(present, [component], undo.key, undo.expect)
        case SetLayer():
            return not to_set(undo, present)
        case SetAlias(alias=alias, expect=expect):
            return present.alias(alias) != expect
        case TakeBack():
            return not to_take_back(undo, present)
        case Start(component=component):
            return present.running(component)
        case Resume(component=component):
            return not present.running(component)  # what stood still has ended
        case _:
            return False


def left_over(undo: Change, present: Present) -> str:
    """What of the fault's is there still after its undo, in words; empty where nothing is, or none can say.

    Where a fault set what it found, its undo changes nothing. Raises ArmFailed.
    """
    match undo:
        case RemoveToxic(link=link, name=name) if present.has_toxic(link, name):
            return f"link {link!r} still has the toxic {name!r}"
        case RemoveDataToxic(link=link, name=name) if present.has_data_toxic(link, name):
            return f"link {link!r} still has the data toxic {name!r}"
        case SetLinkUp(link=link, up=up, expect=expect) if up != expect and present.link_up(link) == expect:
            return f"link {link!r} is still {'up' if expect else 'down'}"
        case Configure(component=component):
            return _left_of(present, [component], undo.key, undo.value, undo.expect)
        case SetLayer(layer=layer):
            asked_by, key = present.spec.layers[layer].asked_by, f"layers.{layer}.{undo.key}"
            return _left_of(present, asked_by, key, undo.value, undo.expect)
        case Resume(component=component) | Feed(component=component) if present.stands_still(component):
            return f"{component} still stands still"
        case SetAlias(alias=alias, expect=expect) if undo.version != expect == present.alias(alias):
            return f"alias {alias!r} still names version {expect}"
        case TakeBack(key=key, values=values, expect=expect):
            each = (_left_of(present, [one], key, value, expect) for one, value in values.items())
            return next((says for says in each if says), "")
        case _:
            return ""


def _left_of(present: Present, components: Sequence[str], key: str, value: Scalar, expect: str | None) -> str:
    if as_text(value) == expect:
        return ""
    left = _holding(present, components, key, expect)
    return f"{key} of {', '.join(left)} is still {expect}" if left else ""


def settings_of(change: Configure | SetLayer | TakeBack, present: Present) -> list[tuple[str, str, Scalar]]:
    """What a change sets: component, key and value, in turn. Raises ArmFailed."""
    match change:
        case Configure(component=component, key=key, value=value):
            return [(component, key, value)]
        case SetLayer(layer=layer, key=key, value=value):
            return [(one, f"layers.{layer}.{key}", value) for one in to_set(change, present)]
        case TakeBack(key=key, values=values):
            return [(one, key, values[one]) for one in to_take_back(change, present)]


def to_take_back(undo: TakeBack, present: Present) -> list[str]:
    """The components that still have the pushed value. Raises ArmFailed."""
    return _holding(present, list(undo.values), undo.key, undo.expect)


def to_set(change: SetLayer, present: Present) -> list[str]:
    """The components whose layer a change sets: all that ask it; an undo's, those that have the fault's value
    still. Raises ArmFailed.
    """
    asked_by = present.spec.layers[change.layer].asked_by
    if change.expect is None:
        return list(asked_by)
    return _holding(present, asked_by, f"layers.{change.layer}.{change.key}", change.expect)


def _holding(present: Present, components: Sequence[str], key: str, expect: str | None) -> list[str]:
    """Those of some components that have a value in force; one that does not run has lost what it had."""
    running = [one for one in components if present.running(one)]
    return [one for one in running if as_text(present.setting(one, key)) == expect]

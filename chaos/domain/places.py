"""What of a target a change sets: two faults that set the same at one time would fight over its undo."""

from __future__ import annotations

from collections.abc import Iterable

from chaos.domain.change import (
    AddDataToxic,
    AddToxic,
    Change,
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
    SetAlias,
    SetLayer,
    SetLinkUp,
    Start,
    Starve,
    Stop,
)


def places_of(change: Change) -> frozenset[str]:
    """The places that a change of a fault sets, in words."""
    match change:
        case AddToxic() | AddDataToxic():
            return frozenset({f"toxic {change.type} on link {change.link}"})
        case SetLinkUp(link=link):
            return frozenset({f"link {link}"})
        case Configure(component=component, key=key):
            return _setting(key, [component])
        case Push(key=key, components=components):
            return _setting(key, components)
        case SetLayer(layer=layer, key=key):
            return frozenset({f"{key} of layer {layer}"})
        case SetAlias(alias=alias) | Promote(alias=alias):
            return frozenset({f"alias {alias}"})
        case Kill() | Stop() | Start() | Pause() | Starve():
            return frozenset({f"process {change.component}"})
        case LimitMemory(component=component) | RunImage(component=component):
            # A container that is put in another's place has neither its limits nor its place on the network.
            return frozenset({f"process {component}", _cpus(component), _network(component)})
        case LimitCpu(component=component):
            return frozenset({_cpus(component)})
        case Disconnect(component=component):
            return frozenset({_network(component)})
        case FillDisk(component=component):
            return frozenset({f"disk of {component}"})
        case _:
            return frozenset()


def _setting(key: str, components: Iterable[str]) -> frozenset[str]:
    """A layer's mode or parameter may be set by its key as well."""
    if key.startswith("layers."):
        layer, _, of_layer = key.removeprefix("layers.").partition(".")
        return frozenset({f"{of_layer} of layer {layer}"})
    return frozenset(f"setting {key} of {component}" for component in components)


def _cpus(component: str) -> str:
    return f"processor time of {component}"


def _network(component: str) -> str:
    return f"network of {component}"

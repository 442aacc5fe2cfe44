"""What of a target a change has hold of: two that set the same at one time would fight over its undo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

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
from chaos.domain.target import LayerSpec

_REPLACING = LimitMemory | RunImage
"""Both put another process in a component's place, and its own back."""
_BARRING = Kill | Stop | Pause | Starve | Disconnect


@dataclass(frozen=True)
class Grip:
    """What changes have hold of, from when they are made until they are undone.

    `places` is what they set, in words. The others are components: in the memory of those in `remembers`, and
    nowhere else, lies what was set; those in `ends` and `ends_after` lose their memory when the changes are
    made, and undone; those in `bars` take no setting meanwhile.
    """

    places: frozenset[str]
    remembers: frozenset[str] = frozenset()
    ends: frozenset[str] = frozenset()
    ends_after: frozenset[str] = frozenset()
    bars: frozenset[str] = frozenset()


def grip_of(changes: Iterable[Change], layers: Mapping[str, LayerSpec]) -> Grip:
    """What the changes of a fault have hold of; `layers` are the target's."""
    made = list(changes)
    started = {change.component for change in made if isinstance(change, Start)}
    remembers = chain.from_iterable(_remembering(change, layers) for change in made)
    return Grip(
        frozenset(chain.from_iterable(map(places_of, made))),
        frozenset(remembers),
        frozenset(change.component for change in made if isinstance(change, Kill | Stop | _REPLACING)),
        frozenset(change.component for change in made if isinstance(change, _REPLACING)),
        frozenset(change.component for change in made if isinstance(change, _BARRING)) - started,
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


def _remembering(change: Change, layers: Mapping[str, LayerSpec]) -> Iterable[str]:
    match change:
        case Configure(component=component):
            return (component,)
        case Push(components=components):
            return components
        case SetLayer(layer=layer):
            return layers[layer].asked_by if layer in layers else ()
        case _:
            return ()


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

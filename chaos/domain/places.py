"""What of a target a change sets: two faults that set the same at one time would fight over its undo."""

from __future__ import annotations

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
            return frozenset({f"setting {key} of {component}"})
        case Push(key=key, components=components):
            return frozenset(f"setting {key} of {component}" for component in components)
        case SetLayer(layer=layer, key=key):
            return frozenset({f"{key} of layer {layer}"})
        case SetAlias(alias=alias) | Promote(alias=alias):
            return frozenset({f"alias {alias}"})
        case Kill() | Stop() | Start() | Pause() | Starve() | LimitMemory() | RunImage():
            return frozenset({f"process {change.component}"})
        case LimitCpu(component=component):
            return frozenset({f"processor time of {component}"})
        case Disconnect(component=component):
            return frozenset({f"network of {component}"})
        case FillDisk(component=component):
            return frozenset({f"disk of {component}"})
        case _:
            return frozenset()

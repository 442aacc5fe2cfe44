"""Changes: plain records of what to do to a target, and of how to undo it.

An undo is a Change too, so that a guardian can play it without the fault's code. Those that set a value carry
`expect`: what the fault put there. An undo whose target holds something else leaves it alone and says so.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

Scalar = str | int | float | bool | list[str] | None


class _Change(msgspec.Struct, frozen=True, tag_field="do", forbid_unknown_fields=True):
    pass


class AddToxic(_Change, frozen=True, tag="add_toxic"):
    """Put a toxic on a network link; `name` is unique on it. Attributes are Toxiproxy's."""

    link: str
    name: str
    type: str
    stream: str
    toxicity: float
    attributes: Mapping[str, int]


class RemoveToxic(_Change, frozen=True, tag="remove_toxic"):
    """Take a toxic off a network link."""

    link: str
    name: str


class SetLinkUp(_Change, frozen=True, tag="set_link_up"):
    """Open or cut a network link. `expect` is None in a fault, the value to compare with in an undo."""

    link: str
    up: bool
    expect: bool | None = None


class AddDataToxic(_Change, frozen=True, tag="add_data_toxic"):
    """Put a data toxic on a data link; parameters are those of `chaos.domain.data_toxics`."""

    link: str
    name: str
    type: str
    parameters: Mapping[str, Scalar]


class RemoveDataToxic(_Change, frozen=True, tag="remove_data_toxic"):
    """Take a data toxic off; what it held back is handed on, in order."""

    link: str
    name: str


class Configure(_Change, frozen=True, tag="configure"):
    """Set a component's setting at run time. `expect` as in SetLinkUp (JSON text, None: not compared)."""

    component: str
    key: str
    value: Scalar
    expect: str | None = None


class SetLayer(_Change, frozen=True, tag="set_layer"):
    """Set a layer's mode or one of its parameters on every component that asks it."""

    layer: str
    key: str
    value: Scalar
    expect: str | None = None


class Kill(_Change, frozen=True, tag="kill"):
    """End a component's process at once (SIGKILL); it loses its memory and keeps its folders."""

    component: str


class Start(_Change, frozen=True, tag="start"):
    """Start a component that is not running."""

    component: str


class Stop(_Change, frozen=True, tag="stop"):
    """End a component in good order (SIGTERM) and keep it down."""

    component: str


class Pause(_Change, frozen=True, tag="pause"):
    """Stop a component where it stands (SIGSTOP)."""

    component: str


class Resume(_Change, frozen=True, tag="resume"):
    """Let a paused component go on (SIGCONT)."""

    component: str


class Starve(_Change, frozen=True, tag="starve"):
    """Stop a component for `stopped_ms` and let it run for `running_ms`, operational, again and again."""

    component: str
    stopped_ms: float
    running_ms: float


class Feed(_Change, frozen=True, tag="feed"):
    """Let a starved component run for good."""

    component: str


class SetAlias(_Change, frozen=True, tag="set_alias"):
    """Flip a registry alias directly; `version` None removes it. `expect` as in SetLinkUp."""

    alias: str
    version: int | None
    expect: int | None = None


class Promote(_Change, frozen=True, tag="promote"):
    """Ask the component `door` to point the registry alias at a version, as whoever `by` names."""

    door: str
    alias: str
    version: int
    by: str


class Push(_Change, frozen=True, tag="push"):
    """Ask the component `door` to set a value on components; `approved_by` has read it, or nobody."""

    door: str
    key: str
    value: Scalar
    components: list[str]
    by: str
    approved_by: str = ""


class TakeBack(_Change, frozen=True, tag="take_back"):
    """The undo of a push: each component gets its own value back where it still has the pushed one."""

    key: str
    values: Mapping[str, Scalar]
    expect: str


class LimitCpu(_Change, frozen=True, tag="limit_cpu"):
    """Let a component's container have so many processors' time; None takes the limit away."""

    component: str
    cpus: float | None
    expect: float | None = None


class LimitMemory(_Change, frozen=True, tag="limit_memory"):
    """Restart a component's container with so much memory, in MiB; None takes the limit away."""

    component: str
    mib: int | None
    expect: int | None = None


class RunImage(_Change, frozen=True, tag="run_image"):
    """Put a container from another image in the place of a component's, all else being as it was."""

    component: str
    image: str
    expect: str | None = None


class Disconnect(_Change, frozen=True, tag="disconnect"):
    """Take a component's container off its network: it reaches nobody, and nobody reaches it."""

    component: str


class Connect(_Change, frozen=True, tag="connect"):
    """Put a component's container back on its network."""

    component: str


class FillDisk(_Change, frozen=True, tag="fill_disk"):
    """Fill the disk that a component writes to, to the last byte."""

    component: str


class FreeDisk(_Change, frozen=True, tag="free_disk"):
    """Remove what filled a component's disk."""

    component: str


Change = (
    AddToxic
    | RemoveToxic
    | SetLinkUp
    | AddDataToxic
    | RemoveDataToxic
    | Configure
    | SetLayer
    | Kill
    | Stop
    | Start
    | Pause
    | Resume
    | Starve
    | Feed
    | SetAlias
    | Promote
    | Push
    | TakeBack
    | LimitCpu
    | LimitMemory
    | RunImage
    | Disconnect
    | Connect
    | FillDisk
    | FreeDisk
)


def as_text(value: object) -> str:
    """A setting as JSON text, which is how an undo compares it: 60 and what a component makes of it, 60.0,
    are one number.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return msgspec.json.encode(value).decode()


def describe(change: Change) -> str:
    """One line for people: `add_toxic serving-features latency latency=225 jitter=0`."""
    fields = msgspec.to_builtins(change)
    words = [str(fields.pop("do"))]
    fields.pop("expect", None)
    for key, value in fields.items():
        if isinstance(value, dict):
            words += [f"{inner}={item}" for inner, item in value.items()]
        elif key in {"link", "component", "layer", "alias", "type"}:
            words.append(str(value))
        elif key != "name":
            words.append(f"{key}={value}")
    return " ".join(words)

"""What an in-process target offers: the reference stack in virtual time, or a team's own stack or simulator.

A target file names a factory as `module:attribute`; what that returns satisfies `InProcessTarget` by shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, Self, runtime_checkable


class LinkPlan(Protocol):
    """What will happen to one request on a network link: times in milliseconds, chances uniform in [0, 1)."""

    @property
    def up_ms(self) -> float:
        """The request's way."""
        ...

    @property
    def down_ms(self) -> float:
        """The reply's way."""
        ...

    @property
    def up_chance(self) -> float:
        """A number to decide by, for the request."""
        ...

    @property
    def down_chance(self) -> float:
        """A number to decide by, for the reply."""
        ...

    def replace(self, **changes: object) -> Self:
        """The plan with fields changed: the times, `refused`, `lost_…` and `reset_…` up or down."""
        ...


Shape = Callable[[LinkPlan], LinkPlan]
PartitionShape = Callable[[str, bytes, float, float], Sequence[tuple[str, bytes]] | None]
"""(name, bytes, day written, day now) → what is handed on in its place, or None to hold it for now."""


class ShapedLink(Protocol):
    """A network link that can be shaped, cut and measured."""

    @property
    def is_down(self) -> bool:
        """Whether it is cut."""
        ...

    def shape(self, fn: Shape) -> Callable[[], None]:
        """Add a shape; what is returned takes it away."""
        ...

    def down(self) -> None:
        """Cut it."""
        ...

    def up(self) -> None:
        """Mend it."""
        ...

    def ping(self, on_reply: Callable[[float], object]) -> None:
        """Send a health request; `on_reply` is given the milliseconds, or is never called."""
        ...


class ShapedFolder(Protocol):
    """A data link that can be shaped."""

    def shape(self, fn: PartitionShape) -> Callable[[], None]:
        """Add a shape; what is returned takes it away and hands on what only it held."""
        ...

    def deliver_again(self, name: str) -> None:
        """Hand on once more, through the shapes there are now, a file that was handed on before."""
        ...

    def delivered(self) -> Mapping[str, int]:
        """Names at the sink, with sizes in bytes."""
        ...


class RegistryHandle(Protocol):
    """The model registry, past its door."""

    def resolve(self, alias: str) -> int | None:
        """The version that an alias names."""
        ...

    def set_alias(self, alias: str, version: int) -> None:
        """Flip an alias."""
        ...

    def drop_alias(self, alias: str) -> None:
        """Remove an alias."""
        ...


class InProcessTarget(Protocol):
    """A whole system in this process. Nothing moves but in `advance`."""

    @property
    def registry(self) -> RegistryHandle:
        """The model registry."""
        ...

    def day(self) -> float:
        """The calendar, in days since the scenario's start."""
        ...

    def advance(self, until_day: float, wake: Callable[[], bool]) -> None:
        """Let time pass until a day or until `wake` says so."""
        ...

    def link(self, name: str) -> ShapedLink:
        """A network link."""
        ...

    def folder(self, name: str) -> ShapedFolder:
        """A data link."""
        ...

    def running(self, component: str) -> bool:
        """Whether a component has a process, paused or not."""
        ...

    def kill(self, component: str) -> None:
        """End a component at once: it loses its memory and keeps its folders."""
        ...

    def start(self, component: str) -> None:
        """Start a component that is not running."""
        ...

    def pause(self, component: str) -> None:
        """Stop a component where it stands."""
        ...

    def resume(self, component: str) -> None:
        """Let a paused component go on."""
        ...

    def setting(self, component: str, key: str) -> object:
        """One setting in force."""
        ...

    def configure(self, component: str, key: str, value: object) -> object:
        """Set one setting. Raises ValueError where the component refuses it."""
        ...

    def metrics(self, component: str) -> str:
        """The text that /metrics would give."""
        ...

    def on_log(self, listener: Callable[[str, str], object]) -> None:
        """Tell of each log line: component, JSON."""
        ...

    def close(self) -> None:
        """End everything."""
        ...


@runtime_checkable
class Asked(Protocol):
    """Optional: a target whose components can be asked past every link, as its own doors are."""

    def request(
        self, component: str, operation: str, body: bytes, on_reply: Callable[[int, bytes], object]
    ) -> None:
        """Ask a component; `on_reply` is given an HTTP status and a JSON body."""
        ...


@runtime_checkable
class Stopped(Protocol):
    """Optional: a target whose components can be ended in good order; without it `stop` is `kill`."""

    def stop(self, component: str) -> None:
        """End a component that may finish what it is asked, and does not run from now on."""
        ...


class Factory(Protocol):
    """Makes a target that begins on day 0."""

    def __call__(
        self, *, seed: int, day_seconds: float, days: float, settings: Mapping[str, object], root: Path
    ) -> InProcessTarget:
        """A target; `settings` is what the plan asks of layers, in the shape of the stack's own settings."""
        ...

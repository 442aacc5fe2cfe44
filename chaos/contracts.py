"""What faults, probes and drivers are: small required interfaces."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, TypeVar, runtime_checkable

from chaos.capabilities import Capability
from chaos.domain.change import Change, Scalar
from chaos.domain.event import Event
from chaos.domain.plan import ArmPlan
from chaos.domain.target import TargetSpec

C = TypeVar("C", bound=Capability)
E = TypeVar("E", bound=Event)


class Usable(Protocol):
    """What a fault sees of a target."""

    @property
    def spec(self) -> TargetSpec:
        """The target's description."""
        ...

    def use(self, capability: type[C]) -> C:
        """A capability's verbs. Raises MeaninglessChange where the target lacks it."""
        ...


class Readable(Protocol):
    """What a probe sees of a target: it reads, and never calls into the target's own links."""

    @property
    def spec(self) -> TargetSpec:
        """The target's description."""
        ...

    def day(self) -> float:
        """The calendar, in days since the scenario's start."""
        ...

    def metrics(self, component: str) -> Mapping[str, float] | None:
        """A component's metrics by sample name, at most a quarter of a day old, or None."""
        ...

    def link_ms(self, link: str, within_days: float = 0.5) -> float | None:
        """The round trip of a health request over a network link, in milliseconds, the newest one done.

        The same requests are made at the same moments in every arm. None where nothing came back within the
        last `within_days`.
        """
        ...

    def slowest_ms(self, link: str, over_ms: float) -> float | None:
        """The longest round trip of several health requests over a network link, in milliseconds.

        They are sent at unequal moments of the next `over_ms` (operational), at others each time; told is the
        newest such volley of which at least one came back. None without any.
        """
        ...

    def seen(self, kind: type[E]) -> Sequence[E]:
        """The events of one kind handed on so far in this arm, oldest first."""
        ...

    def delivered(self, link: str) -> Mapping[int, int] | None:
        """The partition days at a data link's sink with their sizes in bytes, or None where unknown."""
        ...


class Probe(Protocol):
    """Reads one number of a target, at regular moments of an arm; an instance lives for one arm.

    Optional extras: Refusing and Patient.
    """

    name: ClassVar[str]

    def read(self, target: Readable) -> float | None:
        """The reading now, or None where there is no data (never a number that means it)."""
        ...


@dataclass(frozen=True)
class EffectCheck:
    """A fault's proof of its own effect: it bites when a probe of the catalogue reads within the bounds.

    The probe is read in every arm, at the same moments. A fault that does not last for longer than
    `lasting_days` cannot be seen by it.
    """

    probe: str
    parameters: Mapping[str, str | float]
    at_least: float = -math.inf
    at_most: float = math.inf
    lasting_days: float = 0.0

    def seen(self, value: float) -> bool:
        """Whether a reading shows the effect."""
        return self.at_least <= value <= self.at_most


class Fault(Protocol):
    """An active failure: a frozen dataclass whose fields are its parameters.

    Optional extras: SelfTimed and Refusing.
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[type[Capability], ...]]

    def changes(self, target: Usable) -> Iterator[Change]:
        """What to do to the target, in order; undone in the opposite order."""
        ...

    def effect(self, spec: TargetSpec) -> EffectCheck | None:
        """How the effect is seen, or None for a fault that has none (noop)."""
        ...


@runtime_checkable
class SelfTimed(Protocol):
    """A fault that says itself how long it lasts."""

    @property
    def lasts_days(self) -> float:
        """Days from the injection to the undo."""
        ...


@runtime_checkable
class Patient(Protocol):
    """A probe that tells of something only once it has lasted for longer than that."""

    @property
    def lasting_days(self) -> float:
        """Days, counted from the first reading on."""
        ...


@runtime_checkable
class Refusing(Protocol):
    """A fault or probe that looks at its own parameters before it is planned."""

    def refuse(self, spec: TargetSpec) -> None:
        """Raise MeaninglessChange for parameters that cannot be meant."""
        ...


class Target(Usable, Readable, Protocol):
    """The live handle of one arm. Nothing here sleeps but `advance`."""

    def advance(self, until_day: float, wake: Callable[[], bool]) -> None:
        """Let time pass until a day, or until `wake` says so; events are handed on while it does."""
        ...

    def prepare(self, change: Change) -> Change | None:
        """Read what is there and return the undo, None where there is nothing to undo. Raises ArmFailed."""
        ...

    def apply(self, change: Change) -> None:
        """Make the change. Raises ChangeRefused (the target's own door) or ArmFailed."""
        ...

    def revert(self, undo: Change) -> str:
        """Play an undo and look: `undone`, or `left` where the value was no longer the fault's.

        Raises ArmFailed.
        """
        ...

    def drain(self) -> None:
        """Wait until everything said so far has been handed on."""
        ...

    def close(self) -> None:
        """Take the arm down; never raises for what is already gone."""
        ...


@runtime_checkable
class Shared(Protocol):
    """A target that several arms can live in until one of them changes something."""

    def beside(self) -> Target:
        """Another arm's handle on the same system, whose readings are its own; events go where they went."""
        ...


@runtime_checkable
class Worded(Protocol):
    """A target whose components write no logs of their own: what they say for people is kept for them."""

    def words(self) -> Mapping[str, Sequence[str]]:
        """Lines that are no events of the journal, by component."""
        ...


@runtime_checkable
class Running(Protocol):
    """A target that knows which of its components run."""

    def running(self, component: str) -> bool:
        """Whether the component is up, paused or not."""
        ...


@runtime_checkable
class Configured(Protocol):
    """A target that can be asked which settings its components have in force."""

    def setting(self, component: str, key: str, *, within_ms: float = 2000.0) -> Scalar:
        """A component's setting in force. Raises ArmFailed where it does not tell in time."""
        ...


@runtime_checkable
class Addressed(Protocol):
    """A target whose components can be reached from outside, as those that stand by themselves are."""

    @property
    def addresses(self) -> Mapping[str, str]:
        """`host:port` of each component that has one; `host:port@door` where a door takes CONNECT."""
        ...

    @property
    def pages(self) -> Mapping[str, str]:
        """What people look at with a browser: a name and a URL each."""
        ...

    @property
    def logs(self) -> Path | None:
        """The folder of the components' logs, where they are files."""
        ...


class Driver(Protocol):
    """Brings targets up, one arm at a time."""

    name: ClassVar[str]

    def start(
        self, plan: ArmPlan, spec: TargetSpec, folder: Path, on_event: Callable[[Event], None]
    ) -> Target:
        """Bring up an arm in `folder`; `on_event` is called from `advance` and `drain`. Raises ArmFailed."""
        ...

    def close(self) -> None:
        """Let go of what is shared between arms."""
        ...

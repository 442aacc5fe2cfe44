"""A target in memory whose days pass at once: for tests of the runner, and to start a new driver from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, TypeVar, cast

from chaos.capabilities import Capability, Described
from chaos.domain.change import AddDataToxic, AddToxic, Change, RemoveDataToxic, RemoveToxic, Scalar, SetLayer
from chaos.domain.event import Event
from chaos.domain.plan import ArmPlan
from chaos.domain.target import TargetSpec
from chaos.drivers.changes import changed_meanwhile, left_over, undo_of
from chaos.errors import ArmFailed, ChangeRefused

C = TypeVar("C", bound=Capability)
E = TypeVar("E", bound=Event)

STEP_DAYS = 1 / 24


@dataclass
class FakeTarget:
    """An arm in memory. `script` says what the target does in each step of 1/24 day."""

    plan: ArmPlan
    spec: TargetSpec
    on_event: Callable[[Event], None]
    script: Callable[[FakeTarget], Iterable[Event]]
    refuses: str = ""
    fails_to_undo: bool = False
    on: dict[str, Change] = field(default_factory=dict)
    values: dict[tuple[str, str], Scalar] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    partitions: dict[int, int] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    closed: bool = False
    now: float = 0.0
    said: dict[object, list[Event]] = field(default_factory=dict)

    def beside(self) -> FakeTarget:
        """Nothing here is an arm's own."""
        return self

    def use(self, capability: type[C]) -> C:
        """A capability's verbs."""
        return Described(self.spec).use(capability)

    def day(self) -> float:
        """The day that `advance` has come to."""
        return self.now

    def metrics(self, component: str) -> Mapping[str, float] | None:
        """How many steps the component has lived."""
        return {"steps": round(self.now / STEP_DAYS)} if component in self.spec.components else None

    def link_ms(self, link: str, within_days: float = 0.5) -> float | None:  # noqa: ARG002
        """A millisecond, and the toxic's latency."""
        toxics = [change for change in self.on.values() if isinstance(change, AddToxic)]
        return 1.0 + sum(toxic.attributes.get("latency", 0) for toxic in toxics if toxic.link == link)

    def slowest_ms(self, link: str, over_ms: float) -> float | None:  # noqa: ARG002
        """All take as long."""
        return self.link_ms(link)

    def seen(self, kind: type[E]) -> Sequence[E]:
        """Events of one kind so far."""
        return cast("list[E]", self.said.get(kind, []))

    def delivered(self, link: str) -> Mapping[int, int] | None:  # noqa: ARG002
        """The partitions that the script has put there."""
        return self.partitions

    def advance(self, until_day: float, wake: Callable[[], bool]) -> None:
        """Step on, handing on what the script says."""
        while self.now < until_day - 1e-9 and not wake():
            self.now = min(until_day, self.now + STEP_DAYS)
            for event in self.script(self):
                self.said.setdefault(type(event), []).append(event)
                self.on_event(event)

    def prepare(self, change: Change) -> Change | None:
        """The undo of a change."""
        return undo_of(change, self)

    def apply(self, change: Change) -> None:
        """Make it, or refuse it."""
        if self.refuses:
            raise ChangeRefused("review", self.refuses)
        match change:
            case AddToxic(name=name) | AddDataToxic(name=name):
                self.on[name] = change
            case RemoveToxic(name=name) | RemoveDataToxic(name=name):
                self.on.pop(name, None)
            case SetLayer(layer=layer, key=key, value=value):
                self.values[layer, key] = value
            case _:
                raise ArmFailed(f"the fake target cannot {change}")
        self.done.append(type(change).__name__)

    def revert(self, undo: Change) -> str:
        """Play an undo, and look; a value that is no longer the fault's is left alone.

        Raises ArmFailed where what the fault did is there still.
        """
        if self.fails_to_undo:
            raise ArmFailed("the fake target cannot undo")
        if changed_meanwhile(undo, self):
            return "left"
        self.apply(undo)
        if says := left_over(undo, self):
            raise ArmFailed(says)
        return "undone"

    def setting(self, component: str, key: str, *, within_ms: float = 0.0) -> Scalar:  # noqa: ARG002
        """What was set last; a layer's mode begins at `enforce`."""
        _, layer, name = key.split(".")
        return self.values.get((layer, name), "enforce" if name == "mode" else None)

    def alias(self, name: str) -> int | None:  # noqa: ARG002
        """There is no registry."""
        return None

    def link_up(self, link: str) -> bool:  # noqa: ARG002
        """Links cannot be cut."""
        return True

    def has_toxic(self, link: str, name: str) -> bool:
        """Whether a toxic of that name is on."""
        return name in self.on and getattr(self.on[name], "link", None) == link

    has_data_toxic = has_toxic

    def running(self, component: str) -> bool:
        """Every component of the target, but those that are down."""
        return component in self.spec.components and component not in self.down

    def stands_still(self, component: str) -> bool:  # noqa: ARG002
        """None is ever paused."""
        return False

    def drain(self) -> None:
        """Nothing is under way."""

    def close(self) -> None:
        """Take it down."""
        self.closed = True


def silent(_target: FakeTarget) -> Iterable[Event]:
    """A script in which nothing happens."""
    return ()


@dataclass
class FakeDriver:
    """Brings fake targets up and keeps them to be looked at."""

    name: ClassVar[str] = "fake"
    script: Callable[[FakeTarget], Iterable[Event]] = silent
    refuses: str = ""
    fails_to_undo: bool = False
    fails_to_start: str = ""
    targets: list[FakeTarget] = field(default_factory=list)
    closed: bool = False

    def start(
        self,
        plan: ArmPlan,
        spec: TargetSpec,
        folder: Path,  # noqa: ARG002
        on_event: Callable[[Event], None],
    ) -> FakeTarget:
        """Bring up an arm, or fail as told."""
        if self.fails_to_start:
            raise ArmFailed(self.fails_to_start)
        target = FakeTarget(plan, spec, on_event, self.script, self.refuses, self.fails_to_undo)
        self.targets.append(target)
        return target

    def close(self) -> None:
        """Let go."""
        self.closed = True

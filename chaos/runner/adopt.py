"""A stack that stands already, taken as the target of a run; it stays up afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

from chaos.capabilities import Capability
from chaos.contracts import Configured, Running, Target
from chaos.domain.change import Change, Scalar
from chaos.domain.event import Alert, Event
from chaos.domain.plan import ArmPlan, PlannedHole, PlannedLayer, TrialPlan
from chaos.domain.target import TargetSpec
from chaos.errors import ArmFailed

C = TypeVar("C", bound=Capability)
E = TypeVar("E", bound=Event)


@dataclass(frozen=True)
class Adopted:
    """Another's target: `tick` is called while time passes; neither drained nor closed."""

    inner: Target
    tick: Callable[[], object]
    let_go: Callable[[], None]

    @property
    def spec(self) -> TargetSpec:
        """The target's description."""
        return self.inner.spec

    def use(self, capability: type[C]) -> C:
        """A capability's verbs."""
        return self.inner.use(capability)

    def day(self) -> float:
        """The stack's own calendar."""
        return self.inner.day()

    def metrics(self, component: str) -> Mapping[str, float] | None:
        """A component's metrics."""
        return self.inner.metrics(component)

    def link_ms(self, link: str, within_days: float = 0.5) -> float | None:
        """A link's round trip."""
        return self.inner.link_ms(link, within_days)

    def slowest_ms(self, link: str, over_ms: float) -> float | None:
        """A link's longest round trip of several."""
        return self.inner.slowest_ms(link, over_ms)

    def seen(self, kind: type[E]) -> Sequence[E]:
        """The events of one kind since the stack came up."""
        return self.inner.seen(kind)

    def delivered(self, link: str) -> Mapping[int, int] | None:
        """What lies at a data link's sink."""
        return self.inner.delivered(link)

    def advance(self, until_day: float, wake: Callable[[], bool]) -> None:
        """Let time pass, and whoever keeps the stack do its own work meanwhile."""

        def wake_or_tick() -> bool:
            self.tick()
            return wake()

        self.inner.advance(until_day, wake_or_tick)

    def prepare(self, change: Change) -> Change | None:
        """The undo of a change."""
        return self.inner.prepare(change)

    def apply(self, change: Change) -> None:
        """Make a change."""
        self.inner.apply(change)

    def revert(self, undo: Change) -> str:
        """Play an undo."""
        return self.inner.revert(undo)

    def running(self, component: str) -> bool:
        """Whether the component is up; of a target that does not know it is taken to be."""
        return not isinstance(self.inner, Running) or self.inner.running(component)

    def setting(self, component: str, key: str, *, within_ms: float = 2000.0) -> Scalar:
        """A component's setting in force. Raises ArmFailed, also of a target that cannot be asked."""
        if not isinstance(self.inner, Configured):
            raise ArmFailed("the target cannot be asked for settings")
        return self.inner.setting(component, key, within_ms=within_ms)

    def drain(self) -> None:
        """Everything said so far is handed on; the components go on."""
        self.inner.advance(self.inner.day(), lambda: True)

    def close(self) -> None:
        """The run is over; the stack stands."""
        self.let_go()


@dataclass(frozen=True)
class AdoptingDriver:
    """Gives out the stack that stands. `listen` is told who else is to hear its events, None for nobody."""

    name: ClassVar[str] = "standing"
    target: Target
    tick: Callable[[], object]
    listen: Callable[[Callable[[Event], None] | None], None]

    def start(
        self,
        plan: ArmPlan,  # noqa: ARG002
        spec: TargetSpec,
        folder: Path,  # noqa: ARG002
        on_event: Callable[[Event], None],
    ) -> Adopted:
        """Take it over. The watchdog may have been told of as the stack came up, and never again."""
        self.listen(on_event)
        watchdog = spec.alerting.watchdog
        heard = {alert.id: alert for alert in self.target.seen(Alert) if alert.is_watchdog(watchdog)}
        for alert in heard.values():
            on_event(alert)
        return Adopted(self.target, self.tick, lambda: self.listen(None))

    def close(self) -> None:
        """Nothing is shared."""


def onto(trial: TrialPlan, into: str, start_day: float, standing: Mapping[str, PlannedLayer]) -> TrialPlan:
    """A trial's plan for a stack that stands: its days count from `start_day`, midnight of a day to come.

    What the plan wants of layers and the stack (whose layers `standing` gives) was not started with becomes
    a hole for the time of the run.
    """
    (arm,) = trial.arms
    holes = [
        hole.model_copy(
            update={
                "from_day": hole.from_day + start_day,
                "until_day": None if hole.until_day is None else hole.until_day + start_day,
            }
        )
        for hole in arm.holes
    ]
    holes += [
        hole for name in arm.layers for hole in _differing(name, arm.layers[name], standing[name], start_day)
    ]
    faults = [
        fault.model_copy(
            update={"inject_day": fault.inject_day + start_day, "undo_day": fault.undo_day + start_day}
        )
        for fault in arm.faults
    ]
    moved = arm.model_copy(
        update={"start_day": start_day, "days": arm.days + start_day, "holes": holes, "faults": faults}
    )
    return trial.model_copy(update={"into": into, "arms": [moved]})


def _differing(name: str, wanted: PlannedLayer, there: PlannedLayer, start_day: float) -> list[PlannedHole]:
    values = {key: value for key, value in wanted.parameters.items() if there.parameters.get(key) != value}
    if wanted.mode is not there.mode:
        values["mode"] = wanted.mode.value
    return [
        PlannedHole(layer=name, key=key, value=value, from_day=start_day, until_day=None)
        for key, value in values.items()
    ]

"""A component's clock is moved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Config, MeaninglessChange, component_of
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.durations import Days
from chaos.domain.target import TargetSpec

SETTING = "clock_ahead_days"
READING_AGE_DAYS = 0.3


@dataclass(frozen=True)
class ClockShift:
    """Set a component's calendar ahead by so many days, so that all it stamps is from the future.

    Its timers that are set already stay, as they count on the monotonic clock.
    """

    name: ClassVar[str] = "clock_shift"
    needs: ClassVar[tuple[type[Capability], ...]] = (Config,)
    component: str
    ahead_days: Days

    def refuse(self, spec: TargetSpec) -> None:
        """A shift that a reading cannot show cannot be proved."""
        component_of(spec, self.component)
        if self.ahead_days < 2 * READING_AGE_DAYS:
            raise MeaninglessChange("ahead_days", f"must be at least {2 * READING_AGE_DAYS:g}d, to be seen")

    def changes(self, target: Usable) -> Iterator[Change]:
        """The clock is ahead."""
        yield target.use(Config).push(self.component, SETTING, self.ahead_days)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """The component's own calendar is ahead by most of it."""
        return EffectCheck(
            "clock_ahead", {"component": self.component}, at_least=self.ahead_days - READING_AGE_DAYS
        )

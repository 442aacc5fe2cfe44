"""What will be done in each arm, computed before anything is started."""

from __future__ import annotations

import hashlib
from typing import Any

from pydantic import Field

from chaos.domain.layer import Mode, Stage
from chaos.domain.scenario import AbortIf, Arm, Expect, Kind, OnAction, Scenario, SteadyState, Strict
from chaos.domain.target import DataLink, ParameterValue

SAME_DAYS_DIGITS = 9
SAME_DAYS = 10.0**-SAME_DAYS_DIGITS
EFFECT_EVERY_DAYS = 0.1
"""How often a fault's own effect is looked for, the first time so long after its injection."""


def same_day(day: float) -> float:
    """A day as it is planned.

    A day and a length have no exact sum: 1.1 and 2.2 come to a little more than 3.3, and what ends then is to
    be over when another begins at 3.3.
    """
    return round(day, SAME_DAYS_DIGITS)


class PlannedFault(Strict):
    """A fault with its span settled: injected at `inject_day`, undone at `undo_day`."""

    key: str
    fault: str
    parameters: dict[str, Any]
    inject_day: float
    undo_day: float
    when: OnAction | None = None


class PlannedHole(Strict):
    """A layer's setting changed for a span; open ends mean the whole run and are part of `layers`."""

    layer: str
    key: str
    value: ParameterValue
    from_day: float
    until_day: float | None

    @property
    def stem(self) -> str:
        """What the key of each of its changes begins with in the journal; a number follows."""
        return f"hole_{self.layer}_{self.key}_"


class PlannedLayer(Strict):
    """A layer as the arm starts it."""

    mode: Mode
    stages: list[Stage]
    parameters: dict[str, ParameterValue] = {}


def fingerprint_of(plan: bytes) -> str:
    """The fingerprint of a plan as it was written, be it by another version that knew fewer fields."""
    return hashlib.blake2b(plan, digest_size=12).hexdigest()


QUIET_SPLIT_DAYS = 2.0
"""Of a run without a fault the days before this one count as before, the others as after."""


class ArmPlan(Strict):
    """Everything an arm depends on. Control and bare hold no fault, so that they can be shared."""

    scenario: str
    kind: Kind
    arm: Arm
    target: str
    world: str
    seed: int
    days: float
    day_seconds: float
    layers: dict[str, PlannedLayer]
    holes: list[PlannedHole]
    faults: list[PlannedFault]
    steady_state: list[SteadyState]
    abort_if: list[AbortIf]
    effect_watch: list[PlannedFault] = Field(
        default=[], description="faults of the scenario whose effect is probed though this arm has none"
    )
    data_links: dict[str, DataLink] = Field(default={}, description="whose partitions are whose")
    watchdog: str = Field(default="", description="the target's alert that always fires, where it has one")
    answers_told: bool = Field(default=True, description="whether the target tells who answers its alerts")
    truth: bool = Field(default=True, description="whether the target knows what its slates are truly worth")
    probe_every_days: float = 0.25
    slowed: str = Field(default="", description="why a day takes longer than the target asks for")
    start_day: float = Field(default=0.0, description="above 0 where the stack stood before: its day then")

    @property
    def quiet_day(self) -> float:
        """Without a fault, the steady state before is judged up to this day, and the one after from it on."""
        return self.start_day + min(QUIET_SPLIT_DAYS, (self.days - self.start_day) / 2)

    @property
    def late_days(self) -> float:
        """A change made so long after its time was made in time: on real processes each is a moment late."""
        return self.probe_every_days / 4

    def fingerprint(self) -> str:
        """A hash of the plan, the same in every process."""
        return fingerprint_of(self.model_dump_json(by_alias=True).encode())


class TrialPlan(Strict):
    """A scenario with one seed: its arms and what is expected of them."""

    scenario: Scenario
    target: str
    seed: int
    expect: Expect
    arms: list[ArmPlan]
    not_armed: list[str] = []
    into: str = Field(default="", description="the standing stack it is run against; its own where empty")

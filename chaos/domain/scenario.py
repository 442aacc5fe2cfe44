"""A scenario: steady state, latent conditions, faults and expectations."""

from __future__ import annotations

import enum
import math
from collections import Counter
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from chaos.domain.durations import Days
from chaos.domain.layer import Mode
from chaos.domain.source import misplaced

KEBAB = r"^[a-z0-9]+(-[a-z0-9]+)*$"
SNAKE = r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$"
MAX_SEED = 2**53
Number = Annotated[float, Field(strict=True)]
"""A number as it stands in the file: neither text nor a boolean."""
Share = Annotated[Number, Field(ge=0.0, le=1.0)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED, strict=True)]


class Strict(BaseModel):
    """Frozen, and refuses keys that it does not know."""

    # Deferred: a command that only reads files does not pay for the results' models.
    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False, defer_build=True
    )


class Kind(enum.StrEnum):
    """What a scenario is for: see docs/scenarios.md."""

    DEFENDED = "defended"
    QUIET = "quiet"
    DEMONSTRATION = "demonstration"


class Harm(enum.StrEnum):
    """What users suffered; units are in the names. All are exact on one seed but `quality_pct_days`."""

    DEFECTIVE_VIEWS = "defective_views"
    ERROR_VIEWS = "error_views"
    SLOW_VIEWS = "slow_views"
    ABANDONED_VIEWS = "abandoned_views"
    STALE_DAYS = "stale_days"
    LOST_EVENTS = "lost_events"
    UNDETECTED_DAYS = "undetected_days"
    FALSE_BLOCK_DAYS = "false_block_days"
    QUALITY_PCT_DAYS = "quality_pct_days"


QUALITY_NOISE_SD = 11.0
"""%-days: standard deviation of the seven-day sum between paired arms without a fault (world calibration)."""
QUALITY_NOISE = 2 * QUALITY_NOISE_SD
"""A difference of `quality_pct_days` below this is none to tell, on one seed."""


class Arm(enum.StrEnum):
    """One execution of a scenario, paired with the others by seed."""

    DEFENDED = "defended"
    CONTROL = "control"
    UNDEFENDED = "undefended"
    BARE = "bare"

    @property
    def has_fault(self) -> bool:
        """Whether the faults are injected."""
        return self in (Arm.DEFENDED, Arm.UNDEFENDED)

    @property
    def has_layers(self) -> bool:
        """Whether the layers are armed; the others have every layer off."""
        return self in (Arm.DEFENDED, Arm.CONTROL)


class SteadyState(Strict):
    """One thing that must hold before the fault and again after it.

    `probe` is a catalogue entry, its parameters stand beside it under `with`; the reading must lie between
    `at_least` and `at_most`.
    """

    probe: str
    with_: dict[str, Any] = Field(default={}, alias="with")
    at_least: Number | None = None
    at_most: Number | None = None

    @model_validator(mode="after")
    def _has_a_bound(self) -> SteadyState:
        if self.at_least is None and self.at_most is None:
            raise ValueError("a steady state needs at_least or at_most, else it cannot fail")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise misplaced(("at_least",), f"is above at_most ({self.at_most:g}), so that nothing can hold")
        return self


class Hole(Strict):
    """A latent condition: a layer switched off or weakened for the run, or from `from` until `until`.

    `by` and `why` are who made the hole and for which reason, as an override's ticket would say.
    """

    layer: str
    mode: Mode | None = None
    set_: dict[str, Any] = Field(default={}, alias="set")
    from_: Days | None = Field(default=None, alias="from")
    until: Days | None = None
    by: str = ""
    why: str = ""

    @model_validator(mode="after")
    def _changes_something(self) -> Hole:
        if self.mode is None and not self.set_:
            raise ValueError("a hole needs a mode or something to set")
        if self.until is not None and self.from_ is None:
            raise misplaced(("until",), "a hole that closes must open: give it a `from`")
        if self.from_ is not None and self.until is not None and self.until <= self.from_:
            raise misplaced(("until",), "a hole must close after it opens")
        return self

    @property
    def keys(self) -> list[str]:
        """What of the layer it sets: parameters, then `mode`."""
        return [*self.set_, *(["mode"] if self.mode is not None else [])]


class OnAction(Strict):
    """A moment that the target itself tells: an `action` of one of its components, as its log says it."""

    component: str
    action: str


class FaultUse(Strict):
    """A fault of the catalogue, with its parameters under `with`, from day `at`, lasting `for`.

    `for` may be left out when the fault says itself how long it lasts. With `when` it begins at the first
    such action from `at` on, and ends when it would have ended without.
    """

    fault: str
    id: str | None = Field(default=None, pattern=SNAKE)
    with_: dict[str, Any] = Field(default={}, alias="with")
    at: Days
    when: OnAction | None = None
    for_: Days | None = Field(default=None, alias="for")

    @property
    def key(self) -> str:
        """What names it in the journal: its id, or its fault's name."""
        return self.id or self.fault


class Detected(Strict):
    """One of these layers must fire within so many days of the fault's verified effect.

    `of`: of which faults, where a scenario has one that is only another's consequence; of each by default.
    """

    by: list[str] = Field(min_length=1)
    within: Days
    of: list[str] = []

    def means(self, fault: str) -> bool:
        """Whether it is expected of the fault of that name."""
        return not self.of or fault in self.of


class Alerted(Strict):
    """An alert about the fault must be sent within so many days of its verified effect, as described here.

    What is left out fits any. `component` is what the alert is about; `acknowledged_within` counts from the
    alert, and `unanswered` asks that nobody ever answers one that fits. Judged from the target's own alerts,
    not from its layers' signals.
    """

    name: str | None = None
    category: str | None = None
    severity: str | None = None
    routed_to: str | None = None
    component: str | None = None
    within: Days
    acknowledged_within: Days | None = None
    unanswered: bool = False

    @model_validator(mode="after")
    def _is_answered_or_not(self) -> Alerted:
        if self.unanswered and self.acknowledged_within is not None:
            raise ValueError("unanswered and acknowledged_within exclude each other")
        return self

    @model_validator(mode="after")
    def _asks_something(self) -> Alerted:
        if not self.wanted:
            raise ValueError("any alert would do: name one of name, category, severity, routed_to, component")
        return self

    @property
    def wanted(self) -> dict[str, str]:
        """What is asked for, by field."""
        fields = ("name", "category", "severity", "routed_to", "component")
        return {field: value for field in fields if (value := getattr(self, field)) is not None}


class Contained(Strict):
    """Containment of one kind of harm: 1 − (defended − control) ÷ (undefended − bare)."""

    of: Harm
    at_least: Number | None = Field(default=None, le=1.0)
    at_most: Number | None = None

    @model_validator(mode="after")
    def _has_a_bound(self) -> Contained:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("containment needs either at_least or at_most")
        if self.of is Harm.UNDETECTED_DAYS:
            raise ValueError("undetected_days is not a harm that can be contained; expect `detected`")
        return self

    def holds(self, ratio: float) -> bool:
        """Whether that much was contained, or that little."""
        if self.at_most is not None:
            return ratio <= self.at_most + 1e-9
        return self.at_least is not None and ratio >= self.at_least - 1e-9


class Recovered(Strict):
    """The steady state must hold again within so many days of the undo."""

    within: Days


class Bound(Strict):
    """A number's lower bound, upper bound, or both."""

    at_least: Number | None = None
    at_most: Number | None = None

    @model_validator(mode="after")
    def _bounds_something(self) -> Bound:
        if self.at_least is None and self.at_most is None:
            raise ValueError("needs at_least or at_most, else it cannot fail")
        return self

    def holds(self, value: float) -> bool:
        """Whether a value lies within."""
        low = -math.inf if self.at_least is None else self.at_least
        high = math.inf if self.at_most is None else self.at_most
        return low - 1e-9 <= value <= high + 1e-9


class Loop(Strict):
    """The latency loop of the undefended arm, relative to its twin without the fault: users who come and the
    quality of what they are shown, in the last three days of the spell and a week after it; and its gain.
    """

    users_at_end: Bound | None = None
    quality_at_end: Bound | None = None
    users_week_after: Bound | None = None
    quality_week_after: Bound | None = None
    gain: Bound | None = None

    @property
    def bounds(self) -> dict[str, Bound]:
        """What is asked for, by field."""
        fields = ("users_at_end", "quality_at_end", "users_week_after", "quality_week_after", "gain")
        return {field: bound for field in fields if (bound := getattr(self, field)) is not None}

    @model_validator(mode="after")
    def _asks_something(self) -> Loop:
        if not self.bounds:
            raise ValueError("needs a bound on one of its figures")
        return self


class Expect(Strict):
    """What the scenario claims. Each part gets a verdict of its own."""

    detected: Detected | None = None
    alerted: Alerted | None = None
    missed_by: list[str] = []
    contained: Contained | None = None
    harmful: Harm | None = Field(
        default=None,
        description="a kind of harm that the fault does where no layer is on; without it the trial is void",
    )
    budgets: dict[Harm, Annotated[Number, Field(ge=0)]] = {}
    loop: Loop | None = None
    recovered: Recovered | None = None
    false_alarms: Annotated[int, Field(ge=0, strict=True)] | None = None

    @property
    def asks(self) -> bool:
        """Whether it claims anything."""
        return any(getattr(self, part) for part in (*_OF_A_FAULT, "budgets")) or self.false_alarms is not None

    @property
    def of_truth(self) -> bool:
        """Whether a part of it rests on what slates are truly worth."""
        kinds = {self.harmful, *self.budgets, *([self.contained.of] if self.contained else [])}
        return self.loop is not None or Harm.QUALITY_PCT_DAYS in kinds


class AbortIf(Strict):
    """Stops the run, undoes everything and says so when a probe's reading leaves the bounds."""

    probe: str
    with_: dict[str, Any] = Field(default={}, alias="with")
    below: Number | None = None
    above: Number | None = None

    @model_validator(mode="after")
    def _has_a_bound(self) -> AbortIf:
        if self.below is None and self.above is None:
            raise ValueError("abort_if needs below or above")
        return self


_OF_A_FAULT = ("detected", "alerted", "missed_by", "contained", "loop", "recovered")


class Scenario(Strict):
    """One question to a platform: does this fault get through?"""

    scenario: str = Field(pattern=KEBAB, max_length=64)
    kind: Kind
    teaches: str = Field(min_length=10)
    source: str = Field(min_length=3)
    tags: list[Annotated[str, Field(pattern=KEBAB)]] = []
    days: Days = Field(gt=0, le=90)
    day_seconds: Number | None = Field(default=None, gt=0)
    world: str = "default"
    large: bool = False
    """Of the size of many others: a suite leaves it to a run of its own, unless it is named."""
    seeds: list[Seed] | None = Field(default=None, min_length=1)
    pass_share: Annotated[Share, Field(gt=0)] = 1.0
    decisive: list[Annotated[list[str], Field(min_length=1)]] = []
    """Sets of layers: with all of a set switched off, a defended scenario must fail."""
    steady_state: list[SteadyState] = Field(min_length=1)
    latent: list[Hole] = []
    faults: list[FaultUse] = []
    expect: Expect
    abort_if: list[AbortIf] = []

    @field_validator("seeds")
    @classmethod
    def _each_seed_once(cls, seeds: list[int] | None) -> list[int] | None:
        twice = [seed for seed, count in Counter(seeds or ()).items() if count > 1]
        if twice:
            raise ValueError(f"seed {twice[0]} is there twice")
        return seeds

    @model_validator(mode="after")
    def _names_its_faults(self) -> Scenario:
        keys = [fault.key for fault in self.faults]
        for index, key in enumerate(self.expect.detected.of if self.expect.detected else ()):
            if key not in keys:
                says = f"the scenario has no fault {key!r}"
                raise misplaced(("expect", "detected", "of", index), says, keys, key)
        return self

    @model_validator(mode="after")
    def _expects_what_can_be(self) -> Scenario:
        if self.expect.harmful is not None and self.kind is not Kind.DEFENDED:
            raise misplaced(("expect", "harmful"), "only a defended scenario says what it defends against")
        if self.expect.harmful is Harm.FALSE_BLOCK_DAYS:
            says = "is what layers do; name a harm that the fault does where none is on"
            raise misplaced(("expect", "harmful"), says)
        for part in _OF_A_FAULT:
            if getattr(self.expect, part) and not self.faults and self.kind is not Kind.DEFENDED:
                raise misplaced(("expect", part), "no fault is there that this could be about")
        return self

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Scenario:
        if self.kind is Kind.DEFENDED:
            if not self.faults:
                raise misplaced(("faults",), "a defended scenario needs a fault")
            expect = self.expect
            if expect.detected is None and expect.contained is None and expect.alerted is None:
                raise misplaced(
                    ("expect",), "a defended scenario expects something detected, alerted or contained"
                )
        elif self.decisive:
            raise misplaced(("decisive",), "only a defended scenario has layers that decide it")
        elif self.kind is Kind.DEMONSTRATION and not self.expect.asks:
            raise misplaced(("expect",), "a demonstration says what it shows, or it cannot fail")
        keys = [fault.key for fault in self.faults]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                raise misplaced(("faults", index), f"two faults are called {key!r}; give one an id")
        for index, fault in enumerate(self.faults):
            end = fault.at + (fault.for_ or 0.0)
            if fault.at <= 0 or end >= self.days:
                raise misplaced(
                    ("faults", index, "at"),
                    f"fault {fault.key!r} runs from day {fault.at:g} to {end:g}, not inside the run's "
                    f"{self.days:g} days with time before and after it",
                )
        for index, hole in enumerate(self.latent):
            for key, day in (("from", hole.from_), ("until", hole.until)):
                if day is not None and day > self.days:
                    raise misplaced(
                        ("latent", index, key), f"day {day:g} is not inside the run's {self.days:g} days"
                    )
        return self

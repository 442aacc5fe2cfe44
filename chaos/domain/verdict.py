"""Results: the shape of results.json, and how verdicts combine."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

from pydantic import Field

from chaos.domain.layer import Mode, Outcome, Stage
from chaos.domain.scenario import Arm, Harm, Kind, Strict

RESULTS_SCHEMA: Final = 2


class Verdict(enum.StrEnum):
    """Three-valued: what could not be measured is void."""

    PASSED = "passed"
    FAILED = "failed"
    VOID = "void"


EXIT_CODES = {Verdict.PASSED: 0, Verdict.FAILED: 1, Verdict.VOID: 2}
"""What a command that comes to a verdict exits with."""


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """Failed before void before passed; nothing at all is void."""
    seen = list(verdicts)
    for verdict in (Verdict.FAILED, Verdict.VOID, Verdict.PASSED):
        if verdict in seen:
            return verdict
    return Verdict.VOID


def share_verdict(verdicts: Iterable[Verdict], pass_share: float = 1.0, held_back: int = 0) -> Verdict:
    """A scenario's verdict over its seeds: passed when `pass_share` of the trials that are not void passed.

    Void where every trial was void, or there was none, and in the place of passed where more were void than
    not: few seeds do not speak for many. `held_back` of the void trials measured a failure that the machine
    may have brought about: no share of passes is passed that would not be with these as failures.
    """
    every = list(verdicts)
    told = [verdict for verdict in every if verdict is not Verdict.VOID]
    if not told:
        return Verdict.VOID
    passed = told.count(Verdict.PASSED)
    if passed / (len(told) + held_back) >= pass_share - 1e-9:
        return Verdict.PASSED if 2 * len(told) >= len(every) else Verdict.VOID
    return Verdict.VOID if passed / len(told) >= pass_share - 1e-9 else Verdict.FAILED


class Reason(Strict):
    """The verdict on one expectation, in a sentence."""

    about: str
    verdict: Verdict
    says: str


class Detection(Strict):
    """The first attributable signal; `delay_days` counts from the verified effect (or the injection)."""

    layer: str
    day: float
    delay_days: float
    expected: bool = True


class Containment(Strict):
    """The share of a kind of harm that was kept away, and the layers that acted."""

    of: Harm
    ratio: float
    by: list[str]


class Recovery(Strict):
    """When the steady state held again; the delay counts from the undo."""

    day: float
    delay_days: float


class FaultResult(Strict):
    """What became of one fault in the defended arm."""

    fault: str
    injected_day: float | None
    effective_day: float | None
    undone_day: float | None
    prevented: bool = False
    detection: Detection | None = None
    containment: Containment | None = None
    recovery: Recovery | None = None


class LayerResult(Strict):
    """One layer against the scenario's faults."""

    layer: str
    mode: Mode
    stages: list[Stage]
    expected: list[str] = Field(description="detect, where the scenario counts on it for that")
    outcome: Outcome | None = Field(
        description="None where it was not measured, or nothing was to be stopped"
    )
    first_fired_day: float | None
    first_acted_day: float | None
    would_have_acted_day: float | None
    false_alarms: int | None


class AlertResult(Strict):
    """An alert and who answered it."""

    name: str
    category: str
    severity: str
    routed_to: str
    arm: Arm
    sent_day: float
    acknowledged_day: float | None
    answer_told: bool = Field(default=True, description="whether it would have been told who answered")
    about: str = Field(default="", description="the component or data that it is about, where it says so")


class WorstSegment(Strict):
    """The segment of users that suffered most of a kind of harm in the defended arm."""

    segment: int
    value: float


Kinds = dict[Harm, float | None]
"""An amount for each kind of harm; None where it was not measured."""


class Harms(Strict):
    """What users suffered: by arm, null for one that was not run, and who suffered most."""

    defended: Kinds | None = None
    control: Kinds | None = None
    undefended: Kinds | None = None
    bare: Kinds | None = None
    worst_segment: dict[Harm, WorstSegment | None] = {}

    @classmethod
    def of(
        cls, by_arm: Mapping[Arm, Mapping[Harm, float | None]], worst: dict[Harm, WorstSegment | None]
    ) -> Harms:
        """From what each arm that was run shows."""
        kinds = {arm: dict(found) for arm, found in by_arm.items()}
        return cls(
            defended=kinds.get(Arm.DEFENDED),
            control=kinds.get(Arm.CONTROL),
            undefended=kinds.get(Arm.UNDEFENDED),
            bare=kinds.get(Arm.BARE),
            worst_segment=worst,
        )

    @property
    def by_arm(self) -> dict[Arm, Kinds]:
        """The arms that were run."""
        found = {
            Arm.DEFENDED: self.defended,
            Arm.CONTROL: self.control,
            Arm.UNDEFENDED: self.undefended,
            Arm.BARE: self.bare,
        }
        return {arm: kinds for arm, kinds in found.items() if kinds is not None}

    def __getitem__(self, arm: Arm) -> Kinds:
        """What an arm shows. Raises KeyError for one that was not run."""
        return self.by_arm[arm]


class ArmResult(Strict):
    """One arm: where its journal lies, and whether it can be trusted."""

    arm: Arm
    journal: str
    steady_before: bool | None
    steady_after: bool | None
    lag_days: float | None
    wait_ms: float | None = None
    interrupted: bool = False


class ServiceLevel(Strict):
    """What users got in a stretch of a run: shares of the views; None where there were none."""

    when: str = Field(description="before, during or after the faults")
    from_day: float
    to_day: float
    views: int
    good_share: float | None = Field(description="neither failed nor slow")
    error_share: float | None
    slow_share: float | None
    fallback_share: float | None


class LoopResult(Strict):
    """The latency loop of the undefended arm, relative to its twin without the fault (1: no difference)."""

    cycles: int = Field(description="days whose serving version's training window was seen in both arms")
    users_at_end: float | None
    quality_at_end: float | None
    users_week_after: float | None
    quality_week_after: float | None
    elasticity: float | None = Field(description="ε: d ln quality ÷ d ln clicks in the training window")
    return_power: float | None = Field(description="ρ: returning users follow (quality · patience)^ρ")
    return_rate: float | None = Field(description="κ: the share of the way that they go in a day")
    gain: float | None = Field(description="G = ε(1 + ρ); at 1 and above the loop runs away")


class Contamination(Strict):
    """What altered and missing data got into in one arm, by lineage, and what served of it after a purge."""

    partitions: dict[int, list[str]] = Field(
        description="partition days that came altered, each with the sources that differ (empty: not known)"
    )
    absent: list[int] = Field(description="partition days that were absent when they were due")
    snapshots: list[str] = Field(description="built with altered rows, or without a day that was due")
    versions: list[int] = Field(description="trained with altered rows, or without a day that was due")
    views: int = Field(description="recommendations that such a version gave")
    purged: list[int] = Field(description="partition days that were purged")
    purged_day: float | None = Field(description="when the last of them was")
    quarantined: dict[int, int] = Field(
        description="sources that were left out by hand, each with the partition day from which on"
    )
    quarantined_day: float | None = Field(description="when the last of them was")
    left_in_service: list[int] = Field(description="contaminated versions that answered after both")
    snapshots_left_in_service: list[str] = Field(
        description="contaminated feature snapshots that served after both"
    )

    @property
    def cleared_day(self) -> float | None:
        """When the last day was purged or the last source left out; None where nothing was."""
        return max((day for day in (self.purged_day, self.quarantined_day) if day is not None), default=None)

    @property
    def put_aside(self) -> str:
        """Which days were purged and which sources left out, in words."""
        days = ", ".join(str(day) for day in self.purged)
        sources = ", ".join(
            f"{source} from day {first}" for source, first in sorted(self.quarantined.items())
        )
        said = [f"day {days} purged"] if days else []
        return ", ".join([*said, f"source {sources} left out"] if sources else said)

    @property
    def left(self) -> str:
        """What was in service all the same, in words; empty for nothing."""
        said = [f"contaminated version {version} answered" for version in self.left_in_service]
        said += [f"contaminated snapshot {name} served" for name in self.snapshots_left_in_service]
        return ", ".join(said)


Requirement = Literal["max_late", "max_loss", "duplicates", "ordered"]


class BrokenRequirement(Strict):
    """An integrity requirement of a data link that was broken in one arm, and who objected."""

    link: str
    requirement: Requirement
    allowed: float = Field(description="days after it is due, or a share of the rows; else 0")
    worst: float = Field(
        description="days, a share of the rows lacking or too many, or how many later ones came first"
    )
    partition_days: list[int]
    objected: list[str] = Field(description="layers that objected to one of these partitions")

    @property
    def says(self) -> str:
        """In words, of the partition that was worst."""
        what = {
            "max_late": f"{self.worst:.2f} d late, {self.allowed:g} d allowed",
            "max_loss": f"{self.worst:.0%} of the rows lost, {self.allowed:.0%} allowed",
            "duplicates": f"{self.worst:.0%} more rows than written",
            "ordered": f"after {self.worst:.0f} later ones",
        }[self.requirement]
        by = f"{' and '.join(self.objected)} objected" if self.objected else "no layer objected"
        return f"{self.link}, day {self._days}: {what}; {by}"

    @property
    def _days(self) -> str:
        first, last = self.partition_days[0], self.partition_days[-1]
        if len(self.partition_days) > 2 and last - first + 1 == len(self.partition_days):
            return f"{first} to {last}"
        return ", ".join(map(str, self.partition_days))


class TrialResult(Strict):
    """One scenario with one seed."""

    scenario: str
    kind: Kind
    teaches: str
    source: str
    seed: int
    days: float
    verdict: Verdict
    reasons: list[Reason]
    faults: list[FaultResult]
    layers: list[LayerResult]
    alerts: list[AlertResult]
    harm: Harms
    arms: list[ArmResult]
    loop: LoopResult | None = Field(default=None, description="measured where the scenario asks for it")
    not_armed: list[str] = []
    pass_share: float = 1.0
    contamination: dict[Arm, Contamination | None] = {}
    integrity: dict[Arm, list[BrokenRequirement] | None] = Field(
        default={}, description="broken requirements of data links; null where not measured"
    )
    into: str = Field(default="", description="the standing stack it was run against; its own where empty")
    service_levels: list[ServiceLevel] = []
    not_measured: list[str] = Field(default=[], description="expectations that this run could not judge")
    day_seconds: float | None = Field(default=None, description="seconds in a simulated day of this trial")
    held_back: bool = Field(
        default=False, description="void, but a failure was measured that the machine may have brought about"
    )
    interrupted: bool = Field(
        default=False,
        description="an arm was not lived through to its end, or not begun: the run was stopped",
    )
    tries: int = Field(default=1, description="how often it was run; void tries before lie beside it")


def scenario_verdict(trials: Sequence[TrialResult]) -> Verdict:
    """The verdict on one scenario from its trials."""
    share = trials[0].pass_share if trials else 1.0
    return share_verdict((trial.verdict for trial in trials), share, sum(trial.held_back for trial in trials))


class Unfinished(Strict):
    """A trial of a run that has not ended: the run goes on, or was ended before it."""

    scenario: str
    seed: int


class NotRun(Strict):
    """A scenario whose `needs` the target lacks; where there are none it is large, and was not named."""

    scenario: str
    needs: list[str]

    @property
    def why(self) -> str:
        """In words."""
        if not self.needs:
            return "it is as large as many others; name it to run it"
        return f"the target lacks {', '.join(self.needs)}"


class Results(Strict):
    """results.json; `schema` counts up when its shape changes."""

    schema_: Literal[2] = Field(default=RESULTS_SCHEMA, alias="schema")
    run: str
    mlchaos: str
    target: str
    day_seconds: float
    started_at: str
    verdict: Verdict
    trials: list[TrialResult]
    not_run: list[NotRun] = []
    options: list[str] = []
    unfinished: list[Unfinished] = Field(
        default=[], description="trials without which the run has not passed"
    )
    files: dict[str, str] = Field(
        default={}, description="by scenario, the file that was given where it was no name"
    )

    def repeat(self, trial: TrialResult) -> list[str]:
        """The command that runs one of the trials again."""
        named = self.files.get(trial.scenario, trial.scenario)
        return ["mlchaos", "run", named, *self.options, "--seed", str(trial.seed)]

"""Two runs side by side: what the same trials came to in each."""

from __future__ import annotations

import enum

from pydantic import Field

from chaos.domain.ablation import Counts
from chaos.domain.layer import Mode, Outcome
from chaos.domain.scenario import Harm, Kind, Strict

COMPARISON_SCHEMA = 1


class Turn(enum.StrEnum):
    """What became of a scenario from one run to the other.

    `worse`: fewer of its trials passed; `better`: more did; `changed`: as many, and some figure differs.
    """

    WORSE = "worse"
    BETTER = "better"
    CHANGED = "changed"
    SAME = "same"


class Figures(Strict):
    """One scenario in one run, over the seeds that both have; null is what none of them measured."""

    counts: Counts
    undetected: int = Field(description="faults of which it is known that nobody saw them")
    detected_after_days: float | None = Field(description="the median over all faults that were detected")
    contained: float | None = Field(description="the mean ratio over all faults")
    recovered_after_days: float | None = Field(description="the median over all faults, from the undo")
    false_alarms: float | None = Field(description="the mean of a trial, of all layers together")
    harm: dict[Harm, float | None] = Field(description="the mean of each kind in the defended arm")


class ComparedScenario(Strict):
    """A scenario with the seeds that both runs have of it."""

    scenario: str
    kind: Kind
    seeds: list[int]
    before: Figures
    after: Figures
    turn: Turn


class LayerRecord(Strict):
    """One layer in one run, over the trials that both have."""

    modes: list[Mode] = Field(description="at the start of defended arms, the most frequent first")
    outcomes: dict[Outcome, int] = Field(description="in how many trials")
    false_alarms: int | None


class ComparedLayer(Strict):
    """A layer in both runs; null in one that does not have it."""

    layer: str
    before: LayerRecord | None
    after: LayerRecord | None


class ComparedRun(Strict):
    """What a run says of itself."""

    run: str
    mlchaos: str
    target: str
    options: list[str]
    alone: int = Field(description="its trials that the other run does not have")


class Comparison(Strict):
    """What `mlchaos compare` prints with `--json`."""

    schema_: int = Field(default=COMPARISON_SCHEMA, alias="schema")
    before: ComparedRun
    after: ComparedRun
    trials: int = Field(description="those that both runs have")
    scenarios: list[ComparedScenario]
    layers: list[ComparedLayer]

"""Short editions of scenarios for real processes: the same question, asked on the second morning.

They do not ask for a young model: on a machine with little to spare none of the run's own has been promoted by
then (measured: a training of 0.4 days, a canary of 0.4), and the model of the warm-up serves as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from chaos.app import make_files

DAY_SECONDS = 2.0
"""At a second a day a cycle takes most of the day, and a machine that stops for a moment fails a trial which says
nothing about the platform: of eight editions two or three did so in each of three runs out of four."""
REPLICA = {"workers": 1, "service_ms": 4.0}
"""Five eighths of a replica of the default world's at a second a day: with half the views a second it is less
busy, since one worker's queue is longer than that of two, and what overloads it is less for a machine to send."""


def target(extends: str, folder: Path) -> Path:
    """A target's stack at the size that fits the editions' pace, as a file."""
    shells = dict.fromkeys(("serving-a", "serving-b"), REPLICA)
    whole = {"target": f"{extends}-small", "extends": extends, "driver": {"stack": {"shells": shells}}}
    path = folder / f"{extends}-small.yaml"
    path.write_text(yaml.safe_dump(whole, sort_keys=False))
    return path


@dataclass(frozen=True)
class Edition:
    """A scenario in `days`; `spans` are when each of its faults begins and how long it lasts."""

    scenario: str
    family: str
    days: str
    spans: tuple[tuple[str, str], ...]
    parameters: Mapping[str, object] = field(default_factory=dict)
    """Of the first fault, in place of the scenario's own."""
    contained: float | None = None
    """In place of the scenario's own: until a layer has found its limit is a larger part of a shorter fault."""

    first_by_chance: bool = False
    """Whether the limits of two layers are reached at once, so that either may speak first, one look apart."""

    def write(self, folder: Path) -> Path:
        """The edition as a file of the scenario's name."""
        (found,) = [one.path for one in make_files().scenarios() if one.name == self.scenario]
        whole = yaml.safe_load(found.read_text())
        whole["days"] = self.days
        whole["steady_state"] = [one for one in whole["steady_state"] if one["probe"] != "model_age"]
        for fault, (at, lasts) in zip(whole["faults"], self.spans, strict=True):
            fault["at"] = at
            if "for" in fault:
                fault["for"] = lasts
        whole["faults"][0]["with"].update(self.parameters)
        if self.contained is not None:
            whole["expect"]["contained"]["at_least"] = self.contained
        if "day_seconds" in whole:
            whole["day_seconds"] = DAY_SECONDS
        path = folder / f"{self.scenario}.yaml"
        path.write_text(yaml.safe_dump(whole, sort_keys=False))
        return path


EDITIONS = (
    Edition("late-partition", "data", "4.6d", (("1.5d", ""),), {"held_days": "1.2d"}),
    Edition("partial-partition", "data", "4.6d", (("1.5d", "1.2d"),)),
    # The error budget (burn) is spent at the monitor's look before the queue is seen (shed), or at the next: of
    # six runs on real processes burn was first in four by 0.04 d, shed in two by less than 0.01 d.
    Edition("surge", "overload", "4.5d", (("1.6d", "1d"),), {"factor": 2.5}, first_by_chance=True),
    Edition("slow-inference", "overload", "4.5d", (("1.6d", "1d"),), contained=0.8),
    Edition("wrong-alias", "configuration", "4.2d", (("1.7d", "1d"),)),
    Edition("blank-policy", "configuration", "3.8d", (("1.6d", "0.5d"),)),
    Edition("slow-features", "latency", "4d", (("1.6d", "0.8d"),), contained=0.8),
    # A fifth of the answers rest on defaults (skew) when twenty calls have failed (breaker, then fallback).
    Edition("silent-default", "latency", "4.4d", (("1.6d", "1.2d"),), first_by_chance=True),
)

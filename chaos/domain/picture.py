"""What there is to draw of a trial, as plain rows: swim lanes of one arm, and harm by day and arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chaos.domain.scenario import Arm, Harm


@dataclass(frozen=True)
class Bar:
    """Something that lasted, in a lane; `role` decides its colour."""

    lane: str
    role: str
    start: float
    end: float
    says: str
    label: str = ""


@dataclass(frozen=True)
class Mark:
    """Something that happened at one moment."""

    lane: str
    role: str
    day: float
    says: str


@dataclass(frozen=True)
class Lanes:
    """A chart up to day `days`: lanes from top to bottom, what is drawn in them, and the spans of the faults
    behind it all. It begins on `from_day`, above 0 for a run on a stack that stood before.
    """

    days: float
    lanes: tuple[str, ...]
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]
    spans: tuple[tuple[float, float], ...]
    from_day: float = 0.0

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that are drawn, each once: what a legend must explain."""
        return tuple(dict.fromkeys([*(bar.role for bar in self.bars), *(mark.role for mark in self.marks)]))


@dataclass(frozen=True)
class HarmSeries:
    """One kind of harm by day and arm. `band` is what noise alone does on one seed, in the same unit."""

    kind: Harm
    unit: str
    points: Mapping[Arm, Sequence[tuple[float, float]]]
    band: float | None = None


@dataclass(frozen=True)
class Picture:
    """One trial from `from_day` to `to_day`: the lanes of `arm` (None where none was run), and the kinds of
    harm that happened.
    """

    arm: Arm | None
    lanes: Lanes | None
    harms: tuple[HarmSeries, ...]
    from_day: float = 0.0
    to_day: float = 0.0

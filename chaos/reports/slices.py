"""What each layer did against each scenario with a fault: slices side by side, whose holes may line up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chaos.domain.layer import Outcome
from chaos.domain.scenario import Kind
from chaos.domain.verdict import TrialResult

_DID = (Outcome.PREVENTED, Outcome.CONTAINED, Outcome.DETECTED)
MARKS = {
    Outcome.PREVENTED: "P",
    Outcome.CONTAINED: "C",
    Outcome.DETECTED: "D",
    Outcome.MISSED: "○",
    Outcome.NOT_REACHED: "·",
    Outcome.NOT_ARMED: "–",
}
"""What a page shows of an outcome, the strongest first."""


@dataclass(frozen=True)
class Cell:
    """One layer against one scenario, over the seeds in which that was measured."""

    layer: str
    counts: Mapping[Outcome, int]
    expected: bool

    @property
    def outcome(self) -> Outcome | None:
        """The most frequent one, of equally frequent ones the strongest; None where none was measured."""
        return max(MARKS, key=lambda one: self.counts.get(one, 0)) if self.counts else None

    @property
    def says(self) -> str:
        """Every outcome with its count: `contained in 4, missed in 1`."""
        told = [f"{one.value} in {self.counts[one]}" for one in MARKS if one in self.counts]
        return f"{self.layer}: {', '.join(told) or 'not measured'}" + ("; expected" if self.expected else "")


@dataclass(frozen=True)
class Row:
    """A scenario, with a cell for each layer of the target."""

    scenario: str
    cells: tuple[Cell, ...]

    @property
    def through_all(self) -> bool:
        """Whether it was measured, and no layer prevented, contained or detected anything on any seed."""
        found = [cell.counts for cell in self.cells if cell.counts]
        return bool(found) and not any(counts.get(one) for counts in found for one in _DID)


@dataclass(frozen=True)
class Slices:
    """Rows in the order in which the scenarios were run; `idle` layers did nothing against any of them."""

    layers: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def idle(self) -> tuple[str, ...]:
        """Layers that were armed somewhere, and prevented, contained and detected nothing anywhere."""
        columns = {name: Counter[Outcome]() for name in self.layers}
        for row in self.rows:
            for cell in row.cells:
                columns[cell.layer].update(cell.counts)
        return tuple(
            name
            for name, counts in columns.items()
            if not any(counts[one] for one in _DID) and any(one is not Outcome.NOT_ARMED for one in counts)
        )


def slices(trials: Sequence[TrialResult]) -> Slices:
    """Of all scenarios with a fault; void trials count as far as an outcome was measured."""
    faulty = [trial for trial in trials if trial.kind is not Kind.QUIET]
    layers = tuple(dict.fromkeys(layer.layer for trial in faulty for layer in trial.layers))
    by_name = {
        name: [trial for trial in faulty if trial.scenario == name]
        for name in dict.fromkeys(trial.scenario for trial in faulty)
    }
    return Slices(
        layers,
        tuple(Row(name, tuple(_cell(layer, of) for layer in layers)) for name, of in by_name.items()),
    )


def _cell(layer: str, trials: Sequence[TrialResult]) -> Cell:
    found = [one for trial in trials for one in trial.layers if one.layer == layer]
    counts = Counter(one.outcome for one in found if one.outcome is not None)
    return Cell(layer, counts, any(one.expected for one in found))

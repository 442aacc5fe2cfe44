"""A component's own metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import MeaninglessChange, component_of
from chaos.contracts import Readable
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class Metric:
    """One sample of a component's metrics, named as in the text format: `name{label="value"}`.

    `absent` is its value where the component answers and has no such sample: 0 for a counter that appears
    with the first thing that it counts.
    """

    name: ClassVar[str] = "metric"
    component: str
    sample: str
    absent: float | None = None

    def refuse(self, spec: TargetSpec) -> None:
        """A component that is not there has no metrics, and a sample has a name."""
        component_of(spec, self.component)
        if not self.sample.strip():
            raise MeaninglessChange("sample", "a sample without a name is none")

    def read(self, target: Readable) -> float | None:
        """The sample's value; None where the component is silent, or the sample is, without `absent`."""
        samples = target.metrics(self.component)
        return None if samples is None else samples.get(self.sample, self.absent)

"""A component's own metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import MeaninglessChange, component_of
from chaos.contracts import Readable
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class Metric:
    """One sample of a component's metrics, named as in the text format: `name{label="value"}`."""

    name: ClassVar[str] = "metric"
    component: str
    sample: str

    def refuse(self, spec: TargetSpec) -> None:
        """A component that is not there has no metrics, and a sample has a name."""
        component_of(spec, self.component)
        if not self.sample.strip():
            raise MeaninglessChange("sample", "a sample without a name is none")

    def read(self, target: Readable) -> float | None:
        """The sample's value; None where the component or the sample is silent."""
        samples = target.metrics(self.component)
        return None if samples is None else samples.get(self.sample)

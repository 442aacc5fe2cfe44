"""Whether a component answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from chaos.capabilities import component_of
from chaos.contracts import Readable
from chaos.domain.target import TargetSpec

SILENCE_DAYS = 0.25


@dataclass(frozen=True)
class ComponentSilent:
    """1 where a component has not answered for a quarter of a day, 0 where it has."""

    name: ClassVar[str] = "component_silent"
    component: str
    _asked: list[float] = field(default_factory=list, init=False, repr=False, compare=False)

    def refuse(self, spec: TargetSpec) -> None:
        """A component that is not there is always silent."""
        component_of(spec, self.component)

    def read(self, target: Readable) -> float | None:
        """1 or 0; None while it has not been asked for long enough to know."""
        answers = target.metrics(self.component) is not None
        if not self._asked:
            self._asked.append(target.day())
        if answers:
            return 0.0
        return 1.0 if target.day() - self._asked[0] > SILENCE_DAYS else None

"""Whether a network link lets anything through."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from chaos.capabilities import network_link
from chaos.contracts import Readable
from chaos.domain.durations import Span
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class LinkSilent:
    """1 where no health request over a link has come back for `over` days, 0 where one has."""

    name: ClassVar[str] = "link_silent"
    link: str
    over: Span = 0.5
    _asked: list[float] = field(default_factory=list, init=False, repr=False, compare=False)

    def refuse(self, spec: TargetSpec) -> None:
        """Only a network link carries health requests."""
        network_link(spec, self.link)

    def read(self, target: Readable) -> float | None:
        """1 or 0; None while it has not been asked for long enough to know."""
        answers = target.link_ms(self.link, self.over) is not None
        if not self._asked:
            self._asked.append(target.day())
        if answers:
            return 0.0
        return 1.0 if target.day() - self._asked[0] > self.over else None

    @property
    def lasting_days(self) -> float:
        """Longer than `over`: what is shorter may have fallen between two requests that came back."""
        return self.over

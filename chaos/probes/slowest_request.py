"""How long a request over a network link may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import MeaninglessChange, network_link
from chaos.contracts import Readable
from chaos.domain.durations import Milliseconds
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class SlowestRequest:
    """The longest of several health requests over one link, in milliseconds.

    They are sent at unequal moments within `over_ms`, at others each time, so that what comes and goes with
    such a period does not fall between them. `link_latency` sends one at a time.
    """

    name: ClassVar[str] = "slowest_request"
    link: str
    over_ms: Milliseconds

    def refuse(self, spec: TargetSpec) -> None:
        """Only a network link has a latency, and moments lie within a span."""
        network_link(spec, self.link)
        if self.over_ms <= 0:
            raise MeaninglessChange("over_ms", "moments lie within a span above 0ms")

    def read(self, target: Readable) -> float | None:
        """Milliseconds; None where nothing came back."""
        return target.slowest_ms(self.link, self.over_ms)

"""The product table of the next model comes out several times as large as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Config, MeaninglessChange
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class OversizedFeatureFile:
    """Let the trainer's product query find its table in `times` schemas, and list each product so often.

    Source: Cloudflare, 18 November 2025: a change of permissions made a query return every column twice, and
    the file went past a limit in the software that reads it.
    """

    name: ClassVar[str] = "oversized_feature_file"
    needs: ClassVar[tuple[type[Capability], ...]] = (Config,)
    component: str
    key: str = "schemas"
    times: int = 2

    def refuse(self, spec: TargetSpec) -> None:  # noqa: ARG002
        """Once is how often it is listed anyway."""
        if self.times < 2:
            raise MeaninglessChange("times", "a table that is listed less than twice is not oversized")

    def changes(self, target: Usable) -> Iterator[Change]:
        """One setting."""
        yield target.use(Config).push(self.component, self.key, self.times)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """One view in ten or more goes wrong."""
        return EffectCheck("good_views", {"over": "0.1d"}, at_most=0.9)

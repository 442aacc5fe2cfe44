"""A slow store is answered for with zeros: the pages stay fast, and what they show is worth less."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Config, MeaninglessChange, Network, network_link
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.durations import Milliseconds
from chaos.domain.target import NetworkLink, TargetSpec


@dataclass(frozen=True)
class SilentDefault:
    """Delay every reply on `link` by `delay_ms`, while the callers put zeros in an answer's place after
    `default_after_ms`; `setting` is the callers' own setting of that.

    Source: a field report of a feature client whose p99 stayed fine for the weeks in which it served zeros.
    """

    name: ClassVar[str] = "silent_default"
    needs: ClassVar[tuple[type[Capability], ...]] = (Network, Config)
    link: str
    delay_ms: Milliseconds
    default_after_ms: Milliseconds
    setting: str = "default_after_ms"

    def refuse(self, spec: TargetSpec) -> None:
        """Zeros must come before the answer does, and somebody must call over the link."""
        if self.delay_ms < 1:
            raise MeaninglessChange("delay_ms", "a delay below 1ms cannot be told from none")
        if not 1 <= self.default_after_ms < self.delay_ms:
            says = "zeros come after 1ms or later, and before the delayed reply"
            raise MeaninglessChange("default_after_ms", says)
        network_link(spec, self.link)

    def changes(self, target: Usable) -> Iterator[Change]:
        """The callers' setting, then the delay."""
        link = target.spec.links.get(self.link)
        for caller in link.from_ if isinstance(link, NetworkLink) else ():
            yield target.use(Config).push(caller, self.setting, self.default_after_ms, field="setting")
        yield target.use(Network).toxic(self.link, "latency", latency=round(self.delay_ms), jitter=0)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """A fifth of the views, or more, were answered with values that stand for others."""
        return EffectCheck("defaulted_share", {"over": "0.25d"}, at_least=0.2)

"""A version that should not serve becomes champion: an old one, or one from a test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, MeaninglessChange, Registry
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class WrongAlias:
    """Promote `version` by a request at the target's door; with `bypass` flip the alias past it.

    Source: Huyen, Designing Machine Learning Systems, on model stores; Papasian & Underwood on rollouts.
    """

    name: ClassVar[str] = "wrong_alias"
    needs: ClassVar[tuple[type[Capability], ...]] = (Registry,)
    version: int
    bypass: bool = False

    def refuse(self, spec: TargetSpec) -> None:  # noqa: ARG002
        """Versions count from 1."""
        if self.version < 1:
            raise MeaninglessChange("version", "versions count from 1")

    def changes(self, target: Usable) -> Iterator[Change]:
        """One request, or one flip."""
        registry = target.use(Registry)
        if self.bypass:
            yield registry.flip(target.spec.doors.champion, self.version)
        else:
            yield registry.promote(self.version, by="release script")

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """The version answers views."""
        return EffectCheck("version_share", {"version": self.version, "over": "0.1d"}, at_least=0.05)

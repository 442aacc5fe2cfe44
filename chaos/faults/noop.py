"""The fault that does nothing: the one to start a new fault from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec


@dataclass(frozen=True)
class Noop:
    """Change nothing."""

    name: ClassVar[str] = "noop"
    needs: ClassVar[tuple[type[Capability], ...]] = ()

    def changes(self, target: Usable) -> Iterator[Change]:  # noqa: ARG002
        """None."""
        yield from ()

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """It has none, so a defended scenario with it is void."""
        return None

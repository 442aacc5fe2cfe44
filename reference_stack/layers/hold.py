"""Hold: keep the last good model while a data gate is red.

Off: the model is retrained on whatever is there. On: retraining waits until every gate is green, or until a
person switches the layer off; it never lets go by itself, since training on a hole costs twice as much.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from reference_stack.layers.contract import GREEN, Decision, Hook, red
from reference_stack.layers.evidence import Retrain


class HoldParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`cycles`: daily cycles held in a row after which someone is paged."""

    cycles: int = 3


class Hold:
    """Acts while any data gate is red; from `cycles` held cycles on its detail says `overdue`."""

    name: ClassVar[str] = "hold"
    hook: ClassVar[Hook] = Hook.RETRAIN
    Parameters: ClassVar[type[msgspec.Struct]] = HoldParameters

    def __init__(self, parameters: HoldParameters) -> None:
        self._parameters = parameters

    def decide(self, evidence: Retrain) -> Decision:
        """Red while `evidence.red` names a gate."""
        if not evidence.red:
            return GREEN
        held = evidence.held_cycles
        gates = ", ".join(sorted(evidence.red))
        if held < self._parameters.cycles:
            return red(f"last good model held: {gates} red", held_cycles=held, overdue=0)
        return red(
            f"last good model held for {held} cycles and {gates} still red: a person must look",
            held_cycles=held,
            overdue=1,
        )

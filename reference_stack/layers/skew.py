"""Skew: are features served as they were trained on?

Off: whatever a replica makes of its features is ranked with, however unlike training it is: no page fails,
and no daily statistic shows it (world.md). Three exact checks of what replicas have answered with, on a
sample: each row of features against the same row of the stored snapshot, which is what training reads; the
share of rows that are defaults; and their age. Sources: Sculley et al. 2015; Breck et al. 2017, The ML Test
Score.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from reference_stack.layers.contract import GREEN, Decision, Hook, red
from reference_stack.layers.evidence import Served

_Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class SkewParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits; a value on one is fine. `tolerance`: relative difference of a value from the stored one, with
    room for a store of single precision. `defaulted`: share of default rows, of `min_answers` or more.
    """

    tolerance: Annotated[float, msgspec.Meta(ge=0.0)] = 1e-6
    differing: _Share = 0.0
    defaulted: _Share = 0.2
    min_answers: Annotated[int, msgspec.Meta(ge=1)] = 30
    max_age_days: Annotated[float, msgspec.Meta(ge=0.0)] = 2.0


class Skew:
    """Acts on the first of: rows that differ, too many defaults, features that are too old."""

    name: ClassVar[str] = "skew"
    hook: ClassVar[Hook] = Hook.SERVED
    Parameters: ClassVar[type[msgspec.Struct]] = SkewParameters

    def __init__(self, parameters: SkewParameters) -> None:
        self._parameters = parameters

    def decide(self, evidence: Served) -> Decision:
        """Red where one of the checks fails, green where there is nothing to check."""
        p, replica = self._parameters, evidence.replica
        off = [each for each in evidence.differences if each > p.tolerance]
        if len(off) / max(1, len(evidence.differences)) > p.differing:
            return red(
                f"{len(off)} of {len(evidence.differences)} rows of features that {replica} served are not "
                f"the stored ones, off by up to {max(off):.3g} of a value",
                differing=len(off),
                compared=len(evidence.differences),
            )
        share = evidence.defaulted / max(1, evidence.answers)
        if evidence.answers >= p.min_answers and share > p.defaulted:
            return red(
                f"{share:.0%} of {evidence.answers} answers of {replica} rest on defaults", share=share
            )
        if evidence.age_days is not None and evidence.age_days > p.max_age_days:
            says = f"features that {replica} serves are {evidence.age_days:.2f} days old"
            return red(says, age_days=evidence.age_days)
        return GREEN

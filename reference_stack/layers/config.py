"""Config: a configuration value is validated, reviewed by a second person, and pushed to one component first.

Off: any value of the right type goes to all components at once, on one person's word. On: a blank, a value
far from the one in force, or one that nobody else has read is refused; an accepted one stands on a single
component for a while, and is taken back there if that component then fails.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from reference_stack.layers.contract import GREEN, Decision, Hook, red
from reference_stack.layers.evidence import PushedValue


class ConfigParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`max_ratio`: a number may grow or shrink by this factor in one push, so that none leads to 0 or away
    from it. Of the answers given at the first stage at most `max_failed` may fail, judged from `min_answers`
    on.
    """

    max_ratio: float = 10.0
    review: bool = True
    max_failed: float = 0.05
    min_answers: int = 5


class Config:
    """Acts on the first of: blank, out of bounds, unreviewed; at the second stage on failures or silence."""

    name: ClassVar[str] = "config"
    hook: ClassVar[Hook] = Hook.PUSH
    Parameters: ClassVar[type[msgspec.Struct]] = ConfigParameters

    def __init__(self, parameters: ConfigParameters) -> None:
        self._parameters = parameters

    def decide(self, evidence: PushedValue) -> Decision:
        """Red where the value, the review or the first component's answers are wrong."""
        limits = self._parameters
        if evidence.stage == "staged":
            if not evidence.heard:
                return red(f"{evidence.key}: nothing is heard from where it stands")
            share = evidence.failed / max(1, evidence.answers)
            if evidence.answers >= limits.min_answers and share > limits.max_failed:
                return red(f"{evidence.key}: {share:.0%} of {evidence.answers} answers fail where it stands")
            return GREEN
        objection = self._value(evidence)
        if objection:
            return red(f"{evidence.key}: {objection}")
        if limits.review and evidence.approved_by in ("", evidence.by):
            return red(f"{evidence.key}: nobody but {evidence.by or 'its author'} has read it")
        return GREEN

    def _value(self, evidence: PushedValue) -> str:
        value, previous = evidence.value, evidence.previous
        if value is None or (isinstance(value, str | list | dict) and not value and previous):
            return "the value is blank"
        numbers = isinstance(value, int | float) and isinstance(previous, int | float)
        if not numbers or isinstance(value, bool) or isinstance(previous, bool) or value == previous:
            return ""
        if not previous:
            return f"{value:g} in place of 0: no factor leads there"
        ratio = float(value) / float(previous)  # type: ignore[arg-type]
        limit = self._parameters.max_ratio
        if 1.0 / limit <= ratio <= limit:
            return ""
        return f"{value:g} in place of {previous:g} is further than a factor of {limit:g}"

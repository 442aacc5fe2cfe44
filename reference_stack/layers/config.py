"""Config: a configuration value is validated, reviewed by a second person, and pushed to one component first.

Off: any value of the right type goes to all components at once, on one person's word. On: a blank, a value
far from the one in force, or one that nobody else has read is refused; an accepted one stands on a single
component for a while, and is taken back there if that component then fails.
"""

from __future__ import annotations

import math
from typing import ClassVar

import msgspec

from reference_stack.layers.contract import GREEN, Decision, Hook, red
from reference_stack.layers.evidence import PushedValue

_ROUNDING = 1e-9
"""0.01 ÷ 0.1 is a little less than a tenth."""


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
        new, old = _number(value), _number(previous)
        if new is None or old is None or value == previous:
            return ""
        if not old:
            return f"{new:g} in place of 0: no factor leads there"
        limit = self._parameters.max_ratio
        ratio = new / old
        if ratio * limit >= 1.0 - _ROUNDING and ratio <= limit * (1.0 + _ROUNDING):
            return ""
        return f"{new:g} in place of {old:g} is further than a factor of {limit:g}"


def _number(value: object) -> float | None:
    """A number, infinite where it is a whole one that no float can hold; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf

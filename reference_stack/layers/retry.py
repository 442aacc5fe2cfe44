"""Retry: a budget for asking again, so that an overload is not fed by those who suffer from it.

Off: a client asks as often as its own setting `attempts` allows. On: at most `attempts` times, and retries
stay below `share` of the requests of the last second or two (Site Reliability Engineering, chapter 21; the
metastable failures that it prevents: Huang et al., OSDI 2022).
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from reference_stack.layers.contract import GREEN, Decision, Hook, red
from reference_stack.layers.evidence import Retrying


class RetryParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`attempts`: how often one view may ask, the first time included; `share`: retries per request."""

    attempts: Annotated[int, msgspec.Meta(ge=1)] = 3
    share: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.1


class Retry:
    """Acts on an attempt that is one too many; objects where it is the budget that is used up."""

    name: ClassVar[str] = "retry"
    hook: ClassVar[Hook] = Hook.ATTEMPT
    Parameters: ClassVar[type[msgspec.Struct]] = RetryParameters

    def __init__(self, parameters: RetryParameters) -> None:
        self._parameters = parameters

    def decide(self, evidence: Retrying) -> Decision:
        """Red where the retry must not be made."""
        p = self._parameters
        if evidence.retries + 1 > p.share * evidence.requests:
            return red(
                f"retry budget used up: {evidence.retries} retries for {evidence.requests} requests, "
                f"{p.share:.0%} allowed",
                retries=evidence.retries,
                requests=evidence.requests,
            )
        if evidence.attempt > p.attempts:
            return Decision(fired=False, acts=True, says=f"attempt {evidence.attempt} of {p.attempts}")
        return GREEN

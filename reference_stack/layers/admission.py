"""Admission: a version is looked at as a file, not as a ranker, before it may enter service.

Off: whatever is registered can be promoted, by the daily cycle or by whoever asks for it. On: a version that
is torn, too large, not finite, of unknown descent or long out of date is refused, and the champion stays.
"""

from __future__ import annotations

import math
from typing import ClassVar

import msgspec

from reference_stack.layers.contract import GREEN, Decision, Hook, red
from reference_stack.layers.evidence import Candidate


class AdmissionParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`max_bytes` and `max_products` are what serving has room for; `max_age_days` since the training.

    A version of the default world has about 107 products and 12 kB: as many products as are live, and those
    that left within its window.
    """

    max_bytes: int = 10_000_000
    max_products: int = 160
    max_age_days: float = 3.0


class Admission:
    """Acts on the first of: torn, too large, not finite, another space, no slate, no lineage, too old."""

    name: ClassVar[str] = "admission"
    hook: ClassVar[Hook] = Hook.ADMISSION
    Parameters: ClassVar[type[msgspec.Struct]] = AdmissionParameters

    def __init__(self, parameters: AdmissionParameters) -> None:
        self._parameters = parameters

    def decide(self, evidence: Candidate) -> Decision:
        """Red where something is wrong with the version; what served before may be old."""
        objection = self._file(evidence) or self._model(evidence) or self._descent(evidence)
        return red(f"version {evidence.version}: {objection}") if objection else GREEN

    def _file(self, evidence: Candidate) -> str:
        limits = self._parameters
        if evidence.damage:
            return f"the artifact is torn or foreign: {evidence.damage}"
        if not evidence.checksum_fits:
            return "the artifact is not the one that was registered: another checksum"
        if evidence.size_bytes > limits.max_bytes:
            return f"{evidence.size_bytes} bytes, at most {limits.max_bytes} are served"
        if evidence.products > limits.max_products:
            return f"{evidence.products} products, serving has room for {limits.max_products}"
        return ""

    def _model(self, evidence: Candidate) -> str:
        if not evidence.finite:
            return "it has weights that are not finite"
        if not evidence.space_fits:
            return "its factors are not of the space that it names"
        return evidence.smoke

    def _descent(self, evidence: Candidate) -> str:
        if evidence.lacks:
            return f"its lineage lacks {', '.join(evidence.lacks)}"
        limit = self._parameters.max_age_days
        if not evidence.known_good and not evidence.age_days <= limit:
            ago = f"{evidence.age_days:.1f} days ago"
            age = "at an unknown time" if math.isnan(evidence.age_days) else ago
            return f"trained {age}, at most {limit:g} days are allowed, and it is not the one before"
        return ""

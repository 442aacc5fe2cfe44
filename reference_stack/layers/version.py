"""Version: a census of what runs on all replicas; they must not differ for longer than a rollout takes.

Off: a replica that was missed by a rollout, or a champion that nobody promoted, goes unseen.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from reference_stack.layers.contract import GREEN, Decision, Hook, red
from reference_stack.layers.evidence import Census


class VersionParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`mismatch_days`: how long replicas may differ, for a rollout in stages and the loading of a model."""

    mismatch_days: float = 0.2


class Version:
    """Acts while what runs differs beyond the limit."""

    name: ClassVar[str] = "version"
    hook: ClassVar[Hook] = Hook.CENSUS
    Parameters: ClassVar[type[msgspec.Struct]] = VersionParameters

    def __init__(self, parameters: VersionParameters) -> None:
        self._parameters = parameters

    def decide(self, evidence: Census) -> Decision:
        """Red past the limit; says who runs what."""
        if evidence.differing_days <= self._parameters.mismatch_days:
            return GREEN
        who = ", ".join(f"{name} {value}" for name, value in sorted(evidence.running.items()))
        return red(f"{evidence.about} differs: {who}", differing_days=evidence.differing_days)

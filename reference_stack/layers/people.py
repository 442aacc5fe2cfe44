"""People: an alert that reaches on-call is acknowledged and its runbook's first step is taken.

Off: the alert is delivered and nobody reads it.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from reference_stack.layers.contract import GREEN, Decision, Hook, red
from reference_stack.layers.evidence import Page

RUNBOOK: tuple[tuple[str, str], ...] = (
    ("infrastructure", "asks the platform team to look at {about}"),
    ("software", "asks the owners of {about} to look at their last change"),
    ("ML system", "tells the upstream owner that the data at {about} needs them"),
    ("model", "asks the model's owner to look at {about}"),
)
_OTHERWISE = "looks at {about}"


class PeopleParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`severities` are those that somebody answers; alerts named in `muted` are read by nobody."""

    severities: tuple[str, ...] = ("page", "ticket")
    muted: tuple[str, ...] = ()


class People:
    """Acts on every alert that is answered; says which step of the runbook follows."""

    name: ClassVar[str] = "people"
    hook: ClassVar[Hook] = Hook.PAGE
    Parameters: ClassVar[type[msgspec.Struct]] = PeopleParameters

    def __init__(self, parameters: PeopleParameters) -> None:
        self._parameters = parameters

    def decide(self, evidence: Page) -> Decision:
        """Red (someone acts) unless the alert is muted or of a severity that nobody answers."""
        if evidence.name in self._parameters.muted or evidence.severity not in self._parameters.severities:
            return GREEN
        step = dict(RUNBOOK).get(evidence.category, _OTHERWISE)
        return red(step.format(about=evidence.about or evidence.layer or evidence.name))

"""People: an alert that reaches on-call is acknowledged and its runbook is followed.

Off: the alert is delivered and nobody reads it.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from reference_stack.layers.contract import GREEN, Decision, Hook, red
from reference_stack.layers.evidence import Page


class PeopleParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`severities` are those that somebody answers; alerts named in `muted` are read by nobody. `instead`:
    actions that people take at a page about data, whatever the runbook has for it.
    """

    severities: tuple[str, ...] = ("page", "ticket")
    muted: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()


class People:
    """Acts on every alert that is answered; what follows is in the runbook of on-call."""

    name: ClassVar[str] = "people"
    hook: ClassVar[Hook] = Hook.PAGE
    Parameters: ClassVar[type[msgspec.Struct]] = PeopleParameters

    def __init__(self, parameters: PeopleParameters) -> None:
        self._parameters = parameters

    def decide(self, evidence: Page) -> Decision:
        """Red (someone acts) unless the alert is muted or of a severity that nobody answers."""
        if evidence.name in self._parameters.muted or evidence.severity not in self._parameters.severities:
            return GREEN
        return red(f"answers {evidence.name} about {evidence.about or evidence.layer or 'the stack'}")

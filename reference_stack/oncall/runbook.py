"""What on-call does about an alert, read from a YAML file that teams edit."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import msgspec

from reference_stack.alerting import CATEGORIES, SEVERITIES, refuse_unknown
from reference_stack.settings import read_file

DEFAULT = Path(__file__).with_name("runbook.yaml")
LABELS = {
    "alert": "alertname",
    "layer": "layer",
    "category": "category",
    "severity": "severity",
    "about": "about",
}


class Page(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry: for alerts whose labels are these (None fits any), what is said and the actions, in order.

    What actions began ends `lasts_days` after the alert was resolved.
    """

    says: str
    actions: tuple[str, ...] = ()
    lasts_days: float = 0.0
    alert: str | None = None
    layer: str | None = None
    category: str | None = None
    severity: str | None = None
    about: str | None = None

    def fits(self, labels: dict[str, str]) -> bool:
        """Whether it is for an alert with these labels."""
        return all(getattr(self, field) in (None, labels.get(label, "")) for field, label in LABELS.items())

    def step(self, labels: dict[str, str]) -> str:
        """What is said about an alert with these labels."""
        about = labels.get("about") or labels.get("layer") or labels.get("alertname", "")
        return self.says.replace("{about}", about)


class Runbook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Entries in the order in which they are tried."""

    runbook: tuple[Page, ...]

    def page(self, labels: dict[str, str]) -> Page | None:
        """The first entry that fits."""
        return next((page for page in self.runbook if page.fits(labels)), None)


def read_runbook(path: str, known: Collection[str]) -> Runbook:
    """The runbook in a file, or the stack's own. Raises SettingsError, naming the file and what is wrong."""
    file = Path(path) if path else DEFAULT
    runbook = read_file(file, Runbook)
    for index, page in enumerate(runbook.runbook):
        where = f"{file}: runbook.{index}"
        refuse_unknown(f"{where}.category", "category", page.category, CATEGORIES)
        refuse_unknown(f"{where}.severity", "severity", page.severity, SEVERITIES)
        for action in page.actions:
            refuse_unknown(f"{where}.actions", "action", action, known)
    return runbook

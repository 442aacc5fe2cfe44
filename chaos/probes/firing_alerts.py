"""How many alerts are firing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.contracts import Readable
from chaos.domain.event import Alert, Views


@dataclass(frozen=True)
class FiringAlerts:
    """Alerts that are firing and not resolved; of one severity, if it is named."""

    name: ClassVar[str] = "firing_alerts"
    severity: str = ""

    def read(self, target: Readable) -> float | None:
        """A count; None where the target has said nothing yet."""
        latest = {alert.id: alert for alert in target.seen(Alert)}
        if not latest and not target.seen(Views):
            return None
        firing = [alert for alert in latest.values() if alert.state == "firing"]
        return float(sum(1 for alert in firing if self.severity in ("", alert.severity)))

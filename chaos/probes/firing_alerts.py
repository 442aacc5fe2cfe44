"""How many alerts are firing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import MeaninglessChange
from chaos.contracts import Readable
from chaos.domain.event import Alert, Views
from chaos.domain.target import TargetSpec
from chaos.errors import nearest


@dataclass(frozen=True)
class FiringAlerts:
    """Alerts that are firing and not resolved; of one severity, if it is named. The watchdog is none."""

    name: ClassVar[str] = "firing_alerts"
    severity: str = ""

    def refuse(self, spec: TargetSpec) -> None:
        """A severity that no alert can have would count nothing for ever."""
        known = spec.alerting.severities
        if self.severity and known and self.severity not in known:
            says = f"the target's alerts have no severity {self.severity!r}"
            raise MeaninglessChange("severity", says, nearest(self.severity, known))

    def read(self, target: Readable) -> float | None:
        """A count; None where the target has said nothing yet, or its watchdog does not fire."""
        latest = {alert.id: alert for alert in target.seen(Alert)}
        if not latest and not target.seen(Views):
            return None
        firing = [alert for alert in latest.values() if alert.state == "firing"]
        watchdog = target.spec.alerting.watchdog
        others = [alert for alert in firing if not alert.is_watchdog(watchdog)]
        if watchdog and len(others) == len(firing):
            return None
        return float(sum(1 for alert in others if self.severity in ("", alert.severity)))

"""Alerts: from what the rules find to messages in Alertmanager's webhook format, until they are delivered."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Collection, Iterable

import msgspec
from msgspec.structs import replace

from reference_stack.messages import AlertItem, Webhook
from reference_stack.monitor.routing import Routing
from reference_stack.monitor.rules import Finding, Rule
from reference_stack.monitor.set_back import earlier
from reference_stack.ports import Folder

_FILE = "alerts.json"
_DAY_ZERO = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
_NOT_ENDED = "0001-01-01T00:00:00Z"
"""Go's zero time: what Alertmanager writes as the end of an alert that fires."""
FIRING, RESOLVED = "firing", "resolved"


class Alert(msgspec.Struct, frozen=True):
    """One alert from when its rule first found it; `delivered` is the state that on-call has heard of."""

    fingerprint: str
    labels: dict[str, str]
    receiver: str
    says: str
    found_day: float
    firing_day: float | None = None
    resolved_day: float | None = None
    delivered: str = ""

    @property
    def state(self) -> str:
        """What on-call should know: `firing`, `resolved`, or nothing yet."""
        if self.firing_day is None:
            return ""
        return FIRING if self.resolved_day is None else RESOLVED

    def webhook(self) -> Webhook:
        """The alert as a message of its own, grouped by its fingerprint."""
        annotations = {"summary": self.says}
        item = AlertItem(
            status=self.state,
            labels=self.labels,
            annotations=annotations,
            startsAt=moment(self.firing_day or 0.0),
            endsAt=_NOT_ENDED if self.resolved_day is None else moment(self.resolved_day),
            fingerprint=self.fingerprint,
        )
        return Webhook(
            version="4",
            groupKey=self.fingerprint,
            status=self.state,
            receiver=self.receiver,
            groupLabels={"alertname": self.labels["alertname"]},
            commonLabels=self.labels,
            commonAnnotations=annotations,
            externalURL="",
            alerts=[item],
        )


class Alerts:
    """All alerts that are found, firing, or resolved and not delivered; durable, so that a restart of the
    monitor neither repeats nor forgets one.
    """

    def __init__(self, folder: Folder, routing: Routing) -> None:
        self._folder = folder
        self._routing = routing
        self._alerts: dict[str, Alert] = {}
        if folder.exists(_FILE):
            kept = msgspec.json.decode(folder.read(_FILE), type=list[Alert])
            self._alerts = {alert.fingerprint: alert for alert in kept}
        self._from_before = set(self._alerts)

    def found(
        self, findings: Iterable[tuple[Rule, Finding]], day: float, unsettled: Collection[str] = ()
    ) -> list[Alert]:
        """Take what the rules find now; the alerts that began to fire or were resolved by it.

        For the rules named as `unsettled` a monitor that began anew has seen too little to resolve what fired
        before.
        """
        before = dict(self._alerts)
        now: dict[str, tuple[Rule, Finding]] = {}
        for rule, finding in findings:
            now.setdefault(fingerprint(labels_of(rule, finding)), (rule, finding))
        for key, (rule, finding) in now.items():
            known = self._alerts.get(key)
            if known is None or known.state == RESOLVED:
                # Of one that was over before on-call heard so, that is still to be told.
                told = "" if known is None else known.delivered
                known = replace(self._new(key, rule, finding, day), delivered=told)
            if known.firing_day is None and day - known.found_day >= rule.for_days:
                known = replace(known, firing_day=day, says=finding.says, delivered="")
            self._alerts[key] = known
        for key, known in before.items():
            if key in now or known.state == RESOLVED:
                continue
            if known.state == FIRING:
                if key not in self._from_before or known.labels["alertname"] not in unsettled:
                    self._alerts[key] = replace(known, resolved_day=day)
            elif known.delivered:
                self._alerts[key] = replace(known, firing_day=known.found_day, resolved_day=day)
            else:
                del self._alerts[key]
        if before != self._alerts:
            self._save()
        return [
            alert
            for key, alert in self._alerts.items()
            if alert.state and (key not in before or before[key].state != alert.state)
        ]

    def set_back(self, day: float, back_days: float) -> None:
        """The calendar has been set back to `day`: what waits to fire has been found before."""
        for key, alert in self._alerts.items():
            if alert.firing_day is None:
                found_day = earlier(alert.found_day, day, back_days)
                self._alerts[key] = replace(alert, found_day=found_day)

    def undelivered(self) -> list[Alert]:
        """Alerts of whose state on-call has not been told, oldest first."""
        return [alert for alert in self._alerts.values() if alert.state not in ("", alert.delivered)]

    def delivered(self, alert: Alert) -> None:
        """Note that on-call has taken the alert in that state; one that is resolved is over."""
        known = self._alerts.get(alert.fingerprint)
        if known is None or known.firing_day != alert.firing_day:
            return
        self._alerts[alert.fingerprint] = replace(known, delivered=alert.state)
        if alert.state == RESOLVED:
            del self._alerts[alert.fingerprint]
        self._save()

    def firing(self, severity: str) -> int:
        """How many alerts of a severity fire now."""
        return sum(a.state == FIRING and a.labels["severity"] == severity for a in self._alerts.values())

    def _new(self, key: str, rule: Rule, finding: Finding, day: float) -> Alert:
        return Alert(
            fingerprint=key,
            labels=labels_of(rule, finding),
            receiver=self._routing.receiver(rule.category, rule.severity),
            says=finding.says,
            found_day=day,
        )

    def _save(self) -> None:
        self._folder.write(_FILE, msgspec.json.encode(list(self._alerts.values())))


def labels_of(rule: Rule, finding: Finding) -> dict[str, str]:
    """The labels that tell one alert from another."""
    return {
        "alertname": rule.name,
        "severity": rule.severity,
        "category": rule.category,
        "about": finding.about,
        "layer": finding.layer,
    }


def fingerprint(labels: dict[str, str]) -> str:
    """16 hex digits from the labels, like Alertmanager's."""
    text = "\x1f".join(f"{name}={value}" for name, value in sorted(labels.items()))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def moment(day: float) -> str:
    """A calendar day as the RFC 3339 time that the format wants; day 0 is 1 January 2026."""
    return (_DAY_ZERO + datetime.timedelta(days=day)).isoformat(timespec="milliseconds")

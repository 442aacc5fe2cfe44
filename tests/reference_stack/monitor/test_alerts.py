from __future__ import annotations

import msgspec
import pytest

from reference_stack.alerting import ML_SYSTEM, PAGE
from reference_stack.folders import MemoryFolder
from reference_stack.monitor.alerts import RESOLVED, Alert, Alerts
from reference_stack.monitor.routing import Routing
from reference_stack.monitor.rules import Finding, Rule

HOOK = {
    *("version", "groupKey", "truncatedAlerts", "status", "receiver", "groupLabels", "commonLabels"),
    *("commonAnnotations", "externalURL", "alerts"),
}
ITEM = {"status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint"}
"""As Prometheus documents what Alertmanager posts: alerting/configuration, webhook_config."""


@pytest.mark.parametrize(
    ("resolved_day", "status", "ends"),
    [(None, "firing", "0001-01-01T00:00:00Z"), (4.5, "resolved", "2026-01-05T12:00:00.000+00:00")],
)
def test_an_alert_is_told_in_alertmanagers_format(resolved_day: float | None, status: str, ends: str) -> None:
    labels = {"alertname": "burn", "severity": "page", "about": "views"}
    alert = Alert("f1", labels, "shop", "too many bad views", 3.9, 4.0, resolved_day)
    hook = msgspec.to_builtins(alert.webhook())
    (item,) = hook["alerts"]
    assert hook.keys() == HOOK
    assert item.keys() == ITEM
    assert (hook["version"], hook["status"], item["status"]) == ("4", status, status)
    assert (item["startsAt"], item["endsAt"]) == ("2026-01-05T00:00:00.000+00:00", ends)


FOUND = (
    Rule("quarantine_share", ML_SYSTEM, PAGE, 0.05, lambda *_: iter(())),
    Finding("collector", "too many rows", "schema"),
)


def test_a_monitor_that_begins_anew_repeats_no_alert_and_forgets_none() -> None:
    """Each line is another monitor over the same folder."""
    folder, routing = MemoryFolder(), Routing("platform")
    assert Alerts(folder, routing).found([FOUND], 1.0) == []
    (fired,) = Alerts(folder, routing).found([FOUND], 1.06)
    assert Alerts(folder, routing).undelivered() == [fired]
    Alerts(folder, routing).delivered(fired)
    assert Alerts(folder, routing).found([FOUND], 1.2) == []
    assert Alerts(folder, routing).undelivered() == []
    assert Alerts(folder, routing).found([], 1.3, ["quarantine_share"]) == []
    (resolved,) = Alerts(folder, routing).found([], 1.4)
    assert Alerts(folder, routing).undelivered() == [resolved]
    Alerts(folder, routing).delivered(resolved)
    assert Alerts(folder, routing).undelivered() == []
    assert (fired.firing_day, resolved.resolved_day, resolved.state) == (1.06, 1.4, RESOLVED)


def test_what_is_not_found_for_long_enough_is_nobodys_business() -> None:
    alerts = Alerts(MemoryFolder(), Routing("platform"))
    for day in (1.0, 1.1, 1.2, 1.3):
        assert alerts.found([FOUND] if day in (1.0, 1.2) else [], day) == []
    assert alerts.undelivered() == []


def test_one_that_is_found_again_before_its_end_was_told_is_still_told_to_be_over() -> None:
    alerts = Alerts(MemoryFolder(), Routing("platform"))
    for day in (1.0, 1.1):
        alerts.found([FOUND], day)
    (firing,) = alerts.undelivered()
    alerts.delivered(firing)
    alerts.found([], 1.2)  # on-call is away
    alerts.found([FOUND], 1.3)
    alerts.found([], 1.34)
    assert [(alert.fingerprint, alert.state) for alert in alerts.undelivered()] == [
        (firing.fingerprint, RESOLVED)
    ]

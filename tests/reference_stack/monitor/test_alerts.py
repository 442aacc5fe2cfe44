from __future__ import annotations

import msgspec
import pytest

from reference_stack.monitor.alerts import Alert

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

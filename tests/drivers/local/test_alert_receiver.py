from __future__ import annotations

import http.client
import json
import socket
import struct
from collections.abc import Iterator

import pytest

from chaos.clock import WallClock
from chaos.domain.event import Alert
from chaos.domain.target import AlertLabels
from chaos.drivers.local.alert_receiver import AlertReceiver
from chaos.drivers.local.http import HttpFailed, request
from chaos.drivers.observed import MalformedLog


def item(status: str = "firing", since: str = "2026-01-01T00:00:00Z", **labels: str) -> dict[str, object]:
    """An alert in the webhook's format, with what else is in it."""
    labels = {"alertname": "SiteErrors", "severity": "page", "job": "site", "team": "web", **labels}
    ends = "0001-01-01T00:00:00Z" if status == "firing" else "2026-01-01T00:01:00Z"
    return {
        "status": status,
        "labels": labels,
        "annotations": {"summary": "errors"},
        "startsAt": since,
        "endsAt": ends,
        "generatorURL": "",
        "fingerprint": labels["alertname"],
    }


def webhook(*items: dict[str, object], receiver: str = "oncall") -> dict[str, object]:
    return {"version": "4", "receiver": receiver, "status": "firing", "alerts": list(items), "groupKey": "{}"}


class Days:
    """Which day it is when something is looked at, whatever its moment."""

    now = 0.0

    def __call__(self, moment: float) -> float:
        assert moment > 0
        return self.now


@pytest.fixture
def days() -> Days:
    return Days()


@pytest.fixture
def receiver() -> Iterator[AlertReceiver]:
    found = AlertReceiver(WallClock(), AlertLabels(category="team", about="job"), ["errors"])
    yield found
    found.close()


def post(receiver: AlertReceiver, body: object) -> None:
    request(receiver.address, "POST", "/", body)


def told(
    receiver: AlertReceiver, days: Days, day: float, body: object
) -> list[tuple[str, str, float, float]]:
    """What comes of a message: id, state, day and the day of the first."""
    post(receiver, body)
    days.now = day
    return [(one.id, one.state, one.day, one.sent_day) for one in receiver.poll(days)]


def test_what_is_posted_is_an_alert_with_the_labels_that_the_target_names(
    receiver: AlertReceiver, days: Days
) -> None:
    post(receiver, webhook(item(layer="errors")))
    days.now = 1.5
    assert list(receiver.poll(days)) == [
        Alert(
            day=1.5,
            component="alertmanager",
            id="SiteErrors-oncall",
            name="SiteErrors",
            category="web",
            severity="page",
            routed_to="oncall",
            state="firing",
            sent_day=1.5,
            layer="errors",
            about="site",
        )
    ]
    assert list(receiver.poll(days)) == []


def test_labels_that_an_alert_lacks_are_empty(receiver: AlertReceiver, days: Days) -> None:
    bare = {**item(), "labels": {"alertname": "Bare"}}
    post(receiver, webhook(bare))
    (alert,) = receiver.poll(days)
    assert (alert.name, alert.category, alert.severity, alert.about, alert.layer) == ("Bare", "", "", "", "")


def test_what_is_told_again_keeps_the_day_on_which_it_was_told_first(
    receiver: AlertReceiver, days: Days
) -> None:
    assert told(receiver, days, 1.0, webhook(item())) == [("SiteErrors-oncall", "firing", 1.0, 1.0)]
    assert told(receiver, days, 2.0, webhook(item())) == [("SiteErrors-oncall", "firing", 2.0, 1.0)]
    over = webhook(item("resolved"))
    assert told(receiver, days, 3.0, over) == [("SiteErrors-oncall", "resolved", 3.0, 1.0)]
    again = webhook(item(since="2026-01-01T00:02:00Z"))
    assert told(receiver, days, 4.0, again) == [("SiteErrors-oncall", "firing", 4.0, 4.0)]


def test_one_that_was_over_and_came_back_between_two_messages_is_another(
    receiver: AlertReceiver, days: Days
) -> None:
    told(receiver, days, 1.0, webhook(item()))
    later = webhook(item(since="2026-01-01T00:02:00Z"))
    assert told(receiver, days, 2.0, later) == [
        ("SiteErrors-oncall", "resolved", 2.0, 1.0),
        ("SiteErrors-oncall", "firing", 2.0, 2.0),
    ]


def test_the_end_of_one_that_nobody_was_told_of_is_none(receiver: AlertReceiver, days: Days) -> None:
    assert told(receiver, days, 1.0, webhook(item("resolved"))) == []


def test_two_receivers_that_are_told_are_two_alerts(receiver: AlertReceiver, days: Days) -> None:
    post(receiver, webhook(item()))
    assert told(receiver, days, 1.0, webhook(item(), receiver="web")) == [
        ("SiteErrors-oncall", "firing", 1.0, 1.0),
        ("SiteErrors-web", "firing", 1.0, 1.0),
    ]


def test_a_group_is_as_many_alerts_as_it_has(receiver: AlertReceiver, days: Days) -> None:
    group = webhook(item(), item(alertname="Watchdog"), item("resolved", alertname="Other"))
    assert [one[0] for one in told(receiver, days, 1.0, group)] == ["SiteErrors-oncall", "Watchdog-oncall"]


def test_what_comes_before_the_first_day_belongs_to_it(receiver: AlertReceiver, days: Days) -> None:
    assert told(receiver, days, -0.5, webhook(item())) == [("SiteErrors-oncall", "firing", 0.0, 0.0)]


@pytest.mark.parametrize(
    "body",
    [{"receiver": "oncall"}, webhook({"status": "firing"}), [], webhook(item("suppressed"))],
    ids=["no alerts", "no labels", "no object", "no such status"],
)
def test_what_is_not_in_the_format_cannot_be_read(receiver: AlertReceiver, days: Days, body: object) -> None:
    post(receiver, body)
    with pytest.raises(MalformedLog, match="what was posted to the receiver of alerts"):
        list(receiver.poll(days))


def test_a_label_that_names_none_of_the_targets_layers_makes_none(
    receiver: AlertReceiver, days: Days
) -> None:
    post(receiver, webhook(item(layer="frontend")))
    (alert,) = receiver.poll(days)
    assert alert.layer == ""


@pytest.mark.parametrize(
    ("sent", "name"), [("oncall", "oncall"), (r"ops\.page", "ops.page"), (r"a\\b\(c\)", r"a\b(c)")]
)
def test_a_receivers_name_is_as_it_stands_in_the_configuration(
    receiver: AlertReceiver, days: Days, sent: str, name: str
) -> None:
    post(receiver, webhook(item(), receiver=sent))
    (alert,) = receiver.poll(days)
    assert alert.routed_to == name


def test_an_earlier_start_is_that_of_the_same_alert(receiver: AlertReceiver, days: Days) -> None:
    told(receiver, days, 1.0, webhook(item(since="2026-01-01T00:00:02.5Z")))
    earlier = webhook(item(since="2026-01-01T01:00:01.123456789+01:00"))
    assert told(receiver, days, 2.0, earlier) == [("SiteErrors-oncall", "firing", 2.0, 1.0)]


def test_alerts_that_were_left_out_of_a_message_are_missed(receiver: AlertReceiver, days: Days) -> None:
    post(receiver, {**webhook(item()), "truncatedAlerts": 3})
    with pytest.raises(MalformedLog, match="3 alerts were left out"):
        list(receiver.poll(days))


def test_what_has_no_length_is_refused_and_the_next_is_taken(receiver: AlertReceiver, days: Days) -> None:
    host, _, port = receiver.address.partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=5)
    connection.putrequest("POST", "/")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    assert connection.getresponse().status == 411
    connection.close()
    assert told(receiver, days, 1.0, webhook(item())) == [("SiteErrors-oncall", "firing", 1.0, 1.0)]


def connected(receiver: AlertReceiver) -> socket.socket:
    host, _, port = receiver.address.partition(":")
    return socket.create_connection((host, int(port)), timeout=5)


def test_half_a_message_is_none(receiver: AlertReceiver, days: Days) -> None:
    """Alertmanager may be killed while it sends, and sends it again."""
    with connected(receiver) as half:
        half.sendall(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n{" + b" " * 10)
        half.shutdown(socket.SHUT_WR)
        assert half.recv(1) == b""
    assert told(receiver, days, 1.0, webhook(item())) == [("SiteErrors-oncall", "firing", 1.0, 1.0)]


def test_who_goes_without_waiting_for_an_answer_is_no_error_to_show(
    receiver: AlertReceiver, days: Days, capsys: pytest.CaptureFixture[str]
) -> None:
    with connected(receiver) as rude:
        rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        rude.sendall(b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n")
    assert told(receiver, days, 1.0, webhook(item())) == [("SiteErrors-oncall", "firing", 1.0, 1.0)]
    receiver.close()
    assert capsys.readouterr().err == ""


def test_who_asks_for_something_is_refused(receiver: AlertReceiver) -> None:
    with pytest.raises(HttpFailed) as failed:
        request(receiver.address, "GET", "/")
    assert failed.value.status == 405


def test_nobody_listens_once_it_is_closed(receiver: AlertReceiver) -> None:
    other = AlertReceiver(WallClock(), AlertLabels(), [])
    other.close()
    with pytest.raises(HttpFailed) as failed:
        request(other.address, "POST", "/", json.loads("{}"))
    assert failed.value.status == 0

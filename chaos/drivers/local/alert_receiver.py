"""Where a target's Alertmanager posts its alerts: a webhook receiver on loopback, as people's tools are.

What arrives is what somebody is told: grouping, silences, inhibition and routes have had their effect then.
The format is version 4 of Alertmanager's webhook (its documentation of `webhook_config`).
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from typing import Annotated, Literal

import msgspec
from msgspec.structs import replace

from chaos.clock import Clock
from chaos.domain.event import Alert, Observed
from chaos.domain.target import AlertLabels
from chaos.drivers.local.logs import LogTail
from chaos.drivers.local.ports import HOST
from chaos.drivers.observed import MalformedLog

COMPONENT = "alertmanager"
POLL_SECONDS = 0.05
_QUOTED = re.compile(r"\\(.)")
"""Alertmanager quotes what a regular expression would read otherwise: `ops.page` arrives as `ops\\.page`."""


class _Item(msgspec.Struct, rename="camel"):
    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    fingerprint: str
    starts_at: Annotated[datetime, msgspec.Meta(tz=True)]


class _Webhook(msgspec.Struct, rename="camel"):
    receiver: str
    alerts: list[_Item]
    truncated_alerts: int = 0


class AlertReceiver:
    """Listens until it is closed; `poll` hands on what came, in the order in which it did."""

    def __init__(self, clock: Clock, labels: AlertLabels, layers: Collection[str]) -> None:
        self._clock = clock
        self._labels = labels
        self._layers = layers
        self._came: Queue[tuple[float, bytes]] = Queue()
        self._firing: dict[str, tuple[datetime, Alert]] = {}
        self._server = _Server((HOST, 0), _handler(self._take))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL_SECONDS,), daemon=True, name="alerts"
        )
        self._thread.start()

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"{HOST}:{self._server.server_address[1]}"

    def poll(self, day_of: Callable[[float], float]) -> Iterator[Alert]:
        """The alerts told of since the last look; `day_of` says which day a moment of the clock was.

        Raises MalformedLog.
        """
        while True:
            try:
                moment, body = self._came.get_nowait()
            except Empty:
                return
            webhook = _read(body)
            # What comes as the components start belongs to the first day.
            day = max(0.0, day_of(moment))
            for item in webhook.alerts:
                yield from self._told(item, _QUOTED.sub(r"\1", webhook.receiver), day)

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _take(self, body: bytes) -> None:
        self._came.put((self._clock.monotonic(), body))

    def _told(self, item: _Item, receiver: str, day: float) -> Iterator[Alert]:
        """Told again, an alert keeps the day on which it was first; one told to two receivers is two."""
        key = f"{item.fingerprint}-{receiver}"
        if key in self._firing:
            since, before = self._firing[key]
            # Of alerts that overlap Alertmanager tells the earliest start; only a later one is another's.
            if item.status == "resolved" or item.starts_at > since:
                del self._firing[key]
                yield replace(before, day=day, state="resolved")
        if item.status == "firing":
            _, known = self._firing.setdefault(key, (item.starts_at, self._alert(key, item, receiver, day)))
            yield replace(known, day=day)

    def _alert(self, key: str, item: _Item, receiver: str, day: float) -> Alert:
        labels, names = item.labels, self._labels
        layer = labels.get(names.layer, "")
        return Alert(
            day=day,
            component=COMPONENT,
            id=key,
            name=labels.get("alertname", ""),
            category=labels.get(names.category, ""),
            severity=labels.get(names.severity, ""),
            routed_to=receiver,
            state="firing",
            sent_day=day,
            layer=layer if layer in self._layers else "",
            about=labels.get(names.about, ""),
        )


class AlertedTail:
    """What the components say, and after each look the alerts that have come by then.

    `day_of` says which day a moment of the clock was.
    """

    def __init__(self, tail: LogTail, receiver: AlertReceiver, day_of: Callable[[float], float]) -> None:
        self._tail = tail
        self._receiver = receiver
        self._day_of = day_of
        self.reader = tail.reader

    def poll(self) -> Iterator[Observed]:
        """The events since the last look. Raises MalformedLog."""
        yield from self._tail.poll()
        yield from self._receiver.poll(self._day_of)

    def rest(self) -> Iterator[Observed]:
        """Everything up to the components' end."""
        yield from self._tail.rest()
        yield from self._receiver.poll(self._day_of)

    def close(self) -> None:
        """Follow no more."""
        self._tail.close()
        self._receiver.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Who has gone needs no answer; anything else is a defect."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def _read(body: bytes) -> _Webhook:
    """Raises MalformedLog for what is no message, or does not hold all that there was to tell."""
    try:
        webhook = msgspec.json.decode(body, type=_Webhook)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        says = f"what was posted to the receiver of alerts: {error}: {body[:200]!r}"
        raise MalformedLog(says) from error
    if webhook.truncated_alerts:
        says = f"{webhook.truncated_alerts} alerts were left out of what was posted to their receiver"
        raise MalformedLog(f"{says}: max_alerts")
    return webhook


def _handler(take: Callable[[bytes], None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length") or ""
            if not (length.isascii() and length.isdigit()):
                self.close_connection = True  # what is not read would be taken for the next request
                self._answer(411)
                return
            body = self.rfile.read(int(length))
            if len(body) < int(length):
                self.close_connection = True  # whoever sent it is gone, and sends it again
                return
            take(body)
            self._answer(200)

        def do_GET(self) -> None:
            self._answer(405)

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent; the journal has what came."""

    return Handler

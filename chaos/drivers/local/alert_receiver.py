"""Where a target's Alertmanager posts its alerts: a webhook receiver on loopback, as people's tools are.

What arrives is what somebody is told: grouping, silences, inhibition and routes have had their effect then.
The format is version 4 of Alertmanager's webhook (its documentation of `webhook_config`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from typing import Literal

import msgspec
from msgspec.structs import replace

from chaos.clock import Clock
from chaos.domain.event import Alert, Observed
from chaos.domain.target import AlertLabels
from chaos.drivers.local.logs import LogTail
from chaos.drivers.local.ports import HOST
from chaos.drivers.observed import MalformedLog

COMPONENT = "alertmanager"
MAX_BODY = 4 * 2**20
POLL_SECONDS = 0.05


class _Item(msgspec.Struct):
    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    fingerprint: str
    starts_at: str = msgspec.field(name="startsAt")


class _Webhook(msgspec.Struct):
    receiver: str
    alerts: list[_Item]


class AlertReceiver:
    """Listens until it is closed; `poll` hands on what came, in the order in which it did."""

    def __init__(self, clock: Clock, labels: AlertLabels) -> None:
        self._clock = clock
        self._labels = labels
        self._came: Queue[tuple[float, bytes]] = Queue()
        self._firing: dict[str, tuple[str, Alert]] = {}
        self._server = ThreadingHTTPServer((HOST, 0), _handler(self._take))
        self._server.daemon_threads = True
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
            try:
                webhook = msgspec.json.decode(body, type=_Webhook)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                says = f"what was posted to the receiver of alerts: {error}: {body[:200]!r}"
                raise MalformedLog(says) from error
            # What comes as the components start belongs to the first day.
            day = max(0.0, day_of(moment))
            for item in webhook.alerts:
                yield from self._told(item, webhook.receiver, day)

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
        since, before = self._firing.get(key, ("", None))
        if before is not None and (item.status == "resolved" or since != item.starts_at):
            del self._firing[key]
            yield replace(before, day=day, state="resolved")
        if item.status == "firing":
            _, known = self._firing.setdefault(key, (item.starts_at, self._alert(key, item, receiver, day)))
            yield replace(known, day=day)

    def _alert(self, key: str, item: _Item, receiver: str, day: float) -> Alert:
        labels, names = item.labels, self._labels
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
            layer=labels.get(names.layer, ""),
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


def _handler(take: Callable[[bytes], None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length") or ""
            if not (length.isascii() and length.isdigit()) or int(length) > MAX_BODY:
                self.close_connection = True  # what is not read would be taken for the next request
                self._answer(413 if length else 411)
                return
            take(self.rfile.read(int(length)))
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

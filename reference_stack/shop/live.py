"""The shop in its own process, under Locust: the same component, with greenlets under it.

It leaves `logs/shop.jsonl` below the stack's root (or its lines go to a file that it is given), and Locust's
own statistics in `logs/shop-locust.json`.
"""

from __future__ import annotations

import gc
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import gevent
import msgspec
from gevent.pywsgi import WSGIServer
from locust.stats import save_stats_json

from reference_stack.component import operations_of
from reference_stack.defaults import draw_world
from reference_stack.folders import DirectoryFolder
from reference_stack.ports import NotFound, PortError, Rejected
from reference_stack.runtime import run_to_end
from reference_stack.settings import REPLICAS, SettingsError, StackSettings
from reference_stack.shells.server import body_of, status_of
from reference_stack.shells.tracing import Tracer
from reference_stack.shop.component import Shop
from reference_stack.shop.greenlets import GreenletPort, GreenletRuntime, stand_by
from reference_stack.shop.shopper import Replica
from reference_stack.telemetry import Telemetry, report

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from locust.env import Environment

_POLL_S = 0.01
_DRAIN_S = 10.0
_HURRIED_S = 1.0


class LiveShop:
    """A shop with its log, its server and its ports; `live` is its whole life."""

    def __init__(self, settings: StackSettings, environment: Environment, log: TextIO | None = None) -> None:
        self._settings = settings
        self._environment = environment
        self._root = Path(settings.root)
        self._log = log or _open_log(self._root / "logs" / "shop.jsonl")
        self._runtime = GreenletRuntime(settings.day_seconds, on_lag=self._lagged, on_error=self._broke)
        self._telemetry = Telemetry("shop", self._runtime, self._write)
        self._tracer = Tracer(self._telemetry, self._runtime.day)
        self.shop = Shop(
            "shop",
            self._runtime,
            self._telemetry,
            settings.shop,
            settings.layers,
            settings.build,
            world=draw_world(settings),
            replicas=[Replica(name, self._port(name)) for name in REPLICAS],
            collector=self._port("collector"),
            folder=DirectoryFolder(self._root / "shop"),
            end_day=settings.days,
        )
        host, _, port = settings.bound("shop").rpartition(":")
        self._server = WSGIServer((host, int(port)), management(self.shop), log=None, error_log=None)

    def live(self) -> None:
        """Answer, wait for the common origin, let the shoppers come, and wait for the last of them."""
        self._server.start()
        gc.collect()
        gc.freeze()
        origin = self._root / "origin"
        if not origin.exists():
            # Whoever was there before the beginning has the whole first day.
            self.shop.start_day = 0.0
        self._runtime.start(read_origin(origin))
        run_to_end(self.shop.run())
        self._drain(_DRAIN_S)

    def close(self) -> None:
        """Let nobody come any more, wait a moment for those who are there, and write what is tallied."""
        self._runtime.close()
        self._drain(_HURRIED_S)
        self.shop.report()
        save_stats_json(self._environment.stats, str(self._root / "logs" / "shop-locust"))
        self._server.close()
        self._log.close()

    def _drain(self, seconds: float) -> None:
        with gevent.Timeout(seconds, False):
            while self.shop.in_flight:
                stand_by(_POLL_S)

    def _port(self, callee: str) -> GreenletPort:
        link, settings = f"shop-{callee}", self._settings
        address = settings.links.get(link) or settings.addresses.get(callee)
        if address is None:
            raise SettingsError(f"shop: links has no {link!r}")
        return GreenletPort(address, partial(self._measured, link))

    def _measured(
        self,
        link: str,
        operation: str,
        took_ms: float,
        length: int,
        error: Exception | None,
        server_ms: float | None,
    ) -> None:
        key = f"{link}/{operation}"
        if error is None and self._tracer.wanted(key):
            self._tracer.called(key, took_ms, server_ms)
        self._environment.events.request.fire(  # type: ignore[no-untyped-call]
            request_type="POST",
            name=operation,
            response_time=took_ms,
            response_length=length,
            exception=error,
            context={},
        )

    def _lagged(self, lag_days: float, over_days: float) -> None:
        self._telemetry.log("lag", lag_days=round(lag_days, 4), over_days=round(over_days, 4))

    def _broke(self, error: BaseException) -> None:
        report(self._telemetry, "task", error)

    def _write(self, line: str) -> None:
        # Greenlets may outlive the log for a moment while Locust shuts down.
        if not self._log.closed:
            self._log.write(line + "\n")
            self._log.flush()


def read_origin(file: Path) -> float:
    """Block until the common origin is there: a value of the monotonic clock, in seconds."""
    while not file.exists() or not (text := file.read_text().strip()):
        stand_by(_POLL_S)
    return float(text)


def management(shop: Shop) -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
    """A WSGI application that answers the shop's operations, as JSON at their names; `/metrics` as text."""
    operations = operations_of(shop)

    def outcome(name: str, body: bytes) -> msgspec.Struct | PortError:
        if name not in operations:
            return NotFound(f"{shop.name} has no operation {name!r}")
        operation, handler = operations[name]
        try:
            request = msgspec.json.decode(body or b"{}", type=operation.request)
            work = cast("Coroutine[Any, Any, msgspec.Struct]", handler(request))
            return run_to_end(work)
        except msgspec.DecodeError as error:
            return Rejected(str(error))
        except PortError as error:
            return error

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        name = environ["PATH_INFO"].strip("/")
        if name == "metrics":
            start_response("200 OK", [("Content-Type", "text/plain; version=0.0.4")])
            return [shop.telemetry.render().encode()]
        what = outcome(name, environ["wsgi.input"].read())
        start_response(f"{status_of(what)} -", [("Content-Type", "application/json")])
        return [body_of(what)]

    return answer


def _open_log(path: Path) -> TextIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("a", encoding="utf-8")

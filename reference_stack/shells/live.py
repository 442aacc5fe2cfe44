"""One component as a real process: built from the settings, served over HTTP, started with the others."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import uvloop

from reference_stack.component import Component
from reference_stack.ports import Port
from reference_stack.runtime import Finished, LiveRuntime, monotonic
from reference_stack.settings import SettingsError, ShellSettings, StackSettings
from reference_stack.shells.http import HttpApp, HttpClient, listen
from reference_stack.shells.http_server import HttpServer
from reference_stack.shells.traced import TracedPort, TracedServer
from reference_stack.shells.tracing import Tracer
from reference_stack.telemetry import Telemetry, report

ORIGIN = "origin"
LOGS = "logs"
_ORIGIN_POLL_SECONDS = 0.01
_EARLY_SECONDS = 0.05
_TURN_SECONDS = 0.0005
"""How long blocking work keeps the interpreter while requests wait. Python's own 5 ms is two thirds of what
a view may take, and each request needs several turns."""


@dataclass(frozen=True)
class Life:
    """What a live process gives to the component in it. `closing` are awaited at the end, last first."""

    name: str
    settings: StackSettings
    runtime: LiveRuntime
    telemetry: Telemetry
    client: HttpClient
    tracer: Tracer
    closing: list[Callable[[], Awaitable[object]]]

    def address(self, link: str) -> str:
        """Where whoever answers on a link is. Raises SettingsError for a link without an address."""
        if link not in self.settings.links:
            raise SettingsError(f"{self.name}: links has no {link!r}")
        return self.settings.links[link]

    def port(self, link: str) -> Port:
        """The port to whoever answers on a link. Raises SettingsError for a link without an address."""
        return TracedPort(self.client.port(self.address(link)), link, self.tracer)


Build = Callable[[Life], Component[Any]]
"""Makes a component; nothing of it runs yet."""


def write_origin(root: Path, origin: float) -> None:
    """Give the start to all components of an arm: `origin` in seconds of the monotonic clock."""
    partial = root / f"{ORIGIN}.part"
    partial.write_text(repr(origin))
    partial.replace(root / ORIGIN)


def read_origin(root: Path) -> float | None:
    """The start, once it is given."""
    try:
        return float((root / ORIGIN).read_text())
    except FileNotFoundError:
        return None


def open_log(root: Path, component: str) -> TextIO:
    """The component's log, to append to; each line is written when it ends."""
    folder = root / LOGS
    folder.mkdir(parents=True, exist_ok=True)
    return (folder / f"{component}.jsonl").open("a", buffering=1)


def line_sink(file: TextIO) -> Callable[[str], None]:
    """A telemetry sink that writes lines to a line-buffered file."""

    def write(line: str) -> None:
        file.write(line + "\n")

    return write


def run_component(name: str, settings: StackSettings, build: Build, sink: Callable[[str], None]) -> int:
    """Serve a component until SIGTERM or SIGINT; the process's exit code, 1 where its own work broke.

    Raises SettingsError, and OSError where its address is taken.
    """
    if name not in settings.addresses:
        raise SettingsError(f"addresses has no {name!r}")
    sys.setswitchinterval(_TURN_SECONDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_live(name, settings, build, sink))


async def _live(name: str, settings: StackSettings, build: Build, sink: Callable[[str], None]) -> int:
    def on_lag(lag_days: float, over_days: float) -> None:
        telemetry.log("lag", lag_days=round(lag_days, 4), over_days=round(over_days, 4))

    def on_error(error: BaseException) -> None:
        report(telemetry, "task", error)

    def on_work(what: str, took_ms: float) -> None:
        tracer.worked(what, took_ms)

    runtime = LiveRuntime(settings.day_seconds, on_lag=on_lag, on_error=on_error, on_work=on_work)
    telemetry = Telemetry(name, runtime, sink)
    tracer = Tracer(telemetry, runtime.day)
    async with contextlib.AsyncExitStack() as stack:
        client = HttpClient()
        stack.push_async_callback(client.close)
        closing: list[Callable[[], Awaitable[object]]] = []
        component = build(Life(name, settings, runtime, telemetry, client, tracer, closing))
        for close in closing:
            stack.push_async_callback(close)
        stack.callback(runtime.close)
        shell = settings.shells.get(name, ShellSettings())
        server = TracedServer(component, runtime, shell, settings.seed, tracer)
        http = HttpServer(HttpApp(server))
        return await _serve(component, runtime, http, settings)


async def _serve(
    component: Component[Any], runtime: LiveRuntime, http: HttpServer, settings: StackSettings
) -> int:
    code = 0

    def ran(task: Finished) -> None:
        nonlocal code
        if not task.cancelled() and (error := task.exception()) is not None:
            report(component.telemetry, "run", error)
            code = 1
            http.stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, http.stop)
    root = Path(settings.root)
    component.ready = read_origin(root) is not None
    runtime.start_task(_work(component, runtime, root), ran)
    await http.serve(listen(settings.bound(component.name)))
    return code


async def _work(component: Component[Any], runtime: LiveRuntime, root: Path) -> None:
    if not component.ready:
        await component.prepare()
        component.ready = True
    while (origin := read_origin(root)) is None:
        await runtime.sleep(_ORIGIN_POLL_SECONDS)
    # Nobody's work begins long before the others': silence would be taken for a failure.
    await runtime.sleep(max(0.0, origin - monotonic() - _EARLY_SECONDS))
    runtime.start(origin)
    await component.run()

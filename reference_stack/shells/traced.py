"""Ports and servers of a live process whose calls and answers are measured (`tracing.py`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from reference_stack.component import Component
from reference_stack.ports import Operation, PortError, Reply, Request
from reference_stack.runtime import WAITED, ShellRuntime, Waited, monotonic
from reference_stack.settings import ShellSettings
from reference_stack.shells.http import HttpPort
from reference_stack.shells.server import Asked, Outcome, Server
from reference_stack.shells.tracing import Tracer


class TracedPort:
    """A port whose calls are measured, and counted as what a measured handler waits for."""

    def __init__(self, port: HttpPort, link: str, tracer: Tracer) -> None:
        self._port = port
        self._link = link
        self._tracer = tracer

    async def call(
        self, operation: Operation[Request, Reply], request: Request, *, timeout_ms: float
    ) -> Reply:
        """Ask and wait for the reply. Raises a PortError."""
        key = f"{self._link}/{operation.name}"
        wanted = self._tracer.wanted(key)
        waited = WAITED.get()
        if not wanted and waited is None:
            return (await self._port.ask(operation, request, timeout_ms))[0]
        began = monotonic()
        try:
            reply, server_ms = await self._port.ask(operation, request, timeout_ms)
        finally:
            took = monotonic() - began
            if waited is not None:
                waited.seconds += took
        if wanted:
            self._tracer.called(key, 1000 * took, server_ms)
        return reply


class _Watched:
    """Told of a measured request's outcome in its caller's place, whom it tells in turn."""

    __slots__ = ("arrived_s", "began_s", "done", "drawn_s", "left_s", "operation", "tracer", "waited")

    def __init__(self, tracer: Tracer, operation: str, done: Callable[[Outcome], object]) -> None:
        self.tracer = tracer
        self.operation = operation
        self.done = done
        self.waited = Waited()
        self.arrived_s = self.began_s = self.left_s = monotonic()
        self.drawn_s = 0.0

    def __call__(self, outcome: Outcome) -> object:
        if not isinstance(outcome, PortError):
            held_s = self.left_s - self.began_s
            own_s = monotonic() - self.left_s - self.waited.seconds
            self.tracer.answered(
                self.operation,
                1000 * (self.began_s - self.arrived_s),
                1000 * (held_s - self.drawn_s),
                1000 * max(0.0, own_s),
            )
        return self.done(outcome)

    @contextmanager
    def counting(self) -> Iterator[None]:
        """What is started here counts its waits as those of this request."""
        token = WAITED.set(self.waited)
        try:
            yield
        finally:
            WAITED.reset(token)


class TracedServer(Server):
    """A server whose answers are measured."""

    def __init__(
        self,
        component: Component[Any],
        runtime: ShellRuntime,
        shell: ShellSettings,
        seed: int,
        tracer: Tracer,
    ) -> None:
        super().__init__(component, runtime, shell, seed)
        self._tracer = tracer

    def submit(
        self,
        operation: str,
        request: msgspec.Struct,
        done: Callable[[Outcome], object],
        slow: float = 1.0,
    ) -> None:
        """Take a request in; see `Server.submit`."""
        if not self._tracer.wanted(operation):
            super().submit(operation, request, done, slow)
            return
        watched = _Watched(self._tracer, operation, done)
        with watched.counting():
            super().submit(operation, request, watched, slow)

    def _serve(self, asked: Asked) -> None:
        if isinstance(asked.done, _Watched):
            asked.done.began_s = monotonic()
            asked.done.drawn_s = asked.service_s
        super()._serve(asked)

    def served(self, asked: Asked) -> None:
        """A request's service time is over."""
        if isinstance(asked.done, _Watched):
            asked.done.left_s = monotonic()
        super().served(asked)

    def _handle(self, asked: Asked) -> None:
        if not isinstance(asked.done, _Watched):
            # The timer that led here may have been set while another request was measured.
            WAITED.set(None)
            super()._handle(asked)
            return
        with asked.done.counting():
            super()._handle(asked)

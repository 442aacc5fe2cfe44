"""The server in front of a component, the same in both kinds of time.

    arrival ─▶ queue (bounded; full: 429) ─▶ one of N workers, held for the service time only ─▶ the handler,
                                                                  in a task of its own ─▶ the reply

A worker is not held while the handler awaits another component: a slow dependency is no loss of capacity. A
caller that has given up does not end the work. What every component answers about itself (health, metrics,
settings) needs no worker.
"""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, NamedTuple, cast

import msgspec

from reference_stack import messages
from reference_stack.component import Component, operations_of
from reference_stack.messages import ConfigureReply, ConfigureRequest, SettingReply, SettingRequest
from reference_stack.ports import Failed, NotFound, Overloaded, PortError, Rejected, Unreachable
from reference_stack.runtime import Finished, ShellRuntime, Timer
from reference_stack.seeds import stream
from reference_stack.settings import ShellSettings
from reference_stack.telemetry import Telemetry, sample_key

Outcome = msgspec.Struct | PortError
"""What became of a request: the reply, or an error to be raised at the caller's end."""

MANAGEMENT = frozenset(
    operation.name for operation in (messages.HEALTH, messages.SCRAPE, messages.CONFIGURE, messages.SETTING)
)
SHELL_PREFIX = "shell."
_BATCH = 256


def status_of(outcome: Outcome) -> int:
    """The HTTP status of an outcome: 200, 400, 404, 429 or 500."""
    if not isinstance(outcome, PortError):
        return 200
    for kind, status in ((Rejected, 400), (NotFound, 404), (Overloaded, 429)):
        if isinstance(outcome, kind):
            return status
    return 500


def error_of(status: int, says: str) -> PortError:
    """The caller's exception for a status that is not 200."""
    kinds: dict[int, type[PortError]] = {400: Rejected, 404: NotFound, 429: Overloaded}
    return kinds.get(status, Failed)(says)


class ErrorBody(msgspec.Struct, frozen=True):
    """What an error's body says."""

    error: str


def body_of(outcome: Outcome) -> bytes:
    """An outcome as JSON: the reply, or `{"error": …}`."""
    if isinstance(outcome, PortError):
        return msgspec.json.encode(ErrorBody(str(outcome)))
    return msgspec.json.encode(outcome)


class ServiceTimes:
    """Service times by the ordinal of a request: gamma with mean 1, as the mean itself may change."""

    def __init__(self, seed: int, component: str, shape: float) -> None:
        self._draws = stream(seed, "service", component)
        self._shape = shape
        self._batch: list[float] = []
        self._next = 0

    def take(self) -> float:
        """The next request's service time as a multiple of the mean."""
        if self._next == len(self._batch):
            self._batch = (self._draws.gamma(self._shape, size=_BATCH) / self._shape).tolist()
            self._next = 0
        self._next += 1
        return self._batch[self._next - 1]


class Waiting(NamedTuple):
    """A request between its arrival and the start of its handler."""

    ordinal: int
    operation: str
    request: msgspec.Struct
    service_s: float


class Server:
    """Answers a component's operations. `submit` is the only way in; `shell` may change on the way."""

    def __init__(
        self, component: Component[Any], runtime: ShellRuntime, shell: ShellSettings, seed: int
    ) -> None:
        self.component = component
        self.operations = operations_of(component)
        self.shell = shell
        self._runtime = runtime
        self._times = ServiceTimes(seed, component.name, shell.service_shape)
        self._queue: deque[Waiting] = deque()
        self._serving: dict[int, Timer] = {}
        self._open: dict[int, Callable[[Outcome], object]] = {}
        self._ordinal = 0
        self._keys: dict[tuple[str, int], str] = {}

    def submit(
        self,
        operation: str,
        request: msgspec.Struct,
        done: Callable[[Outcome], object],
        slow: float = 1.0,
    ) -> None:
        """Take a request in; `done` is called once with its outcome, perhaps before this returns.

        `slow` multiplies the request's service time. The k-th request has the k-th draw of it, whatever
        becomes of the others.
        """
        self._ordinal += 1
        ordinal = self._ordinal
        self._open[ordinal] = done
        if operation not in self.operations:
            says = f"{self.component.name} has no operation {operation!r}"
            self._answer(ordinal, operation, NotFound(says))
            return
        if operation in MANAGEMENT:
            if not self._manage(ordinal, request):
                self._handle(ordinal, operation, request)
            return
        service_s = self._times.take() * self.shell.service_ms * slow / 1000
        if service_s <= 0.0:
            self._handle(ordinal, operation, request)
        elif len(self._serving) < self.shell.workers:
            self._serve(Waiting(ordinal, operation, request, service_s))
        elif len(self._queue) < self.shell.queue:
            self._queue.append(Waiting(ordinal, operation, request, service_s))
        else:
            self._answer(ordinal, operation, Overloaded(f"{self.component.name}: the queue is full"))

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._queue)

    @property
    def busy(self) -> int:
        """Workers held."""
        return len(self._serving)

    def stop(self) -> None:
        """The process is gone: whatever is open breaks off at the caller's end."""
        self._queue.clear()
        for timer in self._serving.values():
            timer.cancel()
        self._serving.clear()
        broken, self._open = self._open, {}
        for done in broken.values():
            done(Unreachable(f"{self.component.name} is gone"))

    def _serve(self, request: Waiting) -> None:
        self._serving[request.ordinal] = self._runtime.later(
            request.service_s, partial(self._served, request)
        )

    def _served(self, request: Waiting) -> None:
        del self._serving[request.ordinal]
        while self._queue and len(self._serving) < self.shell.workers:
            self._serve(self._queue.popleft())
        self._handle(request.ordinal, request.operation, request.request)

    def _handle(self, ordinal: int, operation: str, request: msgspec.Struct) -> None:
        work = cast(Coroutine[Any, Any, Any], self.operations[operation][1](request))
        self._runtime.start_task(work, partial(self._finished, ordinal, operation))

    def _finished(self, ordinal: int, operation: str, task: Finished) -> None:
        if ordinal not in self._open:
            return
        if task.cancelled():
            self._answer(ordinal, operation, Unreachable(f"{self.component.name} ended"))
            return
        error = task.exception()
        if error is None:
            self._answer(ordinal, operation, task.result())
        elif isinstance(error, (Rejected, NotFound, Overloaded)):
            self._answer(ordinal, operation, error)
        else:
            report(self.component.telemetry, operation, error)
            says = f"{type(error).__name__}: {error}"
            self._answer(ordinal, operation, Failed(f"{self.component.name}.{operation}: {says}"))

    def _answer(self, ordinal: int, operation: str, outcome: Outcome) -> None:
        status = status_of(outcome)
        key = self._keys.get((operation, status))
        if key is None:
            labels: dict[str, str | int] = {"operation": operation, "status": status}
            key = self._keys[operation, status] = sample_key("requests_total", labels)
        self.component.telemetry.metrics.add(key)
        self._open.pop(ordinal)(outcome)

    def _manage(self, ordinal: int, request: msgspec.Struct) -> bool:
        """Answer what is asked about the shell itself: `shell.workers`, `shell.queue`, `shell.service_ms`."""
        if not isinstance(request, (ConfigureRequest, SettingRequest)):
            return False
        if not request.key.startswith(SHELL_PREFIX):
            return False
        field = request.key.removeprefix(SHELL_PREFIX)
        outcome: Outcome
        if field not in self.shell.__struct_fields__:
            outcome = Rejected(f"a shell has no setting {field!r}")
        else:
            previous = msgspec.Raw(msgspec.json.encode(getattr(self.shell, field)))
            outcome = SettingReply(value=previous)
            if isinstance(request, ConfigureRequest):
                outcome = self._configure(field, request, previous)
        operation = messages.CONFIGURE if isinstance(request, ConfigureRequest) else messages.SETTING
        self._answer(ordinal, operation.name, outcome)
        return True

    def _configure(self, field: str, request: ConfigureRequest, previous: msgspec.Raw) -> Outcome:
        changed = {**msgspec.to_builtins(self.shell), field: msgspec.json.decode(request.value)}
        try:
            self.shell = msgspec.convert(changed, ShellSettings)
        except msgspec.ValidationError as error:
            return Rejected(str(error))
        self.component.telemetry.log("configured", key=request.key, value=request.value, previous=previous)
        return ConfigureReply(previous=previous)


def report(telemetry: Telemetry, where: str, error: BaseException) -> None:
    """Write what broke to a component's log: the whole story, but only a line for a call that failed."""
    story = "" if isinstance(error, PortError) else "".join(traceback.format_exception(error))
    telemetry.metrics.add("errors_total")
    telemetry.log("error", where=where, kind=type(error).__name__, says=str(error), story=story)

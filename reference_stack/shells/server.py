"""The server in front of a component, the same in both kinds of time.

    arrival ─▶ queue (bounded; full: 429) ─▶ one of N workers, held for the service time only ─▶ the handler,
                                                                  in a task of its own ─▶ the reply

A component may have a door of its own before the queue, which refuses likewise. A worker is not held while
the handler awaits another component: a slow dependency is no loss of capacity. A caller that has given up
does not end the work. What a component answers about itself (health, metrics, settings) needs no worker.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from reference_stack import messages
from reference_stack.comparing import SAMPLE
from reference_stack.component import Component, Door, Handler, operations_of
from reference_stack.messages import ConfigureReply, ConfigureRequest, SettingReply, SettingRequest
from reference_stack.ports import Failed, NotFound, Overloaded, PortError, Rejected, Unreachable
from reference_stack.runtime import LATER, Finished, ShellRuntime
from reference_stack.seeds import stream
from reference_stack.settings import ShellSettings
from reference_stack.telemetry import report, sample_key

Outcome = msgspec.Struct | PortError
"""What became of a request: the reply, or an error to be raised at the caller's end."""

MANAGEMENT = frozenset(
    operation.name
    for operation in (messages.HEALTH, messages.SCRAPE, messages.CONFIGURE, messages.SETTING, SAMPLE)
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
        self.batch: list[float] = []
        """Those to come as multiples of the mean, the next one last."""

    def fill(self) -> list[float]:
        """Draw again, when the batch is used up."""
        self.batch[:] = (self._draws.gamma(self._shape, size=_BATCH)[::-1] / self._shape).tolist()
        return self.batch


class Asked:
    """A request from its arrival to its answer."""

    __slots__ = ("arrived_s", "began_s", "done", "operation", "over", "request", "server", "service_s")

    def __init__(
        self, server: Server, operation: str, request: msgspec.Struct, done: Callable[[Outcome], object]
    ) -> None:
        self.server = server
        self.operation = operation
        self.request = request
        self.done = done
        self.service_s = self.arrived_s = self.began_s = 0.0
        self.over = False
        """Whether it has been answered."""

    def served(self, _: object) -> None:
        """Its service time is over."""
        self.server.served(self)

    def answered(self, result: msgspec.Struct) -> None:
        """Its handler has this to say."""
        if not self.over:
            self.server.answer(self, result)

    def ended(self, task: Finished) -> None:
        """Its handler has ended."""
        self.server.ended(self, task)


class Server:
    """Answers a component's operations. `submit` is the only way in; `shell` may change on the way."""

    def __init__(
        self, component: Component[Any], runtime: ShellRuntime, shell: ShellSettings, seed: int
    ) -> None:
        self.component = component
        self.operations = operations_of(component)
        self.shell = shell
        self._door = component.door
        self._runtime = runtime
        self._times = ServiceTimes(seed, component.name, shell.service_shape)
        self._queue: deque[Asked] = deque()
        self._serving: dict[Asked, None] = {}
        self._open: dict[Asked, None] = {}
        """Those that wait for something."""
        self._answered = {operation: _counter(operation, 200) for operation in self.operations}
        self._counts = component.telemetry.metrics.values
        self._handlers: dict[str, Handler] = {
            name: handler for name, (_, handler) in self.operations.items() if name not in MANAGEMENT
        }

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
        handler = self._handlers.get(operation)
        if handler is None:
            self._submit_other(Asked(self, operation, request, done))
            return
        times, shell = self._times, self.shell
        draw = (times.batch or times.fill()).pop()
        if shell.service_ms <= 0.0:
            work: Any = handler(request)
            reply = self._runtime.begin(work, partial(self._opened, operation, request, done))
            if reply is not LATER:
                self._counts[self._answered[operation]] += 1.0
                done(reply)
            return
        asked = Asked(self, operation, request, done)
        asked.service_s = draw * shell.service_ms * slow / 1000
        if self._door is not None and not self._comes_in(asked, self._door):
            self.answer(asked, Overloaded(f"{self.component.name} sheds load"))
        elif len(self._serving) < shell.workers:
            self._open[asked] = None
            self._serve(asked)
        elif len(self._queue) < shell.queue:
            self._open[asked] = None
            self._queue.append(asked)
        else:
            self.answer(asked, Overloaded(f"{self.component.name}: the queue is full"))

    def _opened(self, operation: str, request: msgspec.Struct, done: Callable[[Outcome], object]) -> Asked:
        asked = Asked(self, operation, request, done)
        self._open[asked] = None
        return asked

    def _submit_other(self, asked: Asked) -> None:
        if asked.operation not in self.operations:
            self.answer(asked, NotFound(f"{self.component.name} has no operation {asked.operation!r}"))
        elif not self._manage(asked):
            self._handle(asked)

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._queue)

    @property
    def busy(self) -> int:
        """Workers held."""
        return len(self._serving)

    @property
    def idle(self) -> bool:
        """Whether nobody waits for an answer."""
        return not self._open and not self._serving

    def stop(self) -> None:
        """The process is gone: whatever is open breaks off at the caller's end."""
        self._queue.clear()
        self._serving.clear()
        broken, self._open = self._open, {}
        for asked in broken:
            asked.over = True
            asked.done(Unreachable(f"{self.component.name} is gone"))

    def _comes_in(self, asked: Asked, door: Door) -> bool:
        asked.arrived_s = self._runtime.now()
        return door.admits(len(self._serving) + len(self._queue))

    def _serve(self, asked: Asked) -> None:
        self._serving[asked] = None
        if self._door is not None:
            asked.began_s = self._runtime.now()
        self._runtime.after(asked.service_s, asked.served)

    def served(self, asked: Asked) -> None:
        """A request's service time is over: its worker is free, its handler begins."""
        if asked.over:
            return
        del self._serving[asked]
        if self._door is not None:
            now = self._runtime.now()
            self._door.served(now - asked.arrived_s, now - asked.began_s)
        while self._queue and len(self._serving) < self.shell.workers:
            self._serve(self._queue.popleft())
        self._handle(asked)

    def _handle(self, asked: Asked) -> None:
        self._open[asked] = None
        work: Any = self.operations[asked.operation][1](asked.request)
        reply = self._runtime.begin(work, lambda: asked)
        if reply is not LATER:
            self.answer(asked, reply)

    def ended(self, asked: Asked, task: Finished) -> None:
        """A request's handler has ended: its answer goes out."""
        if asked.over:
            return
        if task.cancelled():
            self.answer(asked, Unreachable(f"{self.component.name} ended"))
            return
        error = task.exception()
        if error is None:
            self.answer(asked, task.result())
        elif isinstance(error, (Rejected, NotFound, Overloaded)):
            self.answer(asked, error)
        else:
            report(self.component.telemetry, asked.operation, error)
            says = f"{type(error).__name__}: {error}"
            self.answer(asked, Failed(f"{self.component.name}.{asked.operation}: {says}"))

    def answer(self, asked: Asked, outcome: Outcome) -> None:
        """The outcome of a request goes out."""
        if isinstance(outcome, PortError):
            key = _counter(asked.operation, status_of(outcome))
        else:
            key = self._answered[asked.operation]
        self._counts[key] += 1.0
        asked.over = True
        self._open.pop(asked, None)
        asked.done(outcome)

    def _manage(self, asked: Asked) -> bool:
        """Answer what is asked about the shell itself: `shell.workers`, `shell.queue`, `shell.service_ms`."""
        request = asked.request
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
        self.answer(asked, outcome)
        return True

    def _configure(self, field: str, request: ConfigureRequest, previous: msgspec.Raw) -> Outcome:
        changed = {**msgspec.to_builtins(self.shell), field: msgspec.json.decode(request.value)}
        try:
            self.shell = msgspec.convert(changed, ShellSettings)
        except msgspec.ValidationError as error:
            return Rejected(str(error))
        self.component.telemetry.log("configured", key=request.key, value=request.value, previous=previous)
        return ConfigureReply(previous=previous)


def _counter(operation: str, status: int) -> str:
    return sample_key("requests_total", {"operation": operation, "status": status})

"""One arm in virtual time: its processes, which lose their memory when they end, and the links in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from reference_stack.component import Component
from reference_stack.costs import Costs, fitted_costs
from reference_stack.ports import Folder, Rejected, Unreachable
from reference_stack.runtime import Finished
from reference_stack.settings import ShellSettings
from reference_stack.shells.server import Outcome, Server, body_of, status_of
from reference_stack.shells.virtual_link import LinkModel, VirtualLink
from reference_stack.shells.virtual_loop import VirtualLoop
from reference_stack.shells.virtual_runtime import VirtualRuntime
from reference_stack.telemetry import report

KILLED = -9
"""The exit code of a killed process, as the operating system tells it."""
STOPPED = 0
GRACE_SECONDS = 1.0
"""What a process that is to end has for the requests that are open, as on real processes."""
_LOOK_SECONDS = 0.01


class VirtualProcess:
    """One life of a component, from its start to its end; the next life is another object.

    Give the component `runtime`, folders through `folder`, and a log sink through `sink`: when the process is
    killed they go dead at that instant, so that no `finally` of its code can clean up, as no code of a killed
    process can.
    """

    def __init__(self, machine: VirtualMachine, name: str) -> None:
        self.name = name
        self.machine = machine
        self.runtime = VirtualRuntime(
            machine.loop, machine.day_seconds, on_error=self._broke, costs=machine.costs
        )
        self.server: Server | None = None
        self.held: list[Callable[[], None]] | None = None
        """What has come to its door while it is paused; None while it is not."""

    def folder(self, folder: Folder) -> Folder:
        """A folder that the process loses hold of when it ends."""
        return _HeldFolder(folder, self.runtime)

    def sink(self, sink: Callable[[str], None]) -> Callable[[str], None]:
        """A log sink that hears nothing after the process's end."""

        def write(line: str) -> None:
            if not self.runtime.closed:
                sink(line)

        return write

    def run(self, component: Component[Any], shell: ShellSettings) -> None:
        """Begin to serve, and start the component's own work."""
        self.server = Server(component, self.runtime, shell, self.machine.seed)
        self.runtime.begin(component.run(), lambda: _Life(self))

    def submit(
        self,
        operation: str,
        request: msgspec.Struct,
        done: Callable[[Outcome], object],
        slow: float = 1.0,
    ) -> None:
        """A request arrives; while the process is paused it waits at the door."""
        if self.held is not None:
            self.held.append(partial(self.submit, operation, request, done, slow))
        elif self.server is not None:
            self.server.submit(operation, request, done, slow)
        else:
            raise RuntimeError(f"{self.name} was not given a component")

    def pause(self) -> None:
        """Stop it where it stands."""
        if self.held is None:
            self.held = []
            self.runtime.pause()

    def resume(self) -> None:
        """Let it go on: first what it was doing, then what came meanwhile."""
        held, self.held = self.held, None
        self.runtime.resume()
        for arrival in held or ():
            arrival()

    def end(self) -> None:
        """End it at once; callers see their connections break."""
        held, self.held = self.held, None
        self.runtime.close()
        for arrival in held or ():
            arrival()
        if self.server is not None:
            self.server.stop()

    def _serving(self) -> Server:
        if self.server is None:
            raise RuntimeError(f"{self.name} was not given a component")
        return self.server

    def _broke(self, error: BaseException) -> None:
        report(self._serving().component.telemetry, "task", error)

    def broke(self, error: BaseException) -> None:
        """Its own work has broken, and it with it."""
        report(self._serving().component.telemetry, "run", error)
        self.machine.broke(self)


class _Life:
    """Whoever is told of the end of a component's own work."""

    def __init__(self, process: VirtualProcess) -> None:
        self._process = process

    def answered(self, _result: object) -> None:
        """It has nothing more to do, and goes on answering."""

    def ended(self, task: Finished) -> None:
        """See to what it raised."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._process.broke(error)


class VirtualMachine:
    """One arm in virtual time: a loop, the processes by name and the links between them.

    The clock starts on `start_day` (negative for a warm-up); `on_exit` hears of each process that ended, with
    its exit code. With `check_messages` every message goes through JSON as it does live (for tests: it takes
    time), and one that does not come out as its type is a TypeError at the caller's end. `costs` are by
    default those that come with the stack.
    """

    def __init__(
        self,
        seed: int,
        day_seconds: float,
        *,
        start_day: float = 0.0,
        on_exit: Callable[[str, int], object] | None = None,
        check_messages: bool = False,
        costs: Costs | None = None,
    ) -> None:
        self.seed = seed
        self.day_seconds = day_seconds
        self.loop = VirtualLoop(start_day * day_seconds)
        self.check_messages = check_messages
        self.costs = fitted_costs() if costs is None else costs
        self.links: dict[str, VirtualLink] = {}
        self.processes: dict[str, VirtualProcess] = {}
        self._winding_up: dict[str, VirtualProcess] = {}
        self._on_exit = on_exit

    def day(self) -> float:
        """The calendar."""
        return self.loop.time() / self.day_seconds

    def advance(self, until_day: float, wake: Callable[[], bool] | None = None) -> None:
        """Let time pass until a day, or until `wake`, asked at each instant, says so."""
        self.loop.run_until(until_day * self.day_seconds, wake)

    def link(self, name: str, callee: str, model: LinkModel | None = None) -> VirtualLink:
        """The link of that name, made when it is first asked for; it outlives the processes at its ends.

        Without a model it costs what the machine's costs say.
        """
        if name not in self.links:
            self.links[name] = VirtualLink(self, name, callee, model or self._modelled(name, callee))
        return self.links[name]

    def _modelled(self, name: str, callee: str) -> LinkModel:
        way = self.costs.way_of(name)
        handling_ms = self.costs.handling_of(callee)
        return LinkModel(way_ms=way.way_ms, jitter_ms=way.jitter_ms, handling_ms=handling_ms)

    def process(self, name: str) -> VirtualProcess | None:
        """The process of that name that lives now."""
        return self.processes.get(name)

    def start(
        self, name: str, build: Callable[[VirtualProcess], Component[Any]], shell: ShellSettings
    ) -> VirtualProcess:
        """Start a component in a new process. Raises RuntimeError where one of that name lives.

        One of that name that is about to end has ended then: two lives do not overlap.
        """
        if name in self.processes:
            raise RuntimeError(f"{name} runs already")
        if name in self._winding_up:
            self._end(self._winding_up[name], STOPPED)
        process = VirtualProcess(self, name)
        component = build(process)
        self.processes[name] = process
        process.run(component, shell)
        return process

    def end(self, name: str, code: int = KILLED) -> None:
        """End a process at once. Raises KeyError where there is none of that name."""
        self._end(self.processes.pop(name), code)

    def stop(self, name: str) -> None:
        """End a process in good order: it takes no more requests, and has a moment for those that are open.

        Raises KeyError where there is none of that name.
        """
        process = self._winding_up[name] = self.processes.pop(name)
        self._wind_up(process, self.loop.now + GRACE_SECONDS)

    def broke(self, process: VirtualProcess) -> None:
        """A process's own work has broken, and it with it."""
        if self.processes.get(process.name) is process:
            self.end(process.name, 1)
        elif self._winding_up.get(process.name) is process:
            self._end(process, 1)

    def _wind_up(self, process: VirtualProcess, deadline: float) -> None:
        if self._winding_up.get(process.name) is not process:
            return
        if process.server is None or process.server.idle or self.loop.now >= deadline:
            self._end(process, STOPPED)
            return
        self.loop.at(self.loop.now + _LOOK_SECONDS, None, lambda _: self._wind_up(process, deadline), None)

    def _end(self, process: VirtualProcess, code: int) -> None:
        if self._winding_up.get(process.name) is process:
            del self._winding_up[process.name]
        process.end()
        if self._on_exit is not None:
            self._on_exit(process.name, code)

    def request(
        self, name: str, operation: str, body: bytes, on_reply: Callable[[int, bytes], object]
    ) -> None:
        """Ask a component past every link: `on_reply` is given an HTTP status and a JSON body.

        Status 503 where there is no such process.
        """
        process = self.process(name)
        if process is None or process.server is None:
            on_reply(503, body_of(Unreachable(f"{name} is not there")))
            return

        def done(outcome: Outcome) -> None:
            on_reply(status_of(outcome), body_of(outcome))

        found = process.server.operations.get(operation)
        try:
            request = msgspec.json.decode(body or b"{}", type=found[0].request if found else msgspec.Struct)
        except msgspec.DecodeError as error:
            done(Rejected(str(error)))
            return
        process.submit(operation, request, done)

    def close(self) -> None:
        """End everything and close the loop."""
        for process in list(self._winding_up.values()):
            self._end(process, STOPPED)
        for process in reversed(list(self.processes.values())):
            process.end()
        self.processes.clear()
        self.loop.run_until(self.loop.time())
        self.loop.close()


class _HeldFolder:
    """A folder as one process holds it."""

    def __init__(self, folder: Folder, runtime: VirtualRuntime) -> None:
        self._folder = folder
        self._runtime = runtime

    def _held(self) -> Folder:
        if self._runtime.closed:
            raise asyncio.CancelledError
        return self._folder

    def write(self, name: str, data: bytes) -> None:
        self._held().write(name, data)

    def append(self, name: str, data: bytes) -> None:
        self._held().append(name, data)

    def read(self, name: str) -> bytes:
        return self._held().read(name)

    def exists(self, name: str) -> bool:
        return self._held().exists(name)

    def list(self, prefix: str = "") -> Sequence[str]:
        return self._held().list(prefix)

    def delete(self, name: str) -> None:
        self._held().delete(name)

from __future__ import annotations

import asyncio
import json

import msgspec
import pytest

from reference_stack.component import Component, serves
from reference_stack.messages import Empty
from reference_stack.ports import Operation, PortError, Rejected, Runtime
from reference_stack.runtime import LiveRuntime
from reference_stack.settings import ShellSettings
from reference_stack.shells.http import HttpApp, HttpClient, HttpPort, listen
from reference_stack.shells.http_server import HttpServer
from reference_stack.shells.server import Outcome
from reference_stack.shells.traced import TracedPort, TracedServer
from reference_stack.shells.tracing import ALL_UP_TO, ONE_IN, Tracer
from reference_stack.telemetry import Telemetry

WAIT = Operation("wait", Empty, Empty)
REFUSE = Operation("refuse", Empty, Empty)
WORK = Operation("work", Empty, Empty)
WAIT_MS = 60.0


class NoSettings(msgspec.Struct, frozen=True):
    pass


class Waiter(Component[NoSettings]):
    def __init__(self, runtime: Runtime, telemetry: Telemetry) -> None:
        super().__init__("waiter", runtime, telemetry, NoSettings(), {}, "test")

    @serves(WAIT)
    async def wait(self, _request: Empty) -> Empty:
        await self.runtime.sleep(WAIT_MS / 1000)
        return Empty()

    @serves(WORK)
    async def work(self, _request: Empty) -> Empty:
        await self.runtime.blocking(lambda: sum(range(1000)), "waiter.sum")
        return Empty()

    @serves(REFUSE)
    async def refuse(self, _request: Empty) -> Empty:
        raise Rejected("no")


class Notes(Tracer):
    """A tracer that keeps what it is told."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, float, float, float]] = []
        self.calls: list[tuple[str, float, float | None]] = []
        self.done: list[tuple[str, float]] = []

    def wanted(self, key: str) -> bool:
        return True

    def answered(self, operation: str, queue_ms: float, late_ms: float, own_ms: float) -> None:
        self.answers.append((operation, queue_ms, late_ms, own_ms))

    def called(self, key: str, ms: float, server_ms: float | None) -> None:
        self.calls.append((key, ms, server_ms))

    def worked(self, what: str, ms: float) -> None:
        self.done.append((what, ms))


class Calendar:
    day = 0.0


def tracer(lines: list[str], calendar: Calendar) -> Tracer:
    runtime = LiveRuntime(1.0, on_lag=lambda *_: None, on_error=pytest.fail, on_work=lambda *_: None)
    return Tracer(Telemetry("collector", runtime, lines.append), lambda: calendar.day)


def traced(notes: Notes, shell: ShellSettings) -> TracedServer:
    runtime = LiveRuntime(1.0, on_lag=lambda *_: None, on_error=pytest.fail, on_work=notes.worked)
    component = Waiter(runtime, Telemetry("waiter", runtime, lambda _: None))
    return TracedServer(component, runtime, shell, 1, notes)


async def ask(server: TracedServer, operation: str, times: int = 1) -> list[Outcome]:
    asked: list[asyncio.Future[Outcome]] = []
    for _ in range(times):
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        asked.append(future)
        server.submit(operation, Empty(), future.set_result)
    return await asyncio.gather(*asked)


def test_all_of_the_first_and_some_of_those_that_follow_are_measured() -> None:
    found = tracer([], Calendar())
    wanted = [found.wanted("one") for _ in range(ALL_UP_TO + 10 * ONE_IN)]
    assert all(wanted[:ALL_UP_TO])
    assert sum(wanted[ALL_UP_TO:]) == 10
    assert found.wanted("another")


def test_times_are_said_from_time_to_time_and_none_from_before_the_start() -> None:
    lines: list[str] = []
    calendar = Calendar()
    found = tracer(lines, calendar)
    found.worked("trainer.fit", 1000.0)
    calendar.day = 0.1
    found.worked("trainer.fit", 30.0)
    found.called("trainer-registry/register", 60.0, None)
    assert not lines
    calendar.day = 0.3
    found.answered("train", 0.0, 0.0, 1.25)
    said = [json.loads(line) for line in lines]
    assert [(one["event"], one["work"], one["answers"]["train"][0]["own_ms"]) for one in said] == [
        ("times", {"trainer.fit": [30.0]}, 1.25)
    ]
    assert said[0]["calls"] == {"trainer-registry/register": [{"ms": 60.0, "server_ms": None}]}
    found.worked("trainer.fit", 31.0)
    assert len(lines) == 1


def test_what_a_handler_waits_for_is_not_its_own_time() -> None:
    notes = Notes()

    async def scene() -> None:
        server = traced(notes, ShellSettings())
        for _ in range(5):
            await ask(server, "wait")
            await ask(server, "work")

    asyncio.run(scene())
    # The least of some: a machine that is busy may stop a process at any point.
    for operation in ("wait", "work"):
        assert min(own_ms for name, *_, own_ms in notes.answers if name == operation) < WAIT_MS / 2
    assert [what for what, _ in notes.done] == ["waiter.sum"] * 5


def test_waits_for_a_worker_and_being_held_by_it_are_told_apart() -> None:
    notes = Notes()

    async def scene() -> None:
        await ask(traced(notes, ShellSettings(workers=1, service_ms=40.0, service_shape=1000.0)), "wait", 2)

    asyncio.run(scene())
    (_, first_ms, *_), (_, second_ms, late_ms, _) = notes.answers
    assert first_ms < second_ms
    assert second_ms > 35.0
    assert late_ms > -2.0


def test_a_refusal_says_nothing_of_what_an_answer_takes() -> None:
    notes = Notes()
    outcomes = asyncio.run(ask(traced(notes, ShellSettings()), "refuse"))
    assert isinstance(outcomes[0], PortError)
    assert notes.answers == []


def test_a_call_over_http_is_told_what_the_other_end_took_of_it() -> None:
    notes = Notes()

    async def scene() -> None:
        listening = listen("127.0.0.1:0")
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        http = HttpServer(HttpApp(traced(notes, ShellSettings())))
        serving = asyncio.ensure_future(http.serve(listening))
        client = HttpClient()
        port = client.port(address)
        assert isinstance(port, HttpPort)
        await TracedPort(port, "caller-waiter", notes).call(WAIT, Empty(), timeout_ms=5000)
        await client.close()
        http.stop()
        await serving

    asyncio.run(scene())
    ((key, ms, server_ms),) = notes.calls
    assert key == "caller-waiter/wait"
    assert server_ms is not None
    assert WAIT_MS - 1 <= server_ms <= ms

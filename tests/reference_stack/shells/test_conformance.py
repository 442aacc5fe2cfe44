"""The live and the virtual shell say the same to the same calls."""

import asyncio
from contextlib import AsyncExitStack

import msgspec
import pytest

from reference_stack.ports import (
    Failed,
    NotFound,
    Overloaded,
    PortError,
    Rejected,
    TimedOut,
    Unreachable,
)
from reference_stack.runtime import LiveRuntime
from reference_stack.settings import ShellSettings
from reference_stack.shells.http import HttpApp, HttpClient, listen
from reference_stack.shells.http_server import HttpServer
from reference_stack.shells.server import Server
from reference_stack.shells.virtual_machine import VirtualMachine


class Scene:
    """A component behind its server, and ports to it and to nobody."""

    def __init__(self, parts, runtime, port, nobody, log: list[str]) -> None:
        self.parts = parts
        self.runtime = runtime
        self.port = port
        self.nobody = nobody
        self.log = log

    async def ask(self, what: str, timeout_ms: float = 2000.0) -> object:
        return await self.outcome(self.port, self.parts.ASK, self.parts.Ask(what), timeout_ms)

    async def outcome(self, port, operation, request, timeout_ms: float = 2000.0) -> object:
        try:
            return await port.call(operation, request, timeout_ms=timeout_ms)
        except PortError as error:
            return type(error)


def _virtual(parts, play, shell: ShellSettings):
    machine = VirtualMachine(1, 1.0)
    log: list[str] = []
    machine.start("echo", lambda p: parts.make("echo", p.runtime, p.sink(log.append)), shell)
    caller = machine.start(
        "caller", lambda p: parts.make("caller", p.runtime, p.sink(log.append)), ShellSettings()
    )
    scene = Scene(
        parts,
        caller.runtime,
        machine.link("link", "echo").port(caller),
        machine.link("nowhere", "nobody").port(caller),
        log,
    )
    results: list[object] = []

    async def work() -> None:
        results.append(await play(scene))

    caller.runtime.spawn(work())
    machine.advance(100.0, lambda: bool(results))
    machine.close()
    return results[0]


def _live(parts, play, shell: ShellSettings):
    async def main():
        log: list[str] = []
        runtime = LiveRuntime(1.0, on_lag=lambda *_: None, on_error=pytest.fail, on_work=lambda *_: None)
        component = parts.make("echo", runtime, log.append)
        http = HttpServer(HttpApp(Server(component, runtime, shell, seed=1)))
        listening, free = listen("127.0.0.1:0"), listen("127.0.0.1:0")
        address, nobody = (f"127.0.0.1:{one.getsockname()[1]}" for one in (listening, free))
        free.close()
        serving = asyncio.ensure_future(http.serve(listening))
        async with AsyncExitStack() as stack:
            client = HttpClient()
            stack.push_async_callback(client.close)
            scene = Scene(parts, runtime, client.port(address), client.port(nobody), log)
            result = await play(scene)
        http.stop()
        await serving
        runtime.close()
        return result

    return asyncio.run(main())


@pytest.fixture(params=["virtual", pytest.param("live", marks=pytest.mark.processes)])
def play(request, parts):
    kind = {"virtual": _virtual, "live": _live}[request.param]

    def run(scene_play, shell: ShellSettings | None = None):
        return kind(parts, scene_play, shell or ShellSettings())

    return run


def test_outcomes(play) -> None:
    async def scene_play(scene: Scene) -> dict[str, object]:
        whats = ("rejected", "not found", "overloaded", "failed", "timed out", "bug")
        found = {what: await scene.ask(what) for what in whats}
        found["answer"] = await scene.ask("you")
        found["missing"] = await scene.outcome(scene.port, scene.parts.MISSING, scene.parts.MISSING.request())
        found["nobody"] = await scene.outcome(scene.nobody, scene.parts.ASK, scene.parts.Ask("x"))
        return {"parts": scene.parts, **found}

    found = play(scene_play)
    parts = found.pop("parts")
    assert found == {
        "rejected": Rejected,
        "not found": NotFound,
        "overloaded": Overloaded,
        "failed": Failed,
        "timed out": Failed,
        "bug": Failed,
        "answer": parts.Told("hello you", 7),
        "missing": NotFound,
        "nobody": Unreachable,
    }


def test_what_broke_is_in_the_log(play) -> None:
    async def scene_play(scene: Scene) -> list[tuple[str, str, bool]]:
        for what in ("bug", "failed", "rejected"):
            await scene.ask(what)
        lines = [msgspec.json.decode(line) for line in scene.log]
        return [(line["event"], line["kind"], "Traceback" in line["story"]) for line in lines]

    assert play(scene_play) == [("error", "ValueError", True), ("error", "Failed", False)]


def test_errors_carry_their_words(play) -> None:
    async def scene_play(scene: Scene) -> list[str]:
        said = []
        for what in ("rejected", "bug"):
            try:
                await scene.port.call(scene.parts.ASK, scene.parts.Ask(what), timeout_ms=2000)
            except PortError as error:
                said.append(str(error))
        return said

    assert play(scene_play) == ["not so", "echo.ask: ValueError: a bug"]


def test_a_caller_that_gives_up_does_not_end_the_work(play) -> None:
    async def scene_play(scene: Scene) -> tuple[object, int]:
        gave_up = await scene.ask("slow", timeout_ms=50)
        done = 0
        while not done:
            await scene.runtime.sleep(0.02)
            told = await scene.outcome(scene.port, scene.parts.COUNT, scene.parts.COUNT.request())
            done = told.count
        return gave_up, done

    assert play(scene_play) == (TimedOut, 1)


def test_a_full_queue_refuses(play) -> None:
    async def scene_play(scene: Scene) -> list[object]:
        first = asyncio.ensure_future(scene.ask("a"))
        second = asyncio.ensure_future(scene.ask("b"))
        return sorted(
            outcome.__name__ if isinstance(outcome, type) else outcome.what
            for outcome in [await first, await second]
        )

    refused = play(scene_play, ShellSettings(workers=1, queue=0, service_ms=100.0, service_shape=1000.0))
    assert refused[0] == "Overloaded"
    assert refused[1].startswith("hello")

"""The server in virtual time: queueing theory, refusal, and work that outlives its caller."""

import math
import statistics

import msgspec
import pytest

from reference_stack.messages import CONFIGURE, HEALTH, SETTING, ConfigureRequest, SettingRequest
from reference_stack.ports import Overloaded, Rejected, TimedOut, Unreachable
from reference_stack.seeds import stream
from reference_stack.settings import ShellSettings
from reference_stack.shells.virtual_machine import VirtualMachine

BATCH = 1000


def _start(parts, shell: ShellSettings, seed: int = 1, log: list[str] | None = None):
    machine = VirtualMachine(seed, 1.0)
    sink = (log if log is not None else []).append
    process = machine.start("echo", lambda p: parts.make("echo", p.runtime, p.sink(sink)), shell)
    return machine, process


def _waits_ms(parts, workers: int, load: float, shape: float, requests: int) -> list[float]:
    """Times in the queue, with Poisson arrivals and a mean service time of 10 ms, which is taken off each."""
    shell = ShellSettings(workers=workers, queue=100_000, service_ms=10.0, service_shape=shape)
    machine, process = _start(parts, shell)
    replies: list[float] = []
    gaps = stream(7, "arrivals").exponential(0.010 / (workers * load), size=requests)

    def arrive(index: int) -> None:
        start = machine.loop.time()
        process.submit("ask", parts.Ask("x"), lambda _: replies.append(machine.loop.time() - start))
        if index + 1 < requests:
            machine.loop.call_later(gaps[index + 1], arrive, index + 1)

    machine.loop.call_later(gaps[0], arrive, 0)
    machine.advance(requests, lambda: len(replies) == requests)
    machine.close()
    return [1000 * reply - 10.0 for reply in replies]


def _erlang_c(workers: int, load: float) -> float:
    """The probability that all workers are busy in an M/M/c queue (Erlang 1917)."""
    offered = workers * load
    busy = offered**workers / math.factorial(workers) / (1 - load)
    return busy / (sum(offered**k / math.factorial(k) for k in range(workers)) + busy)


def _agrees(waits_ms: list[float], expected_ms: float) -> None:
    """The mean is what theory says, within three standard errors, which are small.

    Neighbours in a queue wait alike, so the error is that of the means of batches (Law and Kelton, batch means).
    """
    batches = [statistics.fmean(waits_ms[start : start + BATCH]) for start in range(0, len(waits_ms), BATCH)]
    error_ms = statistics.stdev(batches) / math.sqrt(len(batches))
    assert error_ms < 0.05 * expected_ms
    assert abs(statistics.fmean(waits_ms) - expected_ms) < 3 * error_ms


@pytest.mark.parametrize(("workers", "load"), [(1, 0.5), (3, 0.6), (2, 0.75)])
def test_waiting_follows_erlang(parts, workers: int, load: float) -> None:
    expected = _erlang_c(workers, load) * 10.0 / (workers * (1 - load))
    _agrees(_waits_ms(parts, workers, load, 1.0, 100 * BATCH), expected)


def test_steadier_service_halves_the_wait(parts) -> None:
    """Pollaczek–Khinchine: a gamma of shape k waits (1 + 1/k)/2 as long as an exponential."""
    _agrees(_waits_ms(parts, 1, 0.5, 8.0, 100 * BATCH), 10.0 * (1 + 1 / 8) / 2)


def test_a_full_queue_refuses(parts) -> None:
    machine, process = _start(parts, ShellSettings(workers=2, queue=3, service_ms=10.0))
    outcomes: list[object] = []
    for _ in range(7):
        process.submit("ask", parts.Ask("x"), outcomes.append)
    assert [type(outcome) for outcome in outcomes] == [Overloaded, Overloaded]
    machine.advance(1.0)
    assert len(outcomes) == 7
    assert process.server.component.asked == 5
    samples = process.server.component.telemetry.metrics.samples()
    assert samples['requests_total{operation="ask",status="200"}'] == 5
    assert samples['requests_total{operation="ask",status="429"}'] == 2
    machine.close()


def test_a_worker_is_held_for_the_service_time_only(parts) -> None:
    machine, process = _start(parts, ShellSettings(workers=1, queue=64, service_ms=1.0))
    ends: list[float] = []
    for _ in range(10):
        process.submit("ask", parts.Ask("slow"), lambda _: ends.append(machine.loop.time()))
    machine.advance(1.0)
    # Each handler waits for 200 ms; were they served one after the other, the last would take two seconds.
    assert len(ends) == 10
    assert max(ends) < 0.25
    machine.close()


def test_what_it_says_of_itself_needs_no_worker(parts) -> None:
    machine, process = _start(parts, ShellSettings(workers=1, queue=0, service_ms=1000.0))
    process.submit("ask", parts.Ask("x"), lambda _: None)
    outcomes: list[object] = []
    process.submit("health", HEALTH.request(), outcomes.append)
    machine.advance(0.001)
    assert outcomes == [HEALTH.reply(ready=True, component="echo", build="b1")]
    machine.close()


def _ask(machine: VirtualMachine, process, operation, request) -> object:
    outcomes: list[object] = []
    process.submit(operation.name, request, outcomes.append)
    machine.advance(machine.day() + 1e-6)
    return outcomes[0]


def test_the_shell_is_configured_like_a_component(parts) -> None:
    log: list[str] = []
    machine, process = _start(parts, ShellSettings(workers=1, queue=64, service_ms=10.0), log=log)
    reply = _ask(machine, process, CONFIGURE, ConfigureRequest("shell.service_ms", msgspec.Raw(b"30.0")))
    assert bytes(reply.previous) == b"10.0"
    reply = _ask(machine, process, SETTING, SettingRequest("shell.service_ms"))
    assert bytes(reply.value) == b"30.0"
    assert msgspec.json.decode(log[-1])["event"] == "configured"
    for key, value in (("shell.speed", b"1"), ("shell.workers", b'"many"')):
        refused = _ask(machine, process, CONFIGURE, ConfigureRequest(key, msgspec.Raw(value)))
        assert isinstance(refused, Rejected)
    own = _ask(machine, process, CONFIGURE, ConfigureRequest("greeting", msgspec.Raw(b'"hi"')))
    assert bytes(own.previous) == b'"hello"'
    machine.close()


def test_service_times_are_drawn_by_the_ordinal(parts) -> None:
    """A request's service time does not depend on what became of the others, nor on the mean."""

    def ends(queue: int, service_ms: float) -> list[float]:
        machine, process = _start(parts, ShellSettings(workers=1, queue=queue, service_ms=service_ms))
        done: list[float] = []
        for index in range(5):
            machine.loop.call_at(
                index / 10,
                lambda: process.submit(
                    "ask", parts.Ask("x"), lambda _: done.append(machine.loop.time() % 0.1)
                ),
            )
        machine.advance(2.0)
        machine.close()
        return done

    assert ends(64, 10.0) == pytest.approx(ends(0, 10.0))
    assert ends(64, 20.0) == pytest.approx([2 * end for end in ends(64, 10.0)])


def _goodput(parts, attempts: int) -> list[float]:
    """The share of answered calls in each second: 10 s of 70 calls a second, slow in the third of them."""
    machine, _ = _start(parts, ShellSettings(workers=1, queue=50, service_ms=10.0))
    link = machine.link("callers", "echo")
    caller = machine.start(
        "caller", lambda p: parts.make("caller", p.runtime, p.sink(lambda _: None)), ShellSettings()
    )
    port = link.port(caller)
    good = [0] * 10

    async def call(second: int) -> None:
        for _ in range(attempts):
            try:
                await port.call(parts.ASK, parts.Ask("x"), timeout_ms=100)
            except (TimedOut, Overloaded):
                await caller.runtime.sleep(0.02)
            else:
                good[second] += 1
                return

    async def arrive() -> None:
        for index, gap in enumerate(stream(3, "gaps").exponential(1 / 70, size=700)):
            await caller.runtime.sleep(gap)
            caller.runtime.spawn(call(min(9, int(index / 70))))

    caller.runtime.spawn(arrive())
    machine.advance(2.0)
    heal = link.shape(lambda plan: plan.replace(slow=4.0))
    machine.advance(3.0)
    heal()
    machine.advance(11.0)
    machine.close()
    return [count / 70 for count in good]


def test_a_retry_storm_outlives_its_trigger(parts) -> None:
    storm = _goodput(parts, attempts=8)
    assert storm[0] > 0.95
    assert storm[9] < 0.3
    without = _goodput(parts, attempts=1)
    assert without[2] < 0.7
    assert without[9] > 0.95


def test_what_breaks_is_logged_and_not_swallowed(parts) -> None:
    log: list[str] = []
    machine, process = _start(parts, ShellSettings(), log=log)
    process.submit("ask", parts.Ask("bug"), lambda _: None)
    machine.advance(0.1)
    line = msgspec.json.decode(log[0])
    assert (line["event"], line["kind"], line["says"]) == ("error", "ValueError", "a bug")
    assert "Traceback" in line["story"]
    machine.close()


def test_whoever_waits_for_a_process_that_is_gone_hears_of_it_once(parts) -> None:
    machine, process = _start(parts, ShellSettings(workers=1, queue=5, service_ms=10.0, service_shape=1e9))
    heard: list[tuple[str, object, float]] = []
    for name, what in (("at work", "slow"), ("served", "x"), ("in the queue", "x")):
        process.submit(
            "ask",
            parts.Ask(what),
            lambda outcome, name=name: heard.append((name, type(outcome), machine.loop.time())),
        )
    machine.advance(0.015)
    server = process.server
    assert (heard, server.waiting, server.busy, server.idle) == ([], 1, 1, False)
    machine.end("echo")
    machine.advance(1.0)
    assert sorted(heard) == [
        ("at work", Unreachable, 0.015),
        ("in the queue", Unreachable, 0.015),
        ("served", Unreachable, 0.015),
    ]
    machine.close()


def test_a_full_queue_has_room_again_as_soon_as_a_worker_is_free(parts) -> None:
    machine, process = _start(parts, ShellSettings(workers=1, queue=1, service_ms=10.0, service_shape=1e9))
    outcomes: list[object] = []
    for at in (0.0, 0.001, 0.002, 0.012, 0.013):
        machine.advance(at)
        process.submit("ask", parts.Ask("x"), lambda outcome: outcomes.append(type(outcome)))
    machine.advance(1.0)
    assert outcomes == [Overloaded, parts.Told, Overloaded, parts.Told, parts.Told]
    assert process.server.idle
    assert process.server.component.telemetry.metrics.samples() == {
        'requests_total{operation="ask",status="200"}': 3.0,
        'requests_total{operation="ask",status="429"}': 2.0,
    }
    machine.close()

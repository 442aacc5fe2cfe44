"""The embedded network proxy beside a real Toxiproxy 2.12, in one run on one machine.

    python -m benchmarks.network_proxy [--rounds 5] [--seconds 2] [--samples 40]

The real server is the binary that TOXIPROXY_SERVER names, else `toxiproxy-server` on PATH, else it is built
with Go into a temporary folder; without any, only the embedded proxy is measured, and the table says so.
Rounds alternate between the servers and figures are medians over rounds. One load generator and one echo
server, each a process of its own on uvloop, serve every column; the column `direct` shows what they can do.

The machine must have nothing else to do: where others want its cores, a server of many threads gets a larger
share of them than one of a single thread, whatever the work costs. The processor time per request (Linux
only) tells what it costs. The load average is printed for that reason.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import uvloop

GO_PACKAGE = "github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0"
LATENCY_MS = 100
# Where the scheduler puts the processes shows in round trips: short slices, taken in turn, even it out.
SLICES = 5
WARM_UP_S = 0.2
ROUND_TRIP = "p50 µs, 100 B, 1 connection"
Address = tuple[str, int]


# The echo server: its protocol's receiver is its transport's writer, so no Python runs per message.


class Echo(asyncio.BaseProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast(asyncio.Transport, transport)
        self.transport = stream
        self.data_received = stream.write
        stream.set_protocol(self)

    def pause_writing(self) -> None:
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()


async def serve_echo() -> None:
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


# The load generator.


class PingPong(asyncio.Protocol):
    """Sends a message, waits until all of it has come back, sends it again."""

    def __init__(self, message: bytes) -> None:
        self.message = message
        self.left = len(message)
        self.turns = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=4 * len(self.message))
        self.transport.write(self.message)

    def data_received(self, data: bytes) -> None:
        self.left -= len(data)
        if self.left == 0:
            self.left = len(self.message)
            self.turns += 1
            self.transport.write(self.message)


async def turns_per_second(target: Address, connections: int, size: int, seconds: float) -> float:
    loop = asyncio.get_running_loop()
    clients = [
        (await loop.create_connection(lambda: PingPong(b"x" * size), *target))[1] for _ in range(connections)
    ]
    await asyncio.sleep(WARM_UP_S)
    before, began = sum(client.turns for client in clients), time.perf_counter()
    await asyncio.sleep(seconds)
    turns, took = sum(client.turns for client in clients) - before, time.perf_counter() - began
    for client in clients:
        client.transport.abort()
    await asyncio.sleep(0.1)
    return turns / took


def throughput(target: Address, connections: int, size: int, seconds: float) -> float:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(turns_per_second(target, connections, size, seconds))


def round_trips_s(target: Address, count: float, seconds: float) -> list[float]:
    """Up to `count` round trips of 100 B, one after the other, for at most `seconds`."""
    message = b"x" * 100
    trips: list[float] = []
    with socket.create_connection(target) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end = time.perf_counter() + seconds
        while len(trips) < count and (began := time.perf_counter()) < end:
            client.sendall(message)
            got = 0
            while got < len(message):
                got += len(client.recv(4096))
            trips.append(time.perf_counter() - began)
    return trips


# The servers under test.


def call(api: str, method: str, path: str, body: object) -> dict[str, str]:
    request = urllib.request.Request(f"http://{api}{path}", json.dumps(body).encode(), method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return cast(dict[str, str], json.loads(answer.read() or b"{}"))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        return cast(int, holder.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], *, wait_for_line: bool) -> Iterator[tuple[int, str]]:
    """A process, ended on leaving: its id, and the first line that it printed."""
    quiet = {**os.environ, "LOG_LEVEL": "error"}
    output = subprocess.PIPE if wait_for_line else subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=output, env=quiet, text=True)
    try:
        yield process.pid, process.stdout.readline().strip() if process.stdout is not None else ""
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


@contextlib.contextmanager
def embedded_api() -> Iterator[tuple[int, str]]:
    command = [sys.executable, "-m", "chaos.proxies.network", "--port", "0"]
    with running(command, wait_for_line=True) as (pid, line):
        yield pid, json.loads(line)["api"]


@contextlib.contextmanager
def real_api(binary: str) -> Iterator[tuple[int, str]]:
    port = free_port()
    with running([binary, "-host", "127.0.0.1", "-port", str(port)], wait_for_line=False) as (pid, _):
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.02)
        yield pid, f"127.0.0.1:{port}"


def cpu_seconds(pid: int | None) -> float | None:
    """Processor time that a process has used so far; None where the system does not tell."""
    stat = Path(f"/proc/{pid}/stat")
    if pid is None or not stat.exists():
        return None
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def real_binary(folder: Path) -> str | None:
    named = os.environ.get("TOXIPROXY_SERVER") or shutil.which("toxiproxy-server")
    go = shutil.which("go")
    if named or not go:
        return named
    print("building Toxiproxy with Go …", flush=True)
    subprocess.run([go, "install", GO_PACKAGE], check=True, env={**os.environ, "GOBIN": str(folder)})
    return str(folder / "server")


@dataclass(frozen=True)
class Subject:
    """Something to measure: where to connect, and where once the latency toxic is there (None: nowhere)."""

    name: str
    plain: Address
    delayed: Address | None
    pid: int | None


def subject(name: str, server: tuple[int, str], echo: Address) -> Subject:
    pid, api = server

    def proxy(proxy_name: str) -> Address:
        spec = {"name": proxy_name, "upstream": f"{echo[0]}:{echo[1]}", "listen": "127.0.0.1:0"}
        host, _, port = call(api, "POST", "/proxies", spec)["listen"].rpartition(":")
        return host, int(port)

    plain, delayed = proxy("plain"), proxy("delayed")
    toxic = {"type": "latency", "attributes": {"latency": LATENCY_MS}}
    call(api, "POST", "/proxies/delayed/toxics", toxic)
    return Subject(name, plain, delayed, pid)


def wait_until_idle(patience_s: float) -> None:
    """Wait, up to `patience_s`, until others leave the processors alone for 250 ms (Linux only)."""
    stat = Path("/proc/stat")

    def idle_and_all() -> tuple[int, int]:
        ticks = [int(field) for field in stat.read_text().splitlines()[0].split()[1:]]
        return ticks[3] + ticks[4], sum(ticks)

    end = time.monotonic() + patience_s
    while stat.exists() and time.monotonic() < end:
        before = idle_and_all()
        time.sleep(0.25)
        idle, everything = (after - earlier for after, earlier in zip(idle_and_all(), before, strict=True))
        if idle >= 0.9 * everything:
            return


# What is measured, and the table.

Figures = dict[str, dict[str, list[float]]]  # row → subject → one figure a round


def measure(subjects: list[Subject], rounds: int, seconds: float, samples: int, patience_s: float) -> Figures:
    figures: Figures = {}
    errors_ms: dict[str, list[float]] = {}

    def note(row: str, name: str, value: float) -> None:
        figures.setdefault(row, {}).setdefault(name, []).append(value)

    def small_messages(who: Subject) -> None:
        before = cpu_seconds(who.pid)
        per_second = throughput(who.plain, 32, 100, seconds)
        after = cpu_seconds(who.pid)
        note("req/s, 100 B, 32 connections", who.name, per_second)
        if before is not None and after is not None:
            # The warm-up's requests are paid for, but not counted.
            requests = per_second * (seconds + WARM_UP_S)
            note("processor µs per such request", who.name, (after - before) * 1e6 / requests)

    measures: list[Callable[[Subject], None]] = [
        small_messages,
        lambda s: note(
            "MB/s, 64 KiB, 8 connections", s.name, throughput(s.plain, 8, 65_536, seconds) * 65_536 / 1e6
        ),
    ]
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", flush=True)
        # Every other round runs backwards, so that no subject always comes first.
        for one in measures:
            for who in subjects if number % 2 == 0 else subjects[::-1]:
                wait_until_idle(patience_s)
                one(who)
        for _ in range(SLICES):
            for who in subjects:
                trips = round_trips_s(who.plain, float("inf"), seconds / SLICES)
                note(ROUND_TRIP, who.name, statistics.median(trips) * 1e6)
        for who in subjects:
            if who.delayed is not None:
                trips = round_trips_s(who.delayed, samples / rounds, 60.0)
                errors_ms.setdefault(who.name, []).extend(trip * 1e3 - LATENCY_MS for trip in trips)
    for name, errors in errors_ms.items():
        cuts = statistics.quantiles(errors, n=100)
        note(f"{LATENCY_MS} ms toxic, error p50 ms", name, cuts[49])
        note(f"{LATENCY_MS} ms toxic, error p99 ms", name, cuts[98])
    return figures


def print_table(figures: Figures) -> None:
    print(f"\n| median | {'direct':>9} | {'real':>9} | {'embedded':>9} | embedded ÷ real |")
    print("|---|---|---|---|---|")
    for row, by_subject in figures.items():
        middle = {name: statistics.median(values) for name, values in by_subject.items()}
        cells = [
            f"{middle[name]:>9,.2f}" if name in middle else f"{'–':>9}"
            for name in ("direct", "real", "embedded")
        ]
        ratio = f"{middle['embedded'] / middle['real']:.2f}" if "real" in middle else "–"
        print(f"| {row} | {' | '.join(cells)} | {ratio} |")
    trips = figures[ROUND_TRIP]
    if "real" in trips:
        base = statistics.median(trips["direct"])
        real, embedded = (statistics.median(trips[name]) - base for name in ("real", "embedded"))
        print(f"| added p50 µs over direct | – | {real:.2f} | {embedded:.2f} | {embedded / real:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one throughput measurement")
    parser.add_argument("--samples", type=int, default=200, help="delayed round trips per server, in all")
    parser.add_argument(
        "--patience",
        type=float,
        default=0.0,
        help="seconds to wait for an idle machine before each measurement",
    )
    parser.add_argument("--echo", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.echo:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve_echo())
        return
    with contextlib.ExitStack() as stack:
        binary = real_binary(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        command = [sys.executable, "-m", "benchmarks.network_proxy", "--echo"]
        echo = ("127.0.0.1", int(stack.enter_context(running(command, wait_for_line=True))[1]))
        subjects = [Subject("direct", echo, None, None)]
        if binary is None:
            print("no real Toxiproxy: neither TOXIPROXY_SERVER, nor toxiproxy-server or Go on PATH")
        else:
            subjects.append(subject("real", stack.enter_context(real_api(binary)), echo))
        subjects.append(subject("embedded", stack.enter_context(embedded_api()), echo))
        figures = measure(subjects, given.rounds, given.seconds, given.samples, given.patience)
        print_table(figures)
        print(f"\n{os.cpu_count()} cores, load average over the last minute {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()

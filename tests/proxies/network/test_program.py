"""The embedded proxy as a program: how it starts and ends, its seed, and the inputs that kill a real server."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from chaos.drivers.toxiproxy import Toxic

COMMAND = [sys.executable, "-m", "chaos.proxies.network"]
SERVERS = ["embedded", "real"]


def test_it_says_where_it_listens_and_ends_on_sigterm() -> None:
    with subprocess.Popen(
        [*COMMAND, "--host", "127.0.0.1", "--port", "0", "--seed", "0"], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        host, _, port = json.loads(process.stdout.readline())["api"].rpartition(":")
        socket.create_connection((host, int(port))).close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)))


def test_it_ends_with_its_standard_input_when_asked_to() -> None:
    with subprocess.Popen(
        [*COMMAND, "--port", "0", "--until-stdin-closes"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        process.stdin.close()
        assert process.wait(10) == 0


@pytest.mark.parametrize("port", ["-+5", "ab\0c", "9" * 5000, "--1"])
def test_what_is_no_port_is_an_answer_and_no_end(start: Callable[..., Any], port: str) -> None:
    with start("embedded") as (server, _):
        body = {"name": "x", "upstream": "u:1", "listen": f"127.0.0.1:{port}"}
        assert server.call("POST", "/proxies", body).status == 500
        assert server.call("GET", "/proxies").status == 200


def test_a_taken_port_is_said_plainly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])
        ended = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, check=False)
    assert ended.returncode == 3
    assert ended.stderr == f"listen tcp 127.0.0.1:{port}: bind: address already in use\n"


def rolls(start: Any, kind: str, seed: int, echo: Any, connect: Any) -> list[bool]:
    """Which of 24 connections a toxic of toxicity one half hits."""
    option = "--seed" if kind == "embedded" else "-seed"
    with start(kind, option, str(seed)) as (server, _):
        listen = server.proxy(echo, Toxic("limit_data", {"bytes": 1}, toxicity=0.5))
        hits = []
        for _ in range(24):
            with connect(listen) as client:
                client.sendall(b"xy")
                got = client.recv(1)
                assert got == b"x"
                hits.append(client.recv(1) == b"")
        return hits


@pytest.mark.parametrize("kind", SERVERS)
def test_the_seed_is_honoured(start: Any, echo: Any, connect: Any, kind: str) -> None:
    first, again = (rolls(start, kind, 7, echo, connect) for _ in range(2))
    # The real server reads its seed and draws without it.
    assert (first == again) is (kind == "embedded")
    if kind == "embedded":
        assert rolls(start, kind, 8, echo, connect) != first


DEADLY = [
    pytest.param("bandwidth", {"rate": -1}, id="bandwidth, rate below 0"),
    pytest.param("bandwidth", {"rate": 2**63 // 100 + 1}, id="bandwidth, a slice beyond 64 bits"),
    pytest.param("latency", {"latency": 1, "jitter": 2**62}, id="latency, jitter beyond 62 bits"),
    pytest.param("slicer", {}, id="slicer, average_size 0"),
    pytest.param(
        "slicer", {"average_size": 1, "size_variation": 1_000}, id="slicer, variation above average"
    ),
]

# These end in the same endless halving as an average of 0, which a real server takes seconds to die of.
ENDLESS = [
    pytest.param({"average_size": -5}, id="average_size below 0"),
    pytest.param({"average_size": 5, "size_variation": -5}, id="sizes that add up to 0"),
]


@pytest.mark.parametrize(("toxic", "attributes"), DEADLY)
@pytest.mark.parametrize("kind", SERVERS)
def test_inputs_that_kill_a_real_server(
    start: Callable[..., Any], echo: Any, connect: Any, kind: str, toxic: str, attributes: dict[str, int]
) -> None:
    with start(kind) as (server, process):
        listen = server.proxy(echo)
        reply = server.call("POST", "/proxies/p/toxics", {"type": toxic, "attributes": attributes})
        if kind == "embedded":
            assert reply.status == 400
            assert reply.json["error"].startswith(f"bad request body: {toxic}: ")
            assert server.client.toxics("p") == ()
            return
        assert reply.status == 200
        client = connect(listen)
        with contextlib.suppress(OSError):
            for _ in range(50):
                client.sendall(b"x" * 30_000)
                if not client.recv(65_536):
                    break
        assert process.wait(15) != 0


@pytest.mark.parametrize("attributes", ENDLESS)
def test_sizes_for_which_halving_never_ends(
    start: Callable[..., Any], echo: Any, attributes: dict[str, int]
) -> None:
    with start("embedded") as (server, _):
        server.proxy(echo)
        reply = server.call("POST", "/proxies/p/toxics", {"type": "slicer", "attributes": attributes})
        assert reply.status == 400


def test_an_update_to_such_an_input_is_refused_too(start: Callable[..., Any], echo: Any) -> None:
    with start("embedded") as (server, _):
        server.proxy(echo, Toxic("slicer", {"average_size": 10}), Toxic("bandwidth", {"rate": 5}))
        for name, attributes in (("slicer", {"size_variation": 11}), ("bandwidth", {"rate": -1})):
            reply = server.call("PATCH", f"/proxies/p/toxics/{name}_downstream", {"attributes": attributes})
            assert reply.status == 400
        assert [dict(toxic.attributes) for toxic in server.client.toxics("p")] == [
            {"average_size": 10, "size_variation": 0, "delay": 0},
            {"rate": 5},
        ]

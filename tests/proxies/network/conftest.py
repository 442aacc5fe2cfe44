"""Two servers under one suite: the embedded proxy always, a real Toxiproxy where its binary is at hand."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from chaos.drivers.toxiproxy import ProxySpec, Toxic, Toxiproxy
from tests.command import real_toxiproxy

PATIENCE_S = 15.0
Address = tuple[str, int]


@dataclass(frozen=True)
class Reply:
    status: int
    content_type: str | None
    text: str
    headers: http.client.HTTPMessage

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Server:
    """A running server of one `kind`, asked over raw HTTP or through the adapter."""

    def __init__(self, kind: str, api: str) -> None:
        self.kind = kind
        self.api = api
        self.client = Toxiproxy(api, timeout_s=PATIENCE_S)

    def either(self, *, embedded: Any, real: Any) -> Any:
        """What is expected where the two differ."""
        return embedded if self.kind == "embedded" else real

    def call(self, method: str, path: str, body: object = None, **headers: str) -> Reply:
        """One request; a body that is not text is sent as JSON."""
        host, _, port = self.api.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE_S)
        text = body if isinstance(body, str | bytes) or body is None else json.dumps(body)
        try:
            connection.request(method, path, text, {k.replace("_", "-"): v for k, v in headers.items()})
            answer = connection.getresponse()
            return Reply(
                answer.status, answer.getheader("Content-Type"), answer.read().decode(), answer.headers
            )
        finally:
            connection.close()

    def proxy(self, upstream: Address, *toxics: Toxic, name: str = "p") -> Address:
        """A proxy to `upstream` with these toxics: where it listens."""
        made = self.client.create(ProxySpec(name, address(upstream)))
        for toxic in toxics:
            self.client.add_toxic(name, toxic)
        return parse(made.listen)


def address(where: Address) -> str:
    return f"{where[0]}:{where[1]}"


def parse(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host, int(port)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        return int(holder.getsockname()[1])


@contextlib.contextmanager
def running(kind: str, *options: str) -> Iterator[tuple[Server, subprocess.Popen[str]]]:
    """A server of its own, for tests that end it or need options."""
    if kind == "real":
        port = free_port()
        command = [real_toxiproxy(), "-host", "127.0.0.1", "-port", str(port), *options]
        output = subprocess.DEVNULL
    else:
        port = 0
        command = [sys.executable, "-m", "chaos.proxies.network", "--port", "0", *options]
        output = subprocess.PIPE
    process = subprocess.Popen(
        command, stdout=output, stderr=subprocess.DEVNULL, env={**os.environ, "LOG_LEVEL": "fatal"}, text=True
    )
    try:
        if process.stdout is not None:
            api = json.loads(process.stdout.readline())["api"]
        else:
            api = f"127.0.0.1:{port}"
            until_open(("127.0.0.1", port), process)
        yield Server(kind, api), process
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
        if process.stdout is not None:
            process.stdout.close()


def until_open(where: Address, process: subprocess.Popen[str]) -> None:
    while process.poll() is None:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(where, PATIENCE_S):
            return
    pytest.fail(f"the server ended with {process.returncode}")


@pytest.fixture(scope="session", params=["embedded", "real"])
def shared_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with running(request.param) as (server, _):
        yield server


@pytest.fixture
def server(shared_server: Server) -> Iterator[Server]:
    """A server without proxies."""
    yield shared_server
    for name in shared_server.call("GET", "/proxies").json:
        shared_server.client.delete(name)


@pytest.fixture
def start() -> Callable[..., contextlib.AbstractContextManager[tuple[Server, subprocess.Popen[str]]]]:
    return running


@pytest.fixture
def connect() -> Iterator[Callable[[Address], socket.socket]]:
    """Opens sockets that the test's end closes."""
    with contextlib.ExitStack() as stack:

        def connect(where: Address) -> socket.socket:
            opened = stack.enter_context(socket.create_connection(where, PATIENCE_S))
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return opened

        yield connect


class Upstream:
    """A listener whose connections the test accepts one by one."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self._listener.settimeout(PATIENCE_S)
        self.where: Address = self._listener.getsockname()

    def accept(self) -> socket.socket:
        accepted = self._stack.enter_context(self._listener.accept()[0])
        accepted.settimeout(PATIENCE_S)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return accepted


@pytest.fixture
def upstream() -> Iterator[Callable[[], Upstream]]:
    with contextlib.ExitStack() as stack:
        yield lambda: Upstream(stack)


@pytest.fixture
def pair(
    server: Server, connect: Callable[[Address], socket.socket], upstream: Callable[[], Upstream]
) -> Callable[..., tuple[socket.socket, socket.socket]]:
    """A client and its upstream, connected through a fresh proxy `p` with these toxics."""

    def pair(*toxics: Toxic) -> tuple[socket.socket, socket.socket]:
        behind = upstream()
        client = connect(server.proxy(behind.where, *toxics))
        return client, behind.accept()

    return pair


@pytest.fixture
def echo() -> Iterator[Address]:
    """An echo server on threads."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            while data := client.recv(65_536):
                client.sendall(data)

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield listener.getsockname()
    # Closing alone does not wake a thread that accepts.
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()

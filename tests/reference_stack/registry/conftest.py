from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from reference_stack.costs import fitted_costs

T = TypeVar("T")

WARM = """
import os, signal, sys
import msgspec
from reference_stack.registry.environment import preload
from reference_stack.registry.server import serve
from reference_stack.settings import StackSettings
preload()
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        serve(msgspec.json.decode(line, type=StackSettings))
        os._exit(0)
    print(pid, flush=True)
"""


class InlineRuntime:
    """As much of a runtime as a registry uses."""

    async def blocking(self, work: Callable[[], T], what: str) -> T:
        assert what in fitted_costs().work_ms
        return work()


class Parent:
    """A process that has imported MLflow and forks servers."""

    def __init__(self, cache: Path) -> None:
        environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
        self._process = subprocess.Popen(
            [sys.executable, "-c", WARM],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def fork(self, settings: dict[str, object]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(settings) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate(timeout=20)


@dataclass
class Server:
    """An MLflow server in a process of its own, forked from a warm parent."""

    parent: Parent
    root: Path
    port: int
    pid: int | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        self.pid = self.parent.fork({"root": str(self.root), "addresses": {"registry": self.address}})
        wait_for(self.answers)

    def answers(self) -> bool:
        assert self.alive(), "the server ended"
        url = f"http://{self.address}/api/2.0/mlflow/experiments/get?experiment_id=0"
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:
                return bool(reply.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False

    def alive(self) -> bool:
        try:
            os.kill(self.pid or 0, 0)
        except ProcessLookupError:
            return False
        return True

    def end(self, how: signal.Signals) -> None:
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, how)
            wait_for(lambda: not self.alive())
            self.pid = None


def wait_for(condition: Callable[[], bool], limit_s: float = 60.0) -> None:
    give_up = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="session")
def template_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A template of this session's own, so that no test depends on what a user's cache holds."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def parent(template_cache: Path) -> Iterator[Parent]:
    warm = Parent(template_cache)
    yield warm
    warm.close()


@pytest.fixture(scope="module")
def new_server(tmp_path_factory: pytest.TempPathFactory, parent: Parent) -> Iterator[Callable[..., Server]]:
    """Makes servers, not yet started; ends them at the end of the module."""
    servers: list[Server] = []

    def make(root: Path | None = None) -> Server:
        servers.append(Server(parent, root or tmp_path_factory.mktemp("stack"), free_port()))
        return servers[-1]

    yield make
    for server in servers:
        server.end(signal.SIGTERM)

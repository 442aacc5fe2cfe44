"""One project of `docker compose`: its file, its variables, its names."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.clock import Clock
from chaos.engine import asking
from chaos.errors import ArmFailed, Interrupted

if TYPE_CHECKING:
    from docker import DockerClient

UP_SECONDS = 420.0
POLL_SECONDS = 0.05
STOPPING_SECONDS = 5.0
"""What Compose is given to end in good order, once it is told to."""
PORTS = ("DOOR_PORT", "MLFLOW_PORT", "SHOP_PORT", "MONITOR_PORT", "TOXIPROXY_PORT", "PROMETHEUS_PORT")
"""Free ones are taken, unless the environment names them: two runs can stand side by side."""
_TAKEN = re.compile(r"(?:Bind for|listen tcp4?) ([\d.]+:\d+)")
OVERRIDE = """# Written by mlchaos: the collector's disk is one of its own, with an end.
volumes:
  collector: {driver_opts: {type: tmpfs, device: tmpfs, o: "size=64m,uid=1000,gid=1000,mode=0755"}}
"""


class Project:
    """A compose file under a project name. `stopping` says whether the user wants no more of it."""

    def __init__(
        self,
        name: str,
        file: Path,
        logs: Path,
        clock: Clock,
        on_process: Callable[[str, int], None],
        stopping: Callable[[], bool],
    ) -> None:
        self._clock = clock
        self._on_process = on_process
        self._stopping = stopping
        self._name = name
        self._file = file
        self._logs = logs

    def container(self, service: str) -> str:
        """The name of a service's container."""
        return f"{self._name}-{service}-1"

    def up(self, changes: str, day_seconds: float) -> None:
        """Start all containers; `changes` are the stack's further settings as JSON.

        Raises ArmFailed, and Interrupted where the user asked to stop; what is there by then stays.
        """
        self._logs.mkdir(parents=True, exist_ok=True)
        override = self._logs / "compose.override.yaml"
        override.write_text(OVERRIDE)
        variables = {
            **{port: os.environ.get(port, "0") for port in PORTS},
            "MLCHAOS_RUN": self._name,
            "STACK_CHANGES": changes,
            "DAY_SECONDS": repr(day_seconds),
            # The harness looks for itself; a look by the engine costs more than a page view.
            "HEALTH_INTERVAL": "60s",
        }
        files = ["--file", str(self._file), "--file", str(override)]
        self._compose(["--project-name", self._name, *files, "up", "--detach", "--no-build"], variables)

    def published(self, client: DockerClient, service: str, port: int) -> str:
        """Where a container's port is found on this machine, `host:port`. Raises ArmFailed."""
        with asking(f"the ports of {service}"):
            bound = client.containers.get(self.container(service)).ports.get(f"{port}/tcp")
        if not bound:
            raise ArmFailed(f"{service} has no port {port} to be reached at")
        return f"{bound[0]['HostIp']}:{bound[0]['HostPort']}"

    def _compose(self, words: Sequence[str], variables: dict[str, str]) -> None:
        command = ["docker", "compose", "--progress", "plain", *words]
        log = self._logs / "compose.log"
        try:
            with log.open("wb") as said:
                process = subprocess.Popen(
                    command,
                    env={**os.environ, **variables},
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    # A Ctrl-C at the terminal is for the runner, which says what becomes of it.
                    start_new_session=True,
                )
        except OSError as error:
            raise ArmFailed(f"docker compose cannot be run: {error.strerror}") from error
        try:
            self._on_process("docker compose", process.pid)
            code = self._wait(process)
        finally:
            self._end(process)
        if code != 0:
            raise ArmFailed(_why(log.read_text(errors="replace")))

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        limit = self._clock.monotonic() + UP_SECONDS
        while (code := process.poll()) is None:
            if self._stopping():
                raise Interrupted("stopped by the user")
            if self._clock.monotonic() > limit:
                raise ArmFailed(f"docker compose took more than {UP_SECONDS:g} s")
            self._clock.sleep(POLL_SECONDS)
        return code

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """By SIGINT first: so it waits for what it has asked the engine for, and nothing comes up later."""
        if process.poll() is not None:
            return
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOPPING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _why(said: str) -> str:
    """What went wrong, of the many lines that Compose writes."""
    taken = _TAKEN.search(said)
    if taken and ("already allocated" in said or "address already in use" in said):
        return f"port {taken[1]} is taken; name another by its variable in docker-compose.yml"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return f"docker compose: {lines[-1]}" if lines else "docker compose failed and said nothing"

"""A nursery: a second warm parent, below the first, for a component whose imports must be apart.

MLflow's server takes as long to import as everything else together, so a nursery of its own does that at the
same time, on another core; Locust patches the standard library, which none of the others would survive.

This is the first parent's side. A nursery is told {"do": "start", "component": NAME, "settings": FILE}, and
speaks as `processes` says.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from select import select

import msgspec

from reference_stack.shells.parental import Command, Exit, Said, StackError

CLOSE_SECONDS = 5.0


class Nursery:
    """A process that has imported what one kind of component needs, or is about to have."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._commands = self._process.stdin
        self.said = self._process.stdout.fileno()
        """Can be read when the nursery has something to say."""
        self.lives = True
        self._pending = b""
        self._heard: list[Said] = []
        self._running: set[str] = set()
        os.set_blocking(self.said, False)

    def ask(self, component: str, file: Path) -> None:
        """Ask for a component's start. Raises StackError where the nursery has ended."""
        command = Command(do="start", component=component, settings=str(file))
        try:
            self._commands.write(msgspec.json.encode(command) + b"\n")
        except OSError as error:
            raise StackError(f"{component}: its nursery has ended") from error

    def pid(self, component: str) -> int:
        """Wait for the pid of what was asked for. Raises StackError where it cannot be started."""
        while True:
            self._listen()
            answer = next((said for said in self._heard if said.ok is not None), None)
            if answer is not None:
                self._heard.remove(answer)
                break
            if not self.lives:
                raise StackError(f"{component}: its nursery has ended")
            select([self.said], [], [])
        if not answer.ok:
            raise StackError(answer.error)
        self._running.add(component)
        return answer.pids[component]

    def exits(self) -> list[Exit]:
        """Components that have ended since the last call. If the nursery dies they do, by SIGKILL."""
        self._listen()
        ended = [Exit(said.exit, said.code) for said in self._heard if said.exit in self._running]
        self._heard = [said for said in self._heard if said.ok is not None]
        self._running -= {gone.exit for gone in ended}
        if not self.lives:
            ended += [Exit(name, -signal.SIGKILL) for name in sorted(self._running)]
            self._running.clear()
        return ended

    def close(self) -> None:
        """Let it end, with what it has started."""
        self._commands.close()
        try:
            self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.lives = False
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _listen(self) -> None:
        while self.lives:
            try:
                data = os.read(self.said, 65536)
            except BlockingIOError:
                return
            if not data:
                self.lives = False
            *lines, self._pending = (self._pending + data).split(b"\n")
            self._heard += [msgspec.json.decode(line, type=Said) for line in lines]

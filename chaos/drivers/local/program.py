"""A child program that says where it is on its first line and ends when its standard input closes."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from chaos.errors import ArmFailed

T = TypeVar("T")


class Program:
    """A child process that speaks JSON lines; its standard error goes to a file."""

    def __init__(
        self, name: str, command: Sequence[str], errors: Path, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self._errors = errors
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        try:
            with errors.open("ab") as stderr:
                self._process = subprocess.Popen(
                    list(command),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    env={**os.environ, **environment},
                    start_new_session=True,
                )
        except OSError as error:
            raise ArmFailed(f"{name}: cannot start {command[0]}: {error.strerror}") from error
        self._reader = threading.Thread(target=self._read, daemon=True, name=f"read-{name}")
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Its exit code, a negative one being a signal's number; None while it runs."""
        return self._process.poll()

    def check(self) -> None:
        """Raise ArmFailed where it has ended: another process may hold its standard output open."""
        if self.code is not None:
            raise ArmFailed(f"{self.name} has ended{self._last_words()}")

    def send(self, message: object) -> None:
        """Write one JSON line. Raises ArmFailed where the program is gone."""
        assert self._process.stdin is not None
        self.check()
        try:
            self._process.stdin.write(msgspec.json.encode(message) + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise ArmFailed(f"{self.name} has ended{self._last_words()}") from error

    def receive(self, kind: type[T], *, timeout_s: float) -> T:
        """Wait for the next JSON line. Raises ArmFailed for silence, an end, or an unexpected line."""
        try:
            line = self._lines.get(timeout=timeout_s)
        except queue.Empty as error:
            raise ArmFailed(f"{self.name} said nothing for {timeout_s:g} s{self._last_words()}") from error
        if line is None:
            self._lines.put(None)  # whoever asks next is told too
            raise ArmFailed(f"{self.name} has ended{self._last_words()}")
        try:
            return msgspec.json.decode(line, type=kind)
        except msgspec.DecodeError as error:
            raise ArmFailed(f"{self.name} said {line[:200]!r}: {error}") from error

    def waiting(self) -> bool:
        """Whether a line is there to be received."""
        return not self._lines.empty()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def close(self, *, timeout_s: float = 5.0) -> None:
        """Close its standard input, wait for its end, and end it if it does not."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended already
            self._process.stdin.close()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
        self._reader.join(timeout_s)  # whoever still holds its standard output keeps it from ending

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as said:
            for line in said:
                self._lines.put(line)
        self._lines.put(None)

    def _last_words(self) -> str:
        return last_words(self._errors)


def last_words(errors: Path) -> str:
    """The last line of a file of errors, after a colon; nothing where there is none."""
    try:
        words = errors.read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return f": {words[-1]}" if words else ""

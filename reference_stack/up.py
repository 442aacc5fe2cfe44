"""`python -m reference_stack up`: the whole stack, by way of a warm parent of its own."""

from __future__ import annotations

import http.client
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, NoReturn

import msgspec

from reference_stack.live import read_changes, with_addresses
from reference_stack.messages import HealthReply
from reference_stack.registry.server import READINESS
from reference_stack.runtime import monotonic, stand_by
from reference_stack.settings import SettingsError, StackSettings
from reference_stack.shells.http import split_address
from reference_stack.shells.live import write_origin
from reference_stack.shells.parental import Said

LEAD_SECONDS = 0.05
_POLL_SECONDS = 0.02


def up(file: Path, timeout_s: float) -> int:
    """Start all components, give them the start, say so on a line of JSON, and stay until SIGTERM, SIGINT or
    the end of standard input. The exit code: 1 where the stack does not get healthy within `timeout_s`.

    Raises SettingsError.
    """
    settings = with_addresses(read_changes(file))
    if not settings.root:
        raise SettingsError(f"{file}: root is empty")
    root = Path(settings.root)
    root.mkdir(parents=True, exist_ok=True)
    wired = root / "up-settings.json"
    wired.write_bytes(msgspec.json.encode(settings))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    parent = subprocess.Popen(
        [sys.executable, "-m", "reference_stack", "parent"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    try:
        _expect(parent.stdout)
        parent.stdin.write(msgspec.json.encode({"do": "up", "settings": str(wired)}) + b"\n")
        parent.stdin.flush()
        pids = _expect(parent.stdout).pids
        waiting = await_healthy(settings, timeout_s)
        if waiting:
            sys.stderr.write(f"not healthy after {timeout_s:g} s: {', '.join(waiting)}\n")
            return 1
        write_origin(root, monotonic() + LEAD_SECONDS)
        ready = {"ready": True, "pids": pids, "addresses": settings.addresses, "root": str(root)}
        sys.stdout.write(msgspec.json.encode(ready).decode() + "\n")
        sys.stdout.flush()
        _wait_for_end(parent.stdout)
        return 0
    finally:
        parent.stdin.close()
        parent.wait()
        parent.stdout.close()


def await_healthy(settings: StackSettings, timeout_s: float) -> list[str]:
    """Wait until every component answers that it is ready; those that do not in time."""
    deadline = monotonic() + timeout_s
    waiting = list(settings.addresses)
    while True:
        waiting = [name for name in waiting if not is_healthy(name, settings.addresses[name])]
        if not waiting or monotonic() > deadline:
            return waiting
        stand_by(_POLL_SECONDS)


def is_healthy(component: str, address: str) -> bool:
    """Whether a component answers that it is ready, within a second."""
    connection = http.client.HTTPConnection(*split_address(address), timeout=1.0)
    try:
        connection.request("GET", READINESS if component == "registry" else "/health")
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    if component == "registry" or response.status != 200:
        return response.status == 200
    return msgspec.json.decode(body, type=HealthReply).ready


def _expect(lines: IO[bytes]) -> Said:
    """The parent's next answer; what it says unasked goes to standard error."""
    while line := lines.readline():
        said = msgspec.json.decode(line, type=Said)
        if said.ready or said.ok:
            return said
        if said.ok is False:
            raise SettingsError(said.error)
        sys.stderr.write(line.decode())
    raise SettingsError("the stack's parent has ended")


def _wait_for_end(said: IO[bytes]) -> None:
    """Until standard input ends or the parent does; exits of components are shown."""
    watched = [sys.stdin.fileno(), said.fileno()]
    while True:
        readable, _, _ = select.select(watched, [], [])
        if sys.stdin.fileno() in readable and not os.read(sys.stdin.fileno(), 4096):
            return
        if said.fileno() in readable:
            line = said.readline()
            if not line:
                return
            sys.stderr.write(line.decode())


def _leave(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(0)

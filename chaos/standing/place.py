"""Where a standing stack is written down: under its name, in a folder of the working directory."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from chaos.errors import UsageError, hint, nearest
from chaos.processes import alive

FOLDER = Path("runs") / "standing"
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
DESCRIBED = "target.yaml"


class State(msgspec.Struct, frozen=True):
    """What is known of a standing stack. `token` lets only those in who can read this file."""

    name: str
    target: str
    pid: int
    started: float
    folder: str
    port: int
    token: str
    seed: int
    world: str
    days: float
    day_seconds: float
    addresses: dict[str, str] = {}
    health: dict[str, str] = {}
    pages: dict[str, str] = {}

    described: str = ""
    """The file with the target's description as it was when the stack was brought up: that is what stands,
    whatever another file of its name says. "" where there is none.
    """


def check_name(name: str) -> str:
    """The name, if it can be one. Raises UsageError."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no stack's name: use small letters, digits and single dashes, as in game-day"
        )
    return name


def path_of(name: str) -> Path:
    """Where a stack of that name is written down while it stands."""
    return FOLDER / f"{check_name(name)}.json"


def write(state: State) -> None:
    """Write a stack down, readable by its owner alone; whole, or not at all."""
    path = path_of(state.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "wb") as opened:
        opened.write(msgspec.json.encode(state))
    part.rename(path)


@contextmanager
def reserved(name: str) -> Iterator[None]:
    """A stack of that name comes up or stands, by this process, and is written down no more afterwards.

    Raises UsageError where one does already. The lock goes with the process, however it ends; its file stays.
    """
    lock = path_of(name).with_suffix(".lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("wb") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            says = "stands" if is_taken(name) else "comes up"
            raise UsageError(
                f"a stack {says} under the name {name!r} already; see `mlchaos stack status`"
            ) from None
        try:
            yield
        finally:
            path_of(name).unlink(missing_ok=True)


def standing() -> Iterator[State]:
    """The stacks that stand, by name."""
    for path in sorted(FOLDER.glob("*.json")):
        state = _read(path)
        if state is not None:
            yield state


def find(name: str) -> State:
    """The stack of that name. Raises UsageError where none stands."""
    state = _read(path_of(name))
    if state is None:
        known = [one.name for one in standing()]
        raise UsageError(f"no stack stands under the name {name!r} here{hint(nearest(name, known), known)}")
    return state


def is_taken(name: str) -> bool:
    """Whether a stack of that name stands."""
    return keeper_of(name) is not None


def keeper_of(name: str) -> int | None:
    """The process that keeps the stack of that name, where one stands."""
    state = _read(path_of(name))
    return None if state is None else state.pid


def _read(path: Path) -> State | None:
    try:
        state = msgspec.json.decode(path.read_bytes(), type=State)
    except (OSError, msgspec.DecodeError):
        return None
    return state if alive(state.pid, state.started) else None

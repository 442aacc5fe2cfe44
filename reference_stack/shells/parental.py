"""What is said between a warm parent, its nurseries and whoever tells it what to do: JSON, a line each."""

from __future__ import annotations

import msgspec


class StackError(Exception):
    """A command that cannot be done; the message says why."""


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line to the parent."""

    do: str
    component: str = ""
    settings: str = ""
    """For `start`, where other settings hold than those of the last `up`."""


class Exit(msgspec.Struct, frozen=True):
    """A process has ended."""

    exit: str
    code: int


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line from the parent about a command."""

    ok: bool | None = None
    pids: dict[str, int] | None = None
    exits: list[Exit] | None = None
    error: str | None = None


class Said(msgspec.Struct, frozen=True):
    """Any line from the parent, as the other side reads it."""

    ready: bool = False
    ok: bool | None = None
    pids: dict[str, int] = {}
    exits: list[Exit] = []
    error: str = ""
    exit: str = ""
    code: int = 0

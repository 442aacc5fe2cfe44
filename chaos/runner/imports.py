"""Processes of our own import what their runner imports, whatever lies in the working directory.

Python puts the working directory first for `-c` and `-m`: a file there that is called like one of ours, or
like somebody's factory, would be imported in its place.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_SAFE, _PATH = "PYTHONSAFEPATH", "PYTHONPATH"
_HELD = "MLCHAOS_HELD"


def as_here() -> dict[str, str]:
    """What the environment of a Python process has to say for it to import what this one would."""
    return {_SAFE: "1", _PATH: os.pathsep.join(os.path.abspath(entry) for entry in sys.path)}


@contextmanager
def imported_as_here() -> Iterator[None]:
    """Processes that are started within this import what this one would. One that runs somebody else's code
    gives back their environment first (`give_back`).
    """
    before = {name: os.environ[name] for name in (_SAFE, _PATH) if name in os.environ}
    held = {f"{_HELD}_{name}": value for name, value in before.items()}
    os.environ.update(as_here() | held | {_HELD: "1"})
    try:
        yield
    finally:
        give_back()


def give_back() -> None:
    """The environment as it was outside of `imported_as_here`, for a process that was started within it."""
    if os.environ.pop(_HELD, None) is None:
        return
    for name in (_SAFE, _PATH):
        os.environ.pop(name, None)
        if (value := os.environ.pop(f"{_HELD}_{name}", None)) is not None:
            os.environ[name] = value

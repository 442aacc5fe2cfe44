"""Faults and probes of other packages, found by their entry points."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Iterator

from pydantic import TypeAdapter

from chaos.capabilities import Capability
from chaos.errors import UsageError, told

FAULT_GROUP = "mlchaos.faults"
PROBE_GROUP = "mlchaos.probes"


def added(group: str) -> Iterator[type]:
    """The classes that installed packages offer in a group. Raises UsageError for one that cannot be used."""
    from importlib import metadata  # a command that names only what is built in does without

    for point in sorted(metadata.entry_points(group=group), key=lambda point: point.name):
        of = f" of {point.dist.name}" if point.dist is not None else ""
        says = f"the entry point {point.name!r}{of} in {group}"
        try:
            with contextlib.redirect_stdout(sys.stderr):  # what it prints is no result
                loaded: type = point.load()
        except (Exception, SystemExit) as error:
            raise UsageError(f"{says} cannot be loaded: {told(error)}") from error
        wanted = ("name", "needs", "changes", "effect") if group == FAULT_GROUP else ("name", "read")
        lacking = [part for part in wanted if not hasattr(loaded, part)]
        if lacking or not dataclasses.is_dataclass(loaded):
            what = f"lacks {', '.join(lacking)}" if lacking else "is no dataclass"
            raise UsageError(f"{says} {what}: {loaded!r}")
        if odd := _odd(loaded):
            raise UsageError(f"{says} {odd}: {loaded!r}")
        yield loaded


def _odd(loaded: type) -> str:
    """What is wrong with a fault or probe of somebody else's, that would break whoever lists it."""
    if not isinstance(name := getattr(loaded, "name", None), str):
        return f"has the name {name!r}, which is no text"
    needs: object = getattr(loaded, "needs", ())
    if not isinstance(needs, tuple) or not all(
        isinstance(need, type) and issubclass(need, Capability) for need in needs
    ):
        return f"needs {needs!r}, which are no capabilities"
    try:
        TypeAdapter(loaded).rebuild(raise_errors=True)  # now, where it would be put off
    except Exception as error:  # noqa: BLE001 (of whichever kind: an annotation is somebody else's code)
        return f"has parameters that cannot be read ({type(error).__name__}: {error})"
    return ""

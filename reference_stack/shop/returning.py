"""How many shoppers come back: the level u, which follows quality and patience from midnight to midnight."""

from __future__ import annotations

import msgspec

from reference_stack.ports import Folder
from reference_stack.world import WorldParameters, returning_level

_FILE = "returning.json"
_NORMAL_DAYS = 7


class _State(msgspec.Struct, frozen=True):
    """`normal_quality` is q0, `recent` the qualities of the last warm-up days, oldest first."""

    level: float = 1.0
    normal_quality: float | None = None
    recent: list[float] = []


class Returning:
    """The returning level, kept in a folder; it is 1 until the warm-up has shown what is normal."""

    def __init__(self, parameters: WorldParameters, folder: Folder) -> None:
        self._parameters = parameters
        self._folder = folder
        self._state = _State()
        if folder.exists(_FILE):
            self._state = msgspec.json.decode(folder.read(_FILE), type=_State)
        self._begin()

    @property
    def level(self) -> float:
        """u: today's views relative to the normal number."""
        return self._state.level

    def saw(self, value: float, patience: float) -> None:
        """A view with a slate of true value `value`; `patience` is a of its latency (1 when normal)."""
        self._slates += 1
        self._value += value
        self._views += 1
        self._patience += patience

    def failed(self) -> None:
        """A view without a slate: there is nobody who would have waited for that."""
        self._views += 1

    def midnight(self, day: int) -> None:
        """Close `day`. In the warm-up its quality becomes part of what is normal, later it moves the level.

        q is the mean value of the slates, a the mean patience of all views. A day without views says nothing.
        """
        state = self._state
        quality = self._value / self._slates if self._slates else None
        if day < 0:
            recent = state.recent if quality is None else [*state.recent, quality][-_NORMAL_DAYS:]
            normal = sum(recent) / len(recent) if recent else None
            self._state = _State(level=1.0, normal_quality=normal, recent=recent)
        elif state.normal_quality and self._views:
            ratio = 1.0 if quality is None else quality / state.normal_quality
            patience = self._patience / self._views
            level = returning_level(self._parameters, state.level, ratio, patience)
            self._state = msgspec.structs.replace(state, level=level)
        self._folder.write(_FILE, msgspec.json.encode(self._state))
        self._begin()

    def _begin(self) -> None:
        self._slates = self._views = 0
        self._value = self._patience = 0.0

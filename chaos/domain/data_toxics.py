"""Data toxics: what can happen to a partition between two folders, as pure functions.

A toxic judges one parcel at a time and says when it may pass and what passes. Used by the data proxy and in
virtual time alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, Protocol

from chaos.domain.change import Scalar


@dataclass(frozen=True)
class Parcel:
    """A file under way between two folders; `written_day` is when the link first saw it."""

    name: str
    data: bytes
    written_day: float


class DataToxic(Protocol):
    """One toxic on a data link."""

    type: ClassVar[str]

    def passes_at(self, parcel: Parcel) -> float:
        """The day from which the parcel may pass; infinity while the toxic stays."""
        ...

    def shape(self, parcel: Parcel) -> tuple[Parcel, ...]:
        """What passes in its place: nothing, the same, changed, or more than one."""
        ...


@dataclass(frozen=True)
class Noop:
    """Does nothing; the one to start a new toxic from."""

    type: ClassVar[str] = "noop"

    def passes_at(self, parcel: Parcel) -> float:
        """At once."""
        return parcel.written_day

    def shape(self, parcel: Parcel) -> tuple[Parcel, ...]:
        """As it is."""
        return (parcel,)


@dataclass(frozen=True)
class Late:
    """Holds each parcel for `held_days`, or until the toxic is removed."""

    held_days: float
    type: ClassVar[str] = "late"

    def __post_init__(self) -> None:
        if not (self.held_days > 0 and math.isfinite(self.held_days)):
            raise ValueError("late: held_days must be above 0")

    def passes_at(self, parcel: Parcel) -> float:
        """`held_days` after it was written."""
        return parcel.written_day + self.held_days

    def shape(self, parcel: Parcel) -> tuple[Parcel, ...]:
        """As it is."""
        return (parcel,)


@dataclass(frozen=True)
class Drop:
    """Loses every parcel for good."""

    type: ClassVar[str] = "drop"

    def passes_at(self, parcel: Parcel) -> float:
        """At once, into nothing."""
        return parcel.written_day

    def shape(self, parcel: Parcel) -> tuple[Parcel, ...]:  # noqa: ARG002
        """Nothing."""
        return ()


DATA_TOXICS: tuple[type[Noop] | type[Late] | type[Drop], ...] = (Noop, Late, Drop)


def make_data_toxic(type_name: str, parameters: Mapping[str, Scalar]) -> DataToxic:
    """A toxic by its type. Raises ValueError naming what is wrong."""
    for known in DATA_TOXICS:
        if known.type == type_name:
            names = [field.name for field in fields(known)]
            if sorted(parameters) != sorted(names):
                raise ValueError(f"{type_name} takes {', '.join(names) or 'no parameters'}")
            return known(**parameters)  # type: ignore[arg-type]
    names = [known.type for known in DATA_TOXICS]
    raise ValueError(f"there is no data toxic {type_name!r}; there are {', '.join(names)}")

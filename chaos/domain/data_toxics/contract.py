"""What a data toxic is: it judges one parcel at a time, and says when it may pass and what passes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol


@dataclass(frozen=True)
class Parcel:
    """A file under way between two folders; `written_day` is when the link first saw it."""

    name: str
    data: bytes
    written_day: float


class BadParameter(ValueError):
    """A parameter that cannot be meant; `field` is its name."""

    def __init__(self, field: str, says: str) -> None:
        self.field = field
        super().__init__(says)


class MatchesNothing(ValueError):
    """A toxic that would change nothing about a parcel: no such column, or no such row."""


@dataclass
class Met:
    """The parcels in which one toxic has found what it means."""

    parcels: int = 0

    def but_not(self, error: MatchesNothing) -> str:
        """What is to be told of one in which it has not."""
        before = f" (it did match the {self.parcels} before)" if self.parcels else ""
        return f"{error}{before}"


class DataToxic(Protocol):
    """One toxic on a data link: a frozen dataclass whose fields are its parameters.

    `columns` names the parameters that hold a column's name, or a list of `column=number`, so that a plan can
    look them up. `mended` says
    whether the parcels that it changed are handed on again, as they were written, once it is taken off.
    """

    type: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]
    mended: ClassVar[bool]

    def passes_at(self, parcel: Parcel) -> float:
        """The day from which the parcel may pass; infinity while the toxic stays."""
        ...

    def shape(self, parcel: Parcel) -> tuple[Parcel, ...]:
        """What passes in its place: nothing, the same, changed, or more than one. Raises MatchesNothing."""
        ...


class AtOnce:
    """Nothing is held back."""

    columns: ClassVar[tuple[str, ...]] = ()
    mended: ClassVar[bool] = False

    def passes_at(self, parcel: Parcel) -> float:
        """At once."""
        return parcel.written_day

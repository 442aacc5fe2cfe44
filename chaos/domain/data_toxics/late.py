"""Deliveries are held back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from chaos.domain.data_toxics.contract import BadParameter, Parcel


@dataclass(frozen=True)
class Late:
    """Holds each parcel for `held_days`, or until the toxic is removed."""

    type: ClassVar[str] = "late"
    columns: ClassVar[tuple[str, ...]] = ()
    mended: ClassVar[bool] = False
    held_days: float

    def __post_init__(self) -> None:
        if not (self.held_days > 0 and math.isfinite(self.held_days)):
            raise BadParameter("held_days", "late: held_days must be above 0")

    def passes_at(self, parcel: Parcel) -> float:
        """`held_days` after it was written."""
        return parcel.written_day + self.held_days

    def shape(self, parcel: Parcel) -> tuple[Parcel, ...]:
        """As it is."""
        return (parcel,)

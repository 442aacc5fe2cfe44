"""Does nothing; the one to start a new toxic from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.domain.data_toxics.contract import AtOnce, Parcel


@dataclass(frozen=True)
class Noop(AtOnce):
    """Hands on what comes."""

    type: ClassVar[str] = "noop"

    def shape(self, parcel: Parcel) -> tuple[Parcel, ...]:
        """As it is."""
        return (parcel,)

"""The probe that has no data: the one to start a new probe from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chaos.contracts import Readable


@dataclass(frozen=True)
class Noop:
    """Reads nothing, so that whatever rests on it is void."""

    name: ClassVar[str] = "noop"

    def read(self, target: Readable) -> float | None:  # noqa: ARG002
        """No data."""
        return None

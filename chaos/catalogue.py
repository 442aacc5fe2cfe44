"""Names to classes. A duplicate or an unknown name raises; nothing is registered on import."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from chaos.capabilities import MeaninglessChange, nearest
from chaos.contracts import Fault, Probe
from chaos.errors import ChaosError

Entry = TypeVar("Entry")


class UnknownName(ChaosError):
    """No entry has this name; `nearest` is the closest one that is there."""

    def __init__(self, kind: str, name: str, close: str | None) -> None:
        self.nearest = close
        super().__init__(f"there is no {kind} {name!r}")


class DuplicateName(ChaosError):
    """Two entries want one name."""


class Shelf(Generic[Entry]):
    """The entries of one kind, by name."""

    def __init__(self, kind: str, entries: Iterable[type[Entry]]) -> None:
        self.kind = kind
        self._entries: dict[str, type[Entry]] = {}
        for entry in entries:
            name: str = entry.name  # type: ignore[attr-defined]
            if name in self._entries:
                raise DuplicateName(f"two {kind}s are called {name!r}: {self._entries[name]} and {entry}")
            self._entries[name] = entry

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._entries)

    def get(self, name: str) -> type[Entry]:
        """The class of a name. Raises UnknownName."""
        if name not in self._entries:
            raise UnknownName(self.kind, name, nearest(name, self._entries))
        return self._entries[name]

    def parameters(self, name: str) -> dict[str, str | None]:
        """A class's parameters, with their defaults as text (None: required). Raises UnknownName."""
        fields = dataclasses.fields(self.get(name))  # type: ignore[arg-type]
        return {
            field.name: None if field.default is dataclasses.MISSING else str(field.default)
            for field in fields
            if field.init
        }

    def make(self, name: str, parameters: Mapping[str, Any]) -> Entry:
        """An instance, its parameters checked strictly. Raises UnknownName or MeaninglessChange."""
        entry = self.get(name)
        known = [field.name for field in dataclasses.fields(entry) if field.init]  # type: ignore[arg-type]
        for key in parameters:
            if key not in known:
                raise MeaninglessChange(key, f"{name} has no parameter {key!r}", nearest(key, known))
        adapter = TypeAdapter(entry)
        try:
            return adapter.validate_python(dict(parameters))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = str(first["loc"][0]) if first["loc"] else ""
            says = "is missing" if first["type"] == "missing" else first["msg"].removeprefix("Value error, ")
            raise MeaninglessChange(field, says) from error


@dataclasses.dataclass(frozen=True)
class Catalogue:
    """Everything that scenarios may name."""

    faults: Shelf[Fault]
    probes: Shelf[Probe]

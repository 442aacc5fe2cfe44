"""Names to classes. A duplicate or an unknown name raises; nothing is registered on import."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import math
from collections.abc import Callable, Iterable, Mapping
from types import NoneType, UnionType
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from chaos.capabilities import MeaninglessChange
from chaos.contracts import Fault, Probe
from chaos.domain.wrong import plain
from chaos.errors import ChaosError, nearest

Entry = TypeVar("Entry")


class UnknownName(ChaosError):
    """No entry has this name; `nearest` is the closest one that is there."""

    def __init__(self, kind: str, name: str, close: str | None) -> None:
        self.nearest = close
        super().__init__(f"there is no {kind} {name!r}")


class DuplicateName(ChaosError):
    """Two entries want one name."""


@dataclasses.dataclass(frozen=True)
class Shipped:
    """An entry by name, whose module is imported when it is asked for: a command pays for what it uses."""

    name: str
    module: str
    attribute: str

    def load(self) -> type:
        """Its class."""
        found: type = getattr(importlib.import_module(self.module), self.attribute)
        return found


def shipped(package: str, *names: str) -> tuple[Shipped, ...]:
    """Entries of a package: `late_partition` is `LatePartition` in its module of that name."""
    return tuple(
        Shipped(name, f"{package}.{name}", "".join(word.capitalize() for word in name.split("_")))
        for name in names
    )


def _none_added() -> Iterable[type]:
    return ()


class Shelf(Generic[Entry]):
    """The entries of one kind, by name.

    `added` gives those of other packages; it is called once, when a name is not among `entries` or when all
    are asked for, since finding them takes a look at every package that is installed.
    """

    def __init__(
        self,
        kind: str,
        entries: Iterable[type[Entry] | Shipped],
        added: Callable[[], Iterable[type]] = _none_added,
    ) -> None:
        self.kind = kind
        self._entries: dict[str, type[Entry] | Shipped] = {}
        self._added: Callable[[], Iterable[type]] | None = added
        self._put(entries)

    def _put(self, entries: Iterable[type[Entry] | Shipped]) -> None:
        for entry in entries:
            name: str = entry.name  # type: ignore[union-attr]
            if name in self._entries:
                raise DuplicateName(
                    f"two {self.kind}s are called {name!r}: {self._entries[name]} and {entry}"
                )
            self._entries[name] = entry

    def _complete(self) -> None:
        added, self._added = self._added, None
        if added is not None:
            self._put(added())

    def names(self) -> list[str]:
        """All names, sorted. Raises DuplicateName."""
        self._complete()
        return sorted(self._entries)

    def get(self, name: str) -> type[Entry]:
        """The class of a name. Raises UnknownName."""
        if name not in self._entries:
            self._complete()
        if name not in self._entries:
            raise UnknownName(self.kind, name, nearest(name, self._entries))
        entry = self._entries[name]
        if isinstance(entry, Shipped):
            entry = self._entries[name] = entry.load()
        return entry

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
        _refuse_other_kinds(entry, parameters)
        adapter = TypeAdapter(entry)
        try:
            made = adapter.validate_python(dict(parameters))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = str(first["loc"][0]) if first["loc"] else ""
            raise MeaninglessChange(field, plain(first)) from error
        for part in dataclasses.fields(entry):  # type: ignore[arg-type]
            value = getattr(made, part.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise MeaninglessChange(part.name, "must be a finite number")
        return made


def _refuse_other_kinds(entry: type, parameters: Mapping[str, Any]) -> None:
    """Text is no number, nor is a boolean, and neither of these a boolean: pydantic would make one of it.

    Raises MeaninglessChange.
    """
    for key, hint in _plain_kinds(entry).items():
        if key not in parameters or (value := parameters[key]) is None:
            continue
        if hint is bool and not isinstance(value, bool):
            raise MeaninglessChange(key, f"{value!r} is not true or false")
        if hint is float and (isinstance(value, bool | str)):
            raise MeaninglessChange(key, f"{value!r} is not a number")


@functools.cache
def _plain_kinds(entry: type) -> dict[str, type]:
    """The parameters of a class that are numbers (`float`), or booleans and nothing else (`bool`).

    Lengths are neither: they are written as text.
    """
    found: dict[str, type] = {}
    for name, hint in get_type_hints(entry, include_extras=True).items():
        either = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        kinds = [kind for kind in either if kind is not NoneType]
        if kinds == [bool]:
            found[name] = bool
        elif all(kind in (int, float) for kind in kinds):
            found[name] = float
    return found


@dataclasses.dataclass(frozen=True)
class Catalogue:
    """Everything that scenarios may name."""

    faults: Shelf[Fault]
    probes: Shelf[Probe]

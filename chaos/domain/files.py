"""Scenario and target files: found by name or path, read, and built."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from chaos.domain.scenario import Scenario
from chaos.domain.source import MAX_BYTES, Source, Value, build, read_source
from chaos.domain.target import TargetSpec
from chaos.errors import InvalidInput, Problem, UsageError, hint, nearest

Kind = Literal["scenario", "target"]
SUFFIXES = (".yaml", ".yml")
MAX_EXTENDS = 8
_MARKS = {
    "scenario": frozenset({"scenario", "teaches", "steady_state", "faults", "expect"}),
    "target": frozenset({"target", "extends", "driver", "components"}),
}
"""Keys that no other tool's file is likely to begin a line with, all at once or one of them."""
_PLAIN = rb"^%b:[ \t]*((?!(?:true|false|yes|no|on|off|null)\b)[a-z][a-z0-9-]*)[ \t]*(?:#.*)?\r?$"
"""A key at the beginning of a line, and a word that YAML takes for nothing but text."""


@dataclass(frozen=True)
class Found:
    """A file that defines something, and the name that it gives."""

    name: str
    path: Path


@dataclass(frozen=True)
class Search:
    """The files that give a name, and what is wrong with those that should."""

    found: list[Found]
    problems: list[Problem]
    """Of files from which no name could be read."""
    twice: dict[str, Problem]
    """By the name that more than one file gives."""

    @property
    def wrong(self) -> list[Problem]:
        """What is wrong with any."""
        return [*self.problems, *self.twice.values()]

    def whole(self) -> list[Found]:
        """All that was found. Raises InvalidInput where something is wrong with any."""
        if wrong := self.wrong:
            raise InvalidInput(wrong)
        return self.found


class Files:
    """The scenarios and targets that can be named: all in the given folders and below."""

    def __init__(self, scenarios: Sequence[Path], targets: Sequence[Path]) -> None:
        self._scenarios = list(scenarios)
        self._targets = list(targets)

    def scenarios(self) -> list[Found]:
        """All scenarios by name. Raises InvalidInput where two share one, or a file cannot be read."""
        return self.found("scenario").whole()

    def targets(self) -> list[Found]:
        """All targets by name. Raises InvalidInput where two share one, or a file cannot be read."""
        return self.found("target").whole()

    def found(self, kind: Kind) -> Search:
        """What can be named, and what is wrong with other files."""
        return _find(self._scenarios if kind == "scenario" else self._targets, kind)

    def holds(self, path: Path) -> bool:
        """Whether a file is where scenarios and targets are looked for by name."""
        parents = path.resolve().parents
        return any(folder.resolve() in parents for folder in (*self._scenarios, *self._targets))

    def scenario(self, named: str) -> tuple[Scenario, Source]:
        """A scenario by file or name. Raises InvalidInput or UsageError."""
        source = read_source(self._asked_for(named, "scenario"))
        return build(Scenario, source), source

    def target(self, named: str) -> tuple[TargetSpec, Source]:
        """A target by file or name, on top of what it extends. Raises InvalidInput or UsageError."""
        source = self._target_source(self._asked_for(named, "target"), ())
        return build(TargetSpec, source), source

    def _target_source(self, path: Path, below: tuple[Path, ...]) -> Source:
        source = read_source(path)
        extends = source.value.get("extends")
        if extends is None:
            return source
        if path in below or len(below) > MAX_EXTENDS:
            raise InvalidInput([source.problem(("extends",), "the files extend one another in a circle")])
        if not isinstance(extends, str):
            raise InvalidInput([source.problem(("extends",), "is not the name of a target or a file")])
        beside = path.parent / extends
        try:
            base = beside if beside.is_file() else self._locate(extends, "target")
        except UsageError as error:
            raise InvalidInput([source.problem(("extends",), str(error))]) from error
        if not base.is_file():
            raise InvalidInput([source.problem(("extends",), f"there is no file {extends!r}")])
        return _without_emptied(source.over(self._target_source(base, (*below, path))))

    def _asked_for(self, named: str, kind: Kind) -> Path:
        """As `_locate`, and of a file that is not there the nearest name is told."""
        path = self._locate(named, kind)
        if not path.exists():
            known = [one.name for one in self.found(kind).found]
            raise InvalidInput([Problem(named, None, "", "there is no such file", nearest(path.stem, known))])
        return path

    def _locate(self, named: str, kind: Kind) -> Path:
        if named.lower().endswith(SUFFIXES) or "/" in named:
            return Path(named)
        search = self.found(kind)
        found = {one.name: one.path for one in search.found}
        if named in search.twice:
            raise InvalidInput([search.twice[named]])
        if named in found:
            return found[named]
        if search.problems:  # it may be in one of those
            raise InvalidInput(search.problems)
        raise UsageError(f"there is no {kind} {named!r}{hint(nearest(named, found))}")


def _without_emptied(source: Source) -> Source:
    """Without the parameters of layers that it leaves empty and the target below has.

    A layer of another class takes other ones.
    """
    for name, given in _parameters_in(source.value).items():
        for key in _parameters_in(source.below).get(name, {}):
            if key in given and given[key] is None:
                del given[key]
    return source


def _parameters_in(target: Mapping[str, Value]) -> dict[str, dict[str, Value]]:
    layers = target.get("layers")
    found = {
        name: layer.get("parameters")
        for name, layer in (layers.items() if isinstance(layers, dict) else ())
        if isinstance(layer, dict)
    }
    return {name: given for name, given in found.items() if isinstance(given, dict)}


def _find(folders: Iterable[Path], key: Kind) -> Search:
    found: dict[str, Path] = {}
    problems: list[Problem] = []
    twice: dict[str, Problem] = {}
    for folder in folders:
        for path in _below(folder):
            try:
                name = _name_in(path, key)
                if name is not None and found.setdefault(name, path).resolve() != path.resolve():
                    says = f"the {key} {name!r} is also in {found[name]}"
                    twice[name] = read_source(path).problem((key,), says)
            except InvalidInput as error:
                problems += error.problems
    return Search([Found(name, path) for name, path in sorted(found.items())], problems, twice)


def scenario_files(folder: Path, *, alone: bool = True) -> list[Path]:
    """The files in a folder that bear a scenario's keys; where none does, all that are no target's, unless
    the folder's name may be meant for something else and does not stand `alone`.
    """
    files = [path for path in _below(folder) if not _hidden(path.relative_to(folder))]
    marked = [path for path in files if _bears(path, _MARKS["scenario"])]
    return marked or [path for path in files if alone and not _bears(path, _MARKS["target"])]


def _below(folder: Path) -> list[Path]:
    """The YAML files in a folder, through links too, but nowhere twice."""
    found: list[Path] = []
    entered: set[str] = set()
    for here, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(here)) in entered:
            folders.clear()
            continue
        entered.add(real)
        found += [Path(here, name) for name in names if name.lower().endswith(SUFFIXES)]
    return sorted(path for path in found if path.is_file())


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _name_in(path: Path, key: Kind) -> str | None:
    """The name that a file gives, without reading all of it as YAML where that can be avoided.

    None for a file of something else, in which no key is one of ours.

    Whoever looks for one of fifty files by name would else spend most of a command's time on the others.
    """
    with suppress(OSError):  # it is told below, as of any file
        if path.stat().st_size <= MAX_BYTES:
            plain = re.findall(_PLAIN % key.encode(), path.read_bytes(), re.MULTILINE)
            if len(plain) == 1:
                return str(plain[0].decode())
    try:
        value = read_source(path).value
    except InvalidInput:
        if _bears(path, _MARKS[key]):
            raise
        return None
    name = value.get(key)
    if isinstance(name, str):
        return name
    if _MARKS[key].isdisjoint(value):
        return None
    raise InvalidInput([Problem(str(path), 1, key, "is missing")])


def _bears(path: Path, keys: Iterable[str]) -> bool:
    """Whether a line of a file begins with one of some keys, or it cannot be told."""
    try:
        data = path.read_bytes()[:MAX_BYTES]
    except OSError:
        return True
    return re.search(rb"^[{ ]*(%b)[ \t]*:" % "|".join(sorted(keys)).encode(), data, re.MULTILINE) is not None

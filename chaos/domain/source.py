"""YAML files read safely, with the line of every value, and every problem named."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from chaos.domain.wrong import plain
from chaos.errors import InvalidInput, Problem, nearest

MAX_BYTES = 1_000_000
MAX_VALUES = 20_000
_BOOLEAN = "tag:yaml.org,2002:bool"
_TEXT = "tag:yaml.org,2002:str"
_EXPONENT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")

Model = TypeVar("Model", bound=BaseModel)
Path_ = tuple[str | int, ...]
Value = dict[str, "Value"] | list["Value"] | str | int | float | bool | None


def merge(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """One mapping on top of another: mappings within them likewise, everything else is replaced."""
    merged = dict(base)
    for key, value in top.items():
        below = merged.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[key] = merge(below, value) if both else value  # type: ignore[arg-type]
    return merged


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Place:
    """Where a value stands: a file and a line, from 1."""

    file: str
    line: int


@dataclass(frozen=True)
class Source:
    """A parsed file: its plain value, and the place of every path in it."""

    file: str
    value: dict[str, Value]
    places: Mapping[Path_, Place]
    below: Mapping[str, Value] = field(default_factory=dict)
    """What it stands on, if it does."""

    def problem(self, path: Sequence[str | int], says: str, nearest: str | None = None) -> Problem:
        """A problem at a path, or at the closest enclosing one that is in the file."""
        known = tuple(path)
        while known and known not in self.places:
            known = known[:-1]
        place = self.places.get(known, Place(self.file, 1))
        return Problem(place.file, place.line, ".".join(str(part) for part in path), says, nearest)

    def over(self, base: Source) -> Source:
        """This source on top of another: mappings are merged, everything else is replaced."""
        merged = merge(base.value, self.value)
        places = {**base.places, **self.places, (): Place(self.file, 1)}
        return Source(self.file, merged, places, base.value)


def read_source(path: Path) -> Source:
    """Read a YAML file. Raises InvalidInput for one that is missing, empty, huge, binary or no mapping."""
    file = str(path)
    try:
        if not path.is_file():
            raise InvalidInput([Problem(file, None, "", "there is no such file")])
        if path.stat().st_size > MAX_BYTES:
            raise InvalidInput([Problem(file, None, "", f"is larger than {MAX_BYTES:,} bytes")])
        data = path.read_bytes()
    except OSError as error:
        raise InvalidInput([Problem(file, None, "", f"cannot be read: {error.strerror}")]) from error
    return parse_source(file, data)


def parse_source(file: str, data: bytes) -> Source:
    """Parse the bytes of a YAML file. Raises InvalidInput."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput([Problem(file, None, "", "is not UTF-8 text")]) from error
    if "\x00" in text:
        raise InvalidInput([Problem(file, None, "", "is a binary file")])
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise InvalidInput([Problem(file, line, "", f"is not YAML: {error.problem}")]) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise InvalidInput([Problem(file, None, "", f"is not YAML: {error}")]) from error
    if node is None:
        raise InvalidInput([Problem(file, None, "", "is empty")])
    reader = _Reader(file)
    value = reader.read(node, ())
    if not isinstance(value, dict):
        raise InvalidInput([Problem(file, 1, "", "must be a mapping of keys to values")])
    return Source(file, value, reader.places)


class _Reader:
    """Turns nodes into plain values, noting lines; refuses aliases that multiply."""

    def __init__(self, file: str) -> None:
        self.places: dict[Path_, Place] = {}
        self._file = file
        self._scalars = _Loader("")
        self._seen = 0

    def read(self, node: yaml.Node, path: Path_) -> Value:
        line = node.start_mark.line + 1
        self.places.setdefault(path, Place(self._file, line))
        self._seen += 1
        if self._seen > MAX_VALUES or len(path) > 40:
            raise InvalidInput(
                [
                    Problem(
                        self._file,
                        line,
                        "",
                        f"holds more than {MAX_VALUES:,} values once aliases are expanded",
                    )
                ]
            )
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]
        if node.tag == _BOOLEAN and node.value.lower() not in ("true", "false"):
            return str(node.value)  # `mode: off` means the word, as in YAML 1.2
        if _is_number(node):
            return float(node.value)  # `1e-3` means the number, as in YAML 1.2
        try:
            value: Value = self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            raise InvalidInput(
                [Problem(self._file, line, _dotted(path), f"cannot be read: {error}")]
            ) from error
        if value is not None and not isinstance(value, str | int | float | bool):
            return str(node.value)
        return value

    def _mapping(self, node: yaml.MappingNode, path: Path_) -> dict[str, Value]:
        result: dict[str, Value] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise InvalidInput([Problem(self._file, line, _dotted(path), "has a key that is not a word")])
            key = str(key_node.value)
            if key in result:
                raise InvalidInput([Problem(self._file, line, _dotted((*path, key)), "stands here twice")])
            self.places[(*path, key)] = Place(self._file, line)
            result[key] = self.read(value_node, (*path, key))
        return result


def _is_number(node: yaml.Node) -> bool:
    """Whether it is a number with an exponent, which YAML 1.1 takes for text; in quotes it is text."""
    unquoted = isinstance(node, yaml.ScalarNode) and not node.style
    return unquoted and node.tag == _TEXT and _EXPONENT.fullmatch(node.value) is not None


def _dotted(path: Path_) -> str:
    return ".".join(str(part) for part in path)


def misplaced(path: Sequence[str | int], says: str, known: Iterable[str] = (), wrong: str = "") -> Exception:
    """What a model's validator raises of a value deeper within it; `wrong` should be one of `known`."""
    context = {"says": says, "path": list(path), "near": nearest(wrong, known)}
    return PydanticCustomError("misplaced", "{says}", context)


def build(model: type[Model], source: Source) -> Model:
    """A frozen model from a source. Raises InvalidInput with every problem, each with its line."""
    try:
        return model.model_validate(source.value)
    except ValidationError as error:
        raise InvalidInput(list(_problems(source, error, model))) from error


def _problems(source: Source, error: ValidationError, model: type[BaseModel]) -> Iterator[Problem]:
    items = error.errors(include_url=False)
    lacking: dict[Path_, list[str]] = {}
    for item in items:
        if item["type"] == "missing":
            *of, lacks = _in_file(source, item["loc"])
            lacking.setdefault(tuple(of), []).append(repr(lacks))
    for item in items:
        path = _in_file(source, item["loc"])
        near = None
        says = plain(item)
        if item["type"] == "extra_forbidden":
            near = nearest(str(item["loc"][-1]), sorted(_keys_at(model, item["loc"][:-1])))
        elif item["type"] == "misplaced":
            path += item["ctx"]["path"]
            near = item["ctx"]["near"]
        elif item["type"] == "missing":
            name = tuple(path[:-1])
            if near := _meant(source, name):  # a slip of the name lacks all that the right one has
                if lacks_all := lacking.pop(name, []):
                    says = f"is in nothing that this target extends, and lacks {', '.join(lacks_all)}"
                    yield source.problem(name, says, near)
                continue
        elif item["type"] in {"enum", "literal_error"}:
            says, near = _none_of(str(item.get("input")), str(item.get("ctx", {}).get("expected", "")))
        elif item["type"] == "string_pattern_mismatch":
            says = _not_so_written(str(item.get("input")), str(item["ctx"]["pattern"]))
        elif item["type"] == "union_tag_invalid":
            path.append(item["ctx"]["discriminator"].strip("'"))
            says, near = _none_of(item["ctx"]["tag"], item["ctx"]["expected_tags"])
        elif item["type"] == "union_tag_not_found":
            path.append(item["ctx"]["discriminator"].strip("'"))
            says = "is missing"
        yield source.problem(path, says, near)


def _meant(source: Source, path: Path_) -> str | None:
    """The name below that one of a source on top of it was meant for, if it is none of them."""
    known: Value | Mapping[str, Value] = source.below
    for part in path[:-1]:
        known = known.get(str(part)) if isinstance(known, Mapping) else None
    if not path or not isinstance(known, Mapping) or path[-1] in known:
        return None
    return nearest(str(path[-1]), known)


def _none_of(wrong: str, expected: str) -> tuple[str, str | None]:
    """What to say of a word that is none of those that pydantic names, and the nearest of them."""
    options = expected.replace("'", "").replace(" or ", ", ").split(", ")
    return f"{wrong!r} is not one of {', '.join(options)}", nearest(wrong, options)


def _not_so_written(name: str, pattern: str) -> str:
    """What to say of a name that is not written as its kind is."""
    between, example = ("dashes", "late-partition") if "-[" in pattern else ("underscores", "late_partition")
    return f"{name!r} must be small letters and digits with single {between} between them, as in {example}"


def _in_file(source: Source, loc: Sequence[str | int]) -> list[str | int]:
    """pydantic's location without the parts that are not in the file (such as a union's tag)."""
    path: list[str | int] = []
    for index, part in enumerate(loc):
        candidate = (*path, part)
        last = index == len(loc) - 1
        if candidate in source.places or (last and part != "[key]"):
            path.append(part)
    return path


def _keys_at(model: type[BaseModel], loc: Sequence[str | int]) -> set[str]:
    """The keys of the models that can stand at a place; names of a user's own on the way are passed over."""
    models = [model]
    for part in loc:
        deeper = [
            inner
            for one in models
            for name, field in one.model_fields.items()
            if (field.alias or name) == part
            for inner in _models_in(field.annotation)
        ]
        models = deeper or models
    return {field.alias or name for one in models for name, field in one.model_fields.items()}


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)

"""What is wrong with a value that a model does not take: in plain words, and not in pydantic's."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_LONGEST = 40
_MAPPING = "a mapping of keys to values"
_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "list_type": "a list",
        "tuple_type": "a list",
        "set_type": "a list",
        "dict_type": _MAPPING,
        "model_type": _MAPPING,
        "dataclass_type": _MAPPING,
        "string_type": "text",
        "int_type": "a whole number",
        "int_parsing": "a whole number",
        "int_from_float": "a whole number",
        "float_type": "a number",
        "float_parsing": "a number",
        "finite_number": "a finite number",
        "bool_type": "true or false",
        "bool_parsing": "true or false",
    }
)
_LIMITS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "greater_than": ("gt", "must be above {}"),
        "greater_than_equal": ("ge", "must be at least {}"),
        "less_than": ("lt", "must be below {}"),
        "less_than_equal": ("le", "must be at most {}"),
        "too_short": ("min_length", "must hold {} or more"),
        "too_long": ("max_length", "must hold {} at most"),
        "string_too_short": ("min_length", "must be {} characters long or more"),
        "string_too_long": ("max_length", "must be {} characters long at most"),
    }
)


def plain(item: ErrorDetails) -> str:
    """What is wrong with one value; where it stands is for the caller to say."""
    kind, value, context = item["type"], item["input"], item.get("ctx", {})
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return "there is no such key"
    if kind == "json_invalid":
        return f"is not JSON: {context['error']}"
    if kind in _KINDS:
        return f"must be {_KINDS[kind]}{_instead(value)}"
    if kind in _LIMITS:
        name, says = _LIMITS[kind]
        limit = context[name]
        return says.format(f"{limit:g}" if isinstance(limit, float) else limit)
    return item["msg"].removeprefix("Value error, ")


def first_of(error: ValidationError) -> str:
    """The first thing that is wrong, with where it stands."""
    item = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in item["loc"])
    return f"{place}: {plain(item)}" if place else plain(item)


def _instead(value: object) -> str:
    if value is None:
        return ", and is left empty"
    if not isinstance(value, str | int | float):
        return ""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return f", not {text}" if len(text) <= _LONGEST else f", not {text[:_LONGEST]}…"

"""Durations that carry their clock: calendar days (`5d`, `6h`) and operational milliseconds (`225ms`)."""

from __future__ import annotations

import math
import re
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

_CALENDAR = re.compile(r"^(\d+(?:\.\d+)?)(d|h)$")
_OPERATIONAL = re.compile(r"^(\d+(?:\.\d+)?)(ms|s)$")
_DAYS_PATTERN = r"^\d+(\.\d+)?(d|h)$"
_MS_PATTERN = r"^\d+(\.\d+)?(ms|s)$"


def parse_days(value: object) -> float:
    """Calendar days from `5d` or `6h`. Raises ValueError, saying which clock was meant."""
    text = value.strip() if isinstance(value, str) else ""
    if match := _CALENDAR.match(text):
        return float(match[1]) / (24 if match[2] == "h" else 1)
    if _OPERATIONAL.match(text):
        raise ValueError(f"{text!r} is on the operational clock; this is a calendar length, such as 5d or 6h")
    raise ValueError(f"{value!r} is not a calendar length; write 5d or 6h")


def parse_ms(value: object) -> float:
    """Operational milliseconds from `225ms` or `2s`. Raises ValueError, saying which clock was meant."""
    text = value.strip() if isinstance(value, str) else ""
    if match := _OPERATIONAL.match(text):
        return float(match[1]) * (1000 if match[2] == "s" else 1)
    if _CALENDAR.match(text):
        raise ValueError(f"{text!r} is on the calendar; this is an operational length, such as 225ms or 2s")
    raise ValueError(f"{value!r} is not an operational length; write 225ms or 2s")


def format_days(days: float) -> str:
    """The shortest `…d` that parses back to `days`."""
    return f"{_shortest(days)}d"


def format_ms(ms: float) -> str:
    """The shortest `…ms` that parses back to `ms`."""
    return f"{_shortest(ms)}ms"


def _shortest(value: float) -> str:
    return str(int(value)) if math.isfinite(value) and value == int(value) else repr(value)


Days = Annotated[
    float,
    BeforeValidator(parse_days),
    PlainSerializer(format_days, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": _DAYS_PATTERN, "description": "calendar days: 5d, 0.1d, 6h"}
    ),
]
Span = Annotated[Days, Field(gt=0)]
"""Days that something is looked back on: nothing happens in none."""
Milliseconds = Annotated[
    float,
    BeforeValidator(parse_ms),
    PlainSerializer(format_ms, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _MS_PATTERN, "description": "operational: 225ms, 2s"}),
]

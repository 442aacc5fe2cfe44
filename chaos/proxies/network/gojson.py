"""JSON by the rules of Go's decoder and encoder, which Toxiproxy's clients have come to know.

Keys are compared without case, unknown ones ignored; `null` keeps the value that was there; what follows
the first value is ignored; a whole number is written with digits only.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator

from chaos.proxies.network.errors import bad_request


class Object(tuple[tuple[str, "Value"], ...]):
    """An object: its keys as written, in order, repeated ones too."""

    __slots__ = ()


class Number(str):
    """A number as written."""

    __slots__ = ()


Value = None | bool | str | Number | list["Value"] | Object

_INT64 = range(-(2**63), 2**63)
_KINDS = {bool: "bool", str: "string", Number: "number", list: "array", Object: "object"}


def decode(body: bytes) -> Value:
    """The first value of a body; raises ApiError (400)."""
    text = body.decode("utf-8", "replace")
    start = len(text) - len(text.lstrip(" \t\r\n"))
    if start == len(text):
        raise bad_request("EOF")
    decoder = json.JSONDecoder(
        object_pairs_hook=Object, parse_float=Number, parse_int=Number, parse_constant=_constant
    )
    try:
        value: Value = decoder.raw_decode(text, start)[0]
    except json.JSONDecodeError as error:
        cut_off = error.pos >= len(text) or error.msg.startswith("Unterminated string")
        raise bad_request(
            "unexpected EOF"
            if cut_off
            else f"invalid character {text[error.pos]!r} at {error.pos}: {error.msg}"
        ) from None
    except RecursionError:
        raise bad_request("exceeded max depth") from None
    return value


def _constant(name: str) -> Value:
    raise bad_request(f"invalid character {name[0]!r} looking for beginning of value")


def fields(value: Value, into: str) -> Iterator[tuple[str, Value]]:
    """The keys, in lower case, and values of an object; none of `null`. `into` names Go's type.

    Raises ApiError (400) for any other value.
    """
    if value is None:
        return
    if not isinstance(value, Object):
        raise bad_request(f"json: cannot unmarshal {_KINDS[type(value)]} into Go {into}")
    for key, item in value:
        yield key.lower(), item


def string(value: Value, default: str, field: str) -> str:
    """A string; raises ApiError (400)."""
    if value is None:
        return default
    if type(value) is not str:
        raise _mismatch(value, field, "string")
    # A lone surrogate cannot be written out again.
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def boolean(value: Value, default: bool, field: str) -> bool:
    """A truth value; raises ApiError (400)."""
    if value is None:
        return default
    if not isinstance(value, bool):
        raise _mismatch(value, field, "bool")
    return value


def integer(value: Value, default: int, field: str) -> int:
    """A whole number of 64 bits; raises ApiError (400), also for `1e2` and `100.0`."""
    if value is None:
        return default
    digits = value.removeprefix("-") if isinstance(value, Number) else ""
    if not digits.isdigit() or len(digits) > 19 or int(str(value)) not in _INT64:
        raise _mismatch(value, field, "int64")
    return int(str(value))


def single(value: Value, default: float, field: str) -> float:
    """A number, rounded to single precision as the real server keeps it; raises ApiError (400)."""
    if value is None:
        return default
    if not isinstance(value, Number):
        raise _mismatch(value, field, "float32")
    try:
        rounded: float = struct.unpack("<f", struct.pack("<f", float(value)))[0]
    except OverflowError:  # only a stated byte order checks the range
        raise _mismatch(value, field, "float32") from None
    if not math.isfinite(rounded):
        raise _mismatch(value, field, "float32")
    return rounded


def _mismatch(value: Value, field: str, wanted: str) -> Exception:
    shown = f"number {value}" if isinstance(value, Number) else _KINDS[type(value)]
    return bad_request(f"json: cannot unmarshal {shown} into Go struct field {field} of type {wanted}")


def encode(value: object) -> bytes:
    """Compact JSON, with `<`, `>`, `&` and the two line separators escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode()


def shortest(value: float) -> float | int:
    """A single-precision number as its shortest decimal, whole where it is whole."""
    if value == int(value) and abs(value) < 1e21:
        return int(value)
    packed = struct.pack("<f", value)
    for digits in range(1, 10):
        short = float(f"{value:.{digits}g}")
        if struct.pack("<f", short) == packed:
            return short
    return value

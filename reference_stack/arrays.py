"""Named arrays and a few facts as bytes: like npz, but the same input always gives the same bytes.

Layout: magic, length of the header (8 bytes, little endian), JSON header, then the arrays one after the
other, little endian and C-ordered. No pickle, so reading a file can run nothing.
"""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

_MAGIC = b"K9SARR1\n"
_TYPES = ("<f8", "<i8", "|b1")

Fact = str | int | float | list[str] | list[int]


class DamagedBytes(ValueError):
    """The bytes are torn, or were never written by `pack`."""


def pack(facts: Mapping[str, Fact], arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Bytes of `facts` and `arrays` (float64, int64 or bool, any shape); deterministic."""
    listed, parts = [], []
    for name, array in arrays.items():
        kind = {"f": "<f8", "i": "<i8", "b": "|b1"}[array.dtype.kind]
        parts.append(np.ascontiguousarray(array, dtype=kind).tobytes())
        listed.append({"name": name, "type": kind, "shape": list(array.shape)})
    header = json.dumps({"facts": dict(facts), "arrays": listed}, sort_keys=True).encode()
    return b"".join([_MAGIC, len(header).to_bytes(8, "little"), header, *parts])


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """The facts and arrays that `pack` wrote; the arrays are read-only. Raises DamagedBytes."""
    start = len(_MAGIC) + 8
    if data[: len(_MAGIC)] != _MAGIC or len(data) < start:
        raise DamagedBytes("not a file of arrays, or torn in its first bytes")
    end = start + int.from_bytes(data[len(_MAGIC) : start], "little")
    try:
        header = json.loads(data[start:end])
        arrays: dict[str, npt.NDArray[Any]] = {}
        for entry in header["arrays"]:
            if entry["type"] not in _TYPES:
                raise DamagedBytes(f"unknown array type {entry['type']!r}")
            sizes = [operator.index(size) for size in entry["shape"]]
            if min(sizes, default=0) < 0:
                raise DamagedBytes(f"a shape with a size below zero: {sizes}")
            flat = np.frombuffer(data, dtype=entry["type"], count=math.prod(sizes), offset=end)
            arrays[entry["name"]] = flat.reshape(entry["shape"])
            end += flat.nbytes
        facts = dict(header["facts"])
    except (KeyError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise DamagedBytes(f"torn or foreign bytes: {error}") from error
    if end != len(data):
        raise DamagedBytes(f"{len(data) - end} bytes too many")
    return facts, arrays

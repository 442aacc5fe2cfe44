"""Data toxics: what can happen to a partition between two folders, as pure functions, one file each.

Used by the data proxy and in virtual time alike.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import MISSING, fields

from chaos.domain.change import Scalar
from chaos.domain.data_toxics.contract import BadParameter, DataToxic, MatchesNothing, Met, Parcel

__all__ = [
    "DATA_TOXICS",
    "BadParameter",
    "DataToxic",
    "MatchesNothing",
    "Met",
    "Parcel",
    "make_data_toxic",
    "named_columns",
    "toxic_of_type",
]

DATA_TOXICS = (
    "noop",
    "late",
    "drop",
    "duplicate",
    "rename",
    "retype",
    "nulls",
    "scale",
    "skew",
    "poison",
    "add",
    "backfill",
    "reorder",
)


def toxic_of_type(type_name: str) -> type[DataToxic]:
    """The class of one of `DATA_TOXICS`: `late` is `Late` in its module of that name, imported by now."""
    module = importlib.import_module(f"{__name__}.{type_name}")
    found: type[DataToxic] = getattr(module, type_name.capitalize())
    return found


def make_data_toxic(type_name: str, parameters: Mapping[str, Scalar]) -> DataToxic:
    """A toxic by its type. Raises ValueError naming what is wrong."""
    if type_name not in DATA_TOXICS:
        raise ValueError(f"there is no data toxic {type_name!r}; there are {', '.join(DATA_TOXICS)}")
    known = toxic_of_type(type_name)
    of_it = fields(known)  # type: ignore[arg-type]
    names = [field.name for field in of_it]
    needed = [field.name for field in of_it if field.default is MISSING]
    if not set(needed) <= set(parameters) <= set(names):
        raise ValueError(f"{type_name} takes {', '.join(names) or 'no parameters'}")
    return known(**parameters)


def named_columns(toxic: DataToxic) -> list[tuple[str, str]]:
    """The columns that a toxic names, each with the parameter that names it; no `where` means all rows."""
    named: list[tuple[str, str]] = []
    for name in toxic.columns:
        value: str | list[str] = getattr(toxic, name)
        columns = [value] if isinstance(value, str) else [text.partition("=")[0].strip() for text in value]
        named += [(name, column) for column in columns if column or name != "where"]
    return named

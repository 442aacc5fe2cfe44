"""Data toxics: what can happen to a partition between two folders, as pure functions, one file each.

Used by the data proxy and in virtual time alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields

from chaos.domain.change import Scalar
from chaos.domain.data_toxics.add import Add
from chaos.domain.data_toxics.contract import BadParameter, DataToxic, MatchesNothing, Parcel
from chaos.domain.data_toxics.drop import Drop
from chaos.domain.data_toxics.duplicate import Duplicate
from chaos.domain.data_toxics.late import Late
from chaos.domain.data_toxics.noop import Noop
from chaos.domain.data_toxics.nulls import Nulls
from chaos.domain.data_toxics.poison import Poison
from chaos.domain.data_toxics.rename import Rename
from chaos.domain.data_toxics.retype import Retype
from chaos.domain.data_toxics.scale import Scale
from chaos.domain.data_toxics.skew import Skew

__all__ = [
    "DATA_TOXICS",
    "BadParameter",
    "DataToxic",
    "MatchesNothing",
    "Parcel",
    "make_data_toxic",
    "named_columns",
]

DATA_TOXICS: Mapping[str, type[DataToxic]] = {
    toxic.type: toxic
    for toxic in (Noop, Late, Drop, Duplicate, Rename, Retype, Nulls, Scale, Skew, Poison, Add)
}


def make_data_toxic(type_name: str, parameters: Mapping[str, Scalar]) -> DataToxic:
    """A toxic by its type. Raises ValueError naming what is wrong."""
    known = DATA_TOXICS.get(type_name)
    if known is None:
        raise ValueError(f"there is no data toxic {type_name!r}; there are {', '.join(DATA_TOXICS)}")
    of_it = fields(known)  # type: ignore[arg-type]
    names = [field.name for field in of_it]
    needed = [field.name for field in of_it if field.default is MISSING]
    if not set(needed) <= set(parameters) <= set(names):
        raise ValueError(f"{type_name} takes {', '.join(names) or 'no parameters'}")
    return known(**parameters)


def named_columns(toxic: DataToxic) -> list[tuple[str, str]]:
    """The columns that a toxic names, each with the parameter that names it."""
    named = [(name, str(getattr(toxic, name))) for name in toxic.columns if getattr(toxic, name)]
    if isinstance(toxic, Poison):
        named += [("values", column) for column, _ in toxic.pairs()]
    return named

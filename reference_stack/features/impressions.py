"""Event columns, cleaned: the impressions that features and models are made from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

COLUMNS = (
    "customer",
    "segment",
    "product",
    "category",
    "price",
    "age",
    "position",
    "clicked",
    "dwell",
    "day",
)
_TOO_LARGE = 2.0**53
_WHOLE = ("customer", "segment", "product", "category", "position", "clicked")


@dataclass(frozen=True)
class Impressions:
    """One row per product shown and usable for training; arrays of one length n."""

    customer: IntArray
    segment: IntArray
    product: IntArray
    category: IntArray
    price: FloatArray
    """Standardised log price."""
    age: FloatArray
    """Days since the product's launch."""
    position: IntArray
    """Slot, from 1."""
    clicked: IntArray
    """0 or 1."""
    dwell: FloatArray
    """Seconds; NaN without a click."""
    day: FloatArray
    """Scenario day of the page view, with its fraction."""
    view: IntArray
    """Rows of one page view share a number; only equality means anything."""

    def __len__(self) -> int:
        return len(self.customer)

    @classmethod
    def of(cls, columns: Mapping[str, npt.NDArray[Any]]) -> Impressions:
        """The usable rows of event `columns` (the COLUMNS and, where there is one, `view`).

        A row is unusable if a number in it is null (NaN) or no number at all, if a click has no dwell, or
        if `clicked` is neither 0 nor 1. Order is kept. Raises KeyError for a missing column, ValueError for
        one of text.
        """
        numbers = {name: np.asarray(columns[name], dtype=np.float64) for name in COLUMNS}
        clicked = numbers["clicked"] == 1
        usable = (numbers["clicked"] == 0) | (clicked & (numbers["dwell"] >= 0) & (numbers["dwell"] < np.inf))
        for name in COLUMNS:
            if name != "dwell":
                usable &= np.abs(numbers[name]) < _TOO_LARGE
        usable &= numbers["position"] >= 1
        rows = {name: values[usable] for name, values in numbers.items()}
        whole = {name: rows[name].astype(np.int64) for name in _WHOLE}
        view = _numbered(np.asarray(columns["view"])[usable]) if "view" in columns else _views(rows)
        return cls(
            **whole, price=rows["price"], age=rows["age"], dwell=rows["dwell"], day=rows["day"], view=view
        )

    @classmethod
    def without(cls, columns: Mapping[str, npt.NDArray[Any]], sources: Collection[int]) -> Impressions:
        """The usable rows of event `columns` that no source in `sources` has brought."""
        if not sources:
            return cls.of(columns)
        kept = ~np.isin(columns["source"], sorted(sources))
        return cls.of({name: values[kept] for name, values in columns.items()})

    def within(self, products: int, categories: int, segments: int) -> Impressions:
        """The rows whose product, category and segment exist; others could be described by nothing."""
        sensible = _below(self.product, products)
        sensible &= _below(self.category, categories)
        sensible &= _below(self.segment, segments)
        return self if sensible.all() else self.where(sensible)

    def where(self, rows: BoolArray | IntArray | slice) -> Impressions:
        """The rows where a mask (n,) is true, those of a list of row numbers, or a slice (never a copy)."""
        return Impressions(**{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})

    @classmethod
    def join(cls, parts: list[Impressions]) -> Impressions:
        """The rows of `parts`, one after the other; views of different parts stay different."""
        if len(parts) == 1:
            return parts[0]
        joined = {
            name: np.concatenate([getattr(part, name) for part in parts] or [np.empty(0)])
            for name in cls.__dataclass_fields__
            if name != "view"
        }
        shift, views = 0, [np.empty(0, dtype=np.int64)]
        for part in parts:
            views.append(part.view + shift)
            shift += int(part.view.max(initial=-1)) + 1
        for name in _WHOLE:
            joined[name] = joined[name].astype(np.int64, copy=False)
        return cls(**joined, view=np.concatenate(views))


def _below(numbers: IntArray, size: int) -> BoolArray:
    """Whether each is one of 0 … `size` − 1: read without a sign, a negative number is a very large one."""
    return np.asarray(numbers.view(np.uint64) < size)


def _numbered(views: npt.NDArray[Any]) -> IntArray:
    return np.unique(views, return_inverse=True)[1].astype(np.int64)


def _views(rows: Mapping[str, FloatArray]) -> IntArray:
    """Views told apart by customer and moment, for columns without an identifier of the view."""
    pairs = np.stack([rows["customer"], rows["day"]], axis=1)
    return np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)

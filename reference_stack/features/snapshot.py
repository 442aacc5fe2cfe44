"""Feature snapshots: everything a recommender knows at one midnight, and nothing that happened later."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]

from reference_stack.arrays import DamagedBytes, pack, unpack
from reference_stack.features.impressions import BoolArray, FloatArray, Impressions, IntArray
from reference_stack.world import Catalogue


@dataclass(frozen=True)
class SnapshotParameters:
    """Smoothing of a snapshot, in units of exposure (an impression at slot j counts j^−½)."""

    ctr_prior: float = 20.0
    category_prior: float = 4.0
    content_prior: float = 20.0
    segment_prior: float = 10.0
    dwell_seconds: float = 20.0
    """A click that was read for this long counts 1."""
    categories: int = 8
    segments: int = 5


@dataclass(frozen=True)
class Snapshot:
    """Features of n customers and m products from the events before `day`.

    The residual matrix is clicks·√(dwell ÷ 20 s) − exposure × smoothed CTR, kept as compressed rows.
    """

    day: int
    """Scenario day at whose midnight the snapshot ends."""
    customers: IntArray
    """(n,) ids, ascending."""
    products: IntArray
    """(m,) ids, ascending: the columns of the residual matrix, and the only products that can be scored."""
    indptr: IntArray
    """(n + 1,)"""
    indices: IntArray
    values: FloatArray
    category: FloatArray
    """(n, categories) shrunken mean residual."""
    content: FloatArray
    """(n, factors) shrunken mean of residual × content embedding."""
    segment: FloatArray
    """(segments, m) shrunken mean residual."""
    segment_category: FloatArray
    """(segments, categories) shrunken mean residual."""
    exposures: FloatArray
    """(m,) Σ j^−½."""
    clicks: FloatArray
    """(m,)"""
    ctr: FloatArray
    """(m,) smoothed clicks ÷ exposure: the popularity baseline's score."""

    def residual(self) -> csr_matrix:
        """The residual matrix, (n, m); not to be written to."""
        return self._residual

    @cached_property
    def _residual(self) -> csr_matrix:
        return csr_matrix(
            (self.values, self.indices, self.indptr), shape=(len(self.customers), len(self.products))
        )

    @property
    def row_width(self) -> int:
        """Length of a customer's row: m + categories + factors."""
        return len(self.products) + int(self.category.shape[1] + self.content.shape[1])

    def to_bytes(self) -> bytes:
        """The snapshot as bytes, the same bytes each time."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "day"}
        return pack({"kind": "snapshot", "day": self.day}, arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> Snapshot:
        """What `to_bytes` wrote. Raises DamagedBytes."""
        facts, arrays = unpack(data)
        if facts.get("kind") != "snapshot":
            raise DamagedBytes("these bytes are not a feature snapshot")
        return cls(day=int(facts["day"]), **arrays)


def customer_row(snapshot: Snapshot, customer: int) -> FloatArray:
    """The features of one customer, (row_width,): residuals over `snapshot.products`, then affinities to
    categories, then the content profile. All zeros for a customer the snapshot does not know.
    """
    row = np.zeros(snapshot.row_width)
    index = int(np.searchsorted(snapshot.customers, customer))
    if index == len(snapshot.customers) or snapshot.customers[index] != customer:
        return row
    start, end = snapshot.indptr[index], snapshot.indptr[index + 1]
    row[snapshot.indices[start:end]] = snapshot.values[start:end]
    width, categories = len(snapshot.products), snapshot.category.shape[1]
    row[width : width + categories] = snapshot.category[index]
    row[width + categories :] = snapshot.content[index]
    return row


@dataclass(frozen=True)
class NumberedRows:
    """The rows of a window, with all that any snapshot of its beginning is summed up from."""

    rows: Impressions
    customers: IntArray
    """(n,) ids, ascending."""
    products: IntArray
    """(m,) ids, ascending."""
    who: IntArray
    """(rows,) the place of each row's customer among `customers`."""
    what: IntArray
    """(rows,) the place of each row's product among `products`."""
    exposure: FloatArray
    """(rows,)"""
    clicked: FloatArray
    """(rows,)"""
    read: FloatArray
    """(rows,) clicks·√(dwell ÷ 20 s)."""
    who_what: IntArray
    """(rows,) the cell of each row in a table (n, m); the other three likewise."""
    who_category: IntArray
    """In (n, categories)."""
    segment_what: IntArray
    """In (segments, m)."""
    segment_category: IntArray
    """In (segments, categories)."""

    @classmethod
    def of(cls, rows: Impressions, parameters: SnapshotParameters) -> NumberedRows:
        """The `sensible` rows of a window."""
        customers, who = _numbered(rows.customer)
        products, what = _numbered(rows.product)
        return cls(
            rows,
            customers,
            products,
            who,
            what,
            exposure=1.0 / np.sqrt(rows.position),
            clicked=rows.clicked.astype(np.float64),
            read=np.sqrt(np.where(rows.clicked > 0, rows.dwell, 0.0) / parameters.dwell_seconds),
            who_what=who * len(products) + what,
            who_category=who * parameters.categories + rows.category,
            segment_what=rows.segment * len(products) + what,
            segment_category=rows.segment * parameters.categories + rows.category,
        )

    def begins_with(self, rows: Impressions) -> bool:
        """Whether these are its first rows."""
        mine, size = self.rows, len(rows)
        pairs = ((mine.day, rows.day), (mine.customer, rows.customer), (mine.product, rows.product))
        return size <= len(mine) and all(np.array_equal(a[:size], b) for a, b in pairs)

    def snapshot(
        self, catalogue: Catalogue, day: int, parameters: SnapshotParameters, first: int | None = None
    ) -> Snapshot:
        """The snapshot of midnight of `day` from the `first` rows, or from all."""
        categories, segments, head = parameters.categories, parameters.segments, slice(first)
        size, width = len(self.customers), len(self.products)
        what, exposure = self.what[head], self.exposure[head]
        # Summed up for all customers and products of the window; those that were met are picked out then.
        looked = _sums(self.who[head], exposure, size)
        exposures, clicks = _sums(what, exposure, width), _sums(what, self.clicked[head], width)
        met, listed = np.flatnonzero(looked), np.flatnonzero(exposures)
        base = clicks[listed].sum() / max(exposures[listed].sum(), 1.0)
        ctr = (clicks + parameters.ctr_prior * base) / (exposures + parameters.ctr_prior)
        residual = self.read[head] - exposure * ctr[what]

        def shrunken(cells: IntArray, shape: tuple[int, int], prior: float) -> FloatArray:
            cells, there = cells[head], shape[0] * shape[1]
            mean = _sums(cells, residual, there) / (_sums(cells, exposure, there) + prior)
            return np.asarray(mean.reshape(shape))

        cells, values = _cells(self.who_what[head], residual, size * width)
        held = cells // max(1, width)
        indptr = np.concatenate([[0], np.cumsum(np.bincount(held, minlength=size)[met])])
        indices = (np.cumsum(exposures > 0) - 1)[cells - held * width]
        products = self.products[listed]
        matrix = csr_matrix((values, indices, indptr), shape=(len(met), len(listed)))
        content = np.asarray(matrix @ catalogue.embedding[products])
        return Snapshot(
            day=day,
            customers=self.customers[met],
            products=products,
            indptr=indptr.astype(np.int64),
            indices=indices,
            values=values,
            category=shrunken(self.who_category, (size, categories), parameters.category_prior)[met],
            content=content / (looked[met] + parameters.content_prior)[:, None],
            segment=shrunken(self.segment_what, (segments, width), parameters.segment_prior).take(
                listed, axis=1
            ),
            segment_category=shrunken(
                self.segment_category, (segments, categories), parameters.segment_prior
            ),
            exposures=exposures[listed],
            clicks=clicks[listed],
            ctr=ctr[listed],
        )


def build(
    impressions: Impressions,
    catalogue: Catalogue,
    day: int,
    parameters: SnapshotParameters | None = None,
) -> Snapshot:
    """The snapshot of midnight of `day` from the `sensible` ones of `impressions`; the caller chooses the
    window.
    """
    parameters = parameters or SnapshotParameters()
    rows = sensible(impressions, catalogue, day, parameters)
    return NumberedRows.of(rows, parameters).snapshot(catalogue, day, parameters)


def sensible(
    impressions: Impressions, catalogue: Catalogue, day: int, parameters: SnapshotParameters
) -> Impressions:
    """The rows before `day` whose product is in the catalogue, and whose category and segment exist."""
    rows = impressions.within(len(catalogue), parameters.categories, parameters.segments)
    return rows if (rows.day < day).all() else rows.where(rows.day < day)


def places(ids: IntArray, wanted: IntArray) -> tuple[IntArray, BoolArray]:
    """The place of each of `wanted` among `ids`, ascending and at least one, and whether it is there; some
    place where it is not.
    """
    first, last = int(ids[0]), int(ids[-1])
    if last - first > 8 * len(wanted):
        found = np.searchsorted(ids, wanted)
        np.minimum(found, len(ids) - 1, out=found)
    else:
        table = np.zeros(last - first + 1, dtype=np.int64)
        table[ids - first] = np.arange(len(ids))
        found = table.take(wanted.clip(first, last) - first)
    return found, ids.take(found) == wanted


def popularity_slate(snapshot: Snapshot, live: IntArray, k: int = 10) -> IntArray:
    """The k live products of the highest smoothed CTR, ties by id; only products that the snapshot knows."""
    known = snapshot.products[np.isin(snapshot.products, live)]
    scores = snapshot.ctr[np.searchsorted(snapshot.products, known)]
    return np.asarray(known[np.argsort(-scores, kind="stable")[:k]])


def _numbered(ids: IntArray) -> tuple[IntArray, IntArray]:
    """The distinct `ids`, ascending, and the place of each id among them: `np.unique` without its sort,
    which is most of the cost of a snapshot.
    """
    if len(ids) == 0 or ids.min() < 0 or ids.max() > 8 * len(ids):
        distinct, places = np.unique(ids, return_inverse=True)
        return distinct, places
    seen = np.zeros(int(ids.max()) + 1, dtype=bool)
    seen[ids] = True
    return np.flatnonzero(seen), (np.cumsum(seen) - 1)[ids]


def _cells(cells: IntArray, weights: FloatArray, size: int) -> tuple[IntArray, FloatArray]:
    """The distinct `cells`, ascending, of `size` that there are, and the sum of the weights in each."""
    if size > 8 * len(cells):
        distinct, places = np.unique(cells, return_inverse=True)
        return distinct, _sums(places, weights, len(distinct))
    seen = np.zeros(size, dtype=bool)
    seen[cells] = True
    distinct = np.flatnonzero(seen)
    return distinct, _sums(cells, weights, size)[distinct]


def _sums(cells: npt.NDArray[Any], weights: npt.NDArray[Any], size: int) -> FloatArray:
    return np.asarray(np.bincount(cells, weights=weights, minlength=size), dtype=np.float64)

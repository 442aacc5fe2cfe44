"""Feature snapshots: everything a recommender knows at one midnight, and nothing that happened later."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]

from reference_stack.arrays import DamagedBytes, pack, unpack
from reference_stack.features.impressions import FloatArray, Impressions, IntArray
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
        """The residual matrix, (n, m)."""
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


def build(
    impressions: Impressions,
    catalogue: Catalogue,
    day: int,
    parameters: SnapshotParameters | None = None,
) -> Snapshot:
    """The snapshot of midnight of `day` from `impressions`; the caller chooses the window. Rows from `day`
    on, products that the catalogue lacks and unknown segments or categories are left out.
    """
    parameters = parameters or SnapshotParameters()
    categories, segments = parameters.categories, parameters.segments
    rows = impressions.within(len(catalogue), categories, segments)
    rows = rows if (rows.day < day).all() else rows.where(rows.day < day)
    customers, who = _numbered(rows.customer)
    products, what = _numbered(rows.product)
    exposure = 1.0 / np.sqrt(rows.position)
    exposures = _sums(what, exposure, len(products))
    clicks = _sums(what, rows.clicked, len(products))
    base = clicks.sum() / max(exposures.sum(), 1.0)
    ctr = (clicks + parameters.ctr_prior * base) / (exposures + parameters.ctr_prior)
    read = np.sqrt(np.where(rows.clicked > 0, rows.dwell, 0.0) / parameters.dwell_seconds)
    residual = read - exposure * ctr[what]
    cells, cell = _numbered(who * max(1, len(products)) + what)
    held = cells // max(1, len(products))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(held, minlength=len(customers)))])
    indices = cells % max(1, len(products))
    values = _sums(cell, residual, len(cells))
    matrix = csr_matrix((values, indices, indptr), shape=(len(customers), len(products)))

    def shrunken(cells: IntArray, shape: tuple[int, int], prior: float) -> FloatArray:
        size = shape[0] * shape[1]
        mean = _sums(cells, residual, size) / (_sums(cells, exposure, size) + prior)
        return np.asarray(mean.reshape(shape))

    looked = _sums(who, exposure, len(customers)) + parameters.content_prior
    content = np.asarray(matrix @ catalogue.embedding[products]) / looked[:, None]
    return Snapshot(
        day=day,
        customers=customers,
        products=products,
        indptr=indptr.astype(np.int64),
        indices=indices,
        values=values,
        category=shrunken(
            who * categories + rows.category, (len(customers), categories), parameters.category_prior
        ),
        content=content,
        segment=shrunken(
            rows.segment * len(products) + what, (segments, len(products)), parameters.segment_prior
        ),
        segment_category=shrunken(
            rows.segment * categories + rows.category, (segments, categories), parameters.segment_prior
        ),
        exposures=exposures,
        clicks=clicks,
        ctr=ctr,
    )


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


def _sums(cells: npt.NDArray[Any], weights: npt.NDArray[Any], size: int) -> FloatArray:
    return np.bincount(cells, weights=weights, minlength=size).astype(np.float64)

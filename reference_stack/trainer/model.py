"""The recommender: a hybrid of collaborative and content features under a logistic ranker.

Shapes: m products that the model knows, r the rank, n rows (impressions). A model holds the side of the
products and the ranker; the side of the customers is their row of the newest snapshot, folded in
(residuals @ factors, which is what `TruncatedSVD.transform` does).
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from reference_stack.arrays import DamagedBytes, pack, unpack
from reference_stack.features.impressions import FloatArray, Impressions, IntArray
from reference_stack.features.snapshot import (
    NumberedRows,
    Snapshot,
    SnapshotParameters,
    build,
    places,
    sensible,
)
from reference_stack.trainer.factors import Solver, factorised
from reference_stack.trainer.ranker import auc, newton
from reference_stack.world import Catalogue

FEATURES = (
    "collaborative",
    "category",
    "content",
    "segment",
    "popularity",
    "novelty",
    "price",
    "segment_category",
)
SCHEMA = "k9s-hybrid-1"


@dataclass(frozen=True)
class ModelParameters:
    """How a model is fitted; `solve` finds its singular vectors, in this process unless it is given."""

    rank: int = 8
    ridge: float = 4.0
    damping: float = 1.0
    learning_rate: float = 0.0
    ranked_days: int = 3
    novelty_days: float = 5.0
    snapshot: SnapshotParameters = field(default_factory=SnapshotParameters)
    solve: Solver | None = None


@dataclass(frozen=True)
class Model:
    """One version of the recommender."""

    day: int
    """Scenario day at whose midnight the training window ends."""
    rows: int
    """Impressions that it was trained on."""
    training_auc: float
    """In the sample, position included; NaN where there were no rows to rank."""
    novelty_days: float
    space_id: str
    """Names the space of `factors`: rows and factors of different spaces must not meet."""
    products: IntArray
    """(m,) ids, ascending."""
    factors: FloatArray
    """(m, r) right singular vectors of the residual matrix."""
    segment: FloatArray
    """(segments, m)"""
    segment_category: FloatArray
    """(segments, categories)"""
    popularity: FloatArray
    """(m,) logit of the smoothed CTR."""
    weights: FloatArray
    """(9,) intercept and one weight per name in FEATURES, for features in natural units."""
    inference_ms: float = 0.0
    """How long an answer is waited for, as for a model that runs elsewhere."""

    def is_finite(self) -> bool:
        """Whether every number in it is finite."""
        arrays = (self.factors, self.segment, self.segment_category, self.popularity, self.weights)
        return all(bool(np.isfinite(array).all()) for array in arrays)

    def true_space_id(self) -> str:
        """The space id that products and factors call for: admission compares it with `space_id`."""
        return space_id(self.products, self.factors)

    def misfit(self, catalogue: Catalogue, segments: int = 1) -> str:
        """Why it cannot score the products of a catalogue for customers of so many segments; empty where it
        can.
        """
        known, there = self.segment_category.shape, (segments, int(catalogue.category.max(initial=-1)) + 1)
        for kind, mine, theirs in zip(("segments", "categories"), known, there, strict=True):
            if mine < theirs:
                return f"it knows {mine} {kind}, there are {theirs}"
        return ""

    def distinct(self) -> Model:
        """The model with each product once, for a table in which some are listed again."""
        products, first = np.unique(self.products, return_index=True)
        if len(products) == len(self.products):
            return self
        return replace(
            self,
            products=products,
            factors=self.factors[first],
            segment=self.segment[:, first],
            popularity=self.popularity[first],
        )

    def to_bytes(self) -> bytes:
        """The model as bytes, the same bytes each time."""
        facts = {
            name: getattr(self, name) for name in ("day", "rows", "novelty_days", "space_id", "inference_ms")
        }
        facts |= {"kind": "model", "schema": SCHEMA, "training_auc": repr(self.training_auc)}
        names = [f.name for f in fields(self) if isinstance(getattr(self, f.name), np.ndarray)]
        return pack(facts, {name: getattr(self, name) for name in names})

    @classmethod
    def from_bytes(cls, data: bytes) -> Model:
        """What `to_bytes` wrote. Raises DamagedBytes for torn or foreign bytes, for another schema, and where
        the fields do not agree with one another; its numbers may be anything.
        """
        facts, arrays = unpack(data)
        if facts.pop("kind", None) != "model" or facts.pop("schema", None) != SCHEMA:
            raise DamagedBytes(f"these bytes are not a model of schema {SCHEMA}")
        given: dict[str, Any] = arrays
        try:
            facts["training_auc"] = float(facts["training_auc"])
            model = cls(**facts, **given)
            wrong = model._disagreement()
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise DamagedBytes(f"these bytes are not a whole model: {error!r}") from error
        if wrong:
            raise DamagedBytes(f"these bytes are not a whole model: {wrong}")
        return model

    def _disagreement(self) -> str:
        """What about its fields is not as they say of one another; empty where all is."""
        for name in ("day", "rows", "novelty_days", "inference_ms"):
            number = getattr(self, name)
            # JSON also has whole numbers that no float holds.
            if not isinstance(number, int | float) or not abs(number) <= sys.float_info.max:
                return f"{name} is no number"
        if not isinstance(self.space_id, str):
            return "space_id is no text"
        count = self.products.size
        segments, categories = self.segment.shape[:1], self.segment_category.shape[-1:]
        shapes = {
            "products": (count,),
            "factors": (count, *self.factors.shape[-1:]),
            "segment": (*segments, count),
            "segment_category": (*segments, *categories),
            "popularity": (count,),
            "weights": (1 + len(FEATURES),),
        }
        for name, shape in shapes.items():
            array = getattr(self, name)
            if array.shape != shape:
                return f"{name} has the shape {array.shape}, {shape} expected"
            if array.dtype.kind != ("i" if name == "products" else "f"):
                return f"{name} is of the type {array.dtype}"
        return "its products do not ascend" if (self.products[1:] < self.products[:-1]).any() else ""


@dataclass(frozen=True)
class Described:
    """The rows of one day, as far as the ranker learns from them."""

    features: FloatArray
    """(n, 8), column by column in memory."""
    offset: FloatArray
    """(n,) log of the chance that the slot was looked at, j^−½."""
    rows: Impressions

    @classmethod
    def of(cls, past: Snapshot, model: Model, rows: Impressions, catalogue: Catalogue) -> Described:
        """Those of `rows` whose product the `past` knows."""
        listed = np.zeros(len(catalogue), dtype=bool)
        listed[past.products] = True
        known = listed[rows.product]
        rows = rows if known.all() else rows.where(known)
        return cls(describe(model, past, catalogue, rows), np.log(rows.position) * -0.5, rows)


@dataclass(frozen=True)
class Blocks:
    """What has been made of a window that only grows at its end."""

    window: NumberedRows | None = None
    """All that it will have grown to, where that is known."""
    described: dict[tuple[float, int, int], Described] = field(default_factory=dict)
    """By the day, the number of rows before it and that with its own."""
    pasts: dict[int, tuple[Snapshot, Model]] = field(default_factory=dict)
    """Snapshot and item side of its first rows, by their number."""

    @classmethod
    def of(
        cls, impressions: Impressions, catalogue: Catalogue, day: int, parameters: ModelParameters
    ) -> Blocks:
        """Blocks of a window that will have grown to `impressions`."""
        rows = sensible(impressions, catalogue, day, parameters.snapshot)
        return cls(NumberedRows.of(rows, parameters.snapshot))

    def numbered(self, rows: Impressions, parameters: ModelParameters) -> NumberedRows:
        """Rows that begin with `rows`: the window itself, if it does."""
        if self.window is not None and self.window.begins_with(rows):
            return self.window
        return NumberedRows.of(rows, parameters.snapshot)


def space_id(products: IntArray, factors: FloatArray) -> str:
    """16 hexadecimal digits that name a space of item factors."""
    digest = hashlib.blake2b(digest_size=8)
    digest.update(np.ascontiguousarray(products, dtype="<i8").tobytes())
    digest.update(np.ascontiguousarray(factors, dtype="<f8").tobytes())
    return digest.hexdigest()


def fit(
    impressions: Impressions,
    catalogue: Catalogue,
    day: int,
    parameters: ModelParameters | None = None,
    *,
    snapshot: Snapshot | None = None,
    known: Blocks | None = None,
) -> Model:
    """The model of midnight of `day` from the impressions of its window.

    The ranker sees **point-in-time features**: rows of a day are described by what the window held before
    that day, never by themselves (features that hold their own clicks would be a leak). `snapshot` is that
    of the whole window, built here if it is not given. Without any impression the model ranks nothing.
    `known` holds what was described by an earlier fit, of the same window without its newest days.
    """
    parameters = parameters or ModelParameters()
    snapshot = snapshot or build(impressions, catalogue, day, parameters.snapshot)
    model = item_side(snapshot, parameters)
    dated = sensible(impressions, catalogue, day, parameters.snapshot)
    days = point_in_time(dated, catalogue, day, parameters, known)
    if known is not None:
        known.pasts[len(dated)] = snapshot, model
    clicked = np.concatenate([np.empty(0, dtype=np.int64), *(each.rows.clicked for each in days)])
    if not (clicked > 0).any():
        return replace(model, rows=len(impressions))
    # Column by column in memory: what follows goes over columns.
    design = np.empty((1 + len(FEATURES), len(clicked))).T
    design[:, 0] = 1.0
    described = design[:, 1:]
    np.concatenate([each.features.T for each in days], axis=1, out=described.T)
    spread = described.std(axis=0)
    spread[spread < 1e-9] = 1.0
    described /= spread
    offset = np.concatenate([each.offset for each in days])
    weights = newton(
        design,
        clicked,
        offset,
        ridge=parameters.ridge,
        damping=parameters.damping,
        learning_rate=parameters.learning_rate,
    )
    scored = design @ weights + offset
    weights[1:] /= spread
    return replace(model, rows=len(impressions), weights=weights, training_auc=auc(scored, clicked))


def item_side(snapshot: Snapshot, parameters: ModelParameters) -> Model:
    """Everything of a model but the ranker's weights, which are set to rank by popularity."""
    factors = factorised(snapshot, parameters.rank, parameters.solve)
    weights = np.zeros(len(FEATURES) + 1)
    weights[1 + FEATURES.index("popularity")] = 1.0
    chance = np.clip(snapshot.ctr, 1e-4, 1.0 - 1e-4)
    return Model(
        day=snapshot.day,
        rows=0,
        training_auc=float("nan"),
        novelty_days=parameters.novelty_days,
        space_id=space_id(snapshot.products, factors),
        products=snapshot.products,
        factors=factors,
        segment=snapshot.segment,
        segment_category=snapshot.segment_category,
        popularity=np.log(chance) - np.log1p(-chance),
        weights=weights,
    )


def describe(model: Model, snapshot: Snapshot, catalogue: Catalogue, rows: Impressions) -> FloatArray:
    """The FEATURES of `rows`, (n, 8), as a request would have had them: customers from `snapshot`, products
    from `model`; price, age and category as the event says. What is unknown gives zeros. The rows must be
    `Impressions.within` the catalogue.
    """
    described = np.zeros((len(FEATURES), len(rows))).T
    if len(model.products):
        what, known = places(model.products, rows.product)
        described[:, FEATURES.index("segment")] = _entries(model.segment, rows.segment, what) * known
        described[:, FEATURES.index("popularity")] = model.popularity[what] * known
    if len(snapshot.customers):
        who, met = places(snapshot.customers, rows.customer)
        content = _products(snapshot.content, who, catalogue.embedding, rows.product)
        described[:, FEATURES.index("category")] = _entries(snapshot.category, who, rows.category) * met
        described[:, FEATURES.index("content")] = content * met
        if len(model.products):
            scores = _products(folded(model, snapshot), who, model.factors, what)
            described[:, FEATURES.index("collaborative")] = scores * met * known
    described[:, FEATURES.index("novelty")] = np.exp(-rows.age.clip(min=0.0) / model.novelty_days)
    described[:, FEATURES.index("price")] = rows.price
    segment_category = _entries(model.segment_category, rows.segment, rows.category)
    described[:, FEATURES.index("segment_category")] = segment_category
    return described


def _products(left: FloatArray, rows: IntArray, right: FloatArray, columns: IntArray) -> FloatArray:
    """left[rows] · right[columns], pair by pair: by way of all pairs where they are not many more."""
    if len(left) * len(right) <= 8 * len(rows):
        return _entries(left @ right.T, rows, columns)
    return np.asarray(np.einsum("ij,ij->i", left.take(rows, axis=0), right.take(columns, axis=0)))


def _entries(table: FloatArray, rows: IntArray, columns: IntArray) -> FloatArray:
    """table[rows, columns] at a third of its cost; no number is below zero. Raises IndexError."""
    width = table.shape[1]
    # A row that is too large is found by `take`; a column would be read from the next row.
    if columns.max(initial=-1) >= width:
        raise IndexError(f"column {columns.max()} of a table of {width}")
    return np.asarray(table.take(rows * width + columns))


def folded(model: Model, snapshot: Snapshot) -> FloatArray:
    """The collaborative vectors of all customers of `snapshot`, (customers, r), in the model's space."""
    return np.asarray(snapshot.residual() @ aligned(model, snapshot.products))


def aligned(model: Model, products: IntArray) -> FloatArray:
    """The model's factors for the columns `products` (p,) of a snapshot, (p, r); zeros where unknown."""
    if len(model.factors) == len(products) and np.array_equal(products, model.products):
        return model.factors
    factors = np.zeros((len(products), model.factors.shape[1]))
    _, here, there = np.intersect1d(products, model.products, assume_unique=True, return_indices=True)
    factors[here] = model.factors[there]
    return factors


def point_in_time(
    dated: Impressions,
    catalogue: Catalogue,
    day: int,
    parameters: ModelParameters,
    known: Blocks | None = None,
) -> list[Described]:
    """The last days of the `sensible` rows of a window, each described from the days before it.

    A window of one day is cut in half by time, so that there is something to describe from. In a window that
    only grows at its end, a day and what was before it are the same rows if they are as many.
    """
    blocks = known if known is not None else Blocks()
    clock = np.floor(dated.day)
    if len(clock) and clock.min() == clock.max():
        clock = np.where(dated.day < np.median(dated.day), clock - 1.0, clock)
    if (clock[1:] < clock[:-1]).any():
        order = np.argsort(clock, kind="stable")
        dated, clock = dated.where(order), clock[order]
    starts = (np.flatnonzero(np.diff(clock)) + 1).tolist()
    days = list(zip(starts, [*starts[1:], len(clock)], strict=True)) if starts else []
    found = []
    numbered = blocks.numbered(dated, parameters)
    for start, end in days[-parameters.ranked_days :]:
        block = (float(clock[start]), start, end)
        if block not in blocks.described:
            if start not in blocks.pasts:
                past = numbered.snapshot(catalogue, day, parameters.snapshot, start)
                blocks.pasts[start] = past, item_side(past, parameters)
            rows = dated.where(slice(start, end))
            blocks.described[block] = Described.of(*blocks.pasts[start], rows, catalogue)
        found.append(blocks.described[block])
    return found

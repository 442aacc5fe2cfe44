"""Slates from a model: what serving does for every request."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reference_stack.features.impressions import FloatArray, IntArray
from reference_stack.trainer.model import FEATURES, Model, aligned
from reference_stack.world import Catalogue

_SORTED_WHOLE = 2000


@dataclass(frozen=True)
class Scorer:
    """A model made ready for one day, one set of live products and the columns of one snapshot.

    Making one costs well under a millisecond; a slate from it about 10 µs. Make it again when the model,
    the day or the snapshot changes.
    """

    products: IntArray
    """(c,) candidates: live products that the model knows."""
    shared: FloatArray
    """(segments + 1, c) the part of the score that does not depend on the customer; the last row is the
    mean over segments, for a customer of no known segment (−1)."""
    item: FloatArray
    """(r + categories + factors, c)"""
    fold: FloatArray
    """(p, r) factors for the columns of the snapshot."""

    @classmethod
    def of(cls, model: Model, catalogue: Catalogue, day: float, live: IntArray, columns: IntArray) -> Scorer:
        """The scorer of `model` on `day`; `columns` (p,) are the `products` of the snapshot whose rows it
        will get, and `catalogue` is as serving sees it.
        """
        products, known, _ = np.intersect1d(model.products, live, assume_unique=True, return_indices=True)
        weight = dict(zip(("intercept", *FEATURES), model.weights.tolist(), strict=True))
        category = catalogue.category[products]
        novelty = np.exp(-catalogue.age(day, products) / model.novelty_days)
        shared = weight["segment"] * model.segment[:, known]
        shared = shared + weight["segment_category"] * model.segment_category[:, category]
        shared = shared + weight["popularity"] * model.popularity[known] + weight["intercept"]
        shared = shared + weight["novelty"] * novelty + weight["price"] * catalogue.price[products]
        one_hot = np.arange(model.segment_category.shape[1])[:, None] == category
        item = np.concatenate(
            [
                weight["collaborative"] * model.factors[known].T,
                weight["category"] * one_hot,
                weight["content"] * catalogue.embedding[products].T,
            ]
        )
        shared = np.concatenate([shared, shared.mean(axis=0, keepdims=True)])
        return cls(products, shared, item, aligned(model, columns))

    def scores(self, row: FloatArray, segment: int) -> FloatArray:
        """Logits of the candidates, (c,), for a customer's row of the snapshot, (p + categories + factors,).

        Raises ValueError for a row of another width.
        """
        columns, rank = self.fold.shape
        if len(row) != columns + len(self.item) - rank:
            raise ValueError(f"a row of {len(row)} features, {columns + len(self.item) - rank} expected")
        personal = np.concatenate([row[:columns] @ self.fold, row[columns:]])
        return np.asarray(personal @ self.item + self.shared[segment])

    def slate(self, row: FloatArray, segment: int, k: int = 10) -> IntArray:
        """The k best candidates, best first, ties by id; fewer if there are fewer."""
        return self.products[best(self.scores(row, segment), k)]


def best(scores: FloatArray, k: int) -> IntArray:
    """The places of the k highest scores, highest first, ties by place; NaN comes last."""
    return least(-scores, k)


def least(costs: FloatArray, k: int) -> IntArray:
    """The places of the k lowest costs, lowest first, ties by place; NaN comes last."""
    if len(costs) <= _SORTED_WHOLE:
        return costs.argsort(kind="stable")[:k]
    limit = np.partition(costs, k - 1)[k - 1]
    if np.isnan(limit):
        return np.argsort(costs, kind="stable")[:k]
    front = np.flatnonzero(costs <= limit)
    return np.asarray(front[np.argsort(costs[front], kind="stable")[:k]])

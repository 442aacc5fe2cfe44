"""Offline judgement of a model on one day's events, against popularity and against the champion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reference_stack.features.impressions import FloatArray, Impressions, IntArray
from reference_stack.features.snapshot import Snapshot, places
from reference_stack.trainer.model import Model, describe
from reference_stack.trainer.ranker import auc
from reference_stack.world import Catalogue

_PADDED = 4
"""Views are ranked in a table if it has at most so many cells for each row."""


@dataclass(frozen=True)
class Evaluation:
    """What a day of events says; numbers are NaN where there was nothing to judge by."""

    views: int
    """Page views with at least one click: the sample size."""
    ndcg: float
    ndcg_popularity: float
    ndcg_champion: float
    z_popularity: float
    """Mean ÷ standard error of the difference per view, challenger − popularity. Healthy: 6 or more."""
    z_champion: float
    """The same against the champion. The logged slates favour whoever served them: an innocent challenger
    is often at −2."""
    auc: float
    """Of the clicks, position included."""


def evaluate(
    challenger: Model,
    rows: Impressions,
    snapshot: Snapshot,
    catalogue: Catalogue,
    champion: Model | None = None,
) -> Evaluation:
    """Judge `challenger` on `rows`, events of a day that it was not trained on; `snapshot` ends before
    that day and gives the customers' features and the popularity.
    """
    rows = rows.within(len(catalogue), challenger.segment_category.shape[1], len(challenger.segment))
    judge = Judge(rows)
    scores = _scores(challenger, rows, snapshot, catalogue)
    ndcg = judge.ndcg_by_view(scores)
    popularity = judge.ndcg_by_view(_popularity(rows, snapshot))
    logged = ndcg
    if champion is not None:
        logged = judge.ndcg_by_view(_scores(champion, rows, snapshot, catalogue))
    return Evaluation(
        views=len(ndcg),
        ndcg=_mean(ndcg),
        ndcg_popularity=_mean(popularity),
        ndcg_champion=_mean(logged) if champion is not None else float("nan"),
        z_popularity=paired_z(ndcg - popularity),
        z_champion=paired_z(ndcg - logged) if champion is not None else float("nan"),
        auc=auc(scores - 0.5 * np.log(rows.position), rows.clicked),
    )


class Judge:
    """Judges scores on the same rows.

    The gain of a click at slot j is j^½, one over the chance that the slot was looked at: plain clicks pay
    a model for putting things where the champion put them, and cost an innocent challenger 0.3 to 0.6 in z.
    """

    def __init__(self, rows: Impressions) -> None:
        """No view and no product of `rows` has a negative number."""
        views = _smallest(rows.view)
        by_product = np.argsort(_smallest(rows.product), kind="stable")
        self._order = by_product[np.argsort(views[by_product], kind="stable")]
        self._views = views[self._order]
        self._gains = np.asarray(rows.clicked * np.sqrt(rows.position), dtype=np.float64)[self._order]
        new = np.concatenate([[True], self._views[1:] != self._views[:-1]])[: len(views)]
        self._starts = np.flatnonzero(new)
        lengths = np.diff(np.concatenate([self._starts, [len(views)]]))
        rank = np.arange(len(views)) - np.repeat(self._starts, lengths)
        self._discount = 1.0 / np.log2(rank + 2.0)
        longest = int(lengths.max(initial=0))
        self._table = None
        if len(lengths) * longest <= _PADDED * len(views):
            self._table = np.arange(longest) < lengths[:, None]
        self._ideal = self._discounted(self._gains)

    def ndcg_by_view(self, scores: FloatArray) -> FloatArray:
        """NDCG of every view with a click, in order of view, from the scores of the rows; ties by product
        id, and what has no score comes last.
        """
        clicked = self._ideal > 0
        return np.asarray(self._discounted(scores[self._order])[clicked] / self._ideal[clicked])

    def _discounted(self, scores: FloatArray) -> FloatArray:
        """Σ gain ÷ log2(rank + 1) of each view, its rows ranked by scores that are in order of view."""
        if len(scores) == 0:
            return np.zeros(0)
        return np.asarray(np.add.reduceat(self._gains[self._ranked(scores)] * self._discount, self._starts))

    def _ranked(self, scores: FloatArray) -> IntArray:
        """The places of the rows in order of view, in each view the highest score first."""
        if self._table is None:
            ranked = np.argsort(-scores, kind="stable")
            return np.asarray(ranked[np.argsort(self._views[ranked], kind="stable")])
        # Many short sorts cost a tenth of a long one. What a view is padded with comes last, after NaN too.
        padded = np.full(self._table.shape, np.nan)
        padded[self._table] = -scores
        ranked = self._starts[:, None] + np.argsort(padded, axis=1, kind="stable")
        return np.asarray(ranked[self._table])


def _smallest(numbers: IntArray) -> npt.NDArray[Any]:
    """The same numbers, of which none is negative: the smaller the type, the quicker the sort."""
    return numbers.astype(np.min_scalar_type(int(numbers.max(initial=0))))


def paired_z(differences: FloatArray) -> float:
    """Mean ÷ standard error of differences per view (n,); 0 where all are equal, NaN below two views."""
    if len(differences) < 2:
        return float("nan")
    error = float(differences.std(ddof=1)) / np.sqrt(len(differences))
    mean = float(differences.mean())
    if error == 0.0:
        return 0.0 if mean == 0.0 else float(np.copysign(np.inf, mean))
    return float(mean / error)


def _scores(model: Model, rows: Impressions, snapshot: Snapshot, catalogue: Catalogue) -> FloatArray:
    scores = np.asarray(describe(model, snapshot, catalogue, rows) @ model.weights[1:] + model.weights[0])
    unknown = ~np.isin(rows.product, model.products)
    return np.asarray(np.where(unknown, scores.min(initial=0.0), scores))


def _popularity(rows: Impressions, snapshot: Snapshot) -> FloatArray:
    if len(snapshot.products) == 0:
        return np.zeros(len(rows))
    what, known = places(snapshot.products, rows.product)
    return np.where(known, snapshot.ctr[what], 0.0)


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if len(values) else float("nan")

"""One version of the model made ready to answer: slates, popularity, exploration, and the reasons behind."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from reference_stack.features.impressions import FloatArray, IntArray
from reference_stack.messages import LookupReply, Reason
from reference_stack.ports import Failed, ModelVersion
from reference_stack.seeds import stream, uniform
from reference_stack.trainer.model import FEATURES, Model
from reference_stack.trainer.scorer import Scorer
from reference_stack.world import Catalogue


@dataclass(frozen=True)
class Served:
    """A slate before exploration; `personal` is what the ranker knew of the customer (empty: nothing)."""

    slate: IntArray
    personal: FloatArray


class Ranking:
    """A version on one day. Making one costs under a millisecond: make it again at midnight."""

    def __init__(self, version: ModelVersion, model: Model, catalogue: Catalogue, day: int) -> None:
        self.version = version
        self.model = model
        self.day = day
        self.live = catalogue.live(day)
        self._scorer = Scorer.of(model, catalogue, day, self.live, model.products)
        # One place more than there are products: ids that nobody knows end there.
        self._column = np.full(len(catalogue) + 1, -1, dtype=np.int64)
        self._column[model.products] = np.arange(len(model.products))
        self._affinities = len(self._scorer.item) - model.factors.shape[1]
        known = np.searchsorted(model.products, self._scorer.products)
        self._popular = self._scorer.products[np.argsort(-model.popularity[known], kind="stable")]

    def slate(self, features: LookupReply, segment: int, slots: int) -> Served:
        """The best `slots` products for a customer with these features.

        Raises Failed for features of another shape than the model's.
        """
        if len(features.affinities) != self._affinities or len(features.products) != len(features.values):
            raise Failed(f"{len(features.affinities)} affinities looked up, {self._affinities} expected")
        row = np.zeros(len(self.model.products) + self._affinities)
        products = np.asarray(features.products, dtype=np.int64)
        columns = self._column[products.clip(-1, len(self._column) - 1)]
        values = np.asarray(features.values, dtype=np.float64)
        row[columns[columns >= 0]] = values[columns >= 0]
        row[len(self.model.products) :] = features.affinities
        best = self._scorer.slate(row, self._known(segment), slots)
        folded = row[: len(self.model.products)] @ self._scorer.fold
        personal = np.concatenate([folded, row[len(self.model.products) :]])
        return Served(filled(best, self.live, slots), personal)

    def popular(self, slots: int) -> Served:
        """The live products of the highest smoothed click rate: the same for everybody."""
        return Served(filled(self._popular[:slots], self.live, slots), np.zeros(0))

    def _known(self, segment: int) -> int:
        return segment if 0 <= segment < len(self.model.segment) else -1


def filled(slate: IntArray, live: IntArray, slots: int) -> IntArray:
    """`slate`, and where it is too short the newest live products that it lacks."""
    if len(slate) >= slots or len(slate) >= len(live):
        return slate
    newest = live[::-1]
    return np.concatenate([slate, newest[~np.isin(newest, slate)]])[:slots]


def exploration(seed: int, view: str, share: float, slots: int) -> FloatArray | None:
    """Uniforms (2, slots) for `reference_stack.trainer.scorer.explore`, or None if no slot is explored.

    The first explored slot is drawn by its geometric distribution, from one digest: so that four views in
    five, which explore nothing, do not pay for a generator. The same view draws the same in every arm.
    """
    if share <= 0.0:
        return None
    draw = uniform(seed, "explore", view)
    first = 0 if share >= 1.0 else int(math.log1p(-draw) / math.log1p(-share))
    if first >= slots:
        return None
    uniforms = stream(seed, "explored", view).random((2, slots))
    uniforms[0, :first] = 1.0
    uniforms[0, first] = 0.0
    return uniforms


def reasons(
    model: Model, catalogue: Catalogue, day: int, segment: int, personal: FloatArray, slate: list[int]
) -> list[dict[str, float]]:
    """The ranker's terms of every product of a slate as served on `day`; they sum to its score.

    `personal` is that of `Served`: where it is empty the slate came from popularity, its only term. Terms of
    a product that the model does not know (it was explored) hold only what its attributes say.
    """
    products = np.asarray(slate, dtype=np.int64)
    known = np.isin(products, model.products)
    places = np.searchsorted(model.products, products).clip(max=max(0, len(model.products) - 1))
    weights = dict(zip(("intercept", *FEATURES), model.weights.tolist(), strict=True))

    def of_products(values: FloatArray) -> FloatArray:
        return np.where(known, values[..., places], 0.0) if len(model.products) else np.zeros(len(products))

    if not len(personal):
        return [{"popularity": float(value)} for value in of_products(model.popularity)]
    rank, categories = model.factors.shape[1], model.segment_category.shape[1]
    category = catalogue.category[products]
    in_segment = 0 <= segment < len(model.segment)
    segments = model.segment[segment] if in_segment else model.segment.mean(axis=0)
    by_category = model.segment_category[segment] if in_segment else model.segment_category.mean(axis=0)
    features = {
        "intercept": np.ones(len(products)),
        "collaborative": personal[:rank] @ of_products(model.factors.T),
        "category": personal[rank : rank + categories][category],
        "content": catalogue.embedding[products] @ personal[rank + categories :],
        "segment": of_products(segments),
        "popularity": of_products(model.popularity),
        "novelty": np.exp(-catalogue.age(day, products) / model.novelty_days),
        "price": catalogue.price[products],
        "segment_category": by_category[category],
    }
    terms = {name: weights[name] * values for name, values in features.items()}
    return [{name: float(values[i]) for name, values in terms.items()} for i in range(len(products))]


def as_reasons(terms: list[dict[str, float]], slate: list[int], explored: list[int]) -> list[Reason]:
    """Terms as the reply to EXPLAIN gives them; a score is the sum of its terms."""
    return [
        Reason(product=product, slot=slot, score=sum(term.values()), terms=term, explored=slot in explored)
        for slot, (product, term) in enumerate(zip(slate, terms, strict=True))
    ]

"""One version of the model made ready to answer: slates, popularity, and the reasons behind."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from operator import itemgetter

import numpy as np

from reference_stack.features.impressions import FloatArray, Impressions, IntArray
from reference_stack.features.snapshot import Snapshot
from reference_stack.messages import LookupReply, Reason
from reference_stack.ports import Failed, ModelVersion
from reference_stack.serving.recommendations import Recommended
from reference_stack.trainer.model import FEATURES, Model, describe
from reference_stack.trainer.scorer import Scorer, least
from reference_stack.world import Catalogue

_REMEMBERED = 10_000


class Ranking:
    """A version on one day. Making one costs under a millisecond: make it again at midnight."""

    def __init__(self, version: ModelVersion, model: Model, catalogue: Catalogue, day: int) -> None:
        self.version = version
        self.model = model
        self.day = day
        self.live = catalogue.live(day)
        self.products = len(model.products)
        """How many of them the model brings."""
        model = model.distinct()
        scorer = Scorer.of(model, catalogue, day, self.live, model.products)
        self._candidates = scorer.products
        rank = scorer.fold.shape[1]
        by_product = scorer.fold @ scorer.item[:rank]
        self._terms = -np.concatenate([scorer.item[rank:], by_product, scorer.shared])
        """What an affinity or a residual of 1 and a segment take from the score of each candidate,
        (affinities + p + segments + 1, c).
        """
        self._slates: dict[int, tuple[LookupReply, int, int, IntArray]] = {}
        """By the identity of the features, which are kept here and so have it to themselves."""
        self._segments = len(model.segment)
        self._affinities = model.segment_category.shape[1] + catalogue.embedding.shape[1]
        self._affinity_terms = tuple(range(self._affinities))
        self._term = {product: self._affinities + i for i, product in enumerate(model.products.tolist())}
        self._segment_terms = self._affinities + len(model.products)
        known = np.searchsorted(model.products, scorer.products)
        self._popular = scorer.products[np.argsort(-model.popularity[known], kind="stable")]

    def slate(self, features: LookupReply, segment: int, slots: int) -> IntArray:
        """The best `slots` products for a customer with these features: `Scorer.slate` from a sparse row.

        The same reply asked about again has the same slate; do not write to it. Raises Failed for features of
        another shape than the model's.
        """
        key = id(features)
        known = self._slates.get(key)
        if known is not None and known[1] == segment and known[2] == slots:
            return known[3]
        order = least(self._costs(features, segment), slots)
        slate = filled(self._candidates[order], self.live, slots)
        if len(self._slates) >= _REMEMBERED:
            self._slates.clear()
        self._slates[key] = features, segment, slots, slate
        return slate

    def worst(self, features: LookupReply, segment: int, slots: int) -> IntArray:
        """The same products the other way round, worst first. Raises Failed."""
        order = least(-self._costs(features, segment), slots)
        return filled(self._candidates[order], self.live, slots)

    def _costs(self, features: LookupReply, segment: int) -> FloatArray:
        """The candidates' scores with the sign turned, (c,): what is sorted from the lowest on."""
        products, values = features.products, features.values
        count = len(products)
        if len(features.affinities) != self._affinities or count != len(values):
            raise Failed(f"{len(features.affinities)} affinities looked up, {self._affinities} expected")
        terms: Sequence[int]
        try:
            # A getter of one gives no tuple.
            terms = itemgetter(*products)(self._term) if count > 1 else [self._term[products[0]]]
        except LookupError:  # products that nobody knows any more, or none
            values = [value for value, product in zip(values, products, strict=True) if product in self._term]
            terms = [self._term[product] for product in products if product in self._term]
        mine = segment if 0 <= segment < self._segments else self._segments
        # By way of bytes: an array made from a tuple takes twice as long.
        size = self._affinities + len(values) + 1
        row = np.frombuffer(struct.pack(f"{size}d", *features.affinities, *values, 1.0))
        terms = (*self._affinity_terms, *terms, self._segment_terms + mine)
        costs: FloatArray = row.dot(self._terms.take(terms, axis=0))
        return costs

    def popular(self, slots: int) -> IntArray:
        """The live products of the highest smoothed click rate: the same for everybody."""
        return filled(self._popular[:slots], self.live, slots)


def filled(slate: IntArray, live: IntArray, slots: int) -> IntArray:
    """`slate`, and where it is too short the newest live products that it lacks."""
    if len(slate) >= slots or len(slate) >= len(live):
        return slate
    newest = live[::-1]
    return np.concatenate([slate, newest[~np.isin(newest, slate)]])[:slots]


def reasons(
    model: Model, catalogue: Catalogue, shown: Recommended, features: LookupReply | None
) -> list[dict[str, float]]:
    """The ranker's terms of every product of a slate as it was served; they sum to its score.

    Without `features` the slate came from popularity, its only term.
    """
    slate = np.asarray(shown.slate, dtype=np.int64)
    places = np.searchsorted(model.products, slate).clip(max=max(0, len(model.products) - 1))
    known = model.products[places] == slate if len(model.products) else np.zeros(len(slate), dtype=bool)
    if features is None:
        popularity = model.popularity[places] if len(model.products) else np.zeros(len(slate))
        return [{"popularity": float(value)} for value in np.where(known, popularity, 0.0)]
    ones = np.ones(len(slate), dtype=np.int64)
    rows = Impressions(
        customer=ones * shown.customer,
        segment=ones * (shown.segment if 0 <= shown.segment < len(model.segment) else 0),
        product=slate,
        category=catalogue.category[slate],
        price=catalogue.price[slate],
        age=catalogue.age(shown.day, slate),
        position=np.arange(1, len(slate) + 1),
        clicked=ones * 0,
        dwell=np.full(len(slate), np.nan),
        day=np.full(len(slate), shown.day),
        view=ones,
    )
    described = describe(model, _snapshot_of_one(model, shown.customer, features), catalogue, rows)
    terms = described * model.weights[1:]
    return [
        {"intercept": float(model.weights[0]), **dict(zip(FEATURES, term, strict=True))}
        for term in terms.tolist()
    ]


def _snapshot_of_one(model: Model, customer: int, features: LookupReply) -> Snapshot:
    """A snapshot with one customer, in the columns of the model: what `describe` needs of it."""
    products = np.asarray(features.products, dtype=np.int64)
    known = np.isin(products, model.products)
    order = np.argsort(products[known], kind="stable")
    none = np.zeros(len(model.products))
    categories = model.segment_category.shape[1]
    affinities = np.asarray(features.affinities, dtype=np.float64)
    return Snapshot(
        day=int(features.built_day // 1),
        customers=np.array([customer]),
        products=model.products,
        indptr=np.array([0, int(known.sum())]),
        indices=np.searchsorted(model.products, products[known][order]),
        values=np.asarray(features.values, dtype=np.float64)[known][order],
        category=affinities[None, :categories],
        content=affinities[None, categories:],
        segment=model.segment,
        segment_category=model.segment_category,
        exposures=none,
        clicks=none,
        ctr=none,
    )


def as_reasons(terms: list[dict[str, float]], slate: list[int], explored: list[int]) -> list[Reason]:
    """Terms as the reply to EXPLAIN gives them; a score is the sum of its terms."""
    return [
        Reason(product=product, slot=slot, score=sum(term.values()), terms=term, explored=slot in explored)
        for slot, (product, term) in enumerate(zip(slate, terms, strict=True))
    ]

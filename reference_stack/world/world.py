"""The world itself: drawn once from parameters and a seed, always for 120 days, and then only read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import compress
from operator import lt, mul
from typing import cast

import numpy as np

from reference_stack.seeds import Generator, stream
from reference_stack.world.behaviour import Arrivals, Looks, dwell_of, exposure
from reference_stack.world.catalogue import Catalogue, Customers, FloatArray, IntArray
from reference_stack.world.presets import WorldParameters

WARM_UP_DAYS = 18
HORIZON_DAYS = 120
_KEPT_DAYS = 4
_TABLE_CELLS = 4_000_000


@dataclass(frozen=True)
class _Table:
    """True click probabilities of one integer day."""

    first_product: int
    probability: FloatArray
    """(customers, live)"""
    best: FloatArray
    """(customers,) value of the best slate."""

    @cached_property
    def cells(self) -> memoryview[float]:
        """`probability` row by row: its few cells that a slate asks for, in plain numbers, cost least so."""
        return cast("memoryview[float]", self.probability.reshape(-1).data)

    @cached_property
    def best_values(self) -> memoryview[float]:
        """`best`, likewise."""
        return cast("memoryview[float]", self.best.data)


@dataclass(frozen=True)
class World:
    """Products, customers and their true preferences. Days are scenario days, from −18 to 101."""

    parameters: WorldParameters
    seed: int
    catalogue: Catalogue
    customers: Customers
    _factors: FloatArray = field(repr=False)
    """(products, factors)"""
    _tastes: FloatArray = field(repr=False)
    """(HORIZON_DAYS, customers, factors)"""
    _appeal: FloatArray = field(repr=False)
    """(products,) popularity and price, in logits."""
    _phase: FloatArray = field(repr=False)
    """(products,) season phase, radians."""
    _tables: dict[float, _Table] = field(default_factory=dict, repr=False, compare=False)
    """By the whole scenario day."""

    @classmethod
    def draw(cls, parameters: WorldParameters, seed: int) -> World:
        """The world of (`parameters`, `seed`)."""
        centres = stream(seed, "world", "centres")
        category_centres = centres.standard_normal((parameters.categories, parameters.factors))
        segment_centres = centres.standard_normal((parameters.segments, parameters.factors))
        customers, tastes = _draw_customers(parameters, stream(seed, "world", "customers"), segment_centres)
        products = stream(seed, "world", "products")
        catalogue, factors, appeal, phase = _draw_products(parameters, products, category_centres)
        return cls(parameters, seed, catalogue, customers, factors, tastes, appeal, phase)

    def live_products(self, day: float) -> IntArray:
        """Ids on sale on `day`, ascending, without gaps."""
        return self.catalogue.live(day)

    def logits(self, day: float, customers: IntArray, products: IntArray) -> FloatArray:
        """True logits of a click at a slot that is looked at, (len(customers), len(products)).

        −4 + 2·θ·φ/√K + 0.3·popularity + 0.4·sin(2πt/28 + phase) + 0.7·exp(−age/5) − 0.5·price.
        """
        today = self._world_day(day)
        p = self.parameters
        season = np.sin(2.0 * np.pi * today / p.season_days + self._phase[products])
        novelty = np.exp(-self.catalogue.age(day, products) / p.novelty_days)
        shared = p.intercept + self._appeal[products] + p.season_weight * season + p.novelty_weight * novelty
        taste = self._tastes[today][customers] @ self._factors[products].T
        return np.asarray(shared + p.taste_weight / np.sqrt(p.factors) * taste)

    def click_probabilities(self, day: float) -> FloatArray:
        """True P(click) of every customer and live product on `day`, (customers, live); do not write to it.

        Raises MemoryError for worlds too large for a table (`large`): ask for single slates there.
        """
        table = self._table(day)
        if table is None:
            raise MemoryError(f"a day of {self.parameters.name!r} is too large for a table")
        return table.probability

    def slate_probabilities(self, day: float, customer: int, slate: IntArray) -> FloatArray:
        """True P(click) of the products of one slate (m,); 0 for products not on sale that day."""
        products = np.asarray(slate, dtype=np.int64)
        table = self._table(day)
        first, count = (table.first_product, table.probability.shape[1]) if table else self._on_sale(day)
        on_sale = (products >= first) & (products < first + count)
        columns = np.where(on_sale, products - first, 0)
        if table is not None:
            probability = table.probability[customer, columns]
        else:
            probability = _sigmoid(self.logits(day, np.array([customer]), first + columns)[0])
        return np.asarray(probability if on_sale.all() else np.where(on_sale, probability, 0.0))

    def slate_value(self, day: float, customer: int, slate: IntArray) -> float:
        """True expected clicks of a slate, Σ_j j^−½ · P_j: never sampled, so that harm has no click noise."""
        probability = self.slate_probabilities(day, customer, slate)
        return float(probability @ exposure(np.arange(1, len(probability) + 1)))

    def slate_values(self, day: float, slates: IntArray) -> FloatArray:
        """The value of one slate for every customer, (customers,), from `slates` (customers, k)."""
        if self._table(day) is None:
            return np.array([self.slate_value(day, c, slate) for c, slate in enumerate(slates)])
        live = self.catalogue.live(day)
        on_sale = (slates >= live[0]) & (slates <= live[-1])
        columns = np.where(on_sale, slates - live[0], 0)
        probability = np.where(
            on_sale, np.take_along_axis(self.click_probabilities(day), columns, axis=1), 0.0
        )
        return np.asarray(probability @ exposure(np.arange(1, slates.shape[1] + 1)))

    def best_value(self, day: float, customer: int) -> float:
        """The value of the best slate there is for one customer."""
        table = self._table(day)
        if table is not None:
            return float(table.best[customer])
        row = self.logits(day, np.array([customer]), self.catalogue.live(day))
        return float(_best_values(_sigmoid(row), self.parameters.slots)[0])

    def best_values(self, day: float) -> FloatArray:
        """The value of the best slate of every customer, (customers,)."""
        table = self._table(day)
        if table is not None:
            return table.best
        return np.array([self.best_value(day, customer) for customer in range(len(self.customers))])

    def quality(self, day: float, slates: IntArray, exploration: float) -> float:
        """True quality of a day: mean value over the customers, weighted by activity, of `slates`
        (customers, k) of which a share `exploration` of the slots is replaced at random.
        """
        served = self.slate_values(day, slates)
        if exploration > 0.0:
            looks = exposure(np.arange(1, slates.shape[1] + 1)).sum()
            served = (1.0 - exploration) * served
            served = served + exploration * looks * self.click_probabilities(day).mean(axis=1)
        return float(self.customers.activity @ served)

    def arrivals(self, day: int, returning: float) -> Arrivals:
        """The page views of `day` at the returning level u, V·u with 5% noise, open loop."""
        p = self.parameters
        noise = stream(self.seed, "arrivals", day).standard_normal()
        count = max(0, round(p.views_per_day * returning * (1.0 + p.arrivals_noise * noise)))
        uniforms = stream(self.seed, "views", day).random((count, 3 + 2 * p.slots))
        normals = stream(self.seed, "dwell", day).standard_normal((count, p.slots))
        order = np.argsort(uniforms[:, 0], kind="stable")
        uniforms, normals = uniforms[order], normals[order]
        bounds = np.cumsum(self.customers.activity)
        customers = np.searchsorted(bounds / bounds[-1], uniforms[:, 1], side="right")
        return Arrivals(
            day=day,
            times=day + uniforms[:, 0],
            customers=customers.astype(np.int64),
            ordinals=order.astype(np.int64),
            patience=uniforms[:, 2],
            click_uniforms=uniforms[:, 3 : 3 + p.slots],
            dwell_noise=normals,
            null_uniforms=uniforms[:, 3 + p.slots :],
        )

    def look(self, arrivals: Arrivals, index: int, slate: Sequence[int]) -> Looks:
        """What the shopper of view `index` (a row of `arrivals`) does with `slate`, at most ten products."""
        p, view = self.parameters, arrivals.views[index]
        probability, best_value = self._seen(arrivals.day, view.customer, slate)
        chance = list(map(mul, probability, self._exposure))
        clicked = list(map(lt, view.click_uniforms, chance))
        size = len(clicked)
        dwell_seconds: list[float | None] = [None] * size
        for slot in compress(range(size), clicked):
            dwell_seconds[slot] = dwell_of(p, probability[slot], view.dwell_noise[slot])
        if view.least_null < p.null_share:
            null = [uniform < p.null_share for uniform in view.null_uniforms[:size]]
        else:
            null = [False] * size
        return Looks(clicked, dwell_seconds, null, sum(chance), best_value)

    @cached_property
    def _exposure(self) -> list[float]:
        exposed: list[float] = exposure(np.arange(1, self.parameters.slots + 1)).tolist()
        return exposed

    def _seen(self, day: int, customer: int, slate: Sequence[int]) -> tuple[list[float], float]:
        """P(click) of each product of a slate, and the value of the customer's best slate."""
        table = self._table(day)
        if table is None:
            probability = self.slate_probabilities(day, customer, np.asarray(slate, dtype=np.int64)).tolist()
            return probability, self.best_value(day, customer)
        first, live, cells = table.first_product, table.probability.shape[1], table.cells
        start, end = customer * live - first, first + live
        best_value = table.best_values[customer]
        if len(slate) and first <= min(slate) and max(slate) < end:
            return [cells[start + each] for each in slate], best_value
        return [cells[start + each] if first <= each < end else 0.0 for each in slate], best_value

    def _world_day(self, day: float) -> int:
        today = math.floor(day) + WARM_UP_DAYS
        if not 0 <= today < HORIZON_DAYS:
            raise ValueError(f"scenario day {day} is outside the {HORIZON_DAYS} days of the world")
        return today

    def _on_sale(self, day: float) -> tuple[int, int]:
        live = self.catalogue.live(day)
        return int(live[0]), len(live)

    def _table(self, day: float) -> _Table | None:
        table = self._tables.get(day)
        if table is not None:
            return table
        today = self._world_day(day) - WARM_UP_DAYS
        table = self._tables.get(today)
        if table is not None:
            return table
        live = self.catalogue.live(day)
        if len(live) * len(self.customers) > _TABLE_CELLS:
            return None
        everyone = np.arange(len(self.customers))
        probability = _sigmoid(self.logits(day, everyone, live))
        probability.flags.writeable = False
        table = _Table(int(live[0]), probability, _best_values(probability, self.parameters.slots))
        while len(self._tables) >= _KEPT_DAYS:
            del self._tables[next(iter(self._tables))]
        self._tables[today] = table
        return table


def _sigmoid(logits: FloatArray) -> FloatArray:
    found = np.exp(-logits)
    found += 1.0
    return np.divide(1.0, found, out=found)


def _best_values(probability: FloatArray, slots: int) -> FloatArray:
    best = -np.sort(-probability, axis=1)[:, :slots]
    return np.asarray(best @ exposure(np.arange(1, best.shape[1] + 1)))


def _draw_customers(
    parameters: WorldParameters, generator: Generator, centres: FloatArray
) -> tuple[Customers, FloatArray]:
    """Customers and their tastes of every day, (HORIZON_DAYS, customers, factors)."""
    count = parameters.customers
    segment = generator.integers(0, parameters.segments, count)
    shard = generator.choice(len(parameters.shard_shares), size=count, p=parameters.shard_shares)
    activity = np.exp(parameters.activity_sigma * generator.standard_normal(count))
    keep = np.exp(-1.0 / parameters.taste_walk_days)
    walk = np.empty((HORIZON_DAYS, count, parameters.factors))
    walk[0] = generator.standard_normal((count, parameters.factors))
    for day in range(1, HORIZON_DAYS):
        step = generator.standard_normal((count, parameters.factors))
        walk[day] = keep * walk[day - 1] + np.sqrt(1.0 - keep**2) * step
    walk *= np.sqrt(1.0 - parameters.segment_rho)
    walk += np.sqrt(parameters.segment_rho) * centres[segment]
    return Customers(segment, shard.astype(np.int64), activity / activity.sum()), walk


def _draw_products(
    parameters: WorldParameters, generator: Generator, centres: FloatArray
) -> tuple[Catalogue, FloatArray, FloatArray, FloatArray]:
    """The catalogue, true factors (n, K), appeal in logits (n,), season phases (n,)."""
    live, rate = parameters.products, parameters.launches_per_day
    count = live + int(np.ceil(rate * (HORIZON_DAYS - 1)))
    launch = np.ceil((np.arange(count) - live + 1) / rate).astype(np.int64) - WARM_UP_DAYS
    category = generator.integers(0, parameters.categories, count)
    own = generator.standard_normal((count, parameters.factors))
    rho = parameters.category_rho
    factors = np.sqrt(rho) * centres[category] + np.sqrt(1.0 - rho) * own
    source = generator.choice(len(parameters.source_shares), size=count, p=parameters.source_shares)
    price = generator.standard_normal(count)
    popularity = _popularity(live, count, generator)
    phase = generator.uniform(0.0, 2.0 * np.pi, count)
    embedding = factors + parameters.content_noise * generator.standard_normal((count, parameters.factors))
    catalogue = Catalogue(
        category, source.astype(np.int64), price, launch, embedding, life_days=parameters.life_days
    )
    appeal = parameters.popularity_weight * popularity + parameters.price_weight * price
    return catalogue, factors, appeal, phase


def _popularity(live: int, count: int, generator: Generator) -> FloatArray:
    """Zipf popularity, −log(rank) standardised over the ranks 1 … `live`; each cohort of `live` products
    in order of launch takes every rank once.
    """
    scale = -np.log(np.arange(1, live + 1))
    scale = (scale - scale.mean()) / scale.std()
    cohorts = [generator.permutation(live) for _ in range(-(-count // live))]
    return np.asarray(scale[np.concatenate(cohorts)[:count]])

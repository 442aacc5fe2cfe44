"""The shop without a stack: days, slates, clicks and the nightly retraining, in one process.

It shows that the world is calibrated, and makes models for tests. It is also the shortest description of
what the stack does in a day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from reference_stack.features.impressions import FloatArray, Impressions, IntArray
from reference_stack.features.snapshot import Snapshot, build, customer_row, popularity_slate
from reference_stack.seeds import stream
from reference_stack.trainer.model import Model, ModelParameters, fit
from reference_stack.trainer.scorer import Scorer
from reference_stack.world import WARM_UP_DAYS, World, returning_level
from reference_stack.world.behaviour import abandonment, dwell_seconds, exposure, patience_ratio


@dataclass(frozen=True)
class Release:
    """A model and the snapshot whose rows it is served with."""

    model: Model
    snapshot: Snapshot


@dataclass
class Shop:
    """The state of one arm; days are scenario days."""

    world: World
    parameters: ModelParameters = field(default_factory=ModelParameters)
    partitions: dict[int, Impressions] = field(default_factory=dict)
    releases: dict[int, Release] = field(default_factory=dict)
    quality: dict[int, float] = field(default_factory=dict)
    """True clicks per view of each day."""
    returning: float = 1.0
    levels: dict[int, float] = field(default_factory=dict)
    """Returning level at the end of each day."""

    def window(self, day: int) -> list[int]:
        """The days that a model of midnight of `day` is trained on."""
        first = max(day - self.world.parameters.window_days, -WARM_UP_DAYS)
        return list(range(first, day))

    def train(self, day: int, days: Sequence[int]) -> Release:
        """The release of midnight of `day` from the partitions of `days`."""
        rows = Impressions.join([self.partitions[d] for d in days if d in self.partitions])
        snapshot = build(rows, self.world.catalogue, day, self.parameters.snapshot)
        model = fit(rows, self.world.catalogue, day, self.parameters, snapshot=snapshot)
        return Release(model, snapshot)

    def serve(self, day: int, slates: IntArray, exploration: float, latency_s: float | None = None) -> None:
        """Live through `day` with one slate per customer, (customers, k)."""
        self.quality[day] = self.world.quality(day, slates, exploration)
        self.partitions[day] = sample(self.world, day, slates, exploration, self.returning, latency_s)

    def copy(self) -> Shop:
        """Another arm that starts from the same state."""
        return Shop(
            self.world,
            self.parameters,
            dict(self.partitions),
            dict(self.releases),
            dict(self.quality),
            self.returning,
            dict(self.levels),
        )


def warmed_up(world: World, parameters: ModelParameters | None = None) -> Shop:
    """A shop after the warm-up: random slates on day −18, 30% exploration for seven days, then 2%."""
    shop = Shop(world, parameters or ModelParameters())
    for day in range(-WARM_UP_DAYS, 0):
        since = day + WARM_UP_DAYS
        if since == 0:
            live = world.live_products(day)
            nothing = np.tile(live[: world.parameters.slots], (len(world.customers), 1))
            shop.serve(day, nothing, 1.0)
            continue
        shop.releases[day] = shop.train(day, shop.window(day))
        warm = since <= 7
        share = world.parameters.warm_exploration if warm else world.parameters.exploration
        shop.serve(day, slates(world, shop.releases[day], day), share)
    return shop


def slates(world: World, release: Release, day: int) -> IntArray:
    """The slate of every customer on `day`, (customers, k), exploration apart."""
    live = world.live_products(day)
    scorer = Scorer.of(release.model, world.catalogue, day, live, release.snapshot.products)
    k = world.parameters.slots
    rows = [
        scorer.slate(customer_row(release.snapshot, customer), int(segment), k)
        for customer, segment in enumerate(world.customers.segment)
    ]
    return _padded(rows, k)


def popular(world: World, release: Release, day: int) -> IntArray:
    """The popularity slate, once per customer, (customers, k)."""
    k = world.parameters.slots
    slate = popularity_slate(release.snapshot, world.live_products(day), k)
    return np.tile(_padded([slate], k), (len(world.customers), 1))


def sample(
    world: World,
    day: int,
    served: IntArray,
    exploration: float,
    returning: float = 1.0,
    latency_s: float | None = None,
) -> Impressions:
    """The usable impressions of `day` where every customer is served a slate of `served` (customers, k)."""
    p = world.parameters
    arrivals = world.arrivals(day, returning)
    patience = abandonment(p, p.normal_latency_s if latency_s is None else latency_s)
    stay = arrivals.patience >= patience
    who = arrivals.customers[stay]
    live = world.live_products(day)
    uniforms = stream(world.seed, "explore", day).random((len(arrivals), 2, p.slots))
    uniforms = uniforms[arrivals.ordinals[stay]]
    random = live[(uniforms[:, 1] * len(live)).astype(np.int64)]
    shown = np.where(uniforms[:, 0] < exploration, random, served[who])
    probability = world.click_probabilities(day)[who[:, None], np.clip(shown - live[0], 0, len(live) - 1)]
    position = np.arange(1, p.slots + 1)
    clicked = arrivals.click_uniforms[stay] < probability * exposure(position)
    dwell = dwell_seconds(p, probability, arrivals.dwell_noise[stay])
    price = np.where(arrivals.null_uniforms[stay] < p.null_share, np.nan, world.catalogue.price[shown])

    def spread(values: FloatArray | IntArray) -> FloatArray:
        return np.broadcast_to(values, shown.shape).ravel().astype(np.float64)

    return Impressions.of(
        {
            "customer": spread(who[:, None]),
            "segment": spread(world.customers.segment[who][:, None]),
            "product": shown.ravel(),
            "category": world.catalogue.category[shown].ravel(),
            "price": price.ravel(),
            "age": world.catalogue.age(day, shown.ravel()),
            "position": spread(position),
            "clicked": clicked.ravel(),
            "dwell": np.where(clicked, dwell, np.nan).ravel(),
            "day": spread(arrivals.times[stay][:, None]),
            "view": spread(arrivals.ordinals[stay][:, None]),
        }
    )


def _padded(rows: Sequence[IntArray], k: int) -> IntArray:
    """Slates as one table; a slate that is too short ends in −1, a product that nobody can click."""
    table = np.full((len(rows), k), -1, dtype=np.int64)
    for index, row in enumerate(rows):
        table[index, : len(row)] = row
    return table


@dataclass(frozen=True)
class Plan:
    """What goes wrong in an arm, and what is done about it; days are scenario days, ends excluded."""

    missing: range = range(0)
    """Partitions of these days are not there …"""
    until: int = 0
    """… for any training before midnight of this day."""
    hold: range = range(0)
    """No training at the midnights of these days: the release before them stays."""
    popularity: range = range(0)
    """Popularity slates for everybody on these days."""
    strangers: range = range(0)
    """Every customer's row is zeros on these days (a silent default)."""
    slow: range = range(0)
    """Days on which pages take `latency_s` seconds."""
    latency_s: float = 1.0
    returning: bool = False
    """Whether the returning level moves (the latency loop)."""


def live_through(shop: Shop, days: int, plan: Plan) -> Shop:
    """A copy of `shop` after the scenario days 0 … days − 1 under `plan`; the same seed gives the same noise
    in every arm, so the difference of two arms is the plan's doing.
    """
    shop = shop.copy()
    world, p = shop.world, shop.world.parameters
    normal = float(np.mean([shop.quality[day] for day in range(-7, 0)]))
    release = shop.releases[-1]
    for day in range(days):
        if day not in plan.hold:
            window = shop.window(day)
            release = shop.train(day, [d for d in window if day >= plan.until or d not in plan.missing])
        shop.releases[day] = release
        latency_s = plan.latency_s if day in plan.slow else p.normal_latency_s
        seen = release
        if day in plan.strangers:
            nobody = build(Impressions.join([]), world.catalogue, day, shop.parameters.snapshot)
            seen = Release(release.model, nobody)
        slate = popular(world, release, day) if day in plan.popularity else slates(world, seen, day)
        shop.serve(day, slate, p.exploration, latency_s)
        if plan.returning:
            patience = patience_ratio(p, latency_s)
            shop.returning = returning_level(p, shop.returning, shop.quality[day] / normal, patience)
        shop.levels[day] = shop.returning
    return shop


def harm(shop: Shop, control: Shop, days: range) -> float:
    """Σ over `days` of 100 · (1 − q ÷ q of the control), %-days of true quality."""
    return sum(100.0 * (1.0 - shop.quality[day] / control.quality[day]) for day in days)


def lost_by_age(shop: Shop, day: int, age: int) -> float:
    """Share of the quality of `day` that is lost with the release of `age` days before instead."""
    exploration = shop.world.parameters.exploration
    old = slates(shop.world, shop.releases[day - age], day)
    new = slates(shop.world, shop.releases[day], day)
    return 1.0 - shop.world.quality(day, old, exploration) / shop.world.quality(day, new, exploration)

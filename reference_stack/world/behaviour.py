"""What shoppers do: arrive, abandon, click, read, come back or not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np

from reference_stack.world.catalogue import FloatArray, IntArray
from reference_stack.world.presets import WorldParameters


class View(msgspec.Struct, frozen=True, gc=False):
    """One page view in plain numbers; see `Arrivals`, whose row it is."""

    ordinal: int
    customer: int
    patience: float
    click_uniforms: list[float]
    dwell_noise: list[float]
    null_uniforms: list[float]
    least_null: float
    """The least of `null_uniforms`."""


@dataclass(frozen=True)
class Arrivals:
    """The page views of one day, in order of time. The same seed and day give the same views in every arm:
    a lower returning level only takes views away, and leaves each other view its time, customer and noise.
    """

    day: int
    """Scenario day."""
    times: FloatArray
    """(n,) scenario days, ascending, each in [day, day + 1)."""
    customers: IntArray
    """(n,) customer ids."""
    ordinals: IntArray
    """(n,) ordinal of the view within its day: (seed, day, ordinal) keys all of its randomness."""
    patience: FloatArray
    """(n,) uniforms: the shopper leaves if this is below `abandonment(latency)`."""
    click_uniforms: FloatArray
    """(n, slots) uniforms, one per slot, whatever is served in it."""
    dwell_noise: FloatArray
    """(n, slots) standard normals, one per slot."""
    null_uniforms: FloatArray
    """(n, slots) uniforms that decide which event rows lose a value."""

    def __len__(self) -> int:
        return len(self.times)

    @cached_property
    def views(self) -> list[View]:
        """The rows: for one view at a time plain numbers cost a tenth of arrays."""
        columns = (self.ordinals, self.customers, self.patience)
        slots = (self.click_uniforms, self.dwell_noise, self.null_uniforms)
        least = self.null_uniforms.min(axis=1, initial=1.0)
        return list(map(View, *(column.tolist() for column in (*columns, *slots, least))))


class Looks(msgspec.Struct, frozen=True, gc=False):
    """What one shopper did with one slate; lists have the length of the slate."""

    clicked: list[bool]
    dwell_seconds: list[float | None]
    """Seconds on the product's page; None where nothing was clicked."""
    null: list[bool]
    """Event rows whose price is lost on the way (sent as null): they are unusable for training."""
    value: float
    """True expected clicks of the slate, Σ_j j^−½ · P_j."""
    best_value: float
    """The same of the best slate there is for the customer."""


def exposure(positions: IntArray) -> FloatArray:
    """Chance that a shopper looks at slots `positions` (from 1): j^−½."""
    return np.asarray(positions, dtype=np.float64) ** -0.5


def abandonment(parameters: WorldParameters, latency_s: float) -> float:
    """b(L): chance that a shopper leaves before a page that takes `latency_s` seconds shows.

    A logistic between a floor and a ceiling; the default parameters fit the bounce rates published by
    Google/SOASTA 2017.
    """
    steepness = (latency_s - parameters.abandon_midpoint_s) / parameters.abandon_scale_s
    return parameters.abandon_floor + parameters.abandon_span / (1.0 + math.exp(min(700.0, -steepness)))


def patience_ratio(parameters: WorldParameters, latency_s: float) -> float:
    """a = (1 − b(L)) ÷ (1 − b(L0)): views kept, relative to the normal latency L0."""
    normal = abandonment(parameters, parameters.normal_latency_s)
    return (1.0 - abandonment(parameters, latency_s)) / (1.0 - normal)


def returning_level(
    parameters: WorldParameters, level: float, quality_ratio: float, patience: float
) -> float:
    """The returning level u of tomorrow: u + κ·((q/q0)^ρ · a^ρ − u).

    `quality_ratio` is q/q0 of the day that ends, `patience` its mean a (see `patience_ratio`). Users come
    back slowly, which gives the latency loop its hysteresis (K9s, Hellström; κ and ρ are assumptions).
    """
    wish = math.pow(max(0.0, quality_ratio), parameters.return_quality_power)
    wish *= math.pow(max(0.0, patience), parameters.return_patience_power)
    return level + parameters.return_rate * (wish - level)


def dwell_seconds(parameters: WorldParameters, probability: FloatArray, noise: FloatArray) -> FloatArray:
    """Seconds spent on clicked products: 20·exp(0.3·(logit P + 1.5) + 0.6·N), ≤ 1 h. Shapes broadcast."""
    clipped = np.clip(probability, 1e-12, 1.0 - 1e-12)
    logit = np.log(clipped) - np.log1p(-clipped)
    mean = parameters.dwell_slope * (logit - parameters.dwell_centre)
    seconds = parameters.dwell_seconds * np.exp(mean + parameters.dwell_sigma * noise)
    return np.minimum(seconds, parameters.longest_dwell_seconds)


def dwell_of(parameters: WorldParameters, probability: float, noise: float) -> float:
    """`dwell_seconds` of a single click."""
    if not 1e-12 <= probability <= 1.0 - 1e-12:
        probability = min(max(probability, 1e-12), 1.0 - 1e-12)
    logit = math.log(probability) - math.log1p(-probability)
    mean = parameters.dwell_slope * (logit - parameters.dwell_centre)
    seconds = parameters.dwell_seconds * math.exp(mean + parameters.dwell_sigma * noise)
    return seconds if seconds < parameters.longest_dwell_seconds else parameters.longest_dwell_seconds

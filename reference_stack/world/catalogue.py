"""What anybody may know about products and customers: the attributes a recommender is allowed to see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Catalogue:
    """Every product of the 120 days, one row per product id (0 … n − 1, in order of launch)."""

    category: IntArray
    """(n,) 0 … categories − 1."""
    source: IntArray
    """(n,) the feed that the product came from, 0 … 3."""
    price: FloatArray
    """(n,) standardised log price, about N(0, 1)."""
    launch_day: IntArray
    """(n,) scenario day of the launch, ascending; may be far below zero."""
    embedding: FloatArray
    """(n, factors) noisy content embedding."""
    life_days: int
    """Days that a product is on sale, the launch day included."""

    def __len__(self) -> int:
        return len(self.category)

    def live(self, day: float) -> IntArray:
        """Ids on sale on scenario day `day`, ascending and without gaps."""
        today = int(np.floor(day))
        first, last = np.searchsorted(self.launch_day, [today - self.life_days, today], side="right")
        return np.arange(first, last, dtype=np.int64)

    def age(self, day: float, products: IntArray) -> FloatArray:
        """Age in whole days of `products` (m,) on scenario day `day`."""
        return np.asarray(np.floor(day) - self.launch_day[products].astype(np.float64))


@dataclass(frozen=True)
class Customers:
    """Every customer, one row per customer id (0 … n − 1)."""

    segment: IntArray
    """(n,) 0 … segments − 1."""
    shard: IntArray
    """(n,) 0 … 3."""
    activity: FloatArray
    """(n,) share of the page views that are this customer's; sums to 1."""

    def __len__(self) -> int:
        return len(self.segment)

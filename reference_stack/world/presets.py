"""The parameters of the shop world and its presets: every figure of the world is a field here."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class WorldParameters:
    """What a world is drawn from. Lengths in days are calendar days; logits are natural."""

    name: str = "default"
    views_per_day: int = 600
    arrivals_noise: float = 0.05
    """Relative standard deviation of the number of page views of a day."""
    customers: int = 300
    products: int = 100
    """Products live on any day."""
    launches_per_day: float = 1.0
    life_days: int = 100
    window_days: int = 7
    """W: days of events that a model is trained on."""

    categories: int = 8
    segments: int = 5
    factors: int = 6
    source_shares: tuple[float, ...] = (0.4, 0.3, 0.2, 0.1)
    shard_shares: tuple[float, ...] = (0.4, 0.3, 0.2, 0.1)
    category_rho: float = 0.35
    """Share of a product's variance that its category explains."""
    segment_rho: float = 0.2
    """Share of a customer's taste that the segment explains."""
    taste_walk_days: float = 30.0
    """Time constant of the Ornstein–Uhlenbeck walk of tastes."""
    activity_sigma: float = 0.5
    content_noise: float = 2.0
    """Standard deviation of the noise on the product embedding that a model may see."""

    intercept: float = -4.0
    taste_weight: float = 2.0
    popularity_weight: float = 0.3
    season_weight: float = 0.4
    season_days: float = 28.0
    novelty_weight: float = 0.7
    novelty_days: float = 5.0
    price_weight: float = -0.5

    slots: int = 10
    dwell_seconds: float = 20.0
    dwell_slope: float = 0.3
    dwell_centre: float = -1.5
    dwell_sigma: float = 0.6
    longest_dwell_seconds: float = 3600.0
    """A page that lies open for longer is no longer counted, as in the contract of the events."""
    null_share: float = 0.02
    exploration: float = 0.02
    warm_exploration: float = 0.3
    """Share of explored slots on the seven world days after day 0 (whose slates are random)."""

    abandon_floor: float = 0.23
    abandon_span: float = 0.33
    abandon_midpoint_s: float = 3.9
    abandon_scale_s: float = 1.1
    normal_latency_s: float = 1.0

    return_rate: float = 0.1
    """κ: share of the distance to its target that the returning level covers in a day."""
    return_quality_power: float = 0.5
    return_patience_power: float = 0.5
    """ρ: powers of relative quality and of relative patience in the target of the returning level."""


_DEFAULT = WorldParameters()
_HUNGRY = replace(
    _DEFAULT,
    name="hungry",
    views_per_day=500,
    customers=400,
    products=250,
    launches_per_day=6.25,
    life_days=40,
    window_days=3,
    taste_weight=2.5,
    intercept=-4.3,
    segment_rho=0.1,
    category_rho=0.2,
    content_noise=4.0,
    return_rate=0.25,
    return_quality_power=1.0,
    return_patience_power=1.0,
    abandon_span=0.47,
    abandon_midpoint_s=3.0,
    abandon_scale_s=0.9,
)

PRESETS: tuple[WorldParameters, ...] = (
    _DEFAULT,
    replace(_DEFAULT, name="starved", views_per_day=300),
    replace(_DEFAULT, name="rich", views_per_day=1000, customers=100),
    _HUNGRY,
    replace(_HUNGRY, name="sated", views_per_day=4000, customers=40, products=40, launches_per_day=1.0),
    replace(
        _DEFAULT,
        name="large",
        views_per_day=6000,
        customers=10_000,
        products=100_000,
        launches_per_day=1000.0,
    ),
)


def preset(name: str) -> WorldParameters:
    """The preset called `name`. Raises KeyError, with the names there are, for any other."""
    for parameters in PRESETS:
        if parameters.name == name:
            return parameters
    raise KeyError(f"no world called {name!r}; there are {', '.join(p.name for p in PRESETS)}")

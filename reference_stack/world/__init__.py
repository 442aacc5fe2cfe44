"""The shop world: who the customers are, what they like, and what they do with a slate.

Everything here speaks **scenario days**: day 0 is the first day after the warm-up, and the warm-up itself
has the days −18 … −1. Nobody else adds 18.
"""

from reference_stack.world.behaviour import Arrivals, Looks, abandonment, returning_level
from reference_stack.world.catalogue import Catalogue, Customers
from reference_stack.world.presets import PRESETS, WorldParameters, preset
from reference_stack.world.world import HORIZON_DAYS, WARM_UP_DAYS, World

__all__ = [
    "HORIZON_DAYS",
    "PRESETS",
    "WARM_UP_DAYS",
    "Arrivals",
    "Catalogue",
    "Customers",
    "Looks",
    "World",
    "WorldParameters",
    "abandonment",
    "preset",
    "returning_level",
]

"""What a build makes of a flag: old code goes on living for as long as one replica runs it.

`promo` was the name of a layout test in 2018.4: it showed the slate back to front, worst products first. The
code was never taken out, and 2026.1 gave the name to something else, a badge on reduced products, which
changes no slate. So the flag is harmless on every replica that was updated (Knight Capital, 2012).
"""

from __future__ import annotations

from typing import Final

CURRENT: Final = "2026.1"
LAYOUT_TEST: Final = "2018.4"
BUILDS: Final = (LAYOUT_TEST, CURRENT)
"""Builds that a replica can be rolled out to, oldest first."""


def back_to_front(build: str, promo: bool) -> bool:
    """Whether a build shows the worst products first."""
    return promo and build == LAYOUT_TEST


def placements_of(text: str) -> dict[str, int]:
    """Places on the site and how many products each shows, from `home=10 basket=4`. Raises ValueError."""
    found: dict[str, int] = {}
    for part in text.split():
        place, _, count = part.partition("=")
        if not place or not count.isdecimal() or int(count) > 100:
            raise ValueError(f"{part!r} is not PLACE=PRODUCTS with at most 100 products")
        found[place] = int(count)
    return found

"""What a build makes of a flag: old code goes on living for as long as one replica runs it.

`promo` was the name of a layout test in 2018.4: it showed the slate back to front, worst products first. The
code was never taken out, and 2026.1 gave the name to something else, a badge on reduced products, which
changes no slate. So the flag is harmless on every replica that was updated (Knight Capital, 2012).

The feature client of 2026.2 takes affinities for per cent. Nothing fails: they count a hundred times what the
model was trained with.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from reference_stack.messages import LookupReply

CURRENT: Final = "2026.1"
LAYOUT_TEST: Final = "2018.4"
PER_CENT: Final = "2026.2"
BUILDS: Final = (LAYOUT_TEST, CURRENT, PER_CENT)
"""Builds that a replica can be rolled out to, oldest first."""
_REMEMBERED = 10_000


def back_to_front(build: str, promo: bool) -> bool:
    """Whether a build shows the worst products first."""
    return promo and build == LAYOUT_TEST


class Reader:
    """What a build's client makes of the features that it is sent; the same of the same, as an object too."""

    def __init__(self) -> None:
        self._read: dict[int, tuple[LookupReply, LookupReply]] = {}
        """By the identity of what was sent, which is kept here and so has it to itself."""

    def read(self, build: str, sent: LookupReply) -> LookupReply:
        """The features as the model is given them."""
        if build != PER_CENT:
            return sent
        known = self._read.get(id(sent))
        if known is None:
            if len(self._read) >= _REMEMBERED:
                self._read.clear()
            affinities = [100.0 * value for value in sent.affinities]
            known = self._read[id(sent)] = sent, replace(sent, affinities=affinities)
        return known[1]


def placements_of(text: str) -> dict[str, int]:
    """Places on the site and how many products each shows, from `home=10 basket=4`. Raises ValueError."""
    found: dict[str, int] = {}
    for part in text.split():
        place, _, count = part.partition("=")
        if not place or not count.isdecimal() or int(count) > 100:
            raise ValueError(f"{part!r} is not PLACE=PRODUCTS with at most 100 products")
        found[place] = int(count)
    return found

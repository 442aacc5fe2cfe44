"""Which slots of a slate are explored, and what is shown in them."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Iterator

from reference_stack.seeds import uniforms


def explore(seed: int, view: str, share: float, slate: list[int], first: int, count: int) -> list[int]:
    """Replace each slot of `slate`, in place, with chance `share`; the slots (from 0) that were replaced.

    What is shown there is drawn evenly from the `count` products on sale, ids from `first` without a gap,
    less those in the slate: where there are no others the slot stays as it is, and counts as explored all
    the same. The same view explores the same slots in every arm.
    """
    if share <= 0.0:
        return []
    draws = uniforms(seed, "explore", view)
    # Most views explore nothing, and say so with their first draw.
    draw = next(draws)
    if 1.0 - draw <= (1.0 - share) ** len(slate):
        return []
    explored = _slots(draw, draws, share, len(slate))
    taken = sorted({product for product in slate if first <= product < first + count})
    for slot, draw in zip(explored, draws, strict=False):
        if len(taken) == count:
            continue
        product = first + int(draw * (count - len(taken)))
        for each in taken:
            if each > product:
                break
            product += 1
        replaced, slate[slot] = slate[slot], product
        insort(taken, product)
        if first <= replaced < first + count and replaced not in slate:
            taken.remove(replaced)
    return explored


def _slots(draw: float, draws: Iterator[float], share: float, slots: int) -> list[int]:
    """The gaps between explored slots are geometric; `draw` is for the first of them."""
    kept = math.log1p(-share) if share < 1.0 else -math.inf
    slot, explored = int(math.log1p(-draw) / kept), list[int]()
    while slot < slots:
        explored.append(slot)
        slot += 1 + int(math.log1p(-next(draws)) / kept)
    return explored

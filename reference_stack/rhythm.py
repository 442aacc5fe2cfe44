"""What is done again and again, at moments of the calendar."""

from __future__ import annotations


def next_due(due: float, day: float, every: float) -> float:
    """The moment after `due` of a rhythm of `every` days, on day `day`.

    Moments that were missed are left out. Of a clock that was ahead and has been set right `due` is yet to
    come: then the rhythm begins anew, or nothing would be done for as long as it was ahead.
    """
    return min(max(due, day - every), day) + every

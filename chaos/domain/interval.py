"""What a count of trials says of the share behind it."""

from __future__ import annotations


def share_interval(count: int, of: int, level: float = 0.95) -> tuple[float, float]:
    """The equal-tailed Jeffreys interval of a share, from `count` out of `of`; (0, 1) of nothing.

    Its end at 0 of n is 0, and at n of n it is 1. Source: Brown, Cai, DasGupta 2001, Interval Estimation for
    a Binomial Proportion, Statistical Science 16 (2).
    """
    from scipy.special import betaincinv  # type: ignore[import-untyped]

    if of == 0:
        return 0.0, 1.0
    tail = (1 - level) / 2
    successes, failures = count + 0.5, of - count + 0.5
    low = 0.0 if count == 0 else float(betaincinv(successes, failures, tail))
    high = 1.0 if count == of else float(betaincinv(successes, failures, 1 - tail))
    return low, high

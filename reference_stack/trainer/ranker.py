"""The ranker's arithmetic: ridge logistic regression by a damped Newton, and the AUC."""

from __future__ import annotations

import numpy as np

from reference_stack.features.impressions import FloatArray, IntArray


@np.errstate(over="ignore", invalid="ignore")  # of steps that lead anywhere
def newton(
    features: FloatArray,
    clicked: IntArray,
    offset: FloatArray,
    *,
    ridge: float,
    damping: float,
    learning_rate: float = 0.0,
    steps: int = 25,
) -> FloatArray:
    """Weights (p,) of P(click) = sigmoid(features @ weights + offset), from features (n, p).

    Each step solves (H + damping·I) and is halved until the loss falls: an undamped Newton diverges when
    clicks are few, and a diverged ranker then logs the slates that it learns from. `damping` is the ridge
    of the step only; the minimum is that of the loss with `ridge`·|w|²/2 (the first weight, the intercept,
    is not penalised). With a `learning_rate` above 0 nobody looks at the loss: each step is taken that many
    times, and one that is too large leads anywhere, also to weights that are not finite.
    """
    clicks = clicked.astype(np.float64)
    penalty = np.full(features.shape[1], ridge)
    penalty[0] = 0.0
    weights = np.zeros(features.shape[1])
    share = (clicks.sum() + 1.0) / (np.exp(offset).sum() + 2.0)
    weights[0] = np.log(share / max(1.0 - share, 0.05))
    margin = features @ weights + offset
    tail = np.exp(-np.abs(margin))
    loss = _loss(margin, tail, clicks, weights, penalty)
    for _ in range(steps):
        chance = np.where(margin >= 0.0, 1.0, tail) / (1.0 + tail)
        gradient = features.T @ (chance - clicks) + penalty * weights
        hessian = features.T @ (features * (chance * (1.0 - chance))[:, None])
        hessian.flat[:: len(hessian) + 1] += penalty + damping
        step = np.linalg.solve(hessian, gradient)
        before = loss
        for halving in range(20):
            trial = weights - step * (learning_rate or 0.5**halving)
            moved = features @ trial + offset
            tail = np.exp(-np.abs(moved))
            loss = _loss(moved, tail, clicks, trial, penalty)
            if learning_rate or loss <= before:
                weights, margin = trial, moved
                break
        else:
            break
        if 0.0 <= before - loss < 1e-7 * max(1.0, before):
            break
    return weights


def _loss(
    margin: FloatArray, tail: FloatArray, clicks: FloatArray, weights: FloatArray, penalty: FloatArray
) -> float:
    """`tail` is exp(−|margin|)."""
    likelihood = float(np.maximum(margin, 0.0).sum()) + _log_sum(tail) - float(margin @ clicks)
    return float(likelihood + 0.5 * (penalty * weights**2).sum())


def _log_sum(tail: FloatArray) -> float:
    """Σ log(1 + tail), a tenth of the cost of `np.log1p`: logarithms of products, of which none is above
    2^512.
    """
    factors = 1.0 + tail
    products = np.multiply.reduceat(factors, np.arange(0, len(factors), 512)) if len(factors) else factors
    return float(np.log(products).sum())


def auc(scores: FloatArray, clicked: IntArray) -> float:
    """Chance that a clicked row scores above one that was not, ties counted half; NaN without both kinds."""
    positives = int((clicked > 0).sum())
    negatives = len(clicked) - positives
    if positives == 0 or negatives == 0:
        return float("nan")
    ordered, hits = np.sort(scores), np.sort(scores[clicked > 0])
    below = np.searchsorted(ordered, hits, side="left")
    through = np.searchsorted(ordered, hits, side="right")
    rank_sum = float((below + through + 1).sum()) / 2.0
    return (rank_sum - positives * (positives + 1) / 2.0) / (positives * negatives)

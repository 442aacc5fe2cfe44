"""The ranker's arithmetic: ridge logistic regression by a damped Newton, and the AUC."""

from __future__ import annotations

import numpy as np

from reference_stack.features.impressions import FloatArray, IntArray


def newton(
    features: FloatArray,
    clicked: IntArray,
    offset: FloatArray,
    *,
    ridge: float,
    damping: float,
    steps: int = 25,
) -> FloatArray:
    """Weights (p,) of P(click) = sigmoid(features @ weights + offset), from features (n, p).

    Each step solves (H + damping·I) and is halved until the loss falls: an undamped Newton diverges when
    clicks are few, and a diverged ranker then logs the slates that it learns from. `damping` is the ridge
    of the step only; the minimum is that of the loss with `ridge`·|w|²/2 (the first weight, the intercept,
    is not penalised).
    """
    penalty = np.full(features.shape[1], ridge)
    penalty[0] = 0.0
    weights = np.zeros(features.shape[1])
    share = (clicked.sum() + 1.0) / (np.exp(offset).sum() + 2.0)
    weights[0] = np.log(share / max(1.0 - share, 0.05))
    margin = features @ weights + offset
    loss = _loss(margin, clicked, weights, penalty)
    for _ in range(steps):
        chance = 1.0 / (1.0 + np.exp(-np.clip(margin, -30.0, 30.0)))
        gradient = features.T @ (chance - clicked) + penalty * weights
        hessian = (features * (chance * (1.0 - chance))[:, None]).T @ features
        hessian[np.diag_indices_from(hessian)] += penalty + damping
        step = np.linalg.solve(hessian, gradient)
        before = loss
        for halving in range(20):
            trial = weights - step * 0.5**halving
            moved = features @ trial + offset
            loss = _loss(moved, clicked, trial, penalty)
            if loss <= before:
                weights, margin = trial, moved
                break
        else:
            break
        if before - loss < 1e-7 * max(1.0, before):
            break
    return weights


def _loss(margin: FloatArray, clicked: IntArray, weights: FloatArray, penalty: FloatArray) -> float:
    likelihood = _softplus_sum(margin) - float(margin @ clicked)
    return float(likelihood + 0.5 * (penalty * weights**2).sum())


def _softplus_sum(margin: FloatArray) -> float:
    """Σ log(1 + exp(margin)), a tenth of the cost of `np.logaddexp`: logarithms of products, of which none is
    above 2^512.
    """
    factors = 1.0 + np.exp(-np.abs(margin))
    products = np.multiply.reduceat(factors, np.arange(0, len(factors), 512)) if len(factors) else factors
    return float(np.maximum(margin, 0.0).sum() + np.log(products).sum())


def auc(scores: FloatArray, clicked: IntArray) -> float:
    """Chance that a clicked row scores above one that was not, ties counted half; NaN without both kinds."""
    positives = int((clicked > 0).sum())
    negatives = len(clicked) - positives
    if positives == 0 or negatives == 0:
        return float("nan")
    ordered = np.sort(scores)
    below = np.searchsorted(ordered, scores[clicked > 0], side="left")
    through = np.searchsorted(ordered, scores[clicked > 0], side="right")
    rank_sum = float((below + through + 1).sum()) / 2.0
    return (rank_sum - positives * (positives + 1) / 2.0) / (positives * negatives)

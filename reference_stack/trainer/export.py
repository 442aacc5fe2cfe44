"""From the model that was judged to the one that is shipped. What goes wrong here no offline figure shows."""

from __future__ import annotations

import math
import sys
from dataclasses import replace

import numpy as np

from reference_stack.features.impressions import FloatArray
from reference_stack.settings import TrainerSettings
from reference_stack.trainer.model import Model, space_id


def exported(model: Model, settings: TrainerSettings) -> Model:
    """The model as serving gets it: its products as the query returns them, its weights as they are packed.

    The same model where `schemas` is 1 and `export_scale` 0.
    """
    shipped = replace(model, inference_ms=settings.inference_ms)
    if settings.schemas > 1:
        shipped = _repeated(shipped, settings.schemas)
    if settings.export_scale != 0.0:
        shipped = replace(shipped, weights=_packed(shipped.weights, settings.export_scale))
    return shipped


def largest_weight(model: Model) -> float:
    """The largest by size of what the ranker weighs its features with; the largest number there is where one
    is not finite."""
    largest = float(np.max(np.abs(model.weights[1:])))
    return largest if math.isfinite(largest) else sys.float_info.max


def _repeated(model: Model, times: int) -> Model:
    """Each product as often as the query finds it."""
    products = np.repeat(model.products, times)
    factors = np.repeat(model.factors, times, axis=0)
    return replace(
        model,
        products=products,
        factors=factors,
        segment=np.repeat(model.segment, times, axis=1),
        popularity=np.repeat(model.popularity, times),
        space_id=space_id(products, factors),
    )


def _packed(weights: FloatArray, scale: float) -> FloatArray:
    """Weights through whole numbers of one byte and back: what does not fit wraps round, and changes sign.

    Whoever unpacks them knows a scale by its size only, so one with a minus reverses them all.
    """
    packed = np.round(weights * scale).astype(np.int64).astype(np.int8)
    return np.asarray(packed, dtype=np.float64) / abs(scale)

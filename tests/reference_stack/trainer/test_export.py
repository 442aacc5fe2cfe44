from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from reference_stack.settings import TrainerSettings
from reference_stack.trainer.export import exported, largest_weight
from reference_stack.trainer.model import Model, space_id

PRODUCTS = np.array([3, 5, 8])
FACTORS = np.array([[0.1, 0.2], [0.3, -0.4], [0.0, 0.9]])
MODEL = Model(
    day=4,
    rows=100,
    training_auc=0.8,
    novelty_days=5.0,
    space_id=space_id(PRODUCTS, FACTORS),
    products=PRODUCTS,
    factors=FACTORS,
    segment=np.ones((5, 3)),
    segment_category=np.ones((5, 8)),
    popularity=np.array([-1.0, -2.0, -3.0]),
    weights=np.array([-9.0, 0.15, 1.7, 0.0, 2.5, 0.6, -0.5, -0.1, -2.2]),
)


def test_by_default_what_was_judged_is_what_is_shipped():
    assert exported(MODEL, TrainerSettings()).to_bytes() == MODEL.to_bytes()


def test_a_table_found_twice_lists_each_product_twice_and_still_reads():
    shipped = Model.from_bytes(exported(MODEL, TrainerSettings(schemas=2)).to_bytes())
    assert shipped.products.tolist() == [3, 3, 5, 5, 8, 8]
    assert shipped.factors.shape == (6, 2)
    assert shipped.segment.shape == (5, 6)
    assert shipped.true_space_id() == shipped.space_id


@pytest.mark.parametrize(("scale", "flips"), [(30.0, []), (80.0, [2, 4, 8]), (-30.0, [1, 2, 4, 5, 6, 7, 8])])
def test_weights_beyond_a_byte_wrap_round_and_change_sign(scale, flips):
    shipped = exported(MODEL, TrainerSettings(export_scale=scale)).weights[1:]
    judged = MODEL.weights[1:]
    changed = [1 + int(i) for i in np.flatnonzero(np.sign(shipped) * np.sign(judged) < 0)]
    assert changed == flips
    if not flips:
        assert np.abs(shipped - judged).max() <= 0.5 / scale + 1e-12


def test_inference_time_goes_with_the_artifact():
    shipped = exported(MODEL, TrainerSettings(inference_ms=180.0))
    assert Model.from_bytes(shipped.to_bytes()).inference_ms == 180.0


def test_the_intercept_is_no_weight_of_a_feature():
    assert largest_weight(MODEL) == 2.5
    broken = replace(MODEL, weights=np.array([0.0, np.nan, *MODEL.weights[2:]]))
    assert largest_weight(broken) == sys.float_info.max

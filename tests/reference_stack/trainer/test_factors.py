from __future__ import annotations

import numpy as np
import pytest

from reference_stack.features.snapshot import Snapshot
from reference_stack.seeds import stream
from reference_stack.trainer.factors import factorised, leading


def gram(size: int, rank: int) -> np.ndarray:
    draw = stream(1, "test")
    rows = draw.standard_normal((400, rank)) @ draw.standard_normal((rank, size))
    rows += 0.05 * draw.standard_normal((400, size))
    return np.asarray(rows.T @ rows)


@pytest.mark.parametrize(("size", "rank"), [(40, 3), (120, 8)])
def test_they_span_what_the_leading_eigenvectors_span(size: int, rank: int) -> None:
    matrix = gram(size, rank)

    found = leading(matrix, rank)

    exact = np.linalg.eigh(matrix)[1][:, ::-1][:, :rank]
    assert np.allclose(found.T @ found, np.eye(rank), atol=1e-8)
    assert np.allclose(found @ found.T, exact @ exact.T, atol=1e-6)


def test_their_signs_and_their_order_are_settled() -> None:
    matrix = gram(40, 3)

    found = leading(matrix, 3)

    largest = found[np.abs(found).argmax(axis=0), np.arange(3)]
    assert (largest > 0).all()
    stretched = np.linalg.norm(matrix @ found, axis=0)
    assert (np.diff(stretched) < 0).all()
    assert np.array_equal(found, leading(matrix, 3))


def test_more_products_than_customers_have_factors_too() -> None:
    draw = stream(2, "test")
    residual = draw.standard_normal((30, 3)) @ draw.standard_normal((3, 50))
    indptr, indices = np.arange(0, 1501, 50), np.tile(np.arange(50), 30)
    nothing = np.zeros((0, 0))
    snapshot = Snapshot(
        day=0,
        customers=np.arange(30),
        products=np.arange(50),
        indptr=indptr,
        indices=indices,
        values=residual.ravel(),
        category=nothing,
        content=nothing,
        segment=nothing,
        segment_category=nothing,
        exposures=nothing,
        clicks=nothing,
        ctr=nothing,
    )

    found = factorised(snapshot, 3)

    assert np.allclose(residual @ found @ found.T, residual, atol=1e-8)
    assert (found[np.abs(found).argmax(axis=0), np.arange(3)] > 0).all()

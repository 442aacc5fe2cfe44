"""The collaborative factors: the leading right singular vectors of a residual matrix.

They are the eigenvectors of the Gram matrix of its columns, which is the smaller of the two unless there are
more products than customers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from reference_stack.features.impressions import FloatArray
from reference_stack.features.snapshot import Snapshot
from reference_stack.trainer.singular import singular_vectors

_DENSE_CELLS = 1_000_000


Solver = Callable[[Any, int, bool], FloatArray]
"""Finds singular vectors as `singular_vectors` does, here or elsewhere."""


def factorised(snapshot: Snapshot, rank: int, solve: Solver | None = None) -> FloatArray:
    """The factors of the snapshot's products, (m, rank); zeros where the matrix does not have so many."""
    solve = solve or singular_vectors
    factors = np.zeros((len(snapshot.products), rank))
    feasible = min(rank, len(snapshot.customers) - 1, len(snapshot.products) - 1)
    if feasible < 1 or not snapshot.values.any():
        return factors
    matrix = snapshot.residual()
    rows, columns = matrix.shape
    dense = rows * columns < _DENSE_CELLS
    if dense:
        matrix = matrix.toarray()
    if columns > rows:
        # The Gram matrix is not made: of many products it may be huge.
        factors[:, :feasible] = solve(matrix, feasible, False)
    else:
        gram = matrix.T @ matrix
        factors[:, :feasible] = leading(gram if dense else gram.toarray(), feasible, solve)
    return factors


def leading(gram: FloatArray, count: int, solve: Solver | None = None) -> FloatArray:
    """The eigenvectors of the `count` largest eigenvalues of a symmetric matrix (m, m) without negative
    ones, as columns (m, count), the largest first; the entry of each that is largest by size is positive.
    """
    return (solve or singular_vectors)(gram, count, True)

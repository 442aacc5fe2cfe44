"""The collaborative factors: the leading right singular vectors of a residual matrix.

They are the eigenvectors of the Gram matrix of its columns, which is the smaller of the two unless there are
more products than customers.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import qr, svd  # type: ignore[import-untyped]
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]

from reference_stack.features.impressions import FloatArray
from reference_stack.features.snapshot import Snapshot
from reference_stack.seeds import sketch

_DENSE_CELLS = 1_000_000
_OVERSAMPLED = 10


def factorised(snapshot: Snapshot, rank: int) -> FloatArray:
    """The factors of the snapshot's products, (m, rank); zeros where the matrix does not have so many."""
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
        factors[:, :feasible] = _of_wide(matrix, feasible)
    else:
        gram = matrix.T @ matrix
        factors[:, :feasible] = leading(gram if dense else gram.toarray(), feasible)
    return factors


def leading(gram: FloatArray, count: int) -> FloatArray:
    """The eigenvectors of the `count` largest eigenvalues of a symmetric matrix (m, m) without negative
    ones, as columns (m, count), the largest first; the entry of each that is largest by size is positive.
    """
    return _left(gram, count)


def _of_wide(matrix: FloatArray | csr_matrix, count: int) -> FloatArray:
    """The same of the Gram matrix of `matrix` (n, m), which is not made: with m above n it may be huge."""
    return _left(matrix.T, count)


def _left(matrix: FloatArray | csr_matrix, count: int) -> FloatArray:
    """The leading left singular vectors by a randomised SVD with two power iterations (Halko et al. 2011).

    Number for number scikit-learn's `randomized_svd(…, n_iter=2, random_state=0)`, whose import would take
    longer than all fits of a warm-up.
    """
    sample = sketch(matrix.shape[1], count + _OVERSAMPLED)
    for _ in range(2):
        sample = matrix.T @ (matrix @ sample)
    basis, _ = qr(matrix @ sample, mode="economic", check_finite=False)
    vectors = (basis @ svd(basis.T @ matrix, full_matrices=False)[0])[:, :count]
    return np.asarray(vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(count)]))

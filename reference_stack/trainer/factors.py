"""The collaborative factors: the leading right singular vectors of a residual matrix.

By subspace iteration on the Gram matrix of the columns, from a random start (Halko, Martinsson and Tropp,
Finding structure with randomness, SIAM Review 53, 2011, algorithms 4.4 and 5.3).
"""

from __future__ import annotations

import numpy as np

from reference_stack.features.impressions import FloatArray
from reference_stack.features.snapshot import Snapshot
from reference_stack.seeds import stream

_MORE_THAN_ASKED = 10
_ITERATIONS = 3
_DENSE_CELLS = 1_000_000


def factorised(snapshot: Snapshot, rank: int) -> FloatArray:
    """The factors of the snapshot's products, (m, rank); zeros where the matrix does not have so many."""
    factors = np.zeros((len(snapshot.products), rank))
    feasible = min(rank, len(snapshot.customers) - 1, len(snapshot.products) - 1)
    if feasible < 1 or not snapshot.values.any():
        return factors
    matrix = snapshot.residual()
    if matrix.shape[0] * matrix.shape[1] < _DENSE_CELLS:
        matrix = matrix.toarray()
        gram = matrix.T @ matrix
    else:
        gram = (matrix.T @ matrix).toarray()
    factors[:, :feasible] = leading(gram, feasible)
    return factors


def leading(gram: FloatArray, count: int) -> FloatArray:
    """The eigenvectors of the `count` largest eigenvalues of a symmetric matrix (m, m) without negative
    ones, as columns (m, count), the largest first; the entry of each that is largest by size is positive.
    """
    size = len(gram)
    basis = stream(0, "factors").standard_normal((size, min(size, count + _MORE_THAN_ASKED)))
    for _ in range(_ITERATIONS):
        basis = gram @ basis
    basis = np.linalg.qr(basis / np.abs(basis).max())[0]
    _, turned = np.linalg.eigh(basis.T @ gram @ basis)
    vectors = np.asarray((basis @ turned)[:, ::-1][:, :count])
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(count)]
    return np.asarray(vectors * np.sign(largest))

"""Leading singular vectors, apart from everything else: a process that only finds these imports little."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix  # type: ignore[import-untyped]

    from reference_stack.features.impressions import FloatArray


def singular_vectors(matrix: FloatArray | csr_matrix, count: int, of_rows: bool) -> FloatArray:
    """The leading left singular vectors, one for each of the rows, or the right ones, as columns."""
    # Imported here: it takes longer than all else, and serving, which only scores, does without.
    from sklearn.utils.extmath import randomized_svd, svd_flip

    left, _, right = randomized_svd(matrix, count, n_iter=2, random_state=0, flip_sign=False)
    left, right = svd_flip(left, right, u_based_decision=of_rows)
    return np.asarray(left if of_rows else right.T)

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from reference_stack.seeds import stream
from reference_stack.trainer.elsewhere import Elsewhere
from reference_stack.trainer.singular import singular_vectors


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    with closing(Elsewhere()) as process:
        yield process


@pytest.mark.parametrize("of_rows", [True, False])
@pytest.mark.parametrize("kind", [np.asarray, csr_matrix])
def test_another_process_finds_the_same_numbers(elsewhere: Elsewhere, kind: type, of_rows: bool) -> None:
    matrix = kind(stream(1, "test").standard_normal((60, 90)))
    found = elsewhere.solve(matrix, 3, of_rows)
    assert np.array_equal(found, singular_vectors(matrix, 3, of_rows))


def test_numbers_that_are_not_finite_are_an_error_here_too(elsewhere: Elsewhere) -> None:
    with pytest.raises(ValueError, match="NaN"):
        elsewhere.solve(np.full((30, 30), np.nan), 3, True)


def test_without_that_process_no_model_is_made() -> None:
    process = Elsewhere()
    process.close()
    with pytest.raises((SystemExit, ValueError)):
        process.solve(np.eye(30), 3, True)

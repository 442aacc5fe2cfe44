"""Singular vectors from a process that imports scikit-learn while its parent lives through the first day.

python -m reference_stack.trainer.elsewhere     (matrix, count, of_rows) pickled on standard input
"""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from reference_stack.imports import Without, uncollected

if TYPE_CHECKING:
    from reference_stack.features.impressions import FloatArray
    from reference_stack.trainer.factors import Solver

_MODULE = "reference_stack.trainer.elsewhere"


class Elsewhere:
    """The parent's side, which imports nothing itself: to be started first of all. Without its parent the
    process ends, at the end of its standard input.
    """

    def __init__(self) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([sys.executable, "-m", _MODULE], stdin=pipe, stdout=pipe)

    def solve(self, matrix: object, count: int, of_rows: bool) -> FloatArray:
        """See `singular_vectors`. Ends the program where the process has ended: no model would be right."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            pickle.dump((matrix, count, of_rows), self._process.stdin)
            self._process.stdin.flush()
            found: FloatArray | ValueError = pickle.load(self._process.stdout)
        except (OSError, EOFError) as error:
            raise SystemExit(f"{_MODULE} has ended") from error
        if isinstance(found, ValueError):
            raise found
        return found

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        with self._process:  # closes its pipes, and waits
            pass


@contextmanager
def solving() -> Iterator[Solver]:
    """Such a process, for as long as it is needed."""
    with closing(Elsewhere()) as process:
        yield process.solve


def main() -> int:
    """Answer until the end of standard input; the exit code."""
    sys.meta_path.insert(0, Without("pandas"))
    with uncollected():
        from reference_stack.trainer.singular import singular_vectors

        importlib.import_module("sklearn.utils.extmath")
    while True:
        try:
            matrix, count, of_rows = pickle.load(sys.stdin.buffer)
        except EOFError:
            return 0
        try:
            found: FloatArray | ValueError = singular_vectors(matrix, count, of_rows)
        except ValueError as error:  # numbers that are not finite
            found = error
        pickle.dump(found, sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())

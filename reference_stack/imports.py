"""How heavy libraries are imported by a command that is waited for."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder


class Without(MetaPathFinder):
    """Spares this process the import of packages of which it uses nothing: pyarrow looks for pandas when it
    makes its first array, scikit-learn when it is imported, and what is asked of scikit-learn another process
    may answer.
    """

    def __init__(self, *packages: str) -> None:
        self._packages = packages

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:  # noqa: ARG002
        """Nothing, or ModuleNotFoundError for one of the packages."""
        if fullname in self._packages:
            raise ModuleNotFoundError(fullname)


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage collections: what an import makes stays, and to walk all of it again and again as it grows
    takes a fifth of MLflow's import, which makes half a million objects.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()

"""What a run's own processes see of the environment."""

from __future__ import annotations

import os
import sys

import pytest

from chaos.runner.imports import give_back, imported_as_here


@pytest.mark.parametrize("before", [None, "/theirs"])
def test_the_environment_is_given_back(monkeypatch: pytest.MonkeyPatch, before: str | None) -> None:
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    if before is not None:
        monkeypatch.setenv("PYTHONPATH", before)
    outside = dict(os.environ)
    with imported_as_here():
        assert os.environ["PYTHONSAFEPATH"] == "1"
        assert os.environ["PYTHONPATH"].split(os.pathsep) == [os.path.abspath(one) for one in sys.path]
    assert dict(os.environ) == outside
    give_back()  # in a process that was started without it
    assert dict(os.environ) == outside

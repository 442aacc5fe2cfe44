from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from chaos.drivers.local.gauge import count, pieces_per_second
from chaos.runner.imports import as_here


class Ticking:
    """A clock that goes on by a tenth of a second at every look."""

    def __init__(self) -> None:
        self.looks = 0

    def monotonic(self) -> float:
        self.looks += 1
        return self.looks / 10

    def sleep(self, seconds: float) -> None:
        raise AssertionError(seconds)

    def utc(self) -> datetime.datetime:
        raise AssertionError


def test_pieces_are_counted_until_the_time_is_over() -> None:
    assert round(count(Ticking(), 0.25)) == round(3 * 20 / 0.3)


def test_this_machine_does_something() -> None:
    assert pieces_per_second() > 100


def test_a_package_in_the_working_directory_is_not_taken_for_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "chaos").mkdir()
    (tmp_path / "chaos" / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    assert pieces_per_second(as_here()) > 100

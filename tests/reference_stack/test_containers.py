"""The common start of a stack in containers, and volumes of before that no stack can go on from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from reference_stack.containers import LEAD_SECONDS, begin, prepare
from reference_stack.runtime import monotonic
from reference_stack.settings import SettingsError, StackSettings
from reference_stack.shells.live import read_origin, write_origin
from reference_stack.shop.component import LAST_DAY

Command = Callable[[StackSettings], int]


def settings(root: Path, days: float = 100.0) -> StackSettings:
    """Of a stack without components: all of them are healthy."""
    return StackSettings(root=str(root), days=days, day_seconds=2.0)


def test_the_start_is_given_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = monotonic()
    assert begin(settings(tmp_path), 0.0) == 0
    origin = read_origin(tmp_path)
    assert origin is not None
    assert before < origin <= monotonic() + LEAD_SECONDS
    assert begin(settings(tmp_path), 0.0) == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert said == [{"origin": origin}] * 2


def test_a_stack_in_the_middle_of_its_days_goes_on(tmp_path: Path) -> None:
    origin = monotonic() - 2.0 * 60
    write_origin(tmp_path, origin)
    assert begin(settings(tmp_path), 0.0) == 0
    assert read_origin(tmp_path) == origin


@pytest.mark.parametrize(
    ("since_seconds", "days", "why"),
    [
        (2.0 * 101, 100.0, "has had its 100 days"),
        (2.0 * (LAST_DAY + 1), 100_000.0, f"has had its {LAST_DAY:g} days"),
        (-3600.0, 100.0, "began before this machine did"),
    ],
)
@pytest.mark.parametrize(
    "command", [lambda of: begin(of, 0.0), lambda of: prepare(of, None)], ids=["begin", "prepare"]
)
def test_one_that_cannot_go_on_is_refused(
    command: Command, since_seconds: float, days: float, why: str, tmp_path: Path
) -> None:
    write_origin(tmp_path, monotonic() - since_seconds)
    with pytest.raises(SettingsError) as refused:
        command(settings(tmp_path, days))
    (line,) = str(refused.value).splitlines()
    assert why in line
    assert "`docker compose down --volumes`" in line
    assert [path.name for path in tmp_path.iterdir()] == ["origin"]

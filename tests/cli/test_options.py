from __future__ import annotations

import pytest

from chaos.cli.options import wanted


@pytest.mark.parametrize(("typed", "meant"), [("3", (3,)), ("0", (0,)), ("3..3", (3,)), ("1..3", (1, 2, 3))])
def test_seeds_are_one_or_a_range(typed: str, meant: tuple[int, ...]) -> None:
    found = wanted(
        ["late-partition"],
        target="reference-virtual",
        seed=None,
        seeds=typed,
        arms=None,
        holes=None,
        sets=None,
        day_seconds=None,
        out=None,
        allow=None,
    )
    assert found.seeds == meant

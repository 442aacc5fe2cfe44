from __future__ import annotations

from typing import Any

import pytest
import typer

from chaos.cli import commands
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


def test_every_option_says_what_it_is() -> None:
    pending: list[tuple[str, Any]] = [("mlchaos", typer.main.get_command(commands()))]
    silent = []
    while pending:
        name, command = pending.pop()
        pending += [(f"{name} {word}", one) for word, one in getattr(command, "commands", {}).items()]
        silent += [f"{name} {option.opts[0]}" for option in command.params if not option.help]
    assert silent == []

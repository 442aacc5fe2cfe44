"""docs/verdict.md names every kind of harm, every outcome, every verdict and every exit code, with its figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos import errors
from chaos.domain import event, scenario
from chaos.domain.layer import Outcome
from chaos.domain.scenario import Arm, Harm, Kind
from chaos.domain.verdict import Verdict
from chaos.scoring import containment, detection, episodes, harm, steady

TEXT = (Path(__file__).parents[2] / "docs" / "verdict.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("word", [*Harm, *Outcome, *Verdict, *Arm, *Kind])
def test_every_word_is_explained(word: str) -> None:
    assert f"`{word}`" in TEXT


@pytest.mark.parametrize(
    "code",
    [0, 1, *sorted({error.exit_code for error in vars(errors).values() if hasattr(error, "exit_code")})],
)
def test_every_exit_code_is_explained(code: int) -> None:
    assert f"| {code} |" in TEXT


@pytest.mark.parametrize(
    "figure",
    [
        f"{event.LATE_DAYS:g} day for more than {event.SPELL_DAYS:g} day",
        f"within {episodes.SAME_TIME_DAYS:g} day",
        f"until {detection.TAIL_DAYS:g} day after the undo",
        f"{steady.WINDOWS} readings in a row",
        f"beyond {harm.NORMAL_AGE_DAYS:g} days",
        f"more than {100 * harm.NEWCOMERS:g} % of the views",
        f"{harm.QUALITY_WINDOW_DAYS} days from the first injection",
        f"{containment.QUALITY_EVIDENCE:g} %-days",
        f"{scenario.QUALITY_NOISE_SD:g} %-days",
        f"{containment.COUNT_SIGMAS:g} √(undefended + bare)",
        f"{containment.STALE_FLOOR:g} `stale_days`",
    ],
)
def test_the_figures_are_those_of_the_code(figure: str) -> None:
    assert figure in " ".join(TEXT.split())

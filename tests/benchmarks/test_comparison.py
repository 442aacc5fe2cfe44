from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.comparison import Row, check_pace, compare, table
from chaos.domain.scenario import Arm, Harm
from chaos.domain.verdict import TrialResult, Verdict
from tests.journals import Story, Told, results_of, without


def trial(seed: int, **harm: float) -> TrialResult:
    scored = Story(replace(Told(), seed=seed)).score()
    defended = {**scored.harm[Arm.DEFENDED], **{Harm(kind): value for kind, value in harm.items()}}
    return scored.model_copy(update={"harm": scored.harm.model_copy(update={"defended": defended})})


def row(rows: list[Row], what: str) -> Row:
    return next(row for row in rows if row.what == what)


def test_equal_trials_agree() -> None:
    trials = [trial(seed) for seed in (1, 2, 3)]
    rows = table(trials, trials)
    assert row(rows, "seeds").live == "3"
    assert row(rows, "verdict").live == row(rows, "verdict").virtual == "3 passed"
    assert all(row.agrees is not False for row in rows)
    assert any(row.agrees for row in rows)


def test_another_verdict_and_another_detector_are_told() -> None:
    other = Story(replace(without(Told(), "volume", "hold"), seed=2)).score()
    rows = table([trial(1), trial(2)], [trial(1), other])
    assert row(rows, "verdict").agrees is False
    assert row(rows, "first detection by").agrees is False
    assert row(rows, "verdict").differ == "1 of 2"
    assert "**no**" in str(row(rows, "verdict"))


@pytest.mark.parametrize(
    ("kind", "live", "virtual", "agrees"),
    [
        ("slow_views", [700.0, 500.0], [10.0, 5.0], True),
        ("slow_views", [700.0, 700.0], [10.0, 5.0], False),
        ("stale_days", [17.0, 17.0], [12.5, 12.5], True),
        ("stale_days", [18.1, 18.1], [12.5, 12.5], False),
        ("stale_days", [0.9, 0.9], [0.0, 0.0], True),
        ("stale_days", [1.1, 1.1], [0.0, 0.0], False),
        ("quality_pct_days", [50.0, 60.0], [45.0, 52.0], True),
        ("quality_pct_days", [50.0, 52.0], [45.0, 46.0], False),
    ],
)
def test_harm_may_differ_by_a_cycle_and_quality_by_its_noise(
    kind: str, live: list[float], virtual: list[float], agrees: bool
) -> None:
    sides = [[trial(seed, **{kind: value}) for seed, value in enumerate(side)] for side in (live, virtual)]
    assert row(table(*sides), f"{kind}, defended").agrees is agrees


def test_days_of_other_lengths_are_not_compared() -> None:
    one = results_of(trial(1))
    check_pace([one], [one])
    with pytest.raises(SystemExit, match="days of 1 s and 2 s"):
        check_pace(
            [one.model_copy(update={"day_seconds": 2.0})], [one.model_copy(update={"day_seconds": 1.0})]
        )


def test_void_trials_say_nothing_and_no_common_seed_is_an_error() -> None:
    void = trial(2).model_copy(update={"verdict": Verdict.VOID})
    assert row(table([trial(1), void], [trial(1), trial(2)]), "seeds").live == "1"
    with pytest.raises(ValueError, match="no seed"):
        list(compare([trial(1)], [trial(2)]))

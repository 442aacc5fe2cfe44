"""Containment and budgets: the difference of differences, and what is inside the noise."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.domain.event import Event, Views
from chaos.domain.scenario import Arm, Harm, Kind
from chaos.domain.verdict import Verdict
from chaos.scoring.containment import contain, excess, of_the_machine
from tests.journals import Story, Told


def table(of: Harm, *values: float | None) -> dict[Arm, dict[Harm, float | None]]:
    return {arm: {of: value} for arm, value in zip(Arm, values, strict=True)}


@pytest.mark.parametrize(
    ("values", "ratio"),
    [
        ((0, 0, 3000, 0), 1.0),
        ((3000, 0, 3000, 0), 0.0),
        ((300, 0, 3000, 0), 0.9),
        ((400, 100, 3100, 100), 0.9),
        ((6000, 0, 3000, 0), -1.0),
        ((300, 200, 1100, 100), 0.9),
    ],
)
def test_the_ratio_is_a_difference_of_differences(values: tuple[float, ...], ratio: float) -> None:
    found = contain(table(Harm.DEFECTIVE_VIEWS, *values), Harm.DEFECTIVE_VIEWS)
    assert found.ratio == pytest.approx(ratio)
    assert found.low == found.high == found.ratio


@given(st.lists(st.none() | st.floats(0, 1e6), min_size=4, max_size=4).filter(lambda values: None in values))
def test_a_missing_arm_gives_no_ratio(values: list[float | None]) -> None:
    found = contain(table(Harm.SLOW_VIEWS, *values), Harm.SLOW_VIEWS)
    assert found.ratio is None
    assert not found.no_harm


@pytest.mark.parametrize(
    ("of", "undefended", "bare", "harm"),
    [
        (Harm.DEFECTIVE_VIEWS, 1, 0, True),
        (Harm.DEFECTIVE_VIEWS, 0, 0, False),
        (Harm.SLOW_VIEWS, 10, 0, True),
        (Harm.SLOW_VIEWS, 9, 0, False),
        (Harm.ABANDONED_VIEWS, 2100, 1900, True),
        (Harm.ABANDONED_VIEWS, 2080, 1900, False),
        (Harm.STALE_DAYS, 0.3, 0, True),
        (Harm.STALE_DAYS, 0.2, 0, False),
        (Harm.QUALITY_PCT_DAYS, 36, 0, True),
        (Harm.QUALITY_PCT_DAYS, 34, 0, False),
        (Harm.UNDETECTED_DAYS, 0.3, 0, True),
        (Harm.UNDETECTED_DAYS, 0.2, 0, False),
        (Harm.ERROR_VIEWS, 10, 0, True),
        (Harm.ERROR_VIEWS, 9, 0, False),
    ],
)
def test_harm_must_be_above_its_noise(of: Harm, undefended: float, bare: float, harm: bool) -> None:
    found = contain(table(of, 0, 0, undefended, bare), of)
    assert (found.ratio is not None) is harm
    assert found.no_harm is not harm


def test_quality_comes_with_an_interval() -> None:
    found = contain(table(Harm.QUALITY_PCT_DAYS, 44, 0, 81, 0), Harm.QUALITY_PCT_DAYS)
    assert found.ratio == pytest.approx(0.457, abs=0.001)
    assert found.low == pytest.approx(0.148, abs=0.01)
    assert found.high == pytest.approx(0.766, abs=0.01)


def loss(share: float) -> Callable[[Event], Event]:
    """Serve `share` less of the best slate for a week from the injection."""

    def apply(event: Event) -> Event:
        if not isinstance(event, Views) or not 3.5 <= event.start_day < 10.5:
            return event
        rows = [msgspec.structs.replace(row, served_value=5 * 0.62 * (1 - share)) for row in event.rows]
        return msgspec.structs.replace(event, rows=rows)

    return apply


@pytest.mark.parametrize(
    ("defended", "expected"),
    [(0.0, Verdict.PASSED), (0.10, Verdict.VOID), (0.25, Verdict.FAILED)],
)
def test_containment_of_quality_is_judged_only_outside_its_noise(defended: float, expected: Verdict) -> None:
    told = Told(expect={"contained": {"of": "quality_pct_days", "at_least": 0.5}})
    story = Story(told).change(Arm.DEFENDED, loss(defended)).change(Arm.UNDEFENDED, loss(0.25))
    reason = next(reason for reason in story.score().reasons if reason.about == "contained")
    assert reason.verdict is expected


@pytest.mark.parametrize(
    ("limit", "share", "expected"),
    [
        (40, 0.05, Verdict.PASSED),
        (40, 0.07, Verdict.FAILED),
        (10, 0.01, Verdict.VOID),
        (10, 0.05, Verdict.VOID),
        (10, 0.06, Verdict.VOID),
        (35, 0.04, Verdict.PASSED),
        (35, 0.06, Verdict.FAILED),
        (10, 0.07, Verdict.FAILED),
    ],
)
def test_a_budget_on_quality_below_its_noise_is_shown_and_not_judged(
    limit: float, share: float, expected: Verdict
) -> None:
    told = Told(kind=Kind.DEMONSTRATION, expect={"budgets": {"quality_pct_days": limit}})
    trial = Story(told).change(Arm.DEFENDED, loss(share)).score()
    reason = next(reason for reason in trial.reasons if reason.about == "budget quality_pct_days")
    assert reason.verdict is expected


def slow(count: int) -> Callable[[Event], Event]:
    def apply(event: Event) -> Event:
        if not isinstance(event, Views) or not 4 <= event.start_day < 5:
            return event
        first, *rest = event.rows
        return msgspec.structs.replace(event, rows=[msgspec.structs.replace(first, slow=count), *rest])

    return apply


def test_a_budget_counts_what_is_beyond_the_control_arm() -> None:
    told = Told(expect={**Told().expect, "budgets": {"slow_views": 30}})
    trial = Story(told).change(Arm.DEFENDED, slow(3)).change(Arm.CONTROL, slow(2)).score()
    reason = next(reason for reason in trial.reasons if reason.about == "budget slow_views")
    assert reason.verdict is Verdict.PASSED
    assert reason.says == "24 slow_views, at most 30 allowed (beyond the 48 of the control arm)"
    over = Story(told).change(Arm.DEFENDED, slow(3)).score()
    assert over.verdict is Verdict.FAILED


@pytest.mark.parametrize(("limit", "expected"), [(24, Verdict.PASSED), (23, Verdict.FAILED)])
def test_a_budget_that_is_spent_to_the_last_is_kept(limit: int, expected: Verdict) -> None:
    told = Told(expect={**Told().expect, "budgets": {"slow_views": limit}})
    trial = Story(told).change(Arm.DEFENDED, slow(3)).change(Arm.CONTROL, slow(2)).score()
    assert next(one.verdict for one in trial.reasons if one.about == "budget slow_views") is expected


def test_less_than_the_control_arm_suffers_is_nothing_and_no_credit() -> None:
    spent = excess(table(Harm.SLOW_VIEWS, 24, 48, 0, 0), Harm.SLOW_VIEWS)
    assert spent == 0.0


@pytest.mark.parametrize("of", [Harm.QUALITY_PCT_DAYS, Harm.UNDETECTED_DAYS, Harm.FALSE_BLOCK_DAYS])
def test_what_is_measured_against_the_twin_already_counts_as_it_is(of: Harm) -> None:
    assert excess(table(of, 3.0, 1.0, 0, 0), of) == 3.0
    assert excess(table(of, 3.0, None, 0, 0), of) == 3.0


@pytest.mark.parametrize(("undisturbed", "enough"), [(2080.0, False), (2100.0, True), (None, True)])
def test_harm_of_undisturbed_ticks_is_counted_beyond_what_the_twin_has(
    undisturbed: float | None, enough: bool
) -> None:
    found = of_the_machine(table(Harm.ABANDONED_VIEWS, 0, 0, 9000, 1900), Harm.ABANDONED_VIEWS, undisturbed)
    assert (found == "") is enough

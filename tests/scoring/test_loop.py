"""The latency loop measured on days made from its own equations, with figures that are known."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from chaos.domain.event import Event, Version, Views
from chaos.domain.scenario import Arm, Bound
from chaos.scoring.arms import ArmView, view_of
from chaos.scoring.loop import Day, days_of, loop_of, measured
from tests.journals import Story, rows

EPSILON, POWER, RATE, WINDOW = 0.3, 0.9, 0.25, 3
SPELL = range(5, 19)


def lived(kept_when_slow: float, epsilon: float = EPSILON, days: int = 28) -> dict[int, Day]:
    """Days of the loop: quality follows the clicks of the last three days, users follow quality and patience."""
    users, found = 1.0, dict[int, Day]()
    for day in range(days):
        kept = kept_when_slow if day in SPELL else 1.0
        known = [found[d].clicks if d >= 0 else 1000.0 for d in range(day - WINDOW, day)]
        quality = (sum(known) / (1000.0 * WINDOW)) ** epsilon
        found[day] = Day(round(1_000_000 * users), quality / 1000, kept, version=day + 100)
        users += RATE * ((quality * kept) ** POWER - users)
    return found


WINDOWS = {day + 100: list(range(day - WINDOW, day)) for day in range(28)}


def result(kept: float, epsilon: float = EPSILON, days: int = 28):
    slow, twin = lived(kept, epsilon, days), lived(1.0, epsilon, days)
    found = measured(slow, twin, (WINDOWS, WINDOWS), float(SPELL.start), float(SPELL.stop))
    assert found is not None
    return found


def test_the_figures_that_the_days_were_made_from_are_found_again() -> None:
    found = result(0.5)
    assert found.elasticity == pytest.approx(EPSILON, abs=0.005)
    assert found.return_power == pytest.approx(POWER, abs=0.03)
    assert found.return_rate == pytest.approx(RATE, abs=0.01)
    assert found.gain == pytest.approx(EPSILON * (1 + POWER), abs=0.02)
    assert found.cycles > 14


def test_a_week_after_healing_neither_users_nor_model_are_back() -> None:
    found = result(0.5)
    assert found.users_at_end is not None
    assert found.users_week_after is not None
    assert found.users_at_end < found.users_week_after < 0.95
    assert found.quality_at_end is not None
    assert found.quality_week_after is not None
    assert found.quality_at_end < found.quality_week_after < 0.99


def test_where_data_is_plenty_users_leave_and_the_model_stands() -> None:
    found = result(0.5, epsilon=0.0)
    assert found.users_at_end is not None
    assert found.users_at_end < 0.6
    assert found.quality_at_end == pytest.approx(1.0)
    assert found.gain == pytest.approx(0.0)


def test_what_did_not_change_has_no_elasticity() -> None:
    found = result(1.0)
    assert found.users_at_end == pytest.approx(1.0)
    assert found.elasticity is found.gain is found.return_power is None


def test_a_week_that_was_not_lived_through_has_no_number() -> None:
    found = result(0.5, days=SPELL.stop + 4)
    assert found.users_at_end is not None
    assert found.users_week_after is found.quality_week_after is None


def test_a_spell_that_was_not_lived_through_has_no_loop() -> None:
    early = {day: one for day, one in lived(0.5).items() if day < SPELL.stop - 1}
    assert measured(early, lived(1.0), (WINDOWS, WINDOWS), 5.0, 19.0) is None


def test_a_day_on_which_nothing_was_worth_a_click_is_left_out() -> None:
    slow = lived(0.5)
    slow[SPELL.start + 2] = replace(slow[SPELL.start + 2], quality=0.0)
    found = measured(slow, lived(1.0), (WINDOWS, WINDOWS), float(SPELL.start), float(SPELL.stop))
    assert found is not None
    assert found.cycles == result(0.5).cycles - 1
    assert found.users_at_end == result(0.5).users_at_end
    assert found.elasticity == pytest.approx(EPSILON, abs=0.1)


def test_a_bound_has_both_its_ends() -> None:
    bound = Bound(at_least=0.2, at_most=0.4)
    assert [bound.holds(value) for value in (0.19, 0.2, 0.4, 0.41)] == [False, True, True, False]
    with pytest.raises(ValueError, match="cannot fail"):
        Bound()


def test_the_end_is_the_last_three_days_of_the_spell_and_a_week_after_is_three_days_of_the_seventh() -> None:
    slow, twin = lived(0.5), lived(1.0)

    def mean(of: str, days: tuple[int, ...]) -> float:
        return sum(getattr(slow[day], of) / getattr(twin[day], of) for day in days) / len(days)

    found, ending, after = result(0.5), (16, 17, 18), (25, 26, 27)
    assert found.users_at_end == pytest.approx(mean("views", ending))
    assert found.quality_at_end == pytest.approx(mean("quality", ending))
    assert found.users_week_after == pytest.approx(mean("views", after))
    assert found.quality_week_after == pytest.approx(mean("quality", after))
    assert found.cycles == 28 - SPELL.start


# --- from journals ---------------------------------------------------------------------------------------


def views_of(story: Story, arm: Arm) -> ArmView:
    return view_of(story.journals()[arm])


def test_a_day_is_what_its_answered_views_were_worth() -> None:
    story = Story().change(Arm.BARE, rows(lambda row: msgspec.structs.replace(row, errors=1), 3.0, 4.0))
    days = days_of(views_of(story, Arm.BARE))
    assert sorted(days) == list(range(14))
    assert (days[2].views, days[2].version) == (600, 22)
    assert (days[2].quality, days[2].kept) == (pytest.approx(0.62), pytest.approx(0.8))
    assert days[3].views == 600
    assert (days[3].quality, days[3].kept) == (pytest.approx(0.775), pytest.approx(0.75))


def test_versions_are_looked_up_in_the_arm_that_made_them() -> None:
    def renumbered(event: Event) -> Event:
        if isinstance(event, Version):
            return msgspec.structs.replace(event, version=event.version + 100)
        if isinstance(event, Views):
            named = [msgspec.structs.replace(row, version=row.version + 100) for row in event.rows]
            return msgspec.structs.replace(event, rows=named)
        return event

    found = loop_of(views_of(Story(), Arm.UNDEFENDED), views_of(Story(), Arm.BARE))
    assert found is not None
    assert found.cycles > 0
    other = Story().change(Arm.UNDEFENDED, renumbered)
    assert loop_of(views_of(other, Arm.UNDEFENDED), views_of(Story(), Arm.BARE)) == found


@pytest.mark.parametrize("arm", [Arm.UNDEFENDED, Arm.BARE])
def test_an_arm_that_was_cut_short_has_no_loop(arm: Arm) -> None:
    story = Story().cut(arm, 13.0)
    assert loop_of(views_of(story, Arm.UNDEFENDED), views_of(story, Arm.BARE)) is None


@pytest.mark.parametrize("arm", [Arm.UNDEFENDED, Arm.BARE])
def test_users_of_whom_nobody_tells_have_not_left(arm: Arm) -> None:
    story = Story().drop(arm, lambda one: isinstance(one, Views) and 6.0 <= one.start_day < 6.5)
    assert loop_of(views_of(story, Arm.UNDEFENDED), views_of(story, Arm.BARE)) is None

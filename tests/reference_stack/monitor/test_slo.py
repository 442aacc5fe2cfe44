import pytest

from reference_stack.monitor.slo import Trail, Windows


def trail_of(*values: tuple[float, float], kept_days: float = 3.25) -> Trail:
    trail = Trail(kept_days)
    for day, value in values:
        trail.take(day, value)
    return trail


def test_counts_growth_over_a_window():
    trail = trail_of((0.0, 100), (0.5, 130), (1.0, 200))
    assert trail.grown(0.5, 1.0) == 70
    assert trail.grown(1.0, 1.0) == 100


def test_a_window_longer_than_the_history_takes_what_there_is():
    assert trail_of((0.0, 100), (0.5, 130)).grown(9.0, 0.5) == 30


def test_nothing_known_is_no_growth():
    assert Trail().grown(1.0, 5.0) == 0.0


def test_a_restart_of_who_counts_loses_nothing():
    trail = trail_of((0.0, 100), (0.5, 130), (1.0, 5), (1.5, 25))
    assert trail.grown(2.0, 1.5) == 30 + 5 + 20


def test_a_stopped_counter_has_not_grown_in_the_window():
    trail = trail_of((0.0, 0), (1.0, 50))
    assert trail.grown(0.5, 2.0) == 0


def test_says_whether_it_has_grown():
    trail = Trail()
    assert not trail.take(0.0, 0.0)
    assert trail.take(0.1, 1.0)
    assert not trail.take(0.2, 1.0)


@pytest.mark.parametrize("window", [0.25, 1.0, 2.0])
def test_forgetting_what_is_old_changes_no_window_it_promises(window):
    values = [(n / 24, 10.0 * n) for n in range(24 * 12)]
    short, long = trail_of(*values, kept_days=2.0), trail_of(*values, kept_days=100.0)
    now = values[-1][0]
    assert short.grown(window, now) == long.grown(window, now) == round(window * 24) * 10


def test_windows_answer_any_length():
    windows = Windows(2.0, trail_of((0.0, 0), (1.0, 24), (2.0, 60)))
    assert windows[1.0] == 36
    assert windows[1.7] == 60
    assert windows[0.5] == 36
    assert list(windows) == [0.1, 0.5, 1.0, 3.0]


def test_windows_of_a_difference():
    good = Windows(
        2.0, trail_of((0.0, 0), (1.0, 24), (2.0, 60)), less=trail_of((0.0, 0), (1.0, 4), (2.0, 10))
    )
    assert good[1.0] == 30
    assert good[9.0] == 50


@pytest.mark.parametrize("ahead_from", [1.0, 1.7])
@pytest.mark.parametrize("taken_before_noticed", [0, 1])
def test_a_calendar_that_was_ahead_and_is_set_back_leaves_growth_as_it_was(
    ahead_from: float, taken_before_noticed: int
) -> None:
    """A counter grows by 10 in each tenth of a day; from `ahead_from` to day 2 the calendar is two days ahead."""
    trail = Trail()
    for tenth in range(20 + taken_before_noticed):
        day = tenth / 10
        trail.take(day + 2.0 * (ahead_from <= day < 2.0), 10.0 * tenth)
    trail.set_back(2.0, 2.0)
    for tenth in range(20 + taken_before_noticed, 25):
        trail.take(tenth / 10, 10.0 * tenth)
    assert [trail.grown(days, 2.4) for days in (0.1, 0.5, 1.0, 2.0)] == pytest.approx([10, 50, 100, 200])


def test_a_calendar_that_was_ahead_for_longer_than_it_is_set_back_stays_in_order() -> None:
    trail = Trail()
    for tenth in range(50):
        day = tenth / 10
        trail.take(day + 2.0 * (day >= 1.0), 10.0 * tenth)
    trail.set_back(5.0, 2.0)
    trail.take(5.0, 500.0)
    assert trail.grown(0.5, 5.0) == pytest.approx(50)
    assert trail.grown(1.5, 5.0) == pytest.approx(150)

"""What the monitor has read of each component."""

from __future__ import annotations

import pytest

from reference_stack.monitor.board import Board

VIEWS = ("shop", "views_total")


def test_the_growth_of_a_counter_with_labels_is_that_of_their_sum() -> None:
    board = Board((VIEWS,), 0.0)
    board.take("shop", {'views_total{page="a"}': 5.0, 'views_total_late{page="a"}': 90.0}, 0.1)
    board.take("shop", {'views_total{page="a"}': 7.0, 'views_total{page="b"}': 4.0}, 0.2)
    assert board.trail(*VIEWS).grown(1.0, 0.2) == 6
    board.take("collector", {"views_total": 50.0}, 0.2)
    assert board.trail(*VIEWS).grown(1.0, 0.2) == 6


def test_a_counter_grows_when_it_is_seen_to() -> None:
    board = Board((VIEWS,), 0.5)
    assert board.grew_day(*VIEWS) == 0.5
    board.take("shop", {}, 0.6)
    assert board.grew_day(*VIEWS) == 0.5
    board.take("shop", {"views_total": 3.0}, 0.7)
    board.take("shop", {"views_total": 3.0}, 0.8)
    assert board.grew_day(*VIEWS) == 0.7
    board.set_back(0.2, 0.5)
    assert board.grew_day(*VIEWS) == pytest.approx(0.2)
    assert board.trail(*VIEWS).grown(0.1, 0.5) == 0


def test_what_a_component_no_longer_says_is_not_found() -> None:
    board = Board((), 0.0)
    board.take("features", {"age": 2.0, 'fired{layer="volume"}': 1.0, 'fired{layer="schema"}': 0.0}, 0.1)
    board.take("trainer", {'fired{layer="config"}': 1.0}, 0.1)
    assert sorted(board.labelled("fired", "layer")) == [
        ("features", "schema", 0.0),
        ("features", "volume", 1.0),
        ("trainer", "config", 1.0),
    ]
    board.take("features", {'fired{layer="schema"}': 1.0}, 0.2)  # it began anew
    assert sorted(board.labelled("fired", "layer")) == [
        ("features", "schema", 1.0),
        ("trainer", "config", 1.0),
    ]
    assert board.value("features", "age") is None
    assert list(board.labelled("fired", "other")) == []

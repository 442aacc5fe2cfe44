from __future__ import annotations

from reference_stack.monitor.board import Board
from reference_stack.monitor.census import Differences, take_census

FRESH = {"serving-a", "serving-b", "orchestrator"}


def board(build_b: str = "2026.1", version_b: float = 12.0) -> Board:
    made = Board((), 0.0)
    for name, build, version in (("serving-a", "2026.1", 12.0), ("serving-b", build_b, version_b)):
        made.show(
            name,
            {
                f'build{{build="{build}"}}': 1.0,
                'build{build="other"}': 0.0,
                'running{configuration="c1"}': 1.0,
                "model_version": version,
            },
        )
    made.show("orchestrator", {"champion_version": 12.0})
    made.show("shop", {'build{build="2001"}': 1.0})
    return made


def test_what_runs_is_told_by_the_replicas_and_the_promoted_version_by_the_orchestrator():
    assert take_census(board("2018.4"), FRESH) == {
        "build": {"serving-a": "2026.1", "serving-b": "2018.4"},
        "configuration": {"serving-a": "c1", "serving-b": "c1"},
        "model": {"orchestrator": "12", "serving-a": "12", "serving-b": "12"},
    }


def test_who_was_not_heard_of_lately_is_not_counted():
    found = take_census(board("2018.4"), {"serving-a", "orchestrator"})
    assert found["build"] == {"serving-a": "2026.1"}


def test_differences_are_timed_until_they_end():
    differences = Differences()
    apart, together = {"a": "1", "b": "2"}, {"a": "2", "b": "2"}
    assert differences.days("model", apart, 3.0) == 0.0
    assert differences.days("build", together, 3.0) == 0.0
    assert differences.days("model", apart, 3.25) == 0.25
    assert differences.days("model", together, 3.3) == 0.0
    assert differences.days("model", apart, 4.0) == 0.0


def test_differences_of_days_to_come_are_timed_from_when_the_clock_is_set_right():
    differences = Differences()
    apart = {"a": "1", "b": "2"}
    differences.days("model", apart, 5.0)
    differences.set_back(3.5, 2.0)
    assert differences.days("model", apart, 3.5) == 0.5

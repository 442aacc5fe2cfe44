"""What was begun and cut short is carried on: by a restart, or when whoever was away is back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.reference_stack.test_stack import Run

NOBODY = {"people": {"mode": "off"}}
"""Nobody goes back by hand."""


@pytest.fixture
def run() -> Iterator[Run]:
    made = Run(9.0, {"layers": NOBODY})
    yield made
    made.stack.close()


def made_of(run: Run, day: int) -> set[int]:
    """The versions that were made of a partition."""
    return {
        line["version"]
        for line in run.logged("version")
        if day in [held["partition_day"] for held in line["partitions"]]
    }


def test_a_purge_that_was_answered_is_carried_on_after_a_restart(run: Run) -> None:
    run.until(4.6)
    before = len(run.logged("version"))
    assert run.ask("orchestrator", "purge", by="ann", days=[3])[0] == 200
    spoilt = made_of(run, 3)
    run.stack.kill("orchestrator")
    run.stack.start("orchestrator")
    run.until(6.2)
    promoted = [line["version"] for line in run.logged("alias", alias="champion") if line["day"] > 4.6]
    assert not spoilt & set(promoted)
    assert len(run.logged("version")) > before  # one without that day, on the same day
    assert promoted


@pytest.mark.parametrize("restarts", [False, True])
def test_a_purge_of_which_nobody_heard_is_carried_on(run: Run, restarts: bool) -> None:
    """The features job has put the day aside, and its word is lost on the way to who asked for it."""
    run.until(5.2)
    spoilt = made_of(run, 3)
    assert run.stack.registry.resolve("champion") in spoilt
    mend = run.stack.link("orchestrator-features").shape(lambda plan: plan.replace(lost_down=True))
    replies: list[int] = []
    body = b'{"by": "ann", "days": [3]}'
    run.stack.request("orchestrator", "purge", body, lambda status, _reply: replies.append(status))
    run.until(run.stack.day() + 0.1)
    assert run.logged("partition", state="purged")
    assert replies == []
    if restarts:
        run.stack.kill("orchestrator")
        run.stack.start("orchestrator")
    run.until(run.stack.day() + 0.15)
    assert run.stack.registry.resolve("champion") in spoilt
    mend()
    run.until(run.stack.day() + 0.5)
    assert run.stack.registry.resolve("champion") not in spoilt
    run.until(6.9)
    promoted = [line["version"] for line in run.logged("alias", alias="champion") if line["day"] > 5.2]
    assert not made_of(run, 3) & set(promoted)


def test_a_quarantine_of_which_nobody_heard_is_carried_on(run: Run) -> None:
    run.until(5.2)
    mend = run.stack.link("orchestrator-features").shape(lambda plan: plan.replace(lost_down=True))
    body = b'{"by": "ann", "sources": [1], "from_day": 3}'
    run.stack.request("orchestrator", "quarantine", body, lambda *_: None)
    run.until(5.45)
    before = run.stack.registry.resolve("champion")
    mend()
    run.until(5.9)
    assert run.logged("alias", alias="champion")[-1]["by"] == "ann"
    assert run.stack.registry.resolve("champion") != before


def test_what_the_features_job_refuses_is_not_asked_for_again(run: Run) -> None:
    run.until(4.6)
    assert run.ask("orchestrator", "purge", by="ann", days=[77])[0] == 400
    run.until(5.0)
    run.stack.kill("orchestrator")
    run.stack.start("orchestrator")
    run.until(5.3)
    asked = [line for line in run.logged("action", by="ann") if line["action"] == "purge"]
    assert asked == []
    counted = 'start_over_errors_total{error="Rejected"}'
    assert counted not in run.stack.metrics("orchestrator")


def test_a_purge_while_the_registry_is_away_goes_back_once_it_answers(run: Run) -> None:
    run.until(4.95)
    champion, spoilt = run.stack.registry.resolve("champion"), made_of(run, 3)
    assert champion in spoilt
    run.stack.link("orchestrator-registry").down()
    run.stack.request("orchestrator", "purge", b'{"by": "ann", "days": [3]}', lambda *_: None)
    run.until(4.98)
    run.stack.link("orchestrator-registry").up()
    run.until(5.1)
    assert run.stack.registry.resolve("champion") not in spoilt
    run.until(6.0)
    assert not {row["version"] for row in run.views(5.2, 6.0)} & spoilt


def test_a_stage_given_up_while_the_registry_is_away_ends_once_it_answers() -> None:
    run = Run(9.0, {"layers": NOBODY, "orchestrator": {"start_days": 0.3}}).until(4.3)
    registry = run.stack.registry
    run.stack.advance(5.4, lambda: registry.resolve("challenger") is not None)
    assert registry.resolve("challenger") is not None
    run.until(run.stack.day() + 0.1)
    run.stack.link("orchestrator-registry").down()
    run.until(5.25)
    run.stack.configure("orchestrator", "paused", True)
    run.until(5.9)
    run.stack.link("orchestrator-registry").up()
    run.until(7.0)
    champion = registry.resolve("champion")
    assert registry.resolve("challenger") is None
    assert {row["version"] for row in run.views(6.2, 7.0)} - {0} == {champion}
    run.stack.close()


def test_a_flip_that_nobody_lived_to_tell_of_is_told_by_whoever_comes_after(run: Run) -> None:
    run.until(3.5)
    before = run.stack.registry.resolve("champion")
    run.stack.advance(5.0, lambda: run.stack.registry.resolve("champion") != before)
    flipped = run.stack.registry.resolve("champion")
    assert flipped not in [line["version"] for line in run.logged("alias", alias="champion")]
    run.stack.kill("orchestrator")
    run.until(run.stack.day() + 0.05)
    run.stack.start("orchestrator")
    run.until(run.stack.day() + 0.8)
    told = [line for line in run.logged("alias", alias="champion") if line["version"] == flipped]
    assert [line["previous"] for line in told] == [before]


def test_what_was_promoted_is_known_after_a_restart(run: Run) -> None:
    run.until(3.7)
    run.stack.kill("orchestrator")
    run.stack.start("orchestrator")
    run.until(3.8)
    champion = run.stack.registry.resolve("champion")
    assert f"champion_version {champion}" in run.stack.metrics("orchestrator")


# --- clocks that were ahead, and who stood still ---------------------------------------------------------


def set_ahead(run: Run, component: str, from_day: float, to_day: float) -> None:
    run.until(from_day)
    run.stack.configure(component, "clock_ahead_days", 2.0)
    run.until(to_day)
    run.stack.configure(component, "clock_ahead_days", 0.0)


def stand_still(run: Run, component: str, from_day: float, to_day: float) -> None:
    run.until(from_day)
    run.stack.pause(component)
    run.until(to_day)
    run.stack.resume(component)


def test_a_monitor_whose_clock_is_set_right_goes_on_at_once(run: Run) -> None:
    set_ahead(run, "monitor", 3.3, 3.6)
    run.until(4.2)
    run.stack.kill("shop")
    run.until(4.7)
    silent = [line for line in run.logged("signal", layer="meta", signal="fired") if line["about"] == "shop"]
    assert any(4.2 < line["day"] < 4.6 for line in silent)


@pytest.mark.parametrize("killed", ["trainer", "serving-b"])
def test_who_died_while_the_monitors_clock_was_ahead_is_silent_when_it_is_set_right(
    run: Run, killed: str
) -> None:
    run.until(3.0)
    run.stack.configure("monitor", "clock_ahead_days", 2.0)
    run.until(3.4)
    run.stack.kill(killed)
    run.until(4.0)
    mine = run.logged("signal", layer="meta", component="monitor", about=killed)
    assert [line["signal"] for line in mine] == ["fired", "acted"]
    run.stack.configure("monitor", "clock_ahead_days", 0.0)
    run.until(4.5)
    run.stack.start(killed)
    run.until(5.0)
    told = [
        (line["signal"], run_day)
        for line, run_day in (
            (line, line["day"]) for line in run.logged("signal", layer="meta", about=killed)
        )
    ]
    assert [signal for signal, _ in told] == ["fired", "acted", "cleared"]
    assert 4.5 < told[-1][1] < 4.8


def test_a_budget_that_burned_while_the_monitors_clock_was_ahead_does_not_burn_on(run: Run) -> None:
    run.until(3.0)
    run.stack.configure("monitor", "clock_ahead_days", 2.0)
    run.until(3.2)
    run.stack.kill("serving-b")
    run.until(3.8)
    assert run.signals("burn")[:2] == ["fired", "acted"]
    run.stack.start("serving-b")
    run.stack.configure("monitor", "clock_ahead_days", 0.0)
    run.until(6.0)
    cleared = [line["day"] for line in run.logged("signal", layer="burn", signal="cleared")]
    assert cleared
    assert 3.8 < cleared[-1] < 4.9


def test_an_orchestrator_that_has_run_the_cycles_of_days_to_come_is_told(run: Run) -> None:
    """A clock that was set right cannot be told from one that was set wrong: it waits for the next day."""
    set_ahead(run, "orchestrator", 3.3, 3.6)
    run.until(5.9)
    fired = run.logged("signal", layer="meta", component="monitor", signal="fired")
    assert [line["about"] for line in fired if line["day"] > 4.0] == ["daily cycle"]


def test_a_replica_whose_clock_is_set_right_reports_at_once(run: Run) -> None:
    set_ahead(run, "serving-a", 3.3, 3.4)
    run.until(3.5)
    run.stack.kill("features")
    run.until(4.0)
    fired = run.logged("signal", layer="fallback", component="serving-a", signal="fired")
    assert fired
    assert fired[0]["day"] < 3.7


def test_a_monitor_that_stood_still_calls_nobody_silent_when_it_goes_on(run: Run) -> None:
    stand_still(run, "monitor", 4.3, 4.7)
    run.until(5.2)
    mine = run.logged("signal", layer="meta", component="monitor", signal="fired")
    assert mine == []


def test_features_that_get_too_old_are_told_while_the_store_is_away(run: Run) -> None:
    run.until(3.2)
    run.stack.kill("features")
    run.until(6.0)
    fired = run.logged("signal", layer="skew", signal="fired")
    assert fired
    assert "days old" in fired[0]["says"]


def test_an_innocent_challenger_is_not_judged_by_the_time_before_it_was_routed(run: Run) -> None:
    stand_still(run, "serving-a", 4.3, 4.65)
    run.until(6.5)
    assert [line for line in run.logged("cycle", step="canary") if "taken back" in line["says"]] == []

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

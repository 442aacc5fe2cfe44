"""What changes set: the same place for two that would fight over one undo."""

from __future__ import annotations

import pytest

from chaos.domain.change import (
    Configure,
    Disconnect,
    Kill,
    LimitCpu,
    LimitMemory,
    Pause,
    Promote,
    Push,
    RunImage,
    SetAlias,
    SetLayer,
    SetLinkUp,
    Start,
    Starve,
)
from chaos.domain.places import grip_of, places_of
from tests.harness import TARGET, target_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Kill("serving-a"), Pause("serving-a")),
        (SetAlias("champion", 3), Promote("orchestrator", "champion", 4, "someone")),
        (
            Configure("serving-a", "promo", True),
            Push("orchestrator", "promo", False, ["serving-b", "serving-a"], "someone"),
        ),
        (Configure("serving-a", "layers.shed.mode", "off"), SetLayer("shed", "mode", "observe")),
        (
            Push("orchestrator", "layers.schema.categories", 9, ["features"], "someone"),
            SetLayer("schema", "categories", 9),
        ),
        (RunImage("serving-a", "old:1"), LimitCpu("serving-a", 0.1)),
        (RunImage("serving-a", "old:1"), Disconnect("serving-a")),
        (LimitMemory("serving-a", 24), LimitCpu("serving-a", 0.1)),
        (LimitMemory("serving-a", 24), Disconnect("serving-a")),
        (LimitMemory("serving-a", 24), RunImage("serving-a", "old:1")),
        (LimitMemory("serving-a", 24), Kill("serving-a")),
    ],
)
def test_the_same_place_by_different_doors(one, other):
    assert places_of(one) & places_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Kill("serving-a"), Kill("serving-b")),
        (Configure("serving-a", "promo", True), Configure("serving-a", "rules", True)),
        (RunImage("serving-a", "old:1"), LimitCpu("serving-b", 0.1)),
        (LimitCpu("serving-a", 0.1), Disconnect("serving-a")),
        (LimitCpu("serving-a", 0.1), Kill("serving-a")),
        (SetLinkUp("serving-features", False), SetLinkUp("serving-registry", False)),
    ],
)
def test_different_places(one, other):
    assert not places_of(one) & places_of(other)


def test_what_is_set_is_remembered_by_whoever_is_told():
    layers = target_of(TARGET).layers
    made = [
        Configure("writer", "promo", True),
        Push("writer", "rules", True, ["a", "b"], "someone"),
        SetLayer("hold", "mode", "off"),
        SetAlias("champion", 3),
    ]
    assert grip_of(made, layers).remembers == {"writer", "a", "b", "reader"}


def test_what_is_started_again_at_once_takes_settings_and_has_lost_its_own():
    grip = grip_of([Kill("a"), Start("a"), Kill("b"), Pause("c"), Starve("d", 900.0, 100.0)], {})
    assert (grip.ends, grip.bars, grip.ends_after) == ({"a", "b"}, {"b", "c", "d"}, set())


@pytest.mark.parametrize("change", [LimitMemory("a", 24), RunImage("a", "old:1")])
def test_a_container_in_place_of_another_knows_nothing_nor_does_the_one_after_it(change):
    grip = grip_of([change], {})
    assert (grip.ends, grip.ends_after, grip.bars) == ({"a"}, {"a"}, set())


def test_a_container_off_its_network_is_told_nothing_and_forgets_nothing():
    grip = grip_of([Disconnect("a")], {})
    assert (grip.ends, grip.ends_after, grip.bars) == (set(), set(), {"a"})

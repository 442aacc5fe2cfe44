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
)
from chaos.domain.places import places_of


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

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from chaos.capabilities import MeaninglessChange
from chaos.catalogue import DuplicateName, Shelf, UnknownName, shipped
from chaos.domain.durations import Days


@dataclass(frozen=True)
class One:
    name: ClassVar[str] = "one"
    held: Days
    times: int = 1


@dataclass(frozen=True)
class Another:
    name: ClassVar[str] = "one"


def test_a_name_gives_its_class_and_checked_parameters() -> None:
    shelf: Shelf[One] = Shelf("thing", [One])
    assert shelf.make("one", {"held": "5d"}) == One(5.0, 1)
    assert shelf.parameters("one") == {"held": None, "times": "1"}


def test_a_duplicate_raises() -> None:
    with pytest.raises(DuplicateName, match="two things are called 'one'"):
        Shelf("thing", [One, Another])


def test_what_is_shipped_is_imported_when_it_is_asked_for() -> None:
    absent, late = shipped("chaos.faults", "not_there", "late_partition")
    shelf: Shelf[object] = Shelf("fault", [absent, late])
    assert shelf.get("late_partition").__name__ == "LatePartition"
    with pytest.raises(ModuleNotFoundError):
        shelf.get("not_there")


def test_other_packages_are_looked_at_for_a_name_that_is_not_there_and_for_all_names() -> None:
    looked = []

    def added() -> list[type]:
        looked.append(True)
        return [One]

    shelf: Shelf[object] = Shelf("fault", shipped("chaos.faults", "noop"), added)
    shelf.get("noop")
    assert looked == []
    assert shelf.get("one") is One
    assert shelf.names() == ["noop", "one"]
    assert looked == [True]


def test_a_package_that_takes_a_built_in_name_is_refused() -> None:
    shelf: Shelf[object] = Shelf("thing", [One], lambda: [Another])
    assert shelf.get("one") is One
    with pytest.raises(DuplicateName, match="two things are called 'one'"):
        shelf.names()


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UnknownName) as caught:
        Shelf("thing", [One]).get("onee")
    assert caught.value.nearest == "one"


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({}, "held"),
        ({"held": 5}, "held"),
        ({"held": "5d", "time": 2}, "time"),
        ({"held": "5d", "times": "x"}, "times"),
        ({"held": "5d", "times": "2"}, "times"),
        ({"held": "5d", "times": True}, "times"),
    ],
)
def test_parameters_are_checked_strictly(parameters: dict[str, object], field: str) -> None:
    with pytest.raises(MeaninglessChange) as caught:
        Shelf("thing", [One]).make("one", parameters)
    assert caught.value.field == field

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from chaos.domain.event import Event, Partition
from chaos.domain.scenario import Arm
from chaos.domain.target import DataLink
from chaos.domain.verdict import BrokenRequirement
from chaos.scoring.arms import view_of
from chaos.scoring.integrity import broken_requirements
from tests.journals import Story, signal

ALL = {"max_late": "0.1d", "max_loss": 0, "duplicates": False, "ordered": True}


def broken(story: Story, integrity: dict[str, object] | None = None) -> list[BrokenRequirement] | None:
    """What the control arm has broken, of a link that states all requirements, or some."""
    journal = story.journals()[Arm.CONTROL]
    link = {"kind": "data", "from": ["collector"], "to": "features", "due": "0.15d"}
    events = DataLink.model_validate({**link, "integrity": ALL if integrity is None else integrity})
    plan = journal.plan.model_copy(update={"data_links": {"events": events}})
    return broken_requirements(replace(view_of(journal), plan=plan))


def arriving(change: Callable[[Partition], Partition | None]) -> Story:
    """Partitions come to their reader as `change` has it, or not at all."""

    def one(event: Event) -> Event | None:
        return change(event) if isinstance(event, Partition) and event.state == "delivered" else event

    story = Story()
    found = [one(event) for event in story.events[Arm.CONTROL]]
    story.events[Arm.CONTROL] = sorted((event for event in found if event is not None), key=lambda e: e.day)
    return story


def days_later(late: dict[int, float]) -> Story:
    return arriving(lambda one: msgspec.structs.replace(one, day=one.day + late.get(one.partition_day, 0.0)))


def with_rows(share: float) -> Story:
    """The partition of day 5 has so many of its rows."""
    return arriving(
        lambda one: (
            msgspec.structs.replace(one, rows=int(one.rows * share)) if one.partition_day == 5 else one
        )
    )


def test_a_clean_arm_breaks_nothing() -> None:
    assert broken(Story()) == []


def test_a_partition_that_comes_too_late() -> None:
    (late,) = broken(days_later({5: 0.5})) or []
    assert (late.link, late.requirement, late.allowed) == ("events", "max_late", 0.1)
    assert (late.partition_days, late.objected) == ([5], [])
    (other,) = broken(days_later({5: 0.6, 7: 0.5})) or []
    assert other.partition_days == [5, 7]
    assert other.worst == pytest.approx(late.worst + 0.1)


def test_what_is_late_within_its_requirement_breaks_nothing() -> None:
    (late,) = broken(days_later({5: 0.5}), {"max_late": "0d"}) or []
    assert broken(days_later({5: 0.5}), {"max_late": f"{late.worst + 0.001}d"}) == []


def test_one_that_never_comes_is_late_until_the_arm_ends() -> None:
    (late,) = broken(arriving(lambda one: None if one.partition_day == 5 else one)) or []
    assert (late.requirement, late.partition_days) == ("max_late", [5])
    assert late.worst == pytest.approx(14 - 6.15)


@pytest.mark.parametrize(
    ("share", "requirement", "worst"), [(0.6, "max_loss", 0.4), (1.5, "duplicates", 0.5), (1.0, "", 0.0)]
)
def test_rows_that_lack_or_are_too_many(share: float, requirement: str, worst: float) -> None:
    found = [(one.requirement, one.worst, one.partition_days) for one in broken(with_rows(share)) or []]
    assert found == ([(requirement, pytest.approx(worst), [5])] if requirement else [])


def test_so_much_may_be_lost_as_is_allowed() -> None:
    assert broken(with_rows(0.6), {"max_loss": 0.4}) == []
    assert broken(with_rows(0.5), {"max_loss": 0.4}) != []


def test_what_lacked_and_came_in_time_is_not_lost_and_what_came_later_is_no_excuse() -> None:
    def again(after_days: float) -> list[str]:
        story = with_rows(0.6)
        (first,) = [
            one
            for one in story.events[Arm.CONTROL]
            if isinstance(one, Partition) and (one.state, one.partition_day) == ("delivered", 5)
        ]
        whole = msgspec.structs.replace(first, day=6.15 + after_days, rows=4500)
        return [one.requirement for one in broken(story.add(Arm.CONTROL, whole)) or []]

    assert again(0.09) == []
    assert again(0.11) == ["max_loss"]


def test_one_that_comes_after_a_later_one() -> None:
    found = {one.requirement: one for one in broken(days_later({5: 2.5})) or []}
    assert set(found) == {"max_late", "ordered"}
    assert (found["ordered"].partition_days, found["ordered"].worst) == ([5], 2)


def test_layers_that_spoke_about_these_partitions_have_objected() -> None:
    story = days_later({5: 0.5})
    for layer, about, kind in (
        ("freshness", "day=5", "fired"),
        ("volume", "day=15", "fired"),
        ("schema", "day=5", "reached"),
        ("hold", "", "acted"),
        ("drift", "day=5 source=2", "acted"),
    ):
        story.add(Arm.CONTROL, signal(layer, kind, 6.4, about=about))
    (late,) = broken(story) or []
    assert late.objected == ["freshness", "drift"]


def test_without_a_requirement_or_the_end_of_the_arm_nothing_is_measured() -> None:
    assert broken(days_later({5: 0.5}), {}) == []
    plain = view_of(Story().journals()[Arm.CONTROL])
    links = {"events": DataLink.model_validate({"kind": "data", "from": ["a"], "to": "b", "due": "0.1d"})}
    assert (
        broken_requirements(replace(plain, plan=plain.plan.model_copy(update={"data_links": links}))) is None
    )
    assert broken(days_later({5: 0.5}).cut(Arm.CONTROL, 9.0)) is None


def test_it_is_told_in_words() -> None:
    def says(requirement: str, worst: float, days: list[int], objected: list[str]) -> str:
        kinds = {"link": "events", "requirement": requirement, "allowed": 0.1, "worst": worst}
        return BrokenRequirement.model_validate({**kinds, "partition_days": days, "objected": objected}).says

    assert says("max_late", 4.4, [3, 4, 5], ["volume", "freshness"]) == (
        "events, day 3 to 5: 4.40 d late, 0.1 d allowed; volume and freshness objected"
    )
    assert says("max_loss", 0.4, [3, 5, 6], []) == (
        "events, day 3, 5, 6: 40% of the rows lost, 10% allowed; no layer objected"
    )
    assert "events, day 3: 50% more rows than written;" in says("duplicates", 0.5, [3], [])
    assert "events, day 3, 4: after 2 later ones;" in says("ordered", 2.0, [3, 4], [])

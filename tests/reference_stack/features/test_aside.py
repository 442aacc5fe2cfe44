"""What people have put aside: days and sources, named or as the layers object to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import msgspec
import pytest

from reference_stack.collector.partition import encode
from reference_stack.layers.contract import GREEN, Decision, Hook, Mode
from reference_stack.layers.evidence import Delivery
from reference_stack.settings import LayerSettings
from tests.reference_stack.features.conftest import Stand, day_columns

Make = Callable[..., Stand]


class NoParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """None."""


class Suspects:
    """Leaves source 1 out of days on which all that it shows is clicked."""

    name: ClassVar[str] = "suspects"
    hook: ClassVar[Hook] = Hook.DELIVERY
    Parameters: ClassVar[type[msgspec.Struct]] = NoParameters

    def __init__(self, parameters: NoParameters) -> None: ...

    def decide(self, evidence: Delivery) -> Decision:
        ctr = evidence.shifts_by_source.get(1, {}).get("ctr", 1.0)
        return Decision(fired=True, acts=True, says="all clicked", sources=(1,)) if ctr > 2 else GREEN


@pytest.fixture
def watched(make_stand: Make) -> Stand:
    """A stand that `suspects` watches too, switched off for now."""
    use = f"{__name__}:Suspects"
    return make_stand(more={"suspects": LayerSettings(use=use, mode=Mode.OFF)})


def poisoned(stand: Stand, day: int) -> bytes:
    columns = day_columns(stand.world, day)
    for row, source in enumerate(columns["source"]):
        if source == 1:
            columns["clicked"][row], columns["dwell"][row] = 1, 20.0
    return stand.written(day, columns=columns)


def build(stand: Stand, day: int) -> dict[int, list[int]]:
    """The snapshot of a day: its partitions' days, with what is left out of each."""
    stand.job("deliver", day)
    return {check["partition_day"]: check["left_out"] for check in stand.job("build", day)["window"]}


def red(stand: Stand, day: int) -> list[str]:
    """The layers that are red over the window of a day, once what has arrived is taken in."""
    stand.job("deliver", day)
    return list(stand.job("check", day)["red"])


def short(stand: Stand, day: int) -> bytes:
    """A partition that holds less than was acknowledged."""
    columns = {name: values[:300] for name, values in day_columns(stand.world, day).items()}
    stand.written(day)
    return encode(columns)


def test_a_purge_that_names_nothing_takes_red_days_that_a_snapshot_was_built_of(stand: Stand) -> None:
    stand.live(0, 6)
    stand.machine.advance(8.01)
    stand.deliver(7, short(stand, 7))
    assert 7 in build(stand, 8)
    assert red(stand, 8) == ["volume"]
    status, reply = stand.ask("purge", by="ann")
    assert (status, [check["partition_day"] for check in reply["purged"]]) == (200, [7])
    assert 7 not in build(stand, 8)
    assert red(stand, 8) == []


def test_asked_again_a_purge_that_names_nothing_says_what_is_aside_by_now(stand: Stand) -> None:
    stand.live(0, 6)
    assert stand.ask("purge", by="ann", again=True)[0] == 400
    stand.machine.advance(8.01)
    stand.deliver(7, short(stand, 7))
    assert 7 in build(stand, 8)
    assert red(stand, 8) == ["volume"]
    assert stand.ask("purge", by="ann")[0] == 200
    assert stand.ask("purge", by="ann")[0] == 400
    status, reply = stand.ask("purge", by="ann", again=True)
    assert (status, [check["partition_day"] for check in reply["purged"]]) == (200, [7])


def test_red_days_that_nothing_was_built_of_are_left_alone(stand: Stand) -> None:
    stand.live(0, 6)
    stand.machine.advance(8.01)
    stand.deliver(7, short(stand, 7))
    assert red(stand, 8) == ["volume"]
    status, reply = stand.ask("purge", by="ann")
    assert (status, reply["error"]) == (400, "nothing was built of the days that a layer acts on: [7]")
    assert red(stand, 8) == ["volume"]


def test_red_days_that_nothing_was_built_of_are_left_out_where_that_is_meant(stand: Stand) -> None:
    stand.live(0, 6)
    stand.machine.advance(8.01)
    stand.deliver(7, short(stand, 7))
    assert red(stand, 8) == ["volume"]
    status, reply = stand.ask("purge", by="ann", kept_out=True)
    assert (status, [check["partition_day"] for check in reply["purged"]]) == (200, [7])
    assert red(stand, 8) == []
    assert 7 not in build(stand, 8)


def test_days_of_which_nothing_has_come_cannot_be_put_aside(stand: Stand) -> None:
    stand.live(0, 6)
    status, reply = stand.ask("purge", by="ann", days=[7])
    assert (status, reply["error"]) == (400, "of the days [7] no partition is there")


def test_where_no_layer_acts_a_purge_has_to_name_days(stand: Stand) -> None:
    stand.live(0, 3)
    assert stand.ask("purge", by="ann")[0] == 400
    assert stand.ask("purge", by="ann", days=[2])[0] == 200
    assert list(build(stand, 4)) == [0, 1, 3]


def test_a_source_is_left_out_from_the_first_day_on_which_it_was_unlike_itself(watched: Stand) -> None:
    watched.live(0, 6)
    for day in (7, 8):
        watched.machine.advance(day + 1.01)
        watched.deliver(day, poisoned(watched, day))
        build(watched, day + 1)
    watched.configure("layers.suspects.mode", "enforce")
    assert red(watched, 9) == []
    assert watched.ask("quarantine", by="ann") == (200, {"quarantined": {"1": 7}})
    window = build(watched, 9)
    assert {day for day, left_out in window.items() if left_out == [1]} == {7, 8}
    watched.live(9, 9)
    assert build(watched, 10)[9] == [1]


def test_what_a_layer_has_left_out_itself_needs_nobody(watched: Stand) -> None:
    watched.configure("layers.suspects.mode", "enforce")
    watched.live(0, 6)
    watched.machine.advance(8.01)
    watched.deliver(7, poisoned(watched, 7))
    assert red(watched, 8) == []
    assert build(watched, 8)[7] == [1]
    status, reply = watched.ask("quarantine", by="ann")
    assert (status, reply["error"]) == (
        400,
        "nothing was built of rows of a source that a layer leaves out",
    )


def test_a_day_that_only_lacks_a_source_is_not_put_aside_with_those_that_are_held(watched: Stand) -> None:
    watched.configure("layers.suspects.mode", "enforce")
    watched.live(0, 6)
    watched.machine.advance(8.01)
    watched.deliver(7, poisoned(watched, 7))
    assert red(watched, 8) == []
    assert watched.ask("purge", by="ann", kept_out=True)[0] == 400
    watched.machine.advance(9.01)
    watched.deliver(8, short(watched, 8))
    assert red(watched, 9) == ["volume"]
    status, reply = watched.ask("purge", by="ann", kept_out=True)
    assert (status, [check["partition_day"] for check in reply["purged"]]) == (200, [8])
    assert build(watched, 9)[7] == [1]


def test_a_source_that_is_trusted_again_stays_out_of_the_days_before(stand: Stand) -> None:
    stand.live(0, 4)
    assert stand.ask("quarantine", by="ann", sources=[1], from_day=2)[0] == 200
    assert stand.ask("quarantine", by="ben", sources=[3], from_day=4)[0] == 200
    assert stand.ask("quarantine", by="cleo", release=True)[0] == 400
    status, reply = stand.ask("quarantine", by="ann", release=True)
    assert (status, reply["quarantined"]) == (200, {"3": 4})
    told = [(line["source"], line["from_day"], line["state"]) for line in stand.said("source")]
    assert told[:2] == [(1, 2, "left_out"), (3, 4, "left_out")]
    assert [line[::2] for line in told[2:]] == [(1, "trusted")]
    stand.live(5, 5)
    assert build(stand, 6) == {0: [], 1: [], 2: [1], 3: [1], 4: [3], 5: [3]}


def test_a_purge_tells_of_no_other_file_that_came_for_its_days(stand: Stand) -> None:
    stand.live(0, 3)
    stand.machine.advance(5.01)
    stand.deliver(4, b"torn on its way")
    assert not stand.job("deliver", 5)["present"]
    stand.deliver(4)
    assert stand.job("deliver", 5)["present"]
    status, reply = stand.ask("purge", by="ann", days=[4])
    assert (status, [(one["partition_day"], one["rows"]) for one in reply["purged"]]) == (200, [(4, 600)])


def test_a_source_that_is_named_without_a_day_is_left_out_of_the_whole_window(stand: Stand) -> None:
    stand.live(0, 4)
    assert stand.ask("quarantine", by="ann", sources=[2]) == (200, {"quarantined": {"2": 0}})
    assert build(stand, 5) == {day: [2] for day in range(5)}
    assert stand.ask("quarantine", by="ann", sources=[2], from_day=3) == (200, {"quarantined": {"2": 3}})
    assert build(stand, 5) == {day: [2] if day >= 3 else [] for day in range(5)}


def test_a_day_without_a_source_means_those_that_a_layer_leaves_out_from_then_on(watched: Stand) -> None:
    watched.live(0, 4)
    assert watched.ask("quarantine", by="ann", from_day=2)[0] == 400
    watched.configure("layers.suspects.mode", "enforce")
    watched.machine.advance(6.01)
    watched.deliver(5, poisoned(watched, 5))
    watched.machine.advance(6.2)
    assert watched.ask("quarantine", by="ann", from_day=2) == (200, {"quarantined": {"1": 2}})


def test_what_is_trusted_again_is_not_released_twice(stand: Stand) -> None:
    stand.live(0, 4)
    assert stand.ask("quarantine", by="ann", sources=[2], from_day=1)[0] == 200
    assert stand.ask("quarantine", by="ann", sources=[2], from_day=3, release=True)[0] == 200
    assert stand.ask("quarantine", by="ann", sources=[2], from_day=1, release=True)[0] == 400
    assert build(stand, 5) == {0: [], 1: [2], 2: [2], 3: [], 4: []}


def test_a_purge_for_which_there_is_no_room_loses_nothing(stand: Stand) -> None:
    stand.live(0, 4)
    before = stand.store.read("partitions/day=3.parquet")
    stand.store.full = True
    assert stand.ask("purge", by="ann", days=[3])[0] == 500
    stand.store.full = False
    assert stand.store.read("partitions/day=3.parquet") == before
    assert stand.ask("purge", by="ann", days=[3])[0] == 200
    (name,) = stand.store.list("quarantine/day=3-")
    assert stand.store.read(name) == before
    assert not stand.store.exists("partitions/day=3.parquet")


def test_a_release_that_names_a_source_is_of_that_source_and_what_was_before_stays(stand: Stand) -> None:
    stand.live(0, 4)
    assert stand.ask("quarantine", by="ann", sources=[1, 2], from_day=1)[0] == 200
    release = {"by": "ann", "release": True}
    assert stand.ask("quarantine", **release, sources=[2], from_day=3) == (200, {"quarantined": {"1": 1}})
    assert build(stand, 5) == {0: [], 1: [1, 2], 2: [1, 2], 3: [1], 4: [1]}
    assert stand.ask("quarantine", **release, sources=[1], from_day=2) == (200, {"quarantined": {}})
    assert stand.ask("quarantine", by="ann", sources=[2], from_day=4) == (200, {"quarantined": {"2": 4}})
    assert build(stand, 5) == {0: [], 1: [1, 2], 2: [2], 3: [], 4: [2]}


def test_a_purge_that_is_repeated_tells_of_its_own_days(stand: Stand) -> None:
    stand.live(0, 4)
    for days in ([3], [1], [3], [1]):
        status, reply = stand.ask("purge", by="ann", days=days)
        assert (status, [one["partition_day"] for one in reply["purged"]]) == (200, days)

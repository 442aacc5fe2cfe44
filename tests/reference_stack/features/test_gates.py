"""Which day is shown to the DELIVERY layers, and when."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest

from reference_stack.layers.contract import Decision, Hook, Mode, warn
from reference_stack.layers.evidence import Delivery
from reference_stack.settings import LayerSettings
from tests.reference_stack.features.conftest import Stand, day_columns
from tests.reference_stack.features.test_aside import NoParameters, build, red, short

Make = Callable[..., Stand]


class Grumbles:
    """Objects to every day that is there."""

    name: ClassVar[str] = "grumbles"
    hook: ClassVar[Hook] = Hook.DELIVERY
    Parameters: ClassVar[type[NoParameters]] = NoParameters

    def __init__(self, parameters: NoParameters) -> None: ...

    def decide(self, _evidence: Delivery) -> Decision:
        return warn("as ever")


def dear(stand: Stand, day: int) -> bytes:
    """A partition with prices that no product has."""
    columns = day_columns(stand.world, day)
    columns["price"] = [None if price is None else 900.0 for price in columns["price"]]
    return stand.written(day, columns=columns)


@pytest.fixture
def stand(make_stand: Make) -> Stand:
    made = make_stand(schema=Mode.ENFORCE)
    made.live(0, 6)
    return made


def test_what_came_while_the_job_was_down_is_shown_though_a_newer_day_is_there(stand: Stand) -> None:
    stand.kill()
    stand.machine.advance(8.01)
    stand.deliver(7, dear(stand, 7))
    stand.machine.advance(9.01)
    stand.deliver(8)
    stand.start()
    stand.machine.advance(9.1)
    assert red(stand, 9) == ["schema"]


@pytest.mark.parametrize("volume", list(Mode))
def test_a_day_that_comes_after_its_successor_is_shown_whatever_other_gates_do(
    make_stand: Make, volume: Mode
) -> None:
    stand = make_stand(schema=Mode.ENFORCE, volume=volume, freshness=Mode.OBSERVE)
    stand.live(0, 6)
    stand.machine.advance(8.01)
    data = dear(stand, 7)
    stand.machine.advance(9.01)
    stand.deliver(8)
    stand.machine.advance(9.05)
    stand.deliver(7, data)
    stand.machine.advance(9.2)
    assert red(stand, 9) == ["schema"]


def test_a_day_that_was_taken_in_and_not_judged_is_shown_after_a_restart(stand: Stand) -> None:
    stand.machine.advance(8.01)
    stand.store.full = True
    stand.deliver(7, dear(stand, 7))
    stand.machine.advance(8.2)
    stand.store.full = False
    stand.kill()
    stand.machine.advance(9.01)
    stand.deliver(8)
    stand.start()
    stand.machine.advance(9.1)
    assert red(stand, 9) == ["schema"]


def test_a_sound_day_is_shown_once_and_says_nothing_later(stand: Stand) -> None:
    stand.live(7, 9)
    stand.kill()
    stand.start()
    stand.machine.advance(10.5)
    assert stand.signals("schema") == []
    assert b'"unjudged":[]' in stand.store.read("diary.json")


def test_a_red_day_leaves_the_window_also_while_the_job_is_down(stand: Stand) -> None:
    stand.machine.advance(8.01)
    stand.deliver(7, dear(stand, 7))
    assert red(stand, 8) == ["schema"]
    stand.live(8, 13)
    stand.machine.advance(14.9)
    stand.kill()
    stand.machine.advance(15.05)
    stand.start()
    stand.live(14, 14)
    stand.machine.advance(15.2)
    assert red(stand, 15) == []
    assert b'"red":[]' in stand.store.read("diary.json")
    assert b'"held":[]' in stand.store.read("diary.json")


def test_a_layer_that_is_switched_on_speaks_of_a_day_that_is_red_now(make_stand: Make) -> None:
    stand = make_stand(volume=Mode.OBSERVE)
    stand.live(0, 6)
    stand.machine.advance(8.01)
    stand.deliver(7, short(stand, 7))
    stand.machine.advance(8.3)
    stand.configure("layers.volume.mode", "enforce")
    stand.machine.advance(8.4)
    assert [signal for signal, day in stand.signals("volume") if day > 8.25] == ["fired", "acted"]
    assert stand.metric('layer_fired{layer="volume"}') == 1.0


def test_a_purge_that_the_diary_could_not_take_can_be_repeated(stand: Stand) -> None:
    stand.store.full = True
    assert stand.ask("purge", by="ann", days=[5])[0] == 500
    stand.store.full = False
    status, reply = stand.ask("purge", by="ann", days=[5])
    assert (status, [check["partition_day"] for check in reply["purged"]]) == (200, [5])
    stand.live(7, 7)
    assert 5 not in build(stand, 8)
    assert red(stand, 8) == []


def test_a_purge_whose_answer_was_lost_says_the_same_again(stand: Stand) -> None:
    first = stand.ask("purge", by="ann", days=[5])[1]["purged"]
    status, reply = stand.ask("purge", by="ann", days=[5])
    assert status == 200
    assert [(check["partition_day"], check["sha256"]) for check in reply["purged"]] == [
        (check["partition_day"], check["sha256"]) for check in first
    ]
    assert stand.ask("purge", by="ann", days=[40])[0] == 400


def test_where_every_day_before_was_objected_to_that_is_told_and_the_next_is_compared_again(
    make_stand: Make,
) -> None:
    grumbles, drift = f"{__name__}:Grumbles", "reference_stack.layers.drift:Drift"
    stand = make_stand(more={"grumbles": LayerSettings(use=grumbles), "drift": LayerSettings(use=drift)})
    stand.live(0, 3)
    stand.machine.advance(5.005)
    stand.configure("layers.grumbles.mode", "off")
    stand.live(4, 6)
    stand.machine.advance(8.0)
    assert [signal for signal, _ in stand.signals("drift", "day=4")] == ["fired", "cleared"]
    assert stand.signals("drift", "day=5") == stand.signals("drift", "day=6") == []
    assert red(stand, 8) == []


@pytest.mark.parametrize(("drift", "day_4"), [(Mode.ENFORCE, []), (Mode.OBSERVE, ["fired", "cleared"])])
def test_what_a_layer_objects_to_that_only_observes_stays_in_the_reference_of_those_that_enforce(
    make_stand: Make, drift: Mode, day_4: list[str]
) -> None:
    grumbles = LayerSettings(use=f"{__name__}:Grumbles", mode=Mode.OBSERVE)
    of_drift = LayerSettings(use="reference_stack.layers.drift:Drift", mode=drift)
    stand = make_stand(more={"grumbles": grumbles, "drift": of_drift})
    stand.live(0, 3)
    stand.machine.advance(5.005)
    stand.configure("layers.grumbles.mode", "off")
    stand.live(4, 6)
    stand.machine.advance(8.0)
    said = [signal for signal, _ in stand.signals("drift", "day=4")]
    assert [signal for signal in said if "acted" not in signal] == day_4

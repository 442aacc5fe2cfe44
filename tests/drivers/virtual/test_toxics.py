from __future__ import annotations

import pytest

from chaos.capabilities import MESSAGE_TOXICS
from chaos.domain.change import AddToxic
from chaos.drivers.virtual.protocol import Shape
from chaos.drivers.virtual.toxics import TOXICS, shape_of
from chaos.errors import ArmFailed
from reference_stack.shells.virtual_link import Plan


def toxic(type: str, stream: str = "downstream", toxicity: float = 1.0, **attributes: int) -> Shape:
    return shape_of(AddToxic("wire", "t", type, stream, toxicity, attributes))


def plan(chance: float = 0.5) -> Plan:
    return Plan(0, 1.0, 2.0, chance, chance)


def test_latency_delays_one_way() -> None:
    assert toxic("latency", latency=50)(plan()) == plan().replace(down_ms=52.0)
    assert toxic("latency", "upstream", latency=50)(plan()) == plan().replace(up_ms=51.0)


def test_jitter_spreads_around_the_delay_and_never_goes_back() -> None:
    delays = [toxic("latency", latency=50, jitter=20)(plan(i / 997)).down_ms - 2.0 for i in range(997)]
    assert 30 <= min(delays) < 32
    assert 68 < max(delays) <= 70
    assert abs(sum(delays) / len(delays) - 50) < 1
    assert toxic("latency", latency=-50)(plan()).down_ms == 2.0


def test_toxicity_is_the_share_that_it_touches() -> None:
    shape = toxic("latency", toxicity=0.25, latency=50)
    touched = sum(shape(plan(i / 1000)).down_ms > 2.0 for i in range(1000))
    assert touched == 250


def test_each_toxic_has_its_own_luck_with_a_message() -> None:
    one, other = (
        shape_of(AddToxic("wire", name, "latency", "downstream", 0.5, {"latency": 100}))
        for name in ("one", "other")
    )
    delays = [round(other(one(plan(i / 1000))).down_ms - 2.0) for i in range(1000)]
    assert set(delays) == {0, 100, 200}
    assert sum(delays) / len(delays) == pytest.approx(100, abs=1)


def test_timeout_loses_or_breaks() -> None:
    assert toxic("timeout", timeout=0)(plan()).lost_down
    broken = toxic("timeout", timeout=300)(plan())
    assert broken.reset_down
    assert broken.down_ms == 300


def test_reset_peer_and_limit_data_break() -> None:
    assert toxic("reset_peer", "upstream", timeout=10)(plan()) == plan().replace(reset_up=True, up_ms=11.0)
    assert toxic("limit_data", bytes=10)(plan()).reset_down


def test_what_is_planned_is_what_can_be_done() -> None:
    assert set(MESSAGE_TOXICS) == set(TOXICS)


def test_noop_changes_nothing() -> None:
    assert toxic("noop")(plan()) == plan()


@pytest.mark.parametrize("type", ["bandwidth", "slicer", "slow_close"])
def test_what_shapes_bytes_means_nothing_for_messages(type: str) -> None:
    with pytest.raises(ArmFailed, match="means nothing for messages"):
        toxic(type)

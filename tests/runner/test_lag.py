from __future__ import annotations

from chaos.runner.lag import LagMeter


def test_a_short_spell_is_no_lag() -> None:
    meter = LagMeter()
    assert [meter.tick(day, day + 0.2) for day in (1.0, 1.04)] == [None, None]
    assert meter.tick(1.1, 1.1) is None
    assert meter.tick(1.2, 1.4) is None


def test_a_long_spell_is_reported_with_its_worst() -> None:
    meter = LagMeter()
    spells = [meter.tick(1 + i * 0.05, 1 + i * 0.05 + late) for i, late in enumerate([0.15, 0.3, 0.15, 0.15])]
    assert spells[0] is None
    assert spells[-1] is not None
    worst, over = spells[-1]
    assert worst == 0.3 or abs(worst - 0.3) < 1e-9
    assert over > 0.25


def test_exactly_at_the_limit_is_fine() -> None:
    meter = LagMeter(limit_days=0.125, span_days=0.25)
    assert all(meter.tick(float(day), day + 0.125) is None for day in range(5))
    assert meter.largest == 0.125

"""Starving is seen whatever its duty cycle is, also one that fits into the time between two looks."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.app import make_catalogue, make_files
from chaos.drivers.virtual.driver import VirtualDriver
from chaos.runner.check import changes_of
from chaos.runner.execute import EFFECT_EVERY_DAYS
from chaos.runner.injection import Injector
from chaos.runner.undo import UndoLedger
from tests.faults.bare import bare_arm

CYCLES = [(25, 25), (50, 50), (20, 80), (10, 10), (100, 50)]
"""In ms. All but the last go into the tenth of a day between two looks without a rest."""


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, int], list[bool | None]]:
    """By cycle, what its own check says of looks that find it running; (stopped, 0) is before the fault."""
    spec, _ = make_files().target("reference-virtual")
    catalogue = make_catalogue()
    folder: Path = tmp_path_factory.mktemp("starving")
    plan = bare_arm(spec, days=1.0 + len(CYCLES))
    target = VirtualDriver().start(plan, spec, folder, lambda _event: None)
    found: dict[tuple[int, int], list[bool | None]] = {}
    with UndoLedger(folder / "undo.jsonl") as ledger:
        injector = Injector(target, ledger, lambda _event: None, lambda: None)
        for index, (stopped, running) in enumerate(CYCLES):
            parameters = {
                "component": "serving-b",
                "stopped_ms": f"{stopped}ms",
                "running_ms": f"{running}ms",
            }
            fault = catalogue.faults.make("starve", parameters)
            check = fault.effect(spec)
            assert check is not None
            runs_days = (stopped + running / 2) / 1000
            for key, begins in (((stopped, 0), index + 0.2), ((stopped, running), index + 0.6)):
                target.advance(begins, lambda: False)
                if key[1]:
                    injector.make("starve", changes_of(fault, target))
                probe = catalogue.probes.make(check.probe, check.parameters)
                told = found.setdefault(key, [])
                for look in range(3):
                    target.advance(begins + runs_days + look * EFFECT_EVERY_DAYS, lambda: False)
                    value = probe.read(target)
                    told.append(None if value is None else check.seen(value))
            assert [one.outcome for one in injector.undo("starve")] == ["undone"]
    target.close()
    return found


@pytest.mark.parametrize("cycle", CYCLES)
def test_it_is_seen(readings: dict[tuple[int, int], list[bool | None]], cycle: tuple[int, int]) -> None:
    assert True in readings[cycle]


@pytest.mark.parametrize("cycle", CYCLES)
def test_nothing_is_seen_without_it(
    readings: dict[tuple[int, int], list[bool | None]], cycle: tuple[int, int]
) -> None:
    told = readings[cycle[0], 0]
    assert True not in told
    assert False in told

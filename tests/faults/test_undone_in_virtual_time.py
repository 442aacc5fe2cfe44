"""Every fault that virtual time can do, on a stack that lives: it is made, undone, and gone for its own probe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.app import make_catalogue, make_files
from chaos.domain.event import Event, Undone
from chaos.domain.layer import Mode
from chaos.domain.plan import ArmPlan, PlannedLayer
from chaos.domain.scenario import Arm, Kind
from chaos.drivers.virtual.driver import VirtualDriver
from chaos.drivers.virtual.target import VirtualTarget
from chaos.runner.check import changes_of
from chaos.runner.injection import Injector
from chaos.runner.undo import UndoLedger
from tests.faults.test_catalogue_of_faults import EXAMPLES

SPEC, _ = make_files().target("reference-virtual")
CATALOGUE = make_catalogue()
POSSIBLE = sorted(
    name
    for name in EXAMPLES
    if name != "noop" and {need.name for need in CATALOGUE.faults.get(name).needs} <= set(SPEC.capabilities)
)
FROM_DAY, HEALED_DAY = 1.5, 5.0
LEFT = {"kill", "restart", "torn_checkpoint", "registry_outage"}
"""What came back by itself has nothing to be undone, or not all of it."""


@pytest.fixture
def target(tmp_path: Path) -> Iterator[VirtualTarget]:
    plan = ArmPlan(
        scenario="undone",
        kind=Kind.QUIET,
        arm=Arm.BARE,
        target=SPEC.target,
        world="default",
        seed=1,
        days=6.0,
        day_seconds=1.0,
        layers={
            name: PlannedLayer(mode=Mode.OFF, stages=layer.stages) for name, layer in SPEC.layers.items()
        },
        holes=[],
        faults=[],
        steady_state=[],
        abort_if=[],
    )
    made = VirtualDriver().start(plan, SPEC, tmp_path, lambda _event: None)
    yield made
    made.close()


@pytest.mark.parametrize("name", POSSIBLE)
def test_a_fault_is_undone(name: str, target: VirtualTarget, tmp_path: Path) -> None:
    fault = CATALOGUE.faults.make(name, EXAMPLES[name])
    told: list[Event] = []
    with UndoLedger(tmp_path / "undo.jsonl") as ledger:
        injector = Injector(target, ledger, told.append, lambda: None)
        target.advance(FROM_DAY, lambda: False)
        injector.make(name, changes_of(fault, target))
        # A data fault meets a partition, which comes after midnight; others end before the day's promotion.
        target.advance(2.1 if EXAMPLES[name].get("link") == "events" else 1.95, lambda: False)
        undone = injector.undo(name)
    outcomes = {one.outcome for one in undone}
    assert "failed" not in outcomes, undone
    if name not in LEFT:
        assert outcomes == {"undone"}, undone
    assert [event for event in told if isinstance(event, Undone)] == undone
    check = fault.effect(SPEC)
    assert check is not None
    if "over" not in check.parameters:
        return  # it looks at all that ever was
    probe = CATALOGUE.probes.make(check.probe, check.parameters)
    target.advance(HEALED_DAY, lambda: False)
    value = probe.read(target)
    assert value is None or not check.seen(value), f"{name} is still seen: {value}"

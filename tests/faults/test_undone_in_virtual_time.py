"""Every fault that virtual time can do, on a stack that lives: it is made, seen, undone, and gone for its probe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chaos.app import make_catalogue, make_files
from chaos.contracts import Probe
from chaos.domain.event import Event, Undone
from chaos.domain.layer import Mode
from chaos.domain.plan import PlannedLayer
from chaos.drivers.virtual.driver import VirtualDriver
from chaos.drivers.virtual.target import VirtualTarget
from chaos.runner.check import changes_of
from chaos.runner.injection import Injector
from chaos.runner.undo import UndoLedger
from tests.faults.bare import bare_arm
from tests.faults.test_catalogue_of_faults import EXAMPLES

SPEC, _ = make_files().target("reference-virtual")
CATALOGUE = make_catalogue()
POSSIBLE = sorted(
    name
    for name in EXAMPLES
    if name != "noop" and {need.name for need in CATALOGUE.faults.get(name).needs} <= set(SPEC.capabilities)
)
FROM_DAY, HEALED_DAYS = 1.5, (4.0, 5.0)
LOOK_DAYS = 0.1
LEFT = {"kill", "restart", "torn_checkpoint", "registry_outage"}
"""What came back by itself has nothing to be undone, or not all of it."""

LATER = {
    "bad_hyperparameter",
    "delayed_partition",
    "eager_retries",
    "late_partition",
    "offline_winner",
    "oversized_feature_file",
    "restart",
    "slow_challenger",
    "torn_checkpoint",
}
"""Half a day is too short to see them: they need a training, or a partition to be due."""
KEPT = {
    "kill": "how often it ended",
    "telemetry_gone": "a counter of the watcher",
    "torn_checkpoint": "a counter of the reader",
    "poisoned_source": "what a source said is not mended",
    "new_category": "as a poisoned source",
    "price_change": "as a poisoned source",
    "added_column": "a reader keeps a partition that it has taken in",
    "clock_skew": "a reader keeps a partition that it has taken in",
    "missing_values": "a reader keeps a partition that it has taken in",
    "planned_backfill": "a reader keeps a partition that it has taken in",
    "unit_change": "a reader keeps a partition that it has taken in",
}
"""Whose probe looks at all that ever was, and why: it must not find more of it after the undo."""


@pytest.fixture
def target(tmp_path: Path) -> Iterator[VirtualTarget]:
    plan = bare_arm(SPEC, days=6.0)
    made = VirtualDriver().start(plan, SPEC, tmp_path, lambda _event: None)
    yield made
    made.close()


def looks(target: VirtualTarget, probe: Probe, until_day: float) -> list[float | None]:
    """What a probe reads from now to a day, at the moments at which a run would."""
    found = []
    while target.day() < until_day - 1e-6:
        target.advance(min(until_day, target.day() + LOOK_DAYS), lambda: False)
        found.append(probe.read(target))
    return found


@pytest.mark.parametrize("name", POSSIBLE)
def test_a_fault_is_undone(name: str, target: VirtualTarget, tmp_path: Path) -> None:
    fault = CATALOGUE.faults.make(name, EXAMPLES[name])
    check = fault.effect(SPEC)
    assert check is not None
    told: list[Event] = []
    with UndoLedger(tmp_path / "undo.jsonl") as ledger:
        injector = Injector(target, ledger, told.append, lambda: None)
        target.advance(FROM_DAY, lambda: False)
        injector.make(name, changes_of(fault, target))
        # A data fault meets a partition, which comes after midnight; others end before the day's promotion.
        until_day = 2.1 if EXAMPLES[name].get("link") == "events" else 1.95
        during = looks(target, CATALOGUE.probes.make(check.probe, check.parameters), until_day)
        undone = injector.undo(name)
    outcomes = {one.outcome for one in undone}
    assert "failed" not in outcomes, undone
    if name not in LEFT:
        assert outcomes == {"undone"}, undone
    assert [event for event in told if isinstance(event, Undone)] == undone
    if name not in LATER:
        assert any(value is not None and check.seen(value) for value in during), during

    target.advance(HEALED_DAYS[0], lambda: False)
    after = looks(target, CATALOGUE.probes.make(check.probe, check.parameters), HEALED_DAYS[1])
    if name in KEPT:
        assert (after[-1] or 0) <= (during[-1] or 0), f"{name} goes on: {during}, then {after}"
    else:
        assert after[-1] is not None
        assert not check.seen(after[-1]), f"{name} is still seen: {after}"


@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.OBSERVE])
@pytest.mark.parametrize("lasts_days", [0.05, 0.5])
def test_no_component_gets_a_pushed_value_after_its_undo(
    tmp_path: Path, mode: Mode, lasts_days: float
) -> None:
    """Where the layer enforces, the push stands on the first replica for longer than the fault lasts."""
    config = SPEC.layers["config"]
    layer = PlannedLayer(mode=mode, stages=config.stages, parameters=config.defaults("default"))
    bare = bare_arm(SPEC, days=6.0)
    plan = bare.model_copy(update={"layers": {**bare.layers, "config": layer}})
    replicas = ["serving-a", "serving-b"]
    pushed = {"components": replicas, "key": "placements", "value": "home=9", "approved_by": "reviewer"}
    target = VirtualDriver().start(plan, SPEC, tmp_path, lambda _event: None)

    def in_force() -> list[object]:
        return [target.setting(replica, "placements") for replica in replicas]

    with closing(target), UndoLedger(tmp_path / "undo.jsonl") as ledger:
        injector = Injector(target, ledger, lambda _event: None, lambda: None)
        target.advance(FROM_DAY, lambda: False)
        before = in_force()
        injector.make("push", changes_of(CATALOGUE.faults.make("bad_config", pushed), target))
        assert "home=9" in in_force()
        target.advance(target.day() + lasts_days, lambda: False)
        assert [one.outcome for one in injector.undo("push")] == ["undone"]
        assert in_force() == before
        target.advance(target.day() + 0.5, lambda: False)
        assert in_force() == before


def test_what_is_kept_is_there_and_is_a_fault() -> None:
    assert set(KEPT) | LATER | LEFT <= set(POSSIBLE)

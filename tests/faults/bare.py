"""An arm without layers, faults or steady state, for tests that inject by hand."""

from __future__ import annotations

from chaos.domain.layer import Mode
from chaos.domain.plan import ArmPlan, PlannedLayer
from chaos.domain.scenario import Arm, Kind
from chaos.domain.target import TargetSpec


def bare_arm(spec: TargetSpec, days: float) -> ArmPlan:
    """Seed 1 of the default world, at a second a day."""
    layers = {name: PlannedLayer(mode=Mode.OFF, stages=layer.stages) for name, layer in spec.layers.items()}
    return ArmPlan(
        scenario="by-hand",
        kind=Kind.QUIET,
        arm=Arm.BARE,
        target=spec.target,
        world="default",
        seed=1,
        days=days,
        day_seconds=1.0,
        layers=layers,
        holes=[],
        faults=[],
        steady_state=[],
        abort_if=[],
    )

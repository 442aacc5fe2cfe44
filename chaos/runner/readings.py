"""What probes read of a target: numbers, effects of faults, and whether they are within bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass

from chaos.contracts import EffectCheck, Probe, Target
from chaos.domain.event import Effect
from chaos.errors import ArmFailed, ChaosError, told


def reading(probe: Probe, target: Target) -> float | None:
    """What a probe reads now; None for NaN too, which is within no bounds and beyond none.

    Raises ArmFailed where that is no number, or its code breaks.
    """
    try:
        value: object = probe.read(target)
    except ChaosError:
        raise
    except (Exception, SystemExit) as error:  # whatever it is, it is somebody else's code
        raise ArmFailed(f"probe {probe.name} breaks in its own code: {told(error)}") from error
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ArmFailed(f"probe {probe.name} reads {value!r}, which is no number")
    if isinstance(value, float) and math.isnan(value):  # a whole number may be too large to ask
        return None
    return value if type(value) in (int, float) else float(value)  # one of a library's own cannot be written


def read_effect(target: Target, fault: str, check: EffectCheck, probe: Probe) -> Effect:
    """A reading of a fault's own effect, now."""
    value = reading(probe, target)
    seen = None if value is None else check.seen(value)
    return Effect(day=target.day(), fault=fault, seen=seen, value=value)


@dataclass(frozen=True)
class Steady:
    """A steady-state probe with its bounds."""

    name: str
    probe: Probe
    at_least: float | None
    at_most: float | None

    def judge(self, value: float | None) -> bool | None:
        """Whether a reading is within the bounds; None without data."""
        if value is None:
            return None
        return (self.at_least is None or value >= self.at_least) and (
            self.at_most is None or value <= self.at_most
        )

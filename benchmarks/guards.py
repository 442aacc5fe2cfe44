"""How far from their limits are skew, backlog, canary, drift and shed on days without a fault?

    python -m benchmarks.guards [--seeds 5] [--days 28] [WORLD …]

Lives through a stack in virtual time with every layer on and reads its metrics each 1/24 day. A month of
`default` takes some 5 s a seed on a quiet core; set OPENBLAS_NUM_THREADS=1, as everywhere. Of the canary's
stages it tells how the last difference of each, in standard errors, is spread: 1 if views are independent.
`dwell_noise` is the PSI of a day's dwell times its clicks, `shed_share` the least share that a replica
refused in each of three hours in a row, where it refused at all.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import deque
from pathlib import Path

import numpy as np

from reference_stack.layers.canary import Canary, CanaryParameters
from reference_stack.layers.contract import Decision
from reference_stack.layers.drift import Drift, DriftParameters
from reference_stack.layers.evidence import Arrival, CanaryStage, Delivery
from reference_stack.layers.shed import Shed, ShedParameters
from reference_stack.settings import REPLICAS
from reference_stack.virtual import factory

TICK_DAYS = 1 / 24
WINDOW = 6
"""Ticks in the quarter of a day over which defaults are counted."""
MIN_ANSWERS = 30
HOURS = 3


def samples(text: str) -> dict[str, float]:
    """Metrics from their text format."""
    lines = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def tell(file: Path, number: object) -> None:
    """Add a figure to a layer's file."""
    with file.open("a") as lines:
        lines.write(f"{number}\n")


class WatchedParameters(CanaryParameters, frozen=True):
    """The canary's own, and the file to which the last difference of each stage is added."""

    told: str = ""


class Watched(Canary):
    """The stack's canary, which also writes down how each stage ended."""

    Parameters = WatchedParameters

    def __init__(self, parameters: WatchedParameters) -> None:
        super().__init__(parameters)
        self._told = Path(parameters.told)

    def decide(self, evidence: CanaryStage) -> Decision:
        """What the canary decides."""
        decision = super().decide(evidence)
        if decision.detail.get("done") and "z" in decision.detail:
            tell(self._told, decision.detail["z"])
        return decision


class WatchedDriftParameters(DriftParameters, frozen=True):
    """The layer's own, and the file to which each day's figure is added."""

    told: str = ""


class WatchedDrift(Drift):
    """The stack's drift, which also writes down how unlike other days each day's dwell was."""

    Parameters = WatchedDriftParameters

    def __init__(self, parameters: WatchedDriftParameters) -> None:
        super().__init__(parameters)
        self._told = Path(parameters.told)
        self._day: int | None = None

    def decide(self, evidence: Delivery) -> Decision:
        """What drift decides."""
        if "dwell" in evidence.shifts and evidence.partition_day != self._day:
            self._day = evidence.partition_day
            clicks = evidence.rows * evidence.statistics["ctr"]
            tell(self._told, evidence.shifts["dwell"] * clicks)
        return super().decide(evidence)


class WatchedShedParameters(ShedParameters, frozen=True):
    """The layer's own, and the file to which what was refused for long is added."""

    told: str = ""


class WatchedShed(Shed):
    """The stack's shed, which also writes down what was refused in three hours in a row."""

    Parameters = WatchedShedParameters

    def __init__(self, parameters: WatchedShedParameters) -> None:
        super().__init__(parameters)
        self._told = Path(parameters.told)

    def decide(self, evidence: Arrival) -> Decision:
        """What shed decides."""
        if len(evidence.shares) >= HOURS and (least := min(evidence.shares[-HOURS:])) > 0.0:
            tell(self._told, least)
        return super().decide(evidence)


def month(world: str, seed: int, days: float) -> tuple[dict[str, list[float]], list[float], int]:
    """What was read, the canary's differences, and how many times skew or backlog objected; no tolerance for
    differences of rows.
    """
    found: dict[str, list[float]] = {"waiting": [], "age_days": [], "defaulted": []}
    objections = 0

    def heard(_component: str, line: str) -> None:
        nonlocal objections
        said = json.loads(line)
        objections += said.get("signal") == "fired" and said.get("layer") in ("skew", "backlog")

    with tempfile.TemporaryDirectory() as root:
        files = {name: Path(root) / name for name in ("canary", "drift", "shed")}
        for file in files.values():
            file.touch()
        told = {name: str(file) for name, file in files.items()}
        settings: dict[str, object] = {
            "world": world,
            "layers": {
                "skew": {"parameters": {"tolerance": 0.0}},
                "canary": {"use": "benchmarks.guards:Watched", "parameters": {"told": told["canary"]}},
                "drift": {"use": "benchmarks.guards:WatchedDrift", "parameters": {"told": told["drift"]}},
                "shed": {"use": "benchmarks.guards:WatchedShed", "parameters": {"told": told["shed"]}},
            },
        }
        target = factory(seed=seed, day_seconds=1.0, days=days, settings=settings, root=Path(root))
        target.on_log(heard)
        counted: dict[str, deque[tuple[float, float]]] = {name: deque(maxlen=WINDOW + 1) for name in REPLICAS}
        for tick in range(1, round(days / TICK_DAYS)):
            target.advance(tick * TICK_DAYS, lambda: False)
            found["waiting"].append(samples(target.metrics("features"))["features_waiting_partitions"])
            for name in REPLICAS:
                now = samples(target.metrics(name))
                found["age_days"].append(now.get("feature_age_days", 0.0))
                counts = counted[name]
                counts.append((now.get("answers_total", 0.0), now.get("answers_defaulted_total", 0.0)))
                answers, defaulted = (last - first for first, last in zip(counts[0], counts[-1], strict=True))
                if len(counts) > WINDOW and answers >= MIN_ANSWERS:
                    found["defaulted"].append(defaulted / answers)
        target.close()
        stages, noise, shares = (list(map(float, file.read_text().split())) for file in files.values())
        found |= {"dwell_noise": noise, "shed_share": [0.0, *shares]}
    return found, stages, objections


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--days", type=float, default=28.0)
    parser.add_argument("worlds", nargs="*", default=["default"])
    asked = parser.parse_args()
    print(f"{'world':>10}{'':>12}{'median':>10}{'99%':>10}{'99.9%':>10}{'most':>10}")
    for world in asked.worlds:
        months = [month(world, seed, asked.days) for seed in range(1, asked.seeds + 1)]
        for name in months[0][0]:
            values = np.concatenate([found[name] for found, _, _ in months])
            cells = [*np.quantile(values, (0.5, 0.99, 0.999)), values.max()]
            print(f"{world:>10}{name:>12}" + "".join(f"{cell:>10.3f}" for cell in cells), flush=True)
        print(f"{world:>10}{'objections':>12}{sum(count for _, _, count in months):>10}", flush=True)
        stages = np.concatenate([differences for _, differences, _ in months])
        spread = f"{stages.std():.2f}, worst {stages.min():.1f}"
        print(f"{world:>10}{'canary':>12}  {len(stages)} stages, spread {spread}", flush=True)


if __name__ == "__main__":
    main()

"""The steps of a day, in order. Each is done twice without harm: a restart may repeat the last one.

             ┌───────────── wait ────────────┐  held: data gates are asked again, late partitions taken in
             ▼                               │
02:00 ─▶ deliver ─▶ check ─▶ (RETRAIN layers) ─▶ build ─▶ train ─▶ admit ─▶ canary ─▶ promote ─▶ done
                                                            │        │         │ a layer objects: the
                                                            └────────┴─────────┴─▶ done   champion stays
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from msgspec.structs import replace

from reference_stack.messages import BUILD, CHECK, DELIVER, TRAIN, DeliverRequest, TrainRequest
from reference_stack.orchestrator.ledger import DONE, CanaryRun, Cycle
from reference_stack.ports import Operation, Port, Reply, Request, Runtime
from reference_stack.settings import OrchestratorSettings


class Desk(Protocol):
    """What a step may use of the orchestrator."""

    runtime: Runtime
    settings: OrchestratorSettings
    features: Port
    trainer: Port
    missing_days: float
    poll_days: float

    async def ask(
        self, port: Port, operation: Operation[Request, Reply], request: Request, timeout_days: float
    ) -> Reply:
        """A call within calendar days. Raises a PortError."""
        ...

    def objected(self, red: dict[str, str], cycle: Cycle) -> bool:
        """Ask the RETRAIN layers; whether one acts."""
        ...

    async def objection(self, version: int) -> str:
        """Ask the ADMISSION layers; empty where none acts. Raises a PortError where one enforces."""
        ...

    async def canary(self, version: int, run: CanaryRun | None) -> tuple[CanaryRun | None, str]:
        """Begin or go on with a stage: the one that goes on, or none and why the version is taken back.

        Raises a PortError.
        """
        ...

    async def make_champion(self, version: int, by: str) -> int | None:
        """Promote the version of a cycle. Raises Rejected where that is to begin anew, or a PortError."""
        ...


@dataclass(frozen=True)
class Step:
    """A named step: it returns the cycle with the next step in it, or with DONE."""

    name: str
    work: Callable[[Desk, Cycle], Awaitable[Cycle]]


async def deliver(desk: Desk, cycle: Cycle) -> Cycle:
    """Take in what has arrived; wait for the partition of the day before until it counts as missing."""
    missing = cycle.day + desk.missing_days
    while True:
        reply = await desk.ask(
            desk.features, DELIVER, DeliverRequest(day=cycle.day), desk.settings.step_timeout_days
        )
        if reply.present or desk.runtime.day() >= missing:
            return replace(cycle, step="check")
        await desk.runtime.until(min(missing, desk.runtime.day() + desk.poll_days))


async def check(desk: Desk, cycle: Cycle) -> Cycle:
    """Ask the data gates, and the RETRAIN layers what should follow."""
    reply = await desk.ask(
        desk.features, CHECK, DeliverRequest(day=cycle.day), desk.settings.step_timeout_days
    )
    objected = desk.objected(reply.red, cycle)
    if not objected and not desk.settings.paused:
        return replace(cycle, step="build", held=False, red={})
    return replace(
        cycle,
        step="deliver",
        held=True,
        counted=objected,
        red=reply.red if objected else {},
        # Cycles on which a person has paused retraining say nothing of the data.
        held_cycles=cycle.held_cycles + (not cycle.counted) if objected else 0,
        resume_day=desk.runtime.day() + desk.settings.recheck_days,
    )


async def build(desk: Desk, cycle: Cycle) -> Cycle:
    """Have a snapshot built of the window as it is."""
    reply = await desk.ask(
        desk.features, BUILD, DeliverRequest(day=cycle.day), desk.settings.step_timeout_days
    )
    return replace(cycle, step="train", snapshot=reply.snapshot)


async def train(desk: Desk, cycle: Cycle) -> Cycle:
    """Have a model fitted, judged and registered; where a gate blocks it the champion stays."""
    request = TrainRequest(day=cycle.day, snapshot=cycle.snapshot)
    reply = await desk.ask(desk.trainer, TRAIN, request, desk.settings.train_timeout_days)
    if reply.version is None:
        blocked = "; ".join(f"{gate}: {says}" for gate, says in sorted(reply.red.items()))
        return replace(cycle, step=DONE, outcome=f"blocked by {blocked}")
    return replace(cycle, step="admit", version=reply.version)


async def admit(desk: Desk, cycle: Cycle) -> Cycle:
    """Have the ADMISSION layers look at the version."""
    assert cycle.version is not None
    objection = await desk.objection(cycle.version)
    if objection:
        return replace(cycle, step=DONE, outcome=f"not admitted: {objection}")
    return replace(cycle, step="canary", canary=None)


async def canary(desk: Desk, cycle: Cycle) -> Cycle:
    """Let the version answer a share of the views, and look at them again and again until that is over."""
    assert cycle.version is not None
    run, objection = await desk.canary(cycle.version, cycle.canary)
    if objection:
        return replace(cycle, step=DONE, canary=None, outcome=f"taken back: {objection}")
    if run is None:
        return replace(cycle, step="promote", canary=None)
    return replace(cycle, canary=run, resume_day=desk.runtime.day() + desk.settings.canary_look_days)


async def promote(desk: Desk, cycle: Cycle) -> Cycle:
    """Make the new version champion."""
    assert cycle.version is not None
    await desk.make_champion(cycle.version, "orchestrator")
    return replace(cycle, step=DONE, outcome=f"promoted {cycle.version}")


STEPS: tuple[Step, ...] = (
    Step("deliver", deliver),
    Step("check", check),
    Step("build", build),
    Step("train", train),
    Step("admit", admit),
    Step("canary", canary),
    Step("promote", promote),
)

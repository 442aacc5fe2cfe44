"""The orchestrator: runs the daily cycle, and keeps the doors for promotions and configuration pushes."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from reference_stack.component import Component, serves
from reference_stack.layers.contract import Hook
from reference_stack.layers.evidence import Retrain
from reference_stack.messages import (
    CONFIGURE,
    PROMOTE,
    PUSH,
    SETTING,
    STATUS,
    ConfigureRequest,
    Empty,
    PromoteReply,
    PromoteRequest,
    PushReply,
    PushRequest,
    SettingRequest,
    StatusReply,
)
from reference_stack.orchestrator.ledger import DONE, Cycle, Lease, Ledger
from reference_stack.orchestrator.steps import STEPS, Step
from reference_stack.ports import (
    Folder,
    NotFound,
    Operation,
    Port,
    PortError,
    Registry,
    Rejected,
    Reply,
    Request,
    Runtime,
)
from reference_stack.settings import LayerSettings, OrchestratorSettings
from reference_stack.telemetry import Telemetry

CHAMPION = "champion"
PREVIOUS = "previous"
_PUSH_TIMEOUT_MS = 200.0


class Orchestrator(Component[OrchestratorSettings]):
    """One cycle a day, by whoever holds the lease.

    `pushes` are the ports to the components whose settings may be pushed, by their names; `due_days` after
    midnight a partition is due, and until then `deliver` asks for it each `poll_days`. `instance` tells
    apart two orchestrators over one folder; a restarted one keeps its name.
    """

    hooks = (Hook.RETRAIN,)

    def __init__(
        self,
        runtime: Runtime,
        telemetry: Telemetry,
        settings: OrchestratorSettings,
        layers: dict[str, LayerSettings],
        build: str,
        *,
        features: Port,
        trainer: Port,
        registry: Registry,
        pushes: Mapping[str, Port],
        folder: Folder,
        due_days: float,
        poll_days: float,
        instance: str = "orchestrator",
        steps: tuple[Step, ...] = STEPS,
    ) -> None:
        super().__init__("orchestrator", runtime, telemetry, settings, layers, build)
        self.features = features
        self.trainer = trainer
        self.due_days = due_days
        self.poll_days = poll_days
        self._registry = registry
        self._pushes = pushes
        self._steps = {step.name: step for step in steps}
        self._first_step = steps[0].name
        self._ledger = Ledger(folder)
        self._lease = Lease(folder, instance, settings.lease_days)
        self._cycle = self._ledger.read()

    # --- the cycle -----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run the cycle of each day while the lease is ours."""
        started_day = self.runtime.day()
        leading: bool | None = None
        while True:
            day = self.runtime.day()
            before, leading = leading, self._lease.take(day)
            if leading != before:
                self.telemetry.log("lease", held=leading, superseded=self._lease.superseded)
                self._cycle = self._ledger.read()
            if self._lease.superseded:
                return
            if not leading:
                await self.runtime.until(day + self.poll_days)
                continue
            cycle = self._current(day, started_day)
            if cycle is None or cycle.step == DONE or cycle.resume_day > day:
                await self.runtime.until(self._wake(day, cycle))
                continue
            await self._advance(cycle)

    def _current(self, day: float, started_day: float) -> Cycle | None:
        """Today's cycle: the one under way, or a new one once its time has come.

        A stack without a past begins with the first cycle that starts after it did.
        """
        today = math.floor(day - self.settings.start_days + 1e-9)
        last = self._cycle
        if last is not None and last.day >= today:
            return last
        if last is None and today + self.settings.start_days < started_day:
            return None
        if last is not None and last.step != DONE:
            self._log(last, last.step, "abandoned", "the next cycle is due")
        held = last.held_cycles if last is not None else 0
        fresh = Cycle(day=today, step=self._first_step, resume_day=day, held_cycles=held)
        self._log(fresh, fresh.step, "started", "")
        self._keep(fresh)
        return fresh

    def _wake(self, day: float, cycle: Cycle | None) -> float:
        next_start = math.floor(day - self.settings.start_days + 1e-9) + 1 + self.settings.start_days
        wake = min(next_start, day + self.settings.lease_days / 3)
        if cycle is not None and cycle.step != DONE:
            wake = min(wake, cycle.resume_day)
        return wake

    async def _advance(self, cycle: Cycle) -> None:
        """Do the cycle's next step, with retries, and keep its result if the lease is still ours."""
        step = self._steps[cycle.step]
        moved = await self._attempts(step, cycle)
        if not self._lease.renew(self.runtime.day()):
            return
        state = "failed" if moved.failed else "held" if moved.held and not cycle.held else "done"
        if not (moved.held and cycle.held):
            self._log(moved, step.name, state, moved.outcome)
        if moved.step == DONE:
            moved = replace(moved, held_cycles=0)
            self.telemetry.metrics.add("cycles_total")
        self._keep(moved)

    async def _attempts(self, step: Step, cycle: Cycle) -> Cycle:
        attempts = max(1, self.settings.attempts)
        for attempt in range(1, attempts + 1):
            if not self._lease.renew(self.runtime.day()):
                return cycle
            try:
                return replace(await step.work(self, cycle), failed=False)
            except Rejected as error:
                return replace(cycle, step=DONE, outcome=f"{step.name} refused: {error}")
            except PortError as error:
                self.telemetry.metrics.add("step_errors_total", step=step.name)
                self._log(cycle, step.name, "error", f"{type(error).__name__}: {error}")
            if attempt < attempts:
                await self.runtime.until(self.runtime.day() + self.settings.retry_days)
        return replace(cycle, failed=True, resume_day=self.runtime.day() + self.settings.recheck_days)

    def _keep(self, cycle: Cycle) -> None:
        self._ledger.write(cycle)
        self._cycle = cycle
        metrics = self.telemetry.metrics
        metrics.set("held_cycles", cycle.held_cycles)
        metrics.set("cycle_failed", float(cycle.failed))
        metrics.set("cycle_alive_day", self.runtime.day())

    def _log(self, cycle: Cycle, step: str, state: str, says: str) -> None:
        self.telemetry.log(
            "cycle", cycle=cycle.day, step=step, state=state, held_cycles=cycle.held_cycles, says=says
        )

    # --- what the steps use --------------------------------------------------------------------------

    async def ask(
        self, port: Port, operation: Operation[Request, Reply], request: Request, timeout_days: float
    ) -> Reply:
        """A call within calendar days. Raises a PortError."""
        timeout_ms = timeout_days * self.runtime.day_seconds * 1000.0
        return await port.call(operation, request, timeout_ms=timeout_ms)

    def held(self, red: dict[str, str], cycle: Cycle) -> bool:
        """Ask every RETRAIN layer; retraining is held if one acts."""
        day = self.runtime.day()
        evidence = Retrain(day=day, red=red, held_cycles=cycle.held_cycles)
        decisions = [host.ask(evidence, day=day) for host in self.layers.at(Hook.RETRAIN)]
        acting = [decision for decision in decisions if decision.acts]
        overdue = any(decision.detail.get("overdue") for decision in acting)
        self.telemetry.metrics.set("hold_overdue", float(overdue))
        return bool(acting)

    async def make_champion(self, version: int, by: str) -> int | None:
        """Point `champion` at a version and `previous` at the one before, which is returned.

        Doing it twice changes nothing. Raises NotFound when there is no such version, or another PortError.
        """
        await self._registry.version(version)
        previous = await self._registry.resolve(CHAMPION)
        if previous == version:
            return await self._registry.resolve(PREVIOUS)
        if previous is not None:
            await self._registry.set_alias(PREVIOUS, previous)
        await self._registry.set_alias(CHAMPION, version)
        self.telemetry.log("alias", alias=CHAMPION, version=version, previous=previous, by=by)
        self.telemetry.metrics.set("champion_version", version)
        return previous

    # --- the doors -----------------------------------------------------------------------------------

    @serves(STATUS)
    async def status(self, _request: Empty) -> StatusReply:
        """Where the daily cycle stands."""
        cycle = self._cycle
        day = self.runtime.day()
        if cycle is None:
            return StatusReply(day=day, cycle=math.floor(day), step="", held_cycles=0)
        return StatusReply(day=day, cycle=cycle.day, step=cycle.step, held_cycles=cycle.held_cycles)

    @serves(PROMOTE)
    async def promote(self, request: PromoteRequest) -> PromoteReply:
        """Make a version champion; a rollback is the promotion of an older one."""
        try:
            previous = await self.make_champion(request.version, request.by)
        except NotFound:
            return self._refuse(request, f"there is no version {request.version}")
        except PortError as error:
            return self._refuse(request, f"the registry does not answer: {type(error).__name__}")
        return PromoteReply(refused_by="", says=f"version {request.version} is champion", previous=previous)

    def _refuse(self, request: PromoteRequest, says: str) -> PromoteReply:
        self.telemetry.log(
            "promotion_refused", version=request.version, by=request.by, refused_by="registry", says=says
        )
        return PromoteReply(refused_by="registry", says=says, previous=None)

    @serves(PUSH)
    async def push(self, request: PushRequest) -> PushReply:
        """Set a value on the components named, or on every one that has such a setting.

        Stops at the first component that refuses or does not answer, and names it.
        """
        unknown = [name for name in request.components if name not in self._pushes]
        if unknown:
            return PushReply(refused_by="orchestrator", says=f"no component {', '.join(unknown)}")
        took: list[str] = []
        refused_by, says = "", ""
        for name in request.components or self._pushes:
            try:
                if request.components or await self._has(name, request.key):
                    change = ConfigureRequest(key=request.key, value=request.value)
                    await self._pushes[name].call(CONFIGURE, change, timeout_ms=_PUSH_TIMEOUT_MS)
                    took.append(name)
            except PortError as error:
                refused_by, says = name, f"{type(error).__name__}: {error}"
                break
        if not took and not refused_by:
            refused_by, says = "orchestrator", f"no component has a setting {request.key!r}"
        value = msgspec.json.decode(request.value)
        self.telemetry.log(
            "push", key=request.key, value=value, by=request.by, took=took, refused_by=refused_by
        )
        return PushReply(refused_by=refused_by, says=says or f"set on {', '.join(took)}")

    async def _has(self, component: str, key: str) -> bool:
        try:
            await self._pushes[component].call(SETTING, SettingRequest(key=key), timeout_ms=_PUSH_TIMEOUT_MS)
        except Rejected:
            return False
        return True

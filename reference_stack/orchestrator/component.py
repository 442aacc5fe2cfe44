"""The orchestrator: runs the daily cycle, and keeps the doors for promotions and configuration pushes."""

from __future__ import annotations

import math
from collections.abc import Mapping

from msgspec.structs import replace

from reference_stack.component import Component, serves
from reference_stack.layers.contract import Hook
from reference_stack.layers.evidence import Retrain
from reference_stack.messages import (
    PROMOTE,
    PURGE,
    PUSH,
    QUARANTINE,
    ROLL_BACK,
    STATUS,
    Empty,
    PromoteReply,
    PromoteRequest,
    PurgeReply,
    PurgeRequest,
    PushReply,
    PushRequest,
    QuarantineReply,
    QuarantineRequest,
    RollBackRequest,
    StatusReply,
)
from reference_stack.orchestrator.canary import CanaryDesk
from reference_stack.orchestrator.ledger import DONE, CanaryRun, Cycle, Lease, Ledger
from reference_stack.orchestrator.promotions import Promotions
from reference_stack.orchestrator.purging import Aside, StartOver, begun_by
from reference_stack.orchestrator.pushing import Pushes
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
from reference_stack.settings import REPLICAS, LayerSettings, OrchestratorSettings
from reference_stack.telemetry import Telemetry, report
from reference_stack.world import Catalogue

_BEFORE_THE_CHECK = ("deliver", "check")
_AFTER_TRAINING = ("admit", "canary", "promote")


class Orchestrator(Component[OrchestratorSettings]):
    """One cycle a day, by whoever holds the lease.

    `pushes` are the ports to the components whose settings may be pushed, by their names; `missing_days`
    after midnight an absent partition is missing, and until then `deliver` asks for it each `poll_days`.
    `instance` tells apart two orchestrators over one folder; a restarted one keeps its name. `catalogue` is
    what admission asks a version for a slate of.
    """

    hooks = (Hook.RETRAIN, Hook.ADMISSION, Hook.CANARY, Hook.PUSH)

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
        missing_days: float,
        poll_days: float,
        catalogue: Catalogue,
        instance: str = "orchestrator",
        steps: tuple[Step, ...] = STEPS,
    ) -> None:
        super().__init__("orchestrator", runtime, telemetry, settings, layers, build)
        self.features = features
        self.trainer = trainer
        self.missing_days = missing_days
        self.poll_days = poll_days
        replicas = {name: port for name, port in pushes.items() if name in REPLICAS}
        collector, canaries = pushes.get("collector"), self.layers.at(Hook.CANARY)
        self._steps = {step.name: step for step in steps}
        self._first_step = steps[0].name
        self._ledger = Ledger(folder)
        self._promotions = Promotions(
            runtime, telemetry, registry, self.layers.at(Hook.ADMISSION), self._ledger, catalogue
        )
        self._push_door = Pushes(runtime, telemetry, pushes, self.layers.at(Hook.PUSH), self._ledger)
        self._canary = CanaryDesk(runtime, registry, replicas, collector, canaries, self._ledger)
        self._lease = Lease(folder, instance, settings.lease_days)
        self._cycle = self._ledger.read()
        self._carried = self._ledger.carried()
        self._owed: StartOver | None = None
        self._unanswered: list[PurgeRequest | QuarantineRequest] = []
        self._again = False
        """Whether the day's cycle is to begin anew."""

    # --- the cycle -----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run the cycle of each day while the lease is ours."""
        started_day = self.runtime.day()
        term: int | None = None
        self.runtime.spawn(self._audit())
        self.runtime.spawn(self._carry_on())
        while True:
            day = self.runtime.day()
            leading = self._lease.take(day)
            # Not only whether: somebody else may have had it, and lost it, while this process stood still.
            before, term = term, self._lease.epoch
            if term != before:
                self.telemetry.log("lease", held=leading, superseded=self._lease.superseded)
                self._take_over(leading)
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

    def _take_over(self, leading: bool) -> None:
        """Go on where whoever had the lease before has stopped."""
        self._cycle, self._carried = self._ledger.read(), self._ledger.carried()
        if not leading:
            return
        self._owed, self._unanswered = self._ledger.owed(), self._ledger.asked()
        self._again |= self._owed is not None
        stages = [one.canary for one in (self._cycle, self._carried) if one is not None]
        self._canary.take_over(under_way=any(stages))
        self._push_door.take_over(self.settings.push_stage_days)
        self._promotions.make_up()
        admitted = self._ledger.admitted()
        if admitted is not None:
            self.telemetry.metrics.set("champion_version", admitted)
        if self._cycle is not None:
            self._show(self._cycle)
            if self._cycle.red:  # what is held is told until the gates are asked again: nobody has let go
                self.objected(self._cycle.red, self._cycle)

    def _current(self, day: float, started_day: float) -> Cycle | None:
        """Today's cycle: the one under way, or a new one once its time has come.

        A version that is trained already goes on to its end beside it: were each replaced by the next day's
        while it stands its canary, a stack whose cycle takes longer than a day would never promote one.
        A stack without a past begins with the first cycle that starts after it did.
        """
        today = math.floor(day - self.settings.start_days + 1e-9)
        last = self._cycle
        if last is not None and last.day >= today and not self._again:
            return last
        if last is None and today + self.settings.start_days < started_day:
            return None
        if last is not None and not self._again and _ends_soon(last, today) and self._carried is None:
            self._carry(last)
        elif last is not None and last.step != DONE:
            self._log(last, last.step, "abandoned", "the next cycle is due")
            if last.step == "canary" and self._carried is None:  # else the stage is the other's
                self.runtime.spawn(self._canary.abandon())
        if self._again and self._carried is not None:  # whoever put days aside could not drop it
            self._drop(self._carried)
            self.runtime.spawn(self._canary.abandon())
        self._again = False
        # One that has not come to its check has held nothing, and let nothing go.
        holds = last is not None and (last.held or last.step in _BEFORE_THE_CHECK)
        held = last.held_cycles if last is not None and holds else 0
        counted = last is not None and held > 0 and last.day == today and last.counted
        refused = last.refused if last is not None else ""
        fresh = Cycle(
            today,
            self._first_step,
            resume_day=day,
            held_cycles=held,
            red=last.red if last is not None and holds else {},
            counted=counted,
            refused=refused,
        )
        self._log(fresh, fresh.step, "started", "")
        self._keep(fresh)
        if self._owed is not None and self._owed.gone_back:
            self._owe(None)
        return fresh

    def _wake(self, day: float, cycle: Cycle | None) -> float:
        next_start = math.floor(day - self.settings.start_days + 1e-9) + 1 + self.settings.start_days
        wake = min(next_start, day + self.settings.lease_days / 3)
        if cycle is not None and cycle.step != DONE:
            wake = min(wake, cycle.resume_day)
        return wake

    def _carry(self, cycle: Cycle | None) -> None:
        self._ledger.carry(cycle)
        self._carried = cycle

    def _drop(self, carried: Cycle) -> None:
        self._carry(None)
        self._log(carried, carried.step, "abandoned", "the day's cycle begins anew")

    async def _carry_on(self) -> None:
        """Take the version of the day before to its end, step by step, while today's is being made."""
        while not self._lease.superseded:
            try:
                moves = await self._carry_further()
            except Exception as error:  # noqa: BLE001 (what is carried, and each later stage, would wait for ever)
                report(self.telemetry, "carry on", error)
                moves = False
            if not moves:
                await self.runtime.until(self.runtime.day() + self.settings.canary_look_days)

    async def _carry_further(self) -> bool:
        """Make up for what could not be done, and do the carried version's next step if one is due."""
        await self._make_up()
        carried, day = self._carried, self.runtime.day()
        if carried is None or carried.resume_day > day or not self._lease.renew(day):
            return False
        moved = await self._attempts(self._steps[carried.step], carried)
        if self._carried is not carried or not self._lease.renew(self.runtime.day()):
            return True  # the day's cycle began anew meanwhile, or somebody else has it
        if moved.failed:
            self._log(carried, carried.step, "abandoned", "the next cycle is under way")
            await self._canary.abandon()
        else:
            self._tell(carried, moved)
        self._carry(None if moved.failed or moved.step == DONE else moved)
        return True

    async def _make_up(self) -> None:
        """Try again what could not be done when it was due: to put aside, to go back, and to end a stage."""
        late = self._owed is not None and not self._owed.gone_back
        if not (late or self._canary.left_behind or self._unanswered):
            return
        if not self._lease.renew(self.runtime.day()):
            return
        await self._ask_again()
        await self._canary.clear()
        try:
            await self._go_back()
        except PortError as error:
            self.telemetry.metrics.add("start_over_errors_total", error=type(error).__name__)

    async def _advance(self, cycle: Cycle) -> None:
        """Do the cycle's next step, with retries, and keep its result if the lease is still ours."""
        if cycle.step == "canary" and self._carried is not None:
            # There is one stage at a time.
            self._keep(replace(cycle, resume_day=self.runtime.day() + self.settings.canary_look_days))
            return
        moved = await self._attempts(self._steps[cycle.step], cycle)
        if not self._lease.renew(self.runtime.day()):
            return
        self._tell(cycle, moved)
        self._keep(replace(moved, held_cycles=0) if moved.step == DONE else moved)

    def _tell(self, cycle: Cycle, moved: Cycle) -> None:
        """Log what a step came to, but for a hold or a stage that goes on; count a cycle that is done."""
        state = "failed" if moved.failed else "held" if moved.held and not cycle.held else "done"
        goes_on = (moved.held and cycle.held) or (moved.canary is not None and cycle.canary is not None)
        if moved.failed or not goes_on:
            begun = moved.canary is not None and state == "done"
            self._log(moved, cycle.step, "begun" if begun else state, moved.outcome)
        if moved.step == DONE:
            self.telemetry.metrics.add("cycles_total")

    async def _attempts(self, step: Step, cycle: Cycle) -> Cycle:
        attempts = max(1, self.settings.attempts)
        for attempt in range(1, attempts + 1):
            if not self._lease.renew(self.runtime.day()):
                return cycle
            try:
                moved = await step.work(self, cycle)
                refused = "" if cycle.refused == step.name else cycle.refused
                return replace(moved, failed=False, refused=refused)
            except Rejected as error:
                # What is made already and is not wanted any more is no trouble.
                refused = cycle.refused if step.name in _AFTER_TRAINING else step.name
                return replace(cycle, step=DONE, refused=refused, outcome=f"{step.name} refused: {error}")
            except PortError as error:
                self.telemetry.metrics.add("step_errors_total", step=step.name)
                self._log(cycle, step.name, "error", f"{type(error).__name__}: {error}")
            if attempt < attempts:
                await self.runtime.until(self.runtime.day() + self.settings.retry_days)
        return replace(cycle, failed=True, resume_day=self.runtime.day() + self.settings.recheck_days)

    def _keep(self, cycle: Cycle) -> None:
        self._ledger.write(cycle)
        self._cycle = cycle
        self._show(cycle)
        self.telemetry.metrics.set("cycle_alive_day", self.runtime.day())

    def _show(self, cycle: Cycle) -> None:
        self.telemetry.metrics.set("held_cycles", cycle.held_cycles)
        self.telemetry.metrics.set("cycle_failed", float(cycle.failed or bool(cycle.refused)))

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

    def objected(self, red: dict[str, str], cycle: Cycle) -> bool:
        """Ask every RETRAIN layer; whether one acts, and so holds retraining."""
        day = self.runtime.day()
        evidence = Retrain(day=day, red=red, held_cycles=cycle.held_cycles)
        decisions = [host.ask(evidence, day=day) for host in self.layers.at(Hook.RETRAIN)]
        acting = [decision for decision in decisions if decision.acts]
        overdue = any(decision.detail.get("overdue") for decision in acting)
        self.telemetry.metrics.set("hold_overdue", float(overdue))
        return bool(acting)

    async def canary(self, version: int, run: CanaryRun | None) -> tuple[CanaryRun | None, str]:
        """A stage of the canary, or the end of it with what the layers say that take the version back.

        Where another version has become champion meanwhile, the stage begins anew beside that one.
        """
        champion = await self._promotions.champion()
        if not self._canary.armed or champion in (None, version):
            if run is not None:
                await self._canary.end()
            return None, ""
        if run is None or run.against != champion or self._canary.abandoned:
            return await self._canary.begin(version, champion), ""
        found = await self._canary.look(run)
        if found.lost:
            return await self._canary.begin(version, champion), ""
        if found.over:
            await self._canary.end()
        return (None if found.over else run), found.objection

    async def objection(self, version: int) -> str:
        """Ask every ADMISSION layer about a version. Raises a PortError."""
        return await self._promotions.objection(version)

    async def make_champion(self, version: int, by: str) -> int | None:
        """Promote the version of a cycle. Raises Rejected where that is to begin anew, or a PortError."""
        return await self._promotions.make_champion(version, by, lambda: self._is_made(version))

    def _is_made(self, version: int) -> bool:
        made = {cycle.version for cycle in (self._cycle, self._carried) if cycle is not None}
        return not self._again and version in made

    async def _audit(self) -> None:
        while True:
            await self.runtime.until(self.runtime.day() + self.settings.audit_days)
            if not self._lease.superseded:
                await self._promotions.audit()

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
        """Make a version champion unless admission objects; a rollback is the promotion of an older one."""
        return await self._promotions.promote(request)

    @serves(ROLL_BACK)
    async def roll_back(self, request: RollBackRequest) -> PromoteReply:
        """Go back to the version before the champion; never to one that was left in that way."""
        return await self._promotions.roll_back(request)

    @serves(PURGE)
    async def purge(self, request: PurgeRequest) -> PurgeReply:
        """Put days aside, go back to the newest version made without them, and run the day's cycle again.

        Raises Rejected where no day is meant, or another PortError of who was asked; then it is asked again.
        """
        return await self._put_aside(PURGE, request)

    @serves(QUARANTINE)
    async def quarantine(self, request: QuarantineRequest) -> QuarantineReply:
        """Leave sources out as `purge` puts days aside; a release changes nothing that was made.

        Raises Rejected where none is meant, or another PortError of who was asked; then it is asked again.
        """
        return await self._put_aside(QUARANTINE, request)

    async def _put_aside(
        self, operation: Operation[Aside, Reply], request: Aside, *, again: bool = False
    ) -> Reply:
        """Have it done, and begin anew without it. Who does not answer may have done it: it is in the ledger
        before it is asked for, and asked for `again` until there is an answer.
        """
        self._ledger.ask_for(request)
        sent = replace(request, again=True) if again and isinstance(request, PurgeRequest) else request
        try:
            reply = await self.ask(self.features, operation, sent, self.settings.step_timeout_days)
        except (Rejected, NotFound):
            self._ledger.heard_of(request)
            raise
        except PortError:
            self._unanswered.append(request)
            raise
        what = begun_by(request, reply)
        if what is not None:
            self._owe(what.after(self._owed))
            self._again = True
        self._ledger.heard_of(request)
        if what is not None:
            await self._go_back()
        return reply

    async def _ask_again(self) -> None:
        for request in list(self._unanswered):
            self._unanswered.remove(request)
            try:
                if isinstance(request, PurgeRequest):
                    await self._put_aside(PURGE, request, again=True)
                else:
                    await self._put_aside(QUARANTINE, request, again=True)
            except PortError as error:
                self.telemetry.metrics.add("start_over_errors_total", error=type(error).__name__)

    async def _go_back(self) -> None:
        """To the newest version made without what was put aside. Raises a PortError; it is tried again."""
        if self._carried is not None and self._again:
            self._drop(self._carried)
            await self._canary.abandon()
        async with self._promotions.alone():
            owed = self._owed
            if owed is None or owed.gone_back:
                return
            await self._promotions.go_back(owed)
            if self._owed is owed:  # else more was put aside meanwhile
                self._owe(replace(owed, gone_back=True) if self._again else None)

    def _owe(self, what: StartOver | None) -> None:
        self._ledger.owe(what)
        self._owed = what

    @serves(PUSH)
    async def push(self, request: PushRequest) -> PushReply:
        """Set a value on the components named, or on every one that has such a setting.

        The reply names who refused it: a layer, or the first component that does not take it or not answer.
        """
        return await self._push_door.push(request, self.settings.push_stage_days)


def _ends_soon(cycle: Cycle, today: int) -> bool:
    """Whether yesterday's cycle has its version and nothing in its way."""
    return cycle.day == today - 1 and cycle.step in _AFTER_TRAINING and not cycle.failed

"""The canary's stage: a challenger beside the champion on every replica, and what became of its views."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from reference_stack.exclusive import holding
from reference_stack.layers.contract import Mode
from reference_stack.layers.evidence import CanaryStage, Outcomes
from reference_stack.layers.host import LayerHost, enforced
from reference_stack.messages import CONFIGURE, TALLY, ConfigureRequest, TallyRequest
from reference_stack.orchestrator.ledger import CanaryRun, Ledger
from reference_stack.ports import Port, PortError, Registry, Runtime

CHALLENGER = "challenger"
_TIMEOUT_MS = 200.0
COLLECTOR = "collector"
Counted = Mapping[str, Mapping[str, int]]
"""Counts by the component that counted, and their names."""


class Look(NamedTuple):
    """What the layers say that take the challenger back; whether the stage is over, or must be begun anew."""

    objection: str = ""
    over: bool = False
    lost: bool = False


class CanaryDesk:
    """Opens and closes the stage. `replicas` are told to route; `collector` counts the clicks.

    A replica that cannot be asked, or has begun anew, counts for neither side, and no more do the clicks on
    what it recommended. While nobody counts clicks, the stage waits.
    """

    def __init__(
        self,
        runtime: Runtime,
        registry: Registry,
        replicas: Mapping[str, Port],
        collector: Port | None,
        hosts: tuple[LayerHost, ...],
        ledger: Ledger,
    ) -> None:
        self._runtime = runtime
        self._registry = registry
        self._replicas = replicas
        self._collector = collector
        self._hosts = hosts
        self._ledger = ledger
        self._open = self._noted = ledger.staged()
        self._changes = runtime.semaphore(1)
        """One at a time: who ends what was left behind must not end a stage that begins meanwhile."""
        self.abandoned = False
        """Whether the last stage was given up, so that nobody waits for it."""
        self._untold = False
        """Whether a replica could not be told that a stage is over, and still has it on."""

    @property
    def left_behind(self) -> bool:
        """Whether a stage that nobody waits for may still be routed, or is still on somewhere."""
        return self.abandoned if self._open else self._untold

    def take_over(self, *, under_way: bool) -> None:
        """Another process was at work before: is its last stage still under way?"""
        self._open = self._noted = self._ledger.staged()
        self.abandoned |= self._open and not under_way

    @property
    def armed(self) -> bool:
        """Whether there is a layer that wants a stage, and somebody to hold it on."""
        whole = bool(self._replicas) and self._collector is not None
        return whole and any(host.mode != "off" for host in self._hosts)

    async def begin(self, version: int, against: int) -> CanaryRun:
        """Route a share of the customers to `version`.

        Raises a PortError where nobody counts clicks or a replica cannot be told; then none is routed to.
        """
        before, before_against = await self._counted(version), await self._counted(against)
        started_day = self._runtime.day()  # not before: who does not answer is waited for
        try:
            async with holding(self._changes):
                self.abandoned = False
                self._note(True)
                self._open = True
                await self._registry.set_alias(CHALLENGER, version)
                await self._route(True)
        except PortError:
            await self.abandon()
            raise
        return CanaryRun(version, against, started_day, before, before_against)

    async def end(self) -> None:
        """All customers have the champion again. Raises a PortError where the registry does not answer."""
        async with holding(self._changes):
            await self._end()

    async def abandon(self) -> None:
        """End a stage that nobody waits for any more; where that fails it is `left_behind`."""
        self.abandoned = True
        with contextlib.suppress(PortError):
            await self.end()

    async def clear(self) -> None:
        """Try again to end a stage that was left behind."""
        async with holding(self._changes):
            if self.left_behind:
                with contextlib.suppress(PortError):
                    if self._open:
                        await self._end()
                    else:
                        await self._tell_over()
                        self._note(False)

    async def _end(self) -> None:
        # Without the alias a replica that cannot be told has no challenger to route to.
        with contextlib.suppress(PortError):
            await self._tell_over()
        await self._registry.drop_alias(CHALLENGER)
        self._note(self._untold)  # whoever comes after is to tell it, too
        self._open = False

    async def _tell_over(self) -> None:
        self._untold = True
        await self._route(False)
        self._untold = False

    def _note(self, on: bool) -> None:
        if on != self._noted:
            self._ledger.stage(on)
            self._noted = on

    async def look(self, run: CanaryRun) -> Look:
        """Ask the layers, unless nobody counts clicks, or whoever counted when the stage began is gone."""
        day = self._runtime.day()
        try:
            mine, theirs = await self._counted(run.version), await self._counted(run.against)
        except PortError:
            return Look()
        await self._tell_anew(mine, run)
        heard = [name for name in self._replicas if self._still_counts(name, run, mine, theirs)]
        there = [name for name in self._replicas if name in mine and name in theirs]
        if not _same_life(COLLECTOR, mine, run.before) or (there and not heard):
            return Look(lost=True)
        if _fell(heard, mine, run.before) or _fell(heard, theirs, run.before_against):
            return Look(lost=True)
        stage = CanaryStage(
            elapsed_days=day - run.started_day,
            challenger=_grown(heard, mine, run.before),
            champion=_grown(heard, theirs, run.before_against),
        )
        decisions = [(host.mode, host.ask(stage, day=day)) for host in self._hosts if host.mode != "off"]
        back = "; ".join(decision.says for _, decision in decisions if decision.acts)
        # Where a layer enforces, one that only observes does not prolong the stage.
        waited_for = Mode.ENFORCE if enforced(self._hosts) else Mode.OBSERVE
        done = all(said.detail.get("done", 1.0) for mode, said in decisions if mode is waited_for)
        return Look(back, over=bool(back) or done)

    def _still_counts(self, name: str, run: CanaryRun, mine: Counted, theirs: Counted) -> bool:
        return _same_life(name, mine, run.before) and _same_life(name, theirs, run.before_against)

    async def _route(self, canary: bool) -> None:
        """Tell all replicas. Raises a PortError, of the last that could not be told, after all were asked."""
        missing: PortError | None = None
        for port in self._replicas.values():
            try:
                await self._tell(port, canary)
            except PortError as error:
                missing = error
        if missing is not None:
            raise missing

    async def _tell(self, port: Port, canary: bool) -> None:
        change = ConfigureRequest(key="canary", value=msgspec.Raw(msgspec.json.encode(canary)))
        await port.call(CONFIGURE, change, timeout_ms=_TIMEOUT_MS)

    async def _tell_anew(self, now: Counted, run: CanaryRun) -> None:
        """A replica that began anew knows of no stage."""
        for name, port in self._replicas.items():
            if name in now and not _same_life(name, now, run.before):
                with contextlib.suppress(PortError):  # told at the next look
                    await self._tell(port, True)

    async def _counted(self, version: int) -> Counted:
        """What has become of a version's views, by who counted; without replicas that do not answer.

        Raises a PortError for a collector that does not.
        """
        assert self._collector is not None, "without one there is no stage"
        found: dict[str, dict[str, int]] = {}
        request = TallyRequest(version=version)
        for name, port in self._replicas.items():
            with contextlib.suppress(PortError):
                found[name] = (await port.call(TALLY, request, timeout_ms=_TIMEOUT_MS)).counts
        found[COLLECTOR] = (await self._collector.call(TALLY, request, timeout_ms=_TIMEOUT_MS)).counts
        return found


def _same_life(name: str, now: Counted, before: Counted) -> bool:
    if name not in now or name not in before:
        return False
    began = now[name].get("began")
    return began is not None and began == before[name].get("began")


def _fell(replicas: Sequence[str], now: Counted, before: Counted) -> bool:
    """Whether a count is less than it was: whoever counted has forgotten the version meanwhile."""
    names = (*replicas, COLLECTOR)
    return any(now[name].get(what, 0) < count for name in names for what, count in before[name].items())


def _grown(replicas: Sequence[str], now: Counted, before: Counted) -> Outcomes:
    """What has come to a version since, on some replicas."""

    def of(counter: str, component: str) -> int:
        return now[component].get(counter, 0) - before[component].get(counter, 0)

    return Outcomes(
        asked=sum(of("asked", name) for name in replicas),
        late=sum(of("late", name) for name in replicas),
        clicked=sum(of(f"clicked.{name}", COLLECTOR) for name in replicas),
    )

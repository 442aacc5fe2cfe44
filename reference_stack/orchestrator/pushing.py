"""Configuration pushes: who may have a value, in which order, and when it is taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from reference_stack.layers.evidence import PushedValue
from reference_stack.layers.host import LayerHost
from reference_stack.messages import (
    CONFIGURE,
    SCRAPE,
    SETTING,
    ConfigureRequest,
    Empty,
    PushReply,
    PushRequest,
    SettingRequest,
)
from reference_stack.orchestrator.ledger import Ledger, StagedPush
from reference_stack.ports import Port, PortError, Rejected, Runtime
from reference_stack.telemetry import Telemetry

_TIMEOUT_MS = 200.0
_DOOR = "orchestrator"
_SAID_FOR_DAYS = 0.25
"""An objection to a push stands for so long, so that whoever watches sees it: the push itself is over."""


class Answers(NamedTuple):
    """What a component has answered so far, and how much of it failed."""

    given: float
    failed: float


class Pushes:
    """The door for configuration values.

    Without a layer that enforces, a push goes to everyone at once and stops at the first who refuses. With
    one, it is asked about first, then stands on the first component for `stage_days`, and goes on to the
    others unless the layer objects to what that component answers. Then it is taken back there. Either is
    tried again while somebody does not answer, and gone on with after a restart, unless the key is pushed
    anew.
    """

    def __init__(
        self,
        runtime: Runtime,
        telemetry: Telemetry,
        ports: Mapping[str, Port],
        hosts: tuple[LayerHost, ...],
        ledger: Ledger,
    ) -> None:
        self._runtime = runtime
        self._telemetry = telemetry
        self._ports = ports
        self._hosts = hosts
        self._ledger = ledger
        self._staged: dict[str, StagedPush] = {}
        self._newest: dict[str, PushRequest] = {}
        """The last push of each key that was let in."""

    def take_over(self, stage_days: float) -> None:
        """Go on with the pushes that another process has left on their first component."""
        for staged in self._ledger.pushes():
            key = staged.request.key
            if key not in self._newest and staged.wanted[0] in self._ports:
                self._newest[key], self._staged[key] = staged.request, staged
                begun = staged.due_day is not None
                self._runtime.spawn((self._rest if begun else self._begin)(staged, stage_days))

    async def push(self, request: PushRequest, stage_days: float) -> PushReply:
        """Take a request; the reply says who refused it, and what was set or will be."""
        unknown = [name for name in request.components if name not in self._ports]
        if unknown:
            return PushReply(refused_by=_DOOR, says=f"no component {', '.join(unknown)}")
        wanted = list(request.components) or await self._takers(request)
        if not wanted:
            return self._said(request, [], _DOOR, f"no component has a setting {request.key!r}")
        enforced, previous = any(host.mode == "enforce" for host in self._hosts), msgspec.Raw(b"null")
        if any(host.mode != "off" for host in self._hosts):
            try:
                previous = await self._in_force(wanted[0], request.key)
            except PortError as error:
                if enforced:  # what a layer is to let in it has to hold against what is there
                    return self._told(request, wanted, [], error)
        red = await self._red(request, previous, "asked", Answers(0, 0))
        if red is not None:
            return self._said(request, [], *red)
        self._newest[request.key] = request
        self._over(request.key)
        if not enforced or len(wanted) == 1:
            return await self._set_all(request, wanted)
        return await self._begin(StagedPush(request, wanted, previous), stage_days)

    async def _begin(self, staged: StagedPush, stage_days: float) -> PushReply:
        """The first stage, in the ledger before it: who ends meanwhile may have set the value."""
        request, first = staged.request, staged.wanted[0]
        self._keep(staged)
        reply = await self._set_all(request, [first])
        if not reply.refused_by:
            self._runtime.spawn(self._stage(staged, stage_days))
        elif self._staged.get(request.key) is staged:
            self._over(request.key)
        return reply

    async def _stage(self, begun: StagedPush, stage_days: float) -> None:
        given, failed = await self._answers(begun.wanted[0]) or Answers(0.0, 0.0)
        due_day = self._runtime.day() + stage_days
        if self._newest.get(begun.request.key) is begun.request:
            staged = replace(begun, due_day=due_day, given=given, failed=failed)
            with suppress(OSError):  # whoever comes after begins the stage anew
                self._keep(staged)
            await self._rest(staged, stage_days)

    async def _rest(self, staged: StagedPush, stage_days: float) -> None:
        """The second stage, unless the first component fails with the value: then it gets the old one."""
        request, first = staged.request, staged.wanted[0]
        assert staged.due_day is not None, "its first stage has begun"
        await self._runtime.until(staged.due_day)
        since = await self._answers(first)
        seen = None
        if since is not None and since.given >= staged.given:  # else it began anew: nothing to judge by
            seen = Answers(since.given - staged.given, max(0.0, since.failed - staged.failed))
        red = await self._red(request, staged.previous, "staged", seen)
        change, left = request, staged.wanted[1:]
        if red is not None:
            change = replace(request, value=staged.previous, by=red[0], components=[first])
            left = [first]
        while self._newest.get(request.key) is request:  # else another value of the key stands here now
            took, error = await self._set(change, left)
            self._told(change, left, took, error)
            left = left[len(took) :]
            if error is None or (red is None and isinstance(error, Rejected)):
                if self._staged.get(request.key) is staged:  # else the key was pushed anew meanwhile
                    self._over(request.key)
                return
            await self._runtime.until(self._runtime.day() + stage_days)

    def _keep(self, staged: StagedPush) -> None:
        self._staged[staged.request.key] = staged
        self._ledger.keep_pushes([*self._staged.values()])

    def _over(self, key: str) -> None:
        if self._staged.pop(key, None) is not None:
            self._ledger.keep_pushes([*self._staged.values()])

    async def _red(
        self, request: PushRequest, previous: msgspec.Raw, stage: str, answers: Answers | None
    ) -> tuple[str, str] | None:
        """The layer that objects and what it says, or None. Without `answers` nothing is heard of it."""
        if all(host.mode == "off" for host in self._hosts):
            return None
        evidence = PushedValue(
            key=request.key,
            value=msgspec.json.decode(request.value),
            previous=msgspec.json.decode(previous),
            by=request.by,
            approved_by=request.approved_by,
            stage=stage,
            answers=0 if answers is None else round(answers.given),
            failed=0 if answers is None else round(answers.failed),
            heard=answers is not None,
        )
        day = self._runtime.day()
        asked = [(host.name, host.ask(evidence, day=day, about=request.key)) for host in self._hosts]
        if any(decision.fired for _, decision in asked):
            self._runtime.spawn(self._let_go(request.key))
        return next(((name, decision.says) for name, decision in asked if decision.acts), None)

    async def _let_go(self, key: str) -> None:
        await self._runtime.until(self._runtime.day() + _SAID_FOR_DAYS)
        for host in self._hosts:
            host.release(key, "the push is over")

    async def _set_all(self, request: PushRequest, components: Sequence[str]) -> PushReply:
        return self._told(request, components, *await self._set(request, components))

    async def _set(
        self, request: PushRequest, components: Sequence[str]
    ) -> tuple[list[str], PortError | None]:
        """Those that took the value, and why the next one did not."""
        took: list[str] = []
        change = ConfigureRequest(key=request.key, value=request.value)
        for name in components:
            try:
                await self._ports[name].call(CONFIGURE, change, timeout_ms=_TIMEOUT_MS)
            except PortError as error:
                return took, error
            took.append(name)
        return took, None

    def _told(
        self, request: PushRequest, components: Sequence[str], took: list[str], error: PortError | None
    ) -> PushReply:
        if error is None:
            return self._said(request, took, "", f"set on {', '.join(took)}")
        reply = self._said(request, took, components[len(took)], f"{type(error).__name__}: {error}")
        return replace(reply, unsure=bool(took) or not isinstance(error, Rejected))

    def _said(self, request: PushRequest, took: list[str], refused_by: str, says: str) -> PushReply:
        value = msgspec.json.decode(request.value)
        self._telemetry.log(
            "push",
            key=request.key,
            value=value,
            by=request.by,
            approved_by=request.approved_by,
            took=took,
            refused_by=refused_by,
            says=says,
        )
        return PushReply(refused_by=refused_by, says=says)

    async def _takers(self, request: PushRequest) -> list[str]:
        """Those that have such a setting, and after them those that do not answer: each may have it, is asked
        again when it is its turn, and then the push stops at it.
        """
        has = {name: await self._has(name, request) for name in self._ports}
        return [name for wanted in (True, None) for name, found in has.items() if found is wanted]

    async def _has(self, component: str, request: PushRequest) -> bool | None:
        try:
            await self._in_force(component, request.key)
        except Rejected:
            return False
        except PortError:
            return None
        return True

    async def _in_force(self, component: str, key: str) -> msgspec.Raw:
        request = SettingRequest(key=key)
        return (await self._ports[component].call(SETTING, request, timeout_ms=_TIMEOUT_MS)).value

    async def _answers(self, component: str) -> Answers | None:
        try:
            reply = await self._ports[component].call(SCRAPE, Empty(), timeout_ms=_TIMEOUT_MS)
        except PortError:
            return None
        samples = reply.samples
        return Answers(samples.get("answers_total", 0.0), samples.get("answers_failed_total", 0.0))

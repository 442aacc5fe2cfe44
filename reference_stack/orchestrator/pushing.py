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
    tried again while somebody does not answer, and gone on with after a restart.

    Where the key is pushed anew, a value that has not been judged yet goes no further: the new one is held
    against what was there before it, and it is taken back unless the new one stands there in its place.
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
        self._staged: dict[tuple[str, str], StagedPush] = {}
        """By key and first component."""
        self._newest: dict[str, PushRequest] = {}
        """The last push of each key that was let in."""

    def take_over(self, stage_days: float) -> None:
        """Go on with the pushes that another process has left on their first component."""
        known = {*self._newest, *(key for key, _ in self._staged)}
        for staged in self._ledger.pushes():
            key, first = at = _place(staged)
            if key in known or first not in self._ports:
                continue
            self._staged[at] = staged
            if staged.taken_back_by:
                self._runtime.spawn(self._take_back(staged, stage_days))
                continue
            self._newest[key] = staged.request
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
        there = self._staged.get((request.key, wanted[0]))
        if there is not None and not there.sound:
            previous = there.previous
        red = await self._red(request, previous, "asked", Answers(0, 0))
        if red is not None:
            return self._said(request, [], *red)
        unjudged = self._supersede(request.key)
        self._newest[request.key] = request
        if not enforced or len(wanted) == 1:
            reply = await self._set_all(request, wanted)
        else:
            reply = await self._begin(StagedPush(request, wanted, previous), stage_days)
        for staged in unjudged:
            self._runtime.spawn(self._take_back(staged, stage_days))
        return reply

    def _supersede(self, key: str) -> list[StagedPush]:
        """The key is pushed anew: what of it is not known to be sound, and so is to be taken back."""
        others = {at: staged for at, staged in self._staged.items() if at[0] != key}
        unjudged = [
            replace(staged, taken_back_by=staged.taken_back_by or _DOOR)
            for at, staged in self._staged.items()
            if at[0] == key and not staged.sound
        ]
        if len(others) < len(self._staged):
            kept = others | {_place(staged): staged for staged in unjudged}
            self._ledger.keep_pushes([*kept.values()])
            self._staged = kept
        return unjudged

    async def _begin(self, staged: StagedPush, stage_days: float) -> PushReply:
        """The first stage, in the ledger before it: who ends meanwhile may have set the value."""
        first, before = staged.wanted[0], self._staged.get(_place(staged))
        self._keep(staged)
        reply = await self._set_all(staged.request, [first])
        if not reply.refused_by:
            self._runtime.spawn(self._stage(staged, stage_days))
        elif before is not None and before.taken_back_by and self._stands(staged):
            self._keep(before)
        else:
            self._over(staged)
        return reply

    async def _stage(self, begun: StagedPush, stage_days: float) -> None:
        given, failed = await self._answers(begun.wanted[0]) or Answers(0.0, 0.0)
        due_day = self._runtime.day() + stage_days
        if self._stands(begun):
            staged = replace(begun, due_day=due_day, given=given, failed=failed)
            with suppress(OSError):  # whoever comes after begins the stage anew
                self._keep(staged)
            await self._rest(staged, stage_days)

    async def _rest(self, staged: StagedPush, stage_days: float) -> None:
        """The second stage, unless the first component fails with the value: then it gets the old one."""
        if not staged.sound:
            seen = await self._heard(staged)
            if not self._stands(staged):  # the key was pushed anew meanwhile
                return
            red = await self._red(staged.request, staged.previous, "staged", seen)
            staged = replace(staged, sound=red is None, taken_back_by="" if red is None else red[0])
            with suppress(OSError):  # whoever comes after judges it again
                self._keep(staged)
        if staged.sound:
            await self._go_on(staged, stage_days)
        else:
            await self._take_back(staged, stage_days)

    async def _heard(self, staged: StagedPush) -> Answers | None:
        """What the first component has answered with the value when its time is over, if that can be said."""
        assert staged.due_day is not None, "its first stage has begun"
        await self._runtime.until(staged.due_day)
        since = await self._answers(staged.wanted[0])
        if since is None or since.given < staged.given:  # it began anew: nothing to judge by
            return None
        return Answers(since.given - staged.given, max(0.0, since.failed - staged.failed))

    async def _go_on(self, staged: StagedPush, stage_days: float) -> None:
        """To the others, unless the key is pushed anew."""
        request, left = staged.request, staged.wanted[1:]
        while self._newest.get(request.key) is request:
            took, error = await self._set(request, left)
            self._told(request, left, took, error)
            left = left[len(took) :]
            if error is None or isinstance(error, Rejected):
                self._over(staged)
                return
            await self._runtime.until(self._runtime.day() + stage_days)

    async def _take_back(self, staged: StagedPush, stage_days: float) -> None:
        """The first component gets the old value, unless another one stands there now."""
        first = staged.wanted[0]
        change = replace(staged.request, value=staged.previous, by=staged.taken_back_by, components=[first])
        while self._stands(staged):
            error = await self._give(first, change)
            self._told(change, [first], [] if error else [first], error)
            if error is None:
                self._over(staged)
                return
            await self._runtime.until(self._runtime.day() + stage_days)

    def _stands(self, staged: StagedPush) -> bool:
        """Whether it is still the newest of its key on its first component, as it is."""
        return self._staged.get(_place(staged)) is staged

    def _keep(self, staged: StagedPush) -> None:
        self._staged[_place(staged)] = staged
        self._ledger.keep_pushes([*self._staged.values()])

    def _over(self, staged: StagedPush) -> None:
        if self._stands(staged):
            del self._staged[_place(staged)]
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
        for name in components:
            if self._newest.get(request.key) is not request:
                return took, Rejected("the key was pushed anew meanwhile")
            error = await self._give(name, request)
            if error is not None:
                return took, error
            took.append(name)
            other = self._staged.get((request.key, name))
            newest = self._newest.get(request.key) is request
            if newest and other is not None and other.request is not request:
                with suppress(OSError):  # the next to be kept, or to be over, is without it
                    self._over(other)
        return took, None

    async def _give(self, component: str, request: PushRequest) -> PortError | None:
        change = ConfigureRequest(key=request.key, value=request.value)
        try:
            await self._ports[component].call(CONFIGURE, change, timeout_ms=_TIMEOUT_MS)
        except PortError as error:
            return error
        return None

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


def _place(staged: StagedPush) -> tuple[str, str]:
    return staged.request.key, staged.wanted[0]

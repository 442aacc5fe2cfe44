"""A network link in virtual time: what happens to a request and its reply is drawn, shaped, then lived.

    draw the plan ─▶ shapes (toxics) ─▶ up_ms ─▶ the server ─▶ down_ms

The messages themselves are handed over as they are: they are frozen.
"""

from __future__ import annotations

import math
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import numpy as np

from reference_stack.messages import HEALTH, Empty
from reference_stack.ports import (
    Failed,
    Operation,
    PortError,
    Rejected,
    Reply,
    Request,
    TimedOut,
    Unreachable,
)
from reference_stack.seeds import stream
from reference_stack.shells.server import Outcome
from reference_stack.shells.virtual_runtime import Pending

if TYPE_CHECKING:
    from reference_stack.shells.virtual_machine import VirtualMachine, VirtualProcess

Message = TypeVar("Message", bound=msgspec.Struct)
_BATCH = 256
_GOLDEN_HZ = 618.0339887498949
"""Moments times it, less their whole parts, are spread evenly, and look like chance."""


class Plan(msgspec.Struct, frozen=True, gc=False):
    """What will happen to one request on a link.

    `up_ms`, `down_ms`: the request's and the reply's way. `refused`: nobody listens. `lost_…`: never arrives,
    and nobody is told. `reset_…`: the connection breaks there. `corrupt_…`: arrives unreadable. `slow`
    multiplies the service time. `ordinal` counts the link's requests from 0; `up_chance` and `down_chance`
    are uniform in [0, 1) and used by nothing here: a shape may decide by them.
    """

    ordinal: int
    up_ms: float
    down_ms: float
    up_chance: float
    down_chance: float
    refused: bool = False
    lost_up: bool = False
    lost_down: bool = False
    reset_up: bool = False
    reset_down: bool = False
    corrupt_up: bool = False
    corrupt_down: bool = False
    slow: float = 1.0

    def replace(self, **changes: Any) -> Plan:
        """The plan with some fields changed."""
        return msgspec.structs.replace(self, **changes)


Shape = Callable[[Plan], Plan]


@dataclass(frozen=True)
class LinkModel:
    """A healthy link: each way takes `way_ms` plus an exponential delay with mean `jitter_ms`.

    `lost`, `reset` and `corrupt` are probabilities for each way, 0 on one machine. A reply comes later by
    `handling_ms`, by the operation: what its handler takes in processor time, which holds no worker.
    """

    way_ms: float = 0.25
    jitter_ms: float = 0.05
    lost: float = 0.0
    reset: float = 0.0
    corrupt: float = 0.0
    handling_ms: Mapping[str, float] = field(default_factory=dict)


class _Draws:
    """For each request, whatever is done with it: how many milliseconds its way up takes, a uniform for its
    fate there and one for the shapes; then the same for the way down.
    """

    def __init__(self, seed: int, link: str, model: LinkModel) -> None:
        self._streams = [stream(seed, "link", link, direction) for direction in ("up", "down")]
        self._model = model
        self.batch: list[list[float]] = []
        """The draws to come, the next one last."""

    def fill(self) -> list[list[float]]:
        """Draw again, when the batch is used up."""
        drawn = np.hstack([each.random((_BATCH, 3)) for each in self._streams])
        drawn[:, ::3] = self._model.way_ms - self._model.jitter_ms * np.log1p(-drawn[:, ::3])
        self.batch[:] = drawn[::-1].tolist()
        return self.batch


class Flight(Pending):
    """A request on its way over a link, or its reply; awaited, the reply.

    It is among its `fellows`, those with the same timeout, until it is settled.
    """

    __slots__ = ("deadline", "down_ms", "fellows", "link", "operation", "plan", "request")

    def __init__(
        self,
        link: VirtualLink,
        operation: Operation[Any, Any],
        request: msgspec.Struct,
        deadline: float,
        fellows: dict[Flight, None],
    ) -> None:
        self._asyncio_future_blocking = False
        self.loop = link.machine.loop
        self.done = False
        self.outcome = self.work = self._callback = None  # Pending's, written out: three are made for a view
        self.link = link
        self.operation = operation
        self.request = request
        self.plan: Plan | None = None
        """None where nothing befalls it."""
        self.down_ms = 0.0
        self.deadline = deadline
        self.fellows = fellows
        fellows[self] = None

    def __await__(self) -> Generator[Pending, None, Any]:
        if not self.done:
            self._asyncio_future_blocking = True
            yield self
        outcome = self.outcome
        if isinstance(outcome, PortError):
            raise outcome
        if self.link.machine.check_messages:
            return _through_json(self.operation.reply, outcome)
        return outcome

    def settle(self, outcome: object) -> None:
        """This is what became of it."""
        if self.done:
            return
        del self.fellows[self]
        if self.loop.paused or self.work is None:
            Pending.settle(self, outcome)
            return
        self.done = True
        self.outcome = outcome
        work, self.work = self.work, None
        work.step()

    def give_up(self) -> None:
        """Nobody waits for it any more."""
        self.fellows.pop(self, None)
        Pending.give_up(self)

    def arrive(self, _: object) -> None:
        """It is at the other end's door."""
        link, plan = self.link, self.plan
        if link.is_down or (plan is not None and plan.reset_up):
            self.settle(Unreachable(f"{link.name}: connection reset"))
            return
        if plan is not None and plan.corrupt_up:
            self.reply(Rejected(f"{link.name}: the request cannot be read"))
            return
        process = link.machine.processes.get(link.callee)
        if process is None:
            if plan is not None:
                self.plan, self.down_ms = None, link.way_ms
            self.reply(link.refusal())
            return
        server = process.server
        submit = process.submit if server is None or process.held is not None else server.submit
        submit(self.operation.name, self.request, self.reply, 1.0 if plan is None else plan.slow)

    def reply(self, outcome: Outcome) -> None:
        """The other end has answered."""
        plan, loop = self.plan, self.loop
        if self.done:
            return
        if plan is not None:
            if plan.lost_down:
                return
            if plan.corrupt_down:
                outcome = Failed(f"{self.link.name}: the reply cannot be read")
            elif plan.reset_down:
                outcome = Unreachable(f"{self.link.name}: connection reset")
        loop.at(loop.now + self.down_ms / 1000, None, self.settle, outcome)


class _Patience:
    """Requests of one link with the same timeout, oldest first, whose deadlines therefore come in order.

    Nearly all are answered in time, so one timer does for all: it goes off for the oldest.
    """

    __slots__ = ("_link", "armed", "flights", "seconds")

    def __init__(self, link: VirtualLink, seconds: float) -> None:
        self.seconds = seconds
        self.flights: dict[Flight, None] = {}
        self._link = link
        self.armed = False

    def arm(self) -> None:
        """See to it that the oldest's deadline is kept."""
        self.armed = True
        self._look(None)

    def _look(self, _: object) -> None:
        loop = self._link.machine.loop
        for oldest in self.flights:
            if oldest.deadline > loop.now:
                loop.at(oldest.deadline, None, self._look, None)
                return
            loop.soon(None, oldest.settle, TimedOut(f"{self._link.name}: no reply in time"))
        self.armed = False


class _Ping(Flight):
    """A health request whose caller is told of a reply, and of nothing else."""

    __slots__ = ("came_back",)

    def __init__(self, link: VirtualLink, plan: Plan, came_back: Callable[[], object]) -> None:
        super().__init__(link, HEALTH, Empty(), math.inf, {})
        self.plan, self.down_ms = plan, plan.down_ms
        self.came_back = came_back

    def settle(self, outcome: object) -> None:
        self.done = True
        if not isinstance(outcome, PortError):
            self.came_back()


class VirtualLink:
    """A named link from any caller to the process that bears the name `callee` when a message arrives.

    Shapes are applied in the order in which they were added. A link that is down refuses new requests and
    breaks those under way, like a proxy that is disabled.
    """

    def __init__(
        self, machine: VirtualMachine, name: str, callee: str, model: LinkModel = LinkModel()
    ) -> None:
        self.name = name
        self.callee = callee
        self.is_down = False
        self.machine = machine
        self.way_ms = model.way_ms
        self._model = model
        self._draws = _Draws(machine.seed, name, model)
        self._handling_ms = model.handling_ms
        self._faulty = bool(model.lost or model.reset or model.corrupt)
        self._ordinal = 0
        self._shapes: list[Shape] = []
        self._patience: dict[float, _Patience] = {}
        """By the timeout, in milliseconds."""

    def shape(self, fn: Shape) -> Callable[[], None]:
        """Add a shape; what is returned takes it away again (and may be called twice)."""
        # Wrapped, so that the same function can be added twice and each be removed by itself.
        added = partial(fn)
        self._shapes.append(added)

        def remove() -> None:
            if added in self._shapes:
                self._shapes.remove(added)

        return remove

    def down(self) -> None:
        """Cut the link."""
        self.is_down = True
        for patience in self._patience.values():
            for flight in patience.flights:
                flight.loop.soon(None, flight.settle, Unreachable(f"{self.name} was cut"))

    def up(self) -> None:
        """Mend the link."""
        self.is_down = False

    def ping(self, on_reply: Callable[[float], object]) -> None:
        """Send a health request that takes no draws from the others; `on_reply` is given its milliseconds.

        It is never called where nothing comes back.
        """
        loop = self.machine.loop
        sent = loop.now
        down_ms = self._model.way_ms + self._handling_ms.get(HEALTH.name, 0.0)
        # Of the moment, and not drawn: who else asks for health requests, and how many, changes nothing.
        chance = sent * _GOLDEN_HZ % 1.0
        plan = Plan(-1, self._model.way_ms, down_ms, chance, chance)
        for shape in self._shapes:
            plan = shape(plan)
        if self.is_down or plan.refused or plan.lost_up:
            return
        flight = _Ping(self, plan, lambda: on_reply((loop.now - sent) * 1000))
        loop.at(sent + plan.up_ms / 1000, None, flight.arrive, None)

    def port(self, caller: VirtualProcess) -> LinkPort:
        """The link as its caller holds it."""
        return LinkPort(self, caller)

    def send(self, operation: Operation[Any, Any], request: msgspec.Struct, timeout_ms: float) -> Flight:
        """Let a request go; what is returned is settled with its outcome, a lost one by its timeout."""
        loop = self.machine.loop
        now = loop.now
        patience = self._patience.get(timeout_ms)
        if patience is None:
            patience = self._patience[timeout_ms] = _Patience(self, timeout_ms / 1000)
        flight = Flight(self, operation, request, now + patience.seconds, patience.flights)
        if not patience.armed:
            patience.arm()
        drawn = (self._draws.batch or self._draws.fill()).pop()
        self._ordinal += 1
        drawn[3] += self._handling_ms.get(operation.name, 0.0)
        up_ms, flight.down_ms = drawn[0], drawn[3]
        plan = None
        if self._shapes or self._faulty:
            flight.plan = plan = self._shaped(self._ordinal - 1, drawn[:3], drawn[3:])
            up_ms, flight.down_ms = plan.up_ms, plan.down_ms
        if self.is_down or (plan is not None and plan.refused):
            # Even a refusal takes a round trip: a caller that asks again and again must not stop the clock.
            # No toxic has a part in it: over a proxy too there is no connection that could suffer one.
            flight.plan, flight.down_ms = None, drawn[0] + drawn[3]
            flight.reply(self.refusal())
        elif plan is None or not plan.lost_up:
            loop.at(now + up_ms / 1000, None, flight.arrive, None)
        return flight

    def refusal(self) -> Unreachable:
        """What a caller hears where nobody listens."""
        return Unreachable(f"{self.name}: connection refused")

    def _shaped(self, ordinal: int, up: list[float], down: list[float]) -> Plan:
        plan = Plan(ordinal, up[0], down[0], up[2], down[2])
        if self._faulty:
            plan = plan.replace(**self._fate("up", up[1]), **self._fate("down", down[1]))
        for shape in self._shapes:
            plan = shape(plan)
        return plan

    def _fate(self, way: str, chance: float) -> dict[str, bool]:
        model = self._model
        for fate, share in (("lost", model.lost), ("reset", model.reset), ("corrupt", model.corrupt)):
            if chance < share:
                return {f"{fate}_{way}": True}
            chance -= share
        return {}


def _through_json(kind: type[Message], message: msgspec.Struct) -> Message:
    try:
        return msgspec.json.decode(msgspec.json.encode(message), type=kind)
    except msgspec.DecodeError as error:
        raise TypeError(f"{message!r} does not go over a wire as {kind.__name__}: {error}") from error


class LinkPort:
    """A link as one process holds it; a process that has ended asks nothing any more."""

    def __init__(self, link: VirtualLink, caller: VirtualProcess) -> None:
        self._link = link
        self._runtime = caller.runtime
        self._check = link.machine.check_messages

    def call(
        self, operation: Operation[Request, Reply], request: Request, *, timeout_ms: float
    ) -> Awaitable[Reply]:
        """Ask the process at the other end; awaited, the reply. Raises a PortError then."""
        if self._runtime.closed:
            raise CancelledError
        if self._check:
            request = _through_json(operation.request, request)
        return self._link.send(operation, request, timeout_ms)

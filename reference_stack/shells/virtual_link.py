"""A network link in virtual time: what happens to a request and its reply is drawn, shaped, then lived.

    draw the plan ─▶ shapes (toxics) ─▶ up_ms ─▶ the server ─▶ down_ms

The messages themselves are handed over as they are: they are frozen.
"""

from __future__ import annotations

import math
from asyncio import CancelledError, Future
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

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

if TYPE_CHECKING:
    from reference_stack.shells.virtual_machine import VirtualMachine, VirtualProcess

Message = TypeVar("Message", bound=msgspec.Struct)
_BATCH = 256


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

    `lost`, `reset` and `corrupt` are probabilities for each way, 0 on one machine.
    """

    way_ms: float = 0.25
    jitter_ms: float = 0.05
    lost: float = 0.0
    reset: float = 0.0
    corrupt: float = 0.0


class _Draws:
    """Three numbers for each request and direction, whatever is done with them."""

    def __init__(self, seed: int, link: str, direction: str) -> None:
        self._stream = stream(seed, "link", link, direction)
        self._batch: list[list[float]] = []
        self._next = _BATCH

    def take(self) -> list[float]:
        if self._next == _BATCH:
            self._batch = self._stream.random((_BATCH, 3)).tolist()
            self._next = 0
        self._next += 1
        return self._batch[self._next - 1]


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
        self._machine = machine
        self._model = model
        self._up = _Draws(machine.seed, name, "up")
        self._down = _Draws(machine.seed, name, "down")
        self._ordinal = 0
        self._shapes: list[Shape] = []
        self._pending: dict[int, Future[Outcome]] = {}

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
        for future in list(self._pending.values()):
            self._deliver(future, Unreachable(f"{self.name} was cut"))

    def up(self) -> None:
        """Mend the link."""
        self.is_down = False

    def ping(self, on_reply: Callable[[float], object]) -> None:
        """Send a health request that takes no draws from the others; `on_reply` is given its milliseconds.

        It is never called where nothing comes back.
        """
        loop = self._machine.loop
        sent = loop.time()
        plan = Plan(-1, self._model.way_ms, self._model.way_ms, 0.5, 0.5)
        for shape in self._shapes:
            plan = shape(plan)
        if self.is_down or plan.refused or plan.lost_up:
            return
        future: Future[Outcome] = loop.create_future()

        def done(answered: Future[Outcome]) -> None:
            if not answered.cancelled() and not isinstance(answered.result(), PortError):
                on_reply((loop.time() - sent) * 1000)

        future.add_done_callback(done, context=self._machine.network)
        loop.call_later(
            plan.up_ms / 1000, self._arrive, future, HEALTH.name, Empty(), plan, context=self._machine.network
        )

    def port(self, caller: VirtualProcess) -> LinkPort:
        """The link as its caller holds it."""
        return LinkPort(self, caller)

    async def call(
        self,
        caller: VirtualProcess,
        operation: Operation[Request, Reply],
        request: Request,
        timeout_ms: float,
    ) -> Reply:
        """Ask the process at the other end. Raises a PortError; a lost message waits for the timeout."""
        if caller.runtime.closed:
            raise CancelledError
        if self._machine.check_messages:
            request = _through_json(operation.request, request)
        loop = self._machine.loop
        network = self._machine.network
        plan = self._draw()
        future: Future[Outcome] = loop.create_future()
        self._pending[plan.ordinal] = future
        timer = loop.call_later(timeout_ms / 1000, self._expire, future, context=network)
        if self.is_down or plan.refused:
            # Even a refusal takes a round trip: a caller that asks again and again must not stop the clock.
            self._reply(future, plan.replace(down_ms=plan.up_ms + plan.down_ms), self._refused())
        elif not plan.lost_up:
            loop.call_later(
                plan.up_ms / 1000, self._arrive, future, operation.name, request, plan, context=network
            )
        try:
            outcome = await future
        finally:
            timer.cancel()
            del self._pending[plan.ordinal]
        if isinstance(outcome, PortError):
            raise outcome
        if self._machine.check_messages:
            return _through_json(operation.reply, outcome)
        return cast(Reply, outcome)

    def _draw(self) -> Plan:
        model = self._model
        up, down = self._up.take(), self._down.take()
        way, jitter = model.way_ms, model.jitter_ms
        plan = Plan(
            self._ordinal,
            way - jitter * math.log(1.0 - up[0]),
            way - jitter * math.log(1.0 - down[0]),
            up[2],
            down[2],
        )
        self._ordinal += 1
        if model.lost or model.reset or model.corrupt:
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

    def _refused(self) -> Unreachable:
        return Unreachable(f"{self.name}: connection refused")

    def _arrive(self, future: Future[Outcome], operation: str, request: msgspec.Struct, plan: Plan) -> None:
        if self.is_down or plan.reset_up:
            self._deliver(future, Unreachable(f"{self.name}: connection reset"))
            return
        if plan.corrupt_up:
            self._reply(future, plan, Rejected(f"{self.name}: the request cannot be read"))
            return
        process = self._machine.process(self.callee)
        if process is None:
            self._reply(future, plan, self._refused())
            return
        process.submit(operation, request, partial(self._reply, future, plan), plan.slow)

    def _reply(self, future: Future[Outcome], plan: Plan, outcome: Outcome) -> None:
        if plan.lost_down or future.done():
            return
        if plan.corrupt_down:
            outcome = Failed(f"{self.name}: the reply cannot be read")
        elif plan.reset_down:
            outcome = Unreachable(f"{self.name}: connection reset")
        self._machine.loop.call_later(
            plan.down_ms / 1000, self._deliver, future, outcome, context=self._machine.network
        )

    def _deliver(self, future: Future[Outcome], outcome: Outcome) -> None:
        if not future.done():
            future.set_result(outcome)

    def _expire(self, future: Future[Outcome]) -> None:
        self._deliver(future, TimedOut(f"{self.name}: no reply in time"))


def _through_json(kind: type[Message], message: msgspec.Struct) -> Message:
    try:
        return msgspec.json.decode(msgspec.json.encode(message), type=kind)
    except msgspec.DecodeError as error:
        raise TypeError(f"{message!r} does not go over a wire as {kind.__name__}: {error}") from error


class LinkPort:
    """A link as one process holds it; a process that has ended asks nothing any more."""

    def __init__(self, link: VirtualLink, caller: VirtualProcess) -> None:
        self._link = link
        self._caller = caller

    async def call(
        self, operation: Operation[Request, Reply], request: Request, *, timeout_ms: float
    ) -> Reply:
        """Ask and wait for the reply. Raises a PortError."""
        return await self._link.call(self._caller, operation, request, timeout_ms)

"""Small components, and the two kinds of time to run them in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from reference_stack.component import Component, serves
from reference_stack.messages import Empty
from reference_stack.ports import Failed, NotFound, Operation, Overloaded, Rejected, Runtime, TimedOut
from reference_stack.telemetry import Telemetry


class Ask(msgspec.Struct, frozen=True):
    what: str


class Told(msgspec.Struct, frozen=True):
    what: str
    count: int = 0


ASK = Operation("ask", Ask, Told)
COUNT = Operation("count", Empty, Told)
MISSING = Operation("missing", Empty, Told)


class Small(msgspec.Struct, frozen=True):
    greeting: str = "hello"


class Echo(Component[Small]):
    """Answers, or breaks in the way it is asked to."""

    RAISES: dict[str, Exception] = {
        "rejected": Rejected("not so"),
        "not found": NotFound("none"),
        "overloaded": Overloaded("too much"),
        "failed": Failed("broken"),
        "timed out": TimedOut("its own call"),
        "bug": ValueError("a bug"),
    }

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.asked = 0
        self.finished = 0

    @serves(ASK)
    async def ask(self, request: Ask) -> Told:
        self.asked += 1
        if request.what in self.RAISES:
            raise self.RAISES[request.what]
        if request.what == "slow":
            await self.runtime.sleep(0.2)
        self.finished += 1
        return Told(f"{self.settings.greeting} {request.what}", self.asked)

    @serves(COUNT)
    async def count(self, request: Empty) -> Told:
        return Told("count", self.finished)


def make(
    name: str, runtime: Runtime, sink: Callable[[str], None], kind: type[Component[Any]] = Echo, *args: Any
) -> Any:
    return kind(name, runtime, Telemetry(name, runtime, sink), Small(), {}, "b1", *args)


class Parts:
    """What the tests of this folder share."""

    ASK, COUNT, MISSING = ASK, COUNT, MISSING
    Ask, Told, Small, Echo = Ask, Told, Small, Echo
    make = staticmethod(make)


@pytest.fixture
def parts() -> type[Parts]:
    return Parts

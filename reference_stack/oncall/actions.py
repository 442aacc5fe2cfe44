"""What on-call can do: each action goes through the doors of the components, as a person's would."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from reference_stack.exclusive import holding
from reference_stack.messages import (
    CONFIGURE,
    PURGE,
    PUSH,
    QUARANTINE,
    ROLL_BACK,
    SETTING,
    ConfigureRequest,
    PurgeRequest,
    PushRequest,
    QuarantineRequest,
    RollBackRequest,
    SettingRequest,
)
from reference_stack.ports import Failed, Operation, Port, PortError, Semaphore

TIMEOUT_MS = 500.0
START_OVER_MS = 2000.0
"""What has partitions read, versions searched and aliases flipped is waited for longer."""
ORCHESTRATOR, FEATURES, SHOP = "orchestrator", "features", "shop"
ACTED_ON = (ORCHESTRATOR, FEATURES, SHOP)
"""Components that on-call speaks to."""

Asked = TypeVar("Asked", bound=msgspec.Struct)
Replied = TypeVar("Replied", bound=msgspec.Struct)


@dataclass(frozen=True)
class Call:
    """An action to be taken: who takes it, and what the alert is about."""

    by: str
    about: str


class Hands:
    """The ports that on-call acts through, by component; those that are not there refuse. `build` is the one
    that was released: everything but what was rolled out since runs it. `permit` is for one at a time.
    """

    def __init__(self, ports: Mapping[str, Port], build: str, permit: Semaphore) -> None:
        self._ports = ports
        self.build = build
        self.permit = permit

    async def ask(
        self,
        component: str,
        operation: Operation[Asked, Replied],
        request: Asked,
        timeout_ms: float = TIMEOUT_MS,
    ) -> Replied:
        """Ask a component. Raises PortError, also where on-call cannot reach it at all."""
        if component not in self._ports:
            raise PortError(f"on-call has no way to {component}")
        return await self._ports[component].call(operation, request, timeout_ms=timeout_ms)

    async def configure(self, component: str, key: str, value: object) -> None:
        """Set a component's setting. Raises PortError."""
        await self.ask(component, CONFIGURE, ConfigureRequest(key=key, value=_raw(value)))

    async def setting(self, component: str, key: str) -> object:
        """A component's setting. Raises PortError."""
        reply = await self.ask(component, SETTING, SettingRequest(key=key))
        return msgspec.json.decode(reply.value)

    async def push(self, key: str, value: object, by: str) -> str:
        """Have the orchestrator push a setting; what it says. Raises PortError where it refuses, and Failed
        where some may have the value all the same.

        The second person who has read it is whoever reviewed the runbook.
        """
        request = PushRequest(key=key, value=_raw(value), by=by, approved_by="runbook")
        reply = await self.ask(ORCHESTRATOR, PUSH, request)
        if reply.refused_by:
            raise (Failed if reply.unsure else PortError)(f"{reply.refused_by} refused: {reply.says}")
        return reply.says


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


Take = Callable[[Hands, Call], Awaitable[str]]


@dataclass(frozen=True)
class Action:
    """`take` says what was done, or raises PortError; `release` follows once the alert is resolved. `each`:
    done to what the alert is about, and not to the stack.
    """

    take: Take
    release: Take | None = None
    each: bool = False


async def roll_back(hands: Hands, call: Call) -> str:
    """By alias flip, to the version before the one that serves."""
    reply = await hands.ask(ORCHESTRATOR, ROLL_BACK, RollBackRequest(by=call.by))
    if reply.refused_by:
        raise PortError(f"{reply.refused_by} refused: {reply.says}")
    return reply.says


async def roll_back_build(hands: Hands, call: Call) -> str:
    """On every replica, to the build that was released."""
    says = await hands.push("build", hands.build, call.by)
    return f"build {hands.build}: {says}"


async def hold_retraining(hands: Hands, _call: Call) -> str:
    """No new model until the alert is resolved."""
    await hands.configure(ORCHESTRATOR, "paused", True)
    return "retraining is held"


async def resume_retraining(hands: Hands, _call: Call) -> str:
    """As before."""
    await hands.configure(ORCHESTRATOR, "paused", False)
    return "retraining goes on"


async def drain(hands: Hands, call: Call) -> str:
    """No shopper is sent to the replica that the alert is about."""
    async with holding(hands.permit):  # two that read the list at once would lose what one of them writes
        drained = _names(await hands.setting(SHOP, "drained"))
        await hands.configure(SHOP, "drained", [*drained, *([] if call.about in drained else [call.about])])
    return f"{call.about} is drained"


async def fill(hands: Hands, call: Call) -> str:
    """As before."""
    async with holding(hands.permit):
        drained = _names(await hands.setting(SHOP, "drained"))
        await hands.configure(SHOP, "drained", [name for name in drained if name != call.about])
    return f"{call.about} is back"


async def quarantine_source(hands: Hands, call: Call) -> str:
    """Sources that a layer leaves out are left out of earlier days too, and what was made with them goes."""
    request = QuarantineRequest(by=call.by)
    reply = await hands.ask(ORCHESTRATOR, QUARANTINE, request, START_OVER_MS)
    return "left out: " + ", ".join(
        f"source {source} from day {first}" for source, first in sorted(reply.quarantined.items())
    )


async def trust_source(hands: Hands, call: Call) -> str:
    """From the newest day on."""
    await hands.ask(ORCHESTRATOR, QUARANTINE, QuarantineRequest(by=call.by, release=True))
    return "what was put aside is trusted again, from the newest day on"


async def purge(hands: Hands, call: Call) -> str:
    """Days that a layer acts on are put aside: back to the last model without them, and a new one is made."""
    days = await _put_aside(hands, PurgeRequest(by=call.by))
    return f"day {days} put aside, and the day's cycle begins anew"


async def leave_out(hands: Hands, call: Call) -> str:
    """Days that stay red are put aside though nothing was built of them, so that a model is made."""
    days = await _put_aside(hands, PurgeRequest(by=call.by, kept_out=True))
    return f"day {days} left out until other bytes come for it, and the day's cycle begins anew"


async def _put_aside(hands: Hands, request: PurgeRequest) -> str:
    reply = await hands.ask(ORCHESTRATOR, PURGE, request, START_OVER_MS)
    return ", ".join(str(check.partition_day) for check in reply.purged)


def _names(value: object) -> list[str]:
    return [str(name) for name in value] if isinstance(value, list) else []


async def switch_to_rules(hands: Hands, call: Call) -> str:
    """Popularity for everybody."""
    return await hands.push("rules", True, call.by)


async def switch_to_model(hands: Hands, call: Call) -> str:
    """As before."""
    return await hands.push("rules", False, call.by)


ACTIONS: Mapping[str, Action] = {
    "roll_back": Action(roll_back),
    "roll_back_build": Action(roll_back_build),
    "hold_retraining": Action(hold_retraining, resume_retraining),
    "quarantine_source": Action(quarantine_source, trust_source),
    "purge": Action(purge),
    "leave_out": Action(leave_out),
    "drain": Action(drain, fill, each=True),
    "switch_to_rules": Action(switch_to_rules, switch_to_model),
}
"""Actions by the names that runbooks use."""

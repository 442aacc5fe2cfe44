"""The canary's stage: a challenger beside the champion on every replica, and what became of its views."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from reference_stack.layers.evidence import CanaryStage, Outcomes
from reference_stack.layers.host import LayerHost
from reference_stack.messages import CONFIGURE, TALLY, ConfigureRequest, TallyRequest
from reference_stack.orchestrator.ledger import CanaryRun
from reference_stack.ports import Port, PortError, Registry, Runtime

CHALLENGER = "challenger"
_TIMEOUT_MS = 200.0


class CanaryDesk:
    """Opens and closes the stage. `replicas` are told to route; `collector` counts the clicks.

    A replica that cannot be asked has answered nothing: what nobody counted is no point for either side.
    """

    def __init__(
        self,
        runtime: Runtime,
        registry: Registry,
        replicas: Mapping[str, Port],
        collector: Port | None,
        hosts: tuple[LayerHost, ...],
    ) -> None:
        self._runtime = runtime
        self._registry = registry
        self._replicas = replicas
        self._collector = collector
        self._hosts = hosts

    @property
    def armed(self) -> bool:
        """Whether there is a layer that wants a stage, and somebody to hold it on."""
        return bool(self._replicas) and any(host.mode != "off" for host in self._hosts)

    async def begin(self, version: int, against: int) -> CanaryRun:
        """Route a share of the customers to `version`. Raises a PortError where a replica cannot be told."""
        await self._registry.set_alias(CHALLENGER, version)
        await self._route(True)
        return CanaryRun(
            version=version,
            against=against,
            started_day=self._runtime.day(),
            before=await self._outcomes(version),
            before_against=await self._outcomes(against),
        )

    async def end(self) -> None:
        """All customers have the champion again. Raises a PortError where the registry does not answer."""
        await self._registry.drop_alias(CHALLENGER)
        try:
            await self._route(False)
        except PortError:
            return  # without the alias a replica that cannot be told has no challenger to route to

    async def abandon(self) -> None:
        """End a stage that nobody waits for any more; what cannot be told now is replaced by the next one."""
        try:
            await self.end()
        except PortError:
            return

    async def look(self, run: CanaryRun) -> tuple[str, bool]:
        """Ask the layers: what those say that take the challenger back, and whether the stage is over."""
        day = self._runtime.day()
        stage = CanaryStage(
            elapsed_days=day - run.started_day,
            challenger=(await self._outcomes(run.version)).since(run.before),
            champion=(await self._outcomes(run.against)).since(run.before_against),
        )
        decisions = [host.ask(stage, day=day) for host in self._hosts if host.mode != "off"]
        back = "; ".join(decision.says for decision in decisions if decision.acts)
        return back, bool(back) or all(decision.detail.get("done", 1.0) for decision in decisions)

    async def _route(self, canary: bool) -> None:
        change = ConfigureRequest(key="canary", value=msgspec.Raw(msgspec.json.encode(canary)))
        for port in self._replicas.values():
            await port.call(CONFIGURE, change, timeout_ms=_TIMEOUT_MS)

    async def _outcomes(self, version: int) -> Outcomes:
        counts = {"asked": 0, "late": 0, "clicked": 0}
        for port in (*self._replicas.values(), self._collector):
            if port is None:
                continue
            try:
                reply = await port.call(TALLY, TallyRequest(version=version), timeout_ms=_TIMEOUT_MS)
            except PortError:
                continue
            for name, count in reply.counts.items():
                counts[name] = counts.get(name, 0) + count
        return Outcomes(asked=counts["asked"], late=counts["late"], clicked=counts["clicked"])

"""The canary's stage: a challenger beside the champion on every replica, and what became of its views."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping

import msgspec

from reference_stack.layers.evidence import CanaryStage, Outcomes
from reference_stack.layers.host import LayerHost
from reference_stack.messages import CONFIGURE, TALLY, ConfigureRequest, TallyRequest
from reference_stack.orchestrator.ledger import CanaryRun
from reference_stack.ports import Port, PortError, Registry, Runtime

CHALLENGER = "challenger"
_TIMEOUT_MS = 200.0
_CLICKS = "collector"


class CanaryDesk:
    """Opens and closes the stage. `replicas` are told to route; `collector` counts the clicks.

    What a replica that cannot be asked has answered counts for neither side. Without the collector nobody
    knows of clicks: then the stage waits.
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
        """Route a share of the customers to `version`. Raises a PortError where a replica cannot be told, or
        nobody counts clicks.
        """
        await self._registry.set_alias(CHALLENGER, version)
        await self._route(True)
        return CanaryRun(
            version=version,
            against=against,
            started_day=self._runtime.day(),
            before=await self._outcomes(version, needed=True),
            before_against=await self._outcomes(against, needed=True),
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
        mine, theirs = await self._outcomes(run.version), await self._outcomes(run.against)
        await self._tell_anew(theirs, run)
        if self._collector is not None and not (_CLICKS in mine and _CLICKS in theirs):
            return "", False
        heard = [
            name for name in mine if name in theirs and name in run.before and name in run.before_against
        ]
        stage = CanaryStage(
            elapsed_days=day - run.started_day,
            challenger=_total(mine[name].since(run.before[name]) for name in heard),
            champion=_total(theirs[name].since(run.before_against[name]) for name in heard),
        )
        decisions = [host.ask(stage, day=day) for host in self._hosts if host.mode != "off"]
        back = "; ".join(decision.says for decision in decisions if decision.acts)
        return back, bool(back) or all(decision.detail.get("done", 1.0) for decision in decisions)

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

    async def _tell_anew(self, champion: Mapping[str, Outcomes], run: CanaryRun) -> None:
        """A replica that began anew, as its counters show, knows of no stage."""
        for name in sorted(self._replicas.keys() & champion.keys() & run.before_against.keys()):
            if champion[name].asked < run.before_against[name].asked:
                with contextlib.suppress(PortError):  # told at the next look
                    await self._tell(self._replicas[name], True)

    async def _outcomes(self, version: int, *, needed: bool = False) -> dict[str, Outcomes]:
        """What has become of a version's views, by who counted; without those that do not answer.

        Where it is needed, a PortError is raised for a collector that does not.
        """
        found: dict[str, Outcomes] = {}
        for name, port in (*self._replicas.items(), (_CLICKS, self._collector)):
            if port is None:
                continue
            try:
                reply = await port.call(TALLY, TallyRequest(version=version), timeout_ms=_TIMEOUT_MS)
            except PortError:
                if needed and name == _CLICKS:
                    raise
                continue
            counts = reply.counts
            found[name] = Outcomes(counts.get("asked", 0), counts.get("late", 0), counts.get("clicked", 0))
        return found


def _total(parts: Iterable[Outcomes]) -> Outcomes:
    counted = list(parts)
    return Outcomes(
        asked=sum(part.asked for part in counted),
        late=sum(part.late for part in counted),
        clicked=sum(part.clicked for part in counted),
    )

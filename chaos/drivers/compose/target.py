"""The live handle of one arm in containers: as on loopback, and what only containers can be made to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from docker import DockerClient

from chaos.clock import Clock
from chaos.domain.change import Change, LimitMemory, RunImage
from chaos.domain.event import Event
from chaos.domain.plan import ArmPlan
from chaos.domain.target import TargetSpec
from chaos.drivers.compose.limits import Limits
from chaos.drivers.compose.logs import ContainerLogs
from chaos.drivers.compose.stack import Containers
from chaos.drivers.local.http import ask
from chaos.drivers.local.target import LocalTarget, Wiring
from chaos.drivers.observed import partition_day
from chaos.drivers.toxiproxy import Toxiproxy
from chaos.engine import sweep

CACHE = "cache"


class ComposeTarget(LocalTarget):
    """One arm: components are asked through the door, folders through the data proxy."""

    def __init__(
        self,
        plan: ArmPlan,
        spec: TargetSpec,
        wiring: Wiring,
        containers: Containers,
        logs: ContainerLogs,
        toxiproxy: Toxiproxy,
        clock: Clock,
        origin: float,
        on_event: Callable[[Event], None],
        client: DockerClient,
        run: str,
        pages: Mapping[str, str],
    ) -> None:
        super().__init__(plan, spec, wiring, containers, logs, toxiproxy, clock, origin, on_event, {})
        self._containers = containers
        self._limits = Limits(containers, client, run, spec.driver.settings.get("disks", {}), clock)
        self._client = client
        self._run = run
        self._pages = pages

    @property
    def pages(self) -> Mapping[str, str]:
        """What the door forwards to this machine's loopback."""
        return dict(self._pages)

    def delivered(self, link: str) -> Mapping[int, int] | None:
        """The partitions at the link's sink, as the data proxy sees them."""
        found = ask(self._wiring.data_api, "GET", f"/links/{link}/delivered", None, dict[str, int])
        days = {partition_day(name): size for name, size in found.items()}
        return {day: size for day, size in days.items() if day is not None}

    def _hand_on(self) -> None:
        super()._hand_on()
        self._limits.check()

    def _look_at_machine(self) -> None:
        """Nothing whose waits could be read: the engine's processes may be on another machine."""

    def prepare(self, change: Change) -> Change | None:
        """The undo of a change, from what is there now."""
        return self._limits.undo_of(change) or super().prepare(change)

    def apply(self, change: Change) -> None:
        """Make a change. Raises ChangeRefused or ArmFailed."""
        if isinstance(change, LimitMemory | RunImage):
            self._containers.excuse(change.component)  # again and again
        if not self._limits.apply(change):
            super().apply(change)

    def revert(self, undo: Change) -> str:
        """Play an undo; a value that is no longer the fault's is left alone."""
        outcome = "left" if self._limits.changed_meanwhile(undo) else super().revert(undo)
        if isinstance(undo, LimitMemory | RunImage):
            self._containers.excuse_no_more(undo.component)
        return outcome

    def _left_over(self, undo: Change) -> str:
        return self._limits.left_over(undo) or super()._left_over(undo)

    def close(self) -> None:
        """End the components, if they are up still, and remove all containers, networks and volumes."""
        try:
            if not self._containers.lost and self._containers.pids:
                self._take_down()
        finally:
            self._tail.close()
            self._limits.close()
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._containers.close()
            if not self._containers.lost:  # else it is the driver's to find out whether it is back
                sweep(self._client, self._run, kept_volumes=(CACHE,))

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from reference_stack.comparing import (
    RECOMPUTE,
    SAMPLE,
    RecomputeReply,
    RecomputeRequest,
    SampleReply,
    Used,
)
from reference_stack.component import Component, serves
from reference_stack.folders import MemoryFolder
from reference_stack.layers.contract import Mode
from reference_stack.messages import Empty, LookupReply
from reference_stack.monitor.component import Monitor
from reference_stack.monitor.routing import read_routing
from reference_stack.oncall.component import OnCall
from reference_stack.ports import Unreachable
from reference_stack.registry.memory import MemoryRegistry
from reference_stack.settings import (
    LayerSettings,
    MonitorSettings,
    OnCallSettings,
    ServingSettings,
    ShellSettings,
)
from reference_stack.shells.virtual_machine import VirtualMachine, VirtualProcess
from reference_stack.telemetry import Metrics, Telemetry

LAYERS = {
    "burn": LayerSettings(use="reference_stack.layers.burn:Burn"),
    "meta": LayerSettings(use="reference_stack.layers.meta:Meta"),
    "people": LayerSettings(use="reference_stack.layers.people:People"),
    "skew": LayerSettings(use="reference_stack.layers.skew:Skew"),
    "version": LayerSettings(use="reference_stack.layers.version:Version"),
}
WATCHED = ("collector", "features", "serving-a", "serving-b", "orchestrator", "shop")


class SpottyRegistry(MemoryRegistry):
    """A registry that can be away."""

    away = False

    async def resolve(self, alias: str) -> int | None:
        if self.away:
            raise Unreachable("on purpose")
        return await super().resolve(alias)


class Watched(Component[ServingSettings]):
    """A component of which a test says, by the gauge `row_value`, what features it serves or stores."""

    @serves(SAMPLE)
    async def sample(self, _request: Empty) -> SampleReply:
        return SampleReply([Used(1, self._row())])

    @serves(RECOMPUTE)
    async def recompute(self, request: RecomputeRequest) -> RecomputeReply:
        return RecomputeReply([self._row() for _ in request.customers])

    def _row(self) -> LookupReply:
        value = self.telemetry.metrics.samples().get("row_value", 1.0)
        return LookupReply(snapshot="s1", built_day=0.0, products=[7], values=[value], affinities=[])


class Tower:
    """A monitor and on-call in virtual time over components whose metrics a test sets by hand."""

    def __init__(
        self,
        seed: int = 1,
        oncall: OnCallSettings | None = None,
        own: Mapping[str, LayerSettings] | None = None,
        **modes: Mode,
    ) -> None:
        self.machine = VirtualMachine(seed, 1.0)
        self.registry = SpottyRegistry(MemoryFolder(), self.machine.day)
        self.lines: list[str] = []
        self._seed = seed
        self._oncall_settings = oncall or OnCallSettings()
        self._folders = {"monitor": MemoryFolder(), "oncall": MemoryFolder()}
        self._layers = {
            name: LayerSettings(use=layer.use, mode=modes.get(name, Mode.ENFORCE))
            for name, layer in LAYERS.items()
        } | dict(own or {})
        self._metrics: dict[str, Metrics] = {}
        for name in WATCHED:
            self.start(name)
        self.start("oncall")
        self.start("monitor")
        self._views = self._bad = 0
        self.set("orchestrator", "cycle_alive_day", 0.0)

    def start(self, name: str) -> None:
        builders = {"monitor": self._monitor, "oncall": self._oncall}

        def plain(process: VirtualProcess) -> Component:
            return Watched(name, process.runtime, self._voice(process, name), ServingSettings(), {}, "b1")

        self.machine.start(name, builders.get(name, plain), ShellSettings())

    def kill(self, name: str) -> None:
        self.machine.end(name)

    def set(self, component: str, metric: str, value: float, **labels: str) -> None:
        self._metrics[component].set(metric, value, **labels)

    def metric(self, component: str, key: str) -> float | None:
        return self._metrics[component].samples().get(key)

    def live(self, until_day: float, *, bad_share: float = 0.0, views_a_day: float = 600.0) -> None:
        """Let days pass with views and the daily cycle, as they do in a stack."""
        while self.machine.day() < until_day - 1e-9:
            step = min(1 / 24, until_day - self.machine.day())
            self._views += round(views_a_day * step)
            self._bad += round(views_a_day * step * bad_share)
            self.set("shop", "views_total", self._views)
            self.set("shop", "views_bad_total", self._bad)
            self.set("orchestrator", "cycle_alive_day", self.machine.day() // 1)
            self.machine.advance(self.machine.day() + step)

    def alerts(self) -> list[tuple[str, str, str]]:
        """(name, about, state) as they reached on-call; acknowledgements left out."""
        told = {(line["id"], line["state"]): line for line in self.logged("alert")}
        return [(line["name"], line["about"], line["state"]) for line in told.values()]

    def kept_alerts(self) -> list[dict]:
        """What the monitor has on disk."""
        return json.loads(self._folders["monitor"].read("alerts.json"))

    def logged(self, event: str) -> list[dict]:
        return [line for line in map(json.loads, self.lines) if line["event"] == event]

    def _voice(self, process: VirtualProcess, name: str) -> Telemetry:
        made = Telemetry(name, process.runtime, process.sink(self.lines.append))
        self._metrics[name] = made.metrics
        return made

    def _monitor(self, process: VirtualProcess) -> Monitor:
        watched = (*WATCHED, "oncall")
        return Monitor(
            process.runtime,
            self._voice(process, "monitor"),
            MonitorSettings(),
            self._layers,
            "b1",
            scraped={
                name: self.machine.link(f"monitor-{name}/scrape", name).port(process) for name in watched
            },
            oncall=self.machine.link("monitor-oncall", "oncall").port(process),
            registry=self.registry,
            folder=process.folder(self._folders["monitor"]),
            routing=read_routing(),
        )

    def _oncall(self, process: VirtualProcess) -> OnCall:
        return OnCall(
            process.runtime,
            self._voice(process, "oncall"),
            self._oncall_settings,
            self._layers,
            "b1",
            folder=process.folder(self._folders["oncall"]),
            seed=self._seed,
        )


@pytest.fixture
def new_tower():
    made: list[Tower] = []

    def make(*args, **named) -> Tower:
        made.append(Tower(*args, **named))
        return made[-1]

    yield make
    for tower in made:
        tower.machine.close()


@pytest.fixture
def tower(new_tower) -> Tower:
    return new_tower()

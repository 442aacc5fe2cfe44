from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import pytest

from reference_stack.component import Component, serves
from reference_stack.folders import MemoryFolder
from reference_stack.messages import (
    BUILD,
    CHECK,
    DELIVER,
    PURGE,
    TALLY,
    TRAIN,
    BuildReply,
    CheckReply,
    DeliverReply,
    DeliverRequest,
    PartitionCheck,
    PurgeReply,
    PurgeRequest,
    TallyReply,
    TallyRequest,
    TrainReply,
    TrainRequest,
)
from reference_stack.orchestrator.component import Orchestrator
from reference_stack.ports import Failed, Rejected
from reference_stack.registry.memory import MemoryRegistry
from reference_stack.settings import LayerSettings, OrchestratorSettings, ServingSettings, ShellSettings
from reference_stack.shells.virtual_machine import VirtualMachine, VirtualProcess
from reference_stack.telemetry import Telemetry
from reference_stack.world import World, preset

CATALOGUE = World.draw(preset("default"), 1).catalogue
HOLD = {"hold": LayerSettings(use="reference_stack.layers.hold:Hold")}
CANARY = {"canary": LayerSettings(use="reference_stack.layers.canary:Canary")}
VIEWS_A_DAY = 1000


@dataclass
class Upstream:
    """What the scripted features job and trainer answer, and what they were asked."""

    asked: list[tuple[str, int, float]] = field(default_factory=list)
    arrives_day: dict[int, float] = field(default_factory=dict)
    red: Callable[[int, float], dict[str, str]] = lambda _cycle, _day: {}
    breaks: Callable[[str, float], Exception | None] = lambda _step, _day: None
    blocked: dict[str, str] = field(default_factory=dict)
    train_s: float = 0.0

    def ask(self, step: str, cycle: int, day: float) -> None:
        self.asked.append((step, cycle, round(day, 3)))
        error = self.breaks(step, day)
        if error is not None:
            raise error

    def steps(self, cycle: int) -> list[str]:
        return [step for step, of, _ in self.asked if of == cycle]


def partition_of(day: int) -> PartitionCheck:
    return PartitionCheck(day, 1, f"bytes of {day}")


class ScriptedFeatures(Component[ServingSettings]):
    upstream: Upstream

    @serves(DELIVER)
    async def deliver(self, request: DeliverRequest) -> DeliverReply:
        day = self.runtime.day()
        self.upstream.ask("deliver", request.day, day)
        return DeliverReply(present=day >= self.upstream.arrives_day.get(request.day, 0.0), window=[])

    @serves(CHECK)
    async def check(self, request: DeliverRequest) -> CheckReply:
        self.upstream.ask("check", request.day, self.runtime.day())
        return CheckReply(red=self.upstream.red(request.day, self.runtime.day()))

    @serves(BUILD)
    async def make_snapshot(self, request: DeliverRequest) -> BuildReply:
        self.upstream.ask("build", request.day, self.runtime.day())
        return BuildReply(snapshot=f"s{request.day}", watermark_day=request.day - 1, window=[])

    @serves(PURGE)
    async def purge(self, request: PurgeRequest) -> PurgeReply:
        return PurgeReply(purged=[partition_of(day) for day in request.days])


class ScriptedTrainer(Component[ServingSettings]):
    upstream: Upstream
    registry: MemoryRegistry
    done: dict[int, int]

    @serves(TRAIN)
    async def train(self, request: TrainRequest) -> TrainReply:
        self.upstream.ask("train", request.day, self.runtime.day())
        await self.runtime.sleep(self.upstream.train_s)
        if self.upstream.blocked:
            return TrainReply(version=None, metrics={}, red=self.upstream.blocked)
        if request.day not in self.done:
            made_of = msgspec.json.encode([partition_of(request.day - 1)]).decode()
            tags = {
                "snapshot": request.snapshot,
                "trained_day": str(request.day),
                "partitions": made_of,
            }
            made = await self.registry.register(artifact=b"model", parameters={}, metrics={}, tags=tags)
            self.done[request.day] = made.version
        return TrainReply(version=self.done[request.day], metrics={}, red={})


class ScriptedReplica(Component[ServingSettings]):
    """A replica, or the collector: each version has as many views, and its own share of them is clicked."""

    clicked: dict[int, float]

    @serves(TALLY)
    async def tally(self, request: TallyRequest) -> TallyReply:
        asked = round(VIEWS_A_DAY * (self.runtime.day() + 1.0))
        clicked = round(self.clicked.get(request.version, 0.3) * asked)
        counts = {"clicked.serving-a": clicked} if self.name == "collector" else {"asked": asked}
        return TallyReply(counts={**counts, "began": 1})


class Office:
    """An orchestrator in virtual time with scripted colleagues."""

    def __init__(self) -> None:
        self.machine = VirtualMachine(1, 1.0, start_day=-0.5)
        self.upstream = Upstream()
        self.folder = MemoryFolder()
        self.shelf = MemoryFolder()
        self.registry = MemoryRegistry(self.shelf, self.machine.day)
        self.lines: list[str] = []
        self.orchestrators: dict[str, Orchestrator] = {}
        self.settings = OrchestratorSettings()
        self.layers = HOLD
        self._pushes = ["features", "trainer"]
        self._done: dict[int, int] = {}
        self.machine.start("features", self._features, ShellSettings())
        self.machine.start("trainer", self._trainer, ShellSettings())

    def start(self, name: str = "orchestrator", instance: str | None = None) -> Orchestrator:
        def build(process: VirtualProcess) -> Orchestrator:
            def port(callee: str):
                return self.machine.link(f"{name}-{callee}", callee).port(process)

            made = Orchestrator(
                process.runtime,
                self._voice(process, name),
                self.settings,
                self.layers,
                "b1",
                features=port("features"),
                trainer=port("trainer"),
                registry=self.registry,
                pushes={callee: port(callee) for callee in self._pushes},
                folder=process.folder(self.folder),
                missing_days=0.15,
                poll_days=0.01,
                catalogue=CATALOGUE,
                instance=instance or name,
            )
            self.orchestrators[name] = made
            return made

        self.machine.start(name, build, ShellSettings())
        return self.orchestrators[name]

    def with_canary(self, clicked: dict[int, float]) -> None:
        """Have versions stand a canary before a replica, with these shares of clicks."""
        self.layers = {**self.layers, **CANARY}
        for name in ("serving-a", "collector"):

            def build(process: VirtualProcess, name: str = name) -> ScriptedReplica:
                voice = self._voice(process, name)
                made = ScriptedReplica(name, process.runtime, voice, ServingSettings(), {}, "b1")
                made.clicked = clicked
                return made

            self.machine.start(name, build, ShellSettings())
            self._pushes.append(name)

    def routes_canary(self) -> bool:
        process = self.machine.process("serving-a")
        assert process is not None
        assert process.server is not None
        return process.server.component.settings.canary

    def until(self, day: float) -> None:
        self.machine.advance(day)

    def champion(self) -> int | None:
        return self.alias("champion")

    def alias(self, name: str) -> int | None:
        aliases = json.loads(self.shelf.read("aliases.json") if self.shelf.exists("aliases.json") else b"{}")
        return aliases.get(name)

    def logged(self, event: str) -> list[dict]:
        return [line for line in map(json.loads, self.lines) if line["event"] == event]

    def outcomes(self) -> list[tuple[int, str, str]]:
        return [(line["cycle"], line["step"], line["state"]) for line in self.logged("cycle")]

    def ask(self, operation: str, name: str = "orchestrator", **body) -> tuple[int, dict]:
        replies: list[tuple[int, bytes]] = []
        self.machine.request(name, operation, msgspec.json.encode(body), lambda *reply: replies.append(reply))
        self.machine.advance(self.machine.day() + 0.02)
        status, reply = replies[0]
        return status, json.loads(reply)

    def gauge(self, name: str) -> float | None:
        return self.orchestrators["orchestrator"].telemetry.metrics.samples().get(name)

    def _voice(self, process: VirtualProcess, name: str) -> Telemetry:
        return Telemetry(name, process.runtime, process.sink(self.lines.append))

    def _features(self, process: VirtualProcess) -> ScriptedFeatures:
        made = ScriptedFeatures(
            "features", process.runtime, self._voice(process, "features"), ServingSettings(), {}, "b1"
        )
        made.upstream = self.upstream
        return made

    def _trainer(self, process: VirtualProcess) -> ScriptedTrainer:
        made = ScriptedTrainer(
            "trainer", process.runtime, self._voice(process, "trainer"), ServingSettings(), {}, "b1"
        )
        made.upstream, made.registry, made.done = self.upstream, self.registry, self._done
        return made


@pytest.fixture
def new_office():
    made: list[Office] = []

    def make() -> Office:
        made.append(Office())
        return made[-1]

    yield make
    for office in made:
        office.machine.close()


@pytest.fixture
def office(new_office) -> Office:
    return new_office()


@pytest.fixture
def broken():
    """Makes a `breaks` that fails one step between two days."""

    def make(step: str, from_day: float, to_day: float, error: type[Exception] = Failed):
        def breaks(asked: str, day: float) -> Exception | None:
            return error("on purpose") if asked == step and from_day <= day < to_day else None

        return breaks

    return make


@pytest.fixture
def refusal() -> type[Exception]:
    return Rejected

"""The doors for promotions and pushes, with the layers that keep them."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
import pytest

from reference_stack.component import Component, serves
from reference_stack.layers.contract import Hook, Mode
from reference_stack.layers.host import LayerSet
from reference_stack.messages import TALLY, PushRequest, TallyReply, TallyRequest
from reference_stack.orchestrator.canary import CanaryDesk
from reference_stack.orchestrator.pushing import Pushes
from reference_stack.registry.memory import MemoryRegistry
from reference_stack.settings import LayerSettings, ServingSettings, ShellSettings
from reference_stack.shells.virtual_machine import VirtualMachine, VirtualProcess
from reference_stack.telemetry import Telemetry

REPLICAS = ("serving-a", "serving-b")


def armed(name: str, mode: Mode = Mode.ENFORCE) -> dict[str, LayerSettings]:
    return {name: LayerSettings(use=f"reference_stack.layers.{name}:{name.capitalize()}", mode=mode)}


@dataclass
class Traffic:
    """What the replicas' counters show."""

    answers: dict[str, list[float]] = field(default_factory=dict)
    tally: dict[int, dict[str, int]] = field(default_factory=dict)


class Replica(Component[ServingSettings]):
    traffic: Traffic

    @serves(TALLY)
    async def tally(self, request: TallyRequest) -> TallyReply:
        return TallyReply(counts=self.traffic.tally.get(request.version, {}))


class Hall:
    """Two replicas in virtual time, and the doors before them."""

    def __init__(self) -> None:
        self.machine = VirtualMachine(1, 1.0, start_day=3.0)
        self.traffic = Traffic()
        self.lines: list[str] = []
        for name in REPLICAS:
            self.machine.start(
                name, lambda process, name=name: self.component(name, process), ShellSettings()
            )
        self.process = self.machine.start(
            "door", lambda process: self.component("door", process), ShellSettings()
        )
        self.ports = {name: self.machine.link(f"door-{name}", name).port(self.process) for name in REPLICAS}

    def component(self, name: str, process: VirtualProcess) -> Replica:
        telemetry = Telemetry(name, process.runtime, process.sink(self.lines.append))
        made = Replica(name, process.runtime, telemetry, ServingSettings(), {}, "b1")
        made.traffic = self.traffic
        return made

    def replica(self, name: str) -> Replica:
        process = self.machine.process(name)
        assert process is not None
        assert process.server is not None
        assert isinstance(process.server.component, Replica)
        return process.server.component

    def settings(self, key: str) -> list[object]:
        return [getattr(self.replica(name).settings, key) for name in REPLICAS]

    def run(self, work, days: float = 0.05):
        done: list[object] = []

        async def kept() -> None:
            done.append(await work)

        self.process.runtime.spawn(kept())
        self.machine.advance(self.machine.day() + days)
        return done[0]

    def layers(self, name: str, mode: Mode = Mode.ENFORCE):
        telemetry = Telemetry("door", self.process.runtime, self.process.sink(self.lines.append))
        hook = {"config": Hook.PUSH, "canary": Hook.CANARY}[name]
        return telemetry, LayerSet(armed(name, mode), telemetry, (hook,)).at(hook)

    def push(self, value: object, *, mode: Mode = Mode.ENFORCE, approved_by: str = "bob"):
        telemetry, hosts = self.layers("config", mode)
        door = Pushes(self.process.runtime, telemetry, self.ports, hosts)
        request = PushRequest(
            "placements", msgspec.Raw(msgspec.json.encode(value)), "ann", list(REPLICAS), approved_by
        )
        return self.run(door.push(request, 0.1))


@pytest.fixture
def hall():
    made = Hall()
    yield made
    made.machine.close()


def test_a_blank_is_refused_and_stands_nowhere(hall):
    reply = hall.push("")
    assert (reply.refused_by, "blank" in reply.says) == ("config", True)
    assert hall.settings("placements") == ["home=10", "home=10"]


def test_what_nobody_else_has_read_is_refused(hall):
    assert hall.push("home=9", approved_by="").refused_by == "config"


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.OBSERVE])
def test_without_the_layer_anything_goes_everywhere_at_once(hall, mode):
    assert hall.push("", mode=mode, approved_by="").refused_by == ""
    assert hall.settings("placements") == ["", ""]


def test_an_accepted_value_stands_on_one_component_first(hall):
    assert hall.push("home=8").refused_by == ""
    assert hall.settings("placements") == ["home=8", "home=10"]
    hall.machine.advance(3.2)
    assert hall.settings("placements") == ["home=8", "home=8"]


def test_it_is_taken_back_where_nothing_is_heard_of_that_component(hall):
    hall.push("basket=4")
    process = hall.machine.process("serving-a")
    process.pause()
    hall.machine.advance(3.9)
    process.resume()
    hall.machine.advance(4.5)
    assert hall.settings("placements") == ["home=10", "home=10"]  # told while it stood still, heeded since
    assert any('"refused_by":"serving-a"' in line for line in hall.lines)


def test_a_push_to_who_does_not_answer_is_refused_by_it(hall):
    hall.machine.process("serving-a").pause()
    telemetry, hosts = hall.layers("config")
    door = Pushes(hall.process.runtime, telemetry, hall.ports, hosts)
    request = PushRequest("placements", msgspec.Raw(b'"home=9"'), "ann", list(REPLICAS), "bob")
    reply = hall.run(door.push(request, 0.1), 1.0)
    assert (reply.refused_by, reply.says[:8]) == ("serving-a", "TimedOut")


def test_it_is_taken_back_where_that_component_fails_with_it(hall):
    hall.push("basket=4")
    metrics = hall.replica("serving-a").telemetry.metrics
    metrics.add("answers_total", 30)
    metrics.add("answers_failed_total", 30)
    hall.machine.advance(3.3)
    assert hall.settings("placements") == ["home=10", "home=10"]


# --- the canary's stage ----------------------------------------------------------------------------------


def desk(hall: Hall, *, counted: bool = False) -> CanaryDesk:
    _, hosts = hall.layers("canary")
    registry = MemoryRegistry(hall_folder(), hall.machine.day)
    tags = {"snapshot": "s", "trained_day": "3"}
    for _ in range(2):
        hall.run(registry.register(artifact=b"m", parameters={}, metrics={}, tags=tags), 0.001)
    collector = None
    if counted:
        hall.machine.start("collector", lambda process: hall.component("collector", process), ShellSettings())
        collector = hall.machine.link("door-collector", "collector").port(hall.process)
    return CanaryDesk(hall.process.runtime, registry, hall.ports, collector, hosts)


def hall_folder():
    from reference_stack.folders import MemoryFolder

    return MemoryFolder({}, "registry")


def test_a_stage_routes_and_counts_from_its_beginning(hall):
    stage = desk(hall)
    hall.traffic.tally = {1: {"asked": 500, "late": 0, "clicked": 0}, 2: {"asked": 10}}
    run = hall.run(stage.begin(2, 1))
    assert hall.settings("canary") == [True, True]
    assert stage.armed
    # Two replicas answer alike: what each has counted before the stage began is left out.
    hall.traffic.tally = {1: {"asked": 540, "clicked": 22}, 2: {"asked": 50, "clicked": 0}}
    hall.machine.advance(3.3)
    objection, over = hall.run(stage.look(run))
    assert over
    assert "0 of 80 views" in objection
    assert "44 of 80" in objection
    hall.run(stage.end())
    assert hall.settings("canary") == [False, False]


def look_after(hall: Hall, *, counted: bool = False, change=lambda: None):
    """A stage in which both versions do as well, looked at after `change`."""
    stage = desk(hall, counted=counted)
    hall.traffic.tally = {1: {"asked": 500, "clicked": 200}, 2: {"asked": 10, "clicked": 4}}
    run = hall.run(stage.begin(2, 1))
    hall.traffic.tally = {1: {"asked": 600, "clicked": 240}, 2: {"asked": 110, "clicked": 44}}
    change()
    hall.machine.advance(3.3)
    return hall.run(stage.look(run), 1.0)


@pytest.mark.parametrize("gone", ["serving-a", "serving-b"])
def test_what_a_replica_that_is_gone_has_answered_counts_for_neither_side(hall, gone):
    assert look_after(hall, change=lambda: hall.machine.end(gone)) == ("", True)


def test_a_challenger_that_does_as_well_ends_its_stage(hall):
    assert look_after(hall, counted=True) == ("", True)


def test_while_the_collector_is_away_nobody_is_judged(hall):
    assert look_after(hall, counted=True, change=lambda: hall.machine.end("collector")) == ("", False)


def test_a_replica_that_begins_anew_is_told_of_the_stage_again(hall):
    def anew() -> None:
        hall.machine.end("serving-b")
        hall.machine.start("serving-b", lambda process: hall.component("serving-b", process), ShellSettings())
        hall.replica("serving-b").traffic = Traffic(tally={1: {"asked": 40, "clicked": 16}})

    look_after(hall, change=anew)
    assert hall.settings("canary") == [True, True]

"""The doors for promotions and pushes, with the layers that keep them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import msgspec
import pytest

from reference_stack.component import Component, life_of, serves
from reference_stack.folders import MemoryFolder
from reference_stack.layers.contract import Hook, Mode
from reference_stack.layers.host import LayerSet
from reference_stack.messages import TALLY, PushRequest, TallyReply, TallyRequest
from reference_stack.orchestrator import canary
from reference_stack.orchestrator.canary import CanaryDesk, Look
from reference_stack.orchestrator.ledger import Ledger
from reference_stack.orchestrator.pushing import Pushes
from reference_stack.ports import PortError, Unreachable
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

    asked: dict[int, int] = field(default_factory=dict)
    clicked: dict[int, int] = field(default_factory=dict)


class Replica(Component[ServingSettings]):
    """A replica, or the collector: each counts what only it can, for each replica alike."""

    traffic: Traffic
    began: int

    @serves(TALLY)
    async def tally(self, request: TallyRequest) -> TallyReply:
        asked, clicked = (of.get(request.version, 0) for of in (self.traffic.asked, self.traffic.clicked))
        counts = (
            {f"clicked.{name}": clicked for name in REPLICAS}
            if self.name == "collector"
            else {"asked": asked}
        )
        return TallyReply(counts={**counts, "began": self.began})


class Hall:
    """Two replicas in virtual time, and the doors before them."""

    def __init__(self) -> None:
        self.machine = VirtualMachine(1, 1.0, start_day=3.0)
        self.traffic = Traffic()
        self.lines: list[str] = []
        self.ledger = Ledger(MemoryFolder())
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
        made.began = life_of(process.runtime)
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
            try:
                done.append(await work)
            except PortError as error:
                done.append(error)

        self.process.runtime.spawn(kept())
        self.machine.advance(self.machine.day() + days)
        if isinstance(done[0], PortError):
            raise done[0]
        return done[0]

    def layers(self, name: str, mode: Mode = Mode.ENFORCE):
        telemetry = Telemetry("door", self.process.runtime, self.process.sink(self.lines.append))
        hook = {"config": Hook.PUSH, "canary": Hook.CANARY}[name]
        return telemetry, LayerSet(armed(name, mode), telemetry, (hook,)).at(hook)

    def push(self, value: object, *, mode: Mode = Mode.ENFORCE, approved_by: str = "bob"):
        telemetry, hosts = self.layers("config", mode)
        door = Pushes(self.process.runtime, telemetry, self.ports, hosts, self.ledger)
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


def test_a_value_that_is_taken_back_does_not_undo_a_later_push(hall):
    """The first component stands still while the first push is judged; then somebody pushes another value."""
    telemetry, hosts = hall.layers("config")
    door = Pushes(hall.process.runtime, telemetry, hall.ports, hosts, hall.ledger)

    def push(value: str) -> object:
        request = PushRequest(
            "placements", msgspec.Raw(msgspec.json.encode(value)), "ann", list(REPLICAS), "bob"
        )
        return hall.run(door.push(request, 0.4), 0.05)

    assert push("home=8").refused_by == ""
    hall.machine.end("serving-a")
    hall.machine.advance(3.6)  # nothing is heard of it: it is to be taken back, and cannot be
    hall.machine.start("serving-a", lambda process: hall.component("serving-a", process), ShellSettings())
    assert push("home=7").refused_by == ""
    hall.machine.advance(5.0)
    assert hall.settings("placements") == ["home=7", "home=7"]


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
    door = Pushes(hall.process.runtime, telemetry, hall.ports, hosts, hall.ledger)
    request = PushRequest("placements", msgspec.Raw(b'"home=9"'), "ann", list(REPLICAS), "bob")
    reply = hall.run(door.push(request, 0.1), 1.0)
    assert (reply.refused_by, reply.says[:8]) == ("serving-a", "TimedOut")


def test_who_does_not_answer_is_no_reason_that_the_others_do_not_get_a_value(hall):
    """Whoever pushes names nobody: then one who may not even have the setting must not be in the way."""
    process = hall.machine.process("serving-a")
    process.pause()
    telemetry, hosts = hall.layers("config")
    door = Pushes(hall.process.runtime, telemetry, hall.ports, hosts, hall.ledger)
    request = PushRequest("placements", msgspec.Raw(b'"home=9"'), "ann", [], "bob")
    assert hall.run(door.push(request, 0.1), 0.5).refused_by == ""
    assert hall.replica("serving-b").settings.placements == "home=9"
    process.resume()
    hall.machine.advance(5.0)
    assert hall.settings("placements") == ["home=9", "home=9"]


@pytest.mark.parametrize("components", [REPLICAS[:1], REPLICAS])
def test_what_cannot_be_held_against_what_is_there_is_not_let_in(hall, components):
    """One reply is lost on the way, that which says what is in force."""
    telemetry, hosts = hall.layers("config")
    door = Pushes(hall.process.runtime, telemetry, hall.ports, hosts, hall.ledger)
    asked: list[int] = []

    def lose_first(plan):
        asked.append(1)
        return plan.replace(lost_down=len(asked) == 1)

    hall.machine.links["door-serving-a"].shape(lose_first)
    request = PushRequest("placements", msgspec.Raw(b'""'), "ann", list(components), "bob")
    reply = hall.run(door.push(request, 0.1), 1.0)
    assert (reply.refused_by, reply.says[:8]) == ("serving-a", "TimedOut")
    assert hall.settings("placements") == ["home=10", "home=10"]


def test_it_is_taken_back_where_that_component_fails_with_it(hall):
    hall.push("basket=4")
    metrics = hall.replica("serving-a").telemetry.metrics
    metrics.add("answers_total", 30)
    metrics.add("answers_failed_total", 30)
    hall.machine.advance(3.3)
    assert hall.settings("placements") == ["home=10", "home=10"]


def test_what_it_had_answered_before_it_got_the_value_counts_neither_for_it_nor_against(hall):
    metrics = hall.replica("serving-a").telemetry.metrics
    metrics.add("answers_total", 9000)
    hall.push("basket=4")
    metrics.add("answers_total", 30)
    metrics.add("answers_failed_total", 30)
    hall.machine.advance(3.3)
    assert hall.settings("placements") == ["home=10", "home=10"]


def test_an_objection_stands_for_a_while_and_is_over(hall):
    hall.push("")
    hall.machine.advance(3.2)
    assert not any('"signal":"cleared"' in line for line in hall.lines)
    hall.machine.advance(3.4)
    assert any('"signal":"cleared"' in line for line in hall.lines)


def take_over_pushes(hall) -> None:
    hall.process = hall.machine.start(
        "door", lambda process: hall.component("door", process), ShellSettings()
    )
    hall.ports = {name: hall.machine.link(f"again-{name}", name).port(hall.process) for name in REPLICAS}
    telemetry, hosts = hall.layers("config")
    Pushes(hall.process.runtime, telemetry, hall.ports, hosts, hall.ledger).take_over(0.1)


def test_a_staged_value_goes_on_to_the_others_after_a_restart(hall):
    hall.push("home=8")
    hall.machine.end("door")
    hall.machine.advance(3.3)
    assert hall.settings("placements") == ["home=8", "home=10"]
    take_over_pushes(hall)
    hall.machine.advance(3.6)
    assert hall.settings("placements") == ["home=8", "home=8"]
    assert hall.ledger.pushes() == []


def test_a_staged_value_goes_on_though_the_disk_is_full_for_a_moment(hall, monkeypatch):
    kept = hall.ledger.keep_pushes

    def full(pushes) -> None:
        if any(staged.due_day is not None for staged in pushes):
            raise OSError("no space left on device")
        kept(pushes)

    monkeypatch.setattr(hall.ledger, "keep_pushes", full)
    assert hall.push("home=8").refused_by == ""
    hall.machine.advance(3.5)
    assert hall.settings("placements") == ["home=8", "home=8"]
    assert hall.ledger.pushes() == []


@pytest.mark.parametrize("lost", ["lost_up", "lost_down"])
def test_a_value_that_was_being_set_when_the_door_ended_goes_through_both_stages(hall, lost):
    telemetry, hosts = hall.layers("config")
    door = Pushes(hall.process.runtime, telemetry, hall.ports, hosts, hall.ledger)
    calls: list[int] = []

    def lose_the_second(plan):
        calls.append(1)
        return plan.replace(**{lost: len(calls) > 1})

    hall.machine.links["door-serving-a"].shape(lose_the_second)
    request = PushRequest("placements", msgspec.Raw(b'"home=8"'), "ann", list(REPLICAS), "bob")
    hall.process.runtime.spawn(door.push(request, 0.1))
    hall.machine.advance(3.05)
    hall.machine.end("door")
    take_over_pushes(hall)
    hall.machine.advance(3.1)
    assert hall.settings("placements") == ["home=8", "home=10"]
    hall.machine.advance(3.4)
    assert hall.settings("placements") == ["home=8", "home=8"]


def test_a_component_that_is_away_when_its_turn_comes_gets_the_value_later(hall):
    hall.push("home=8")
    hall.machine.end("serving-b")
    hall.machine.advance(3.6)
    hall.machine.start("serving-b", lambda process: hall.component("serving-b", process), ShellSettings())
    hall.machine.advance(3.9)
    assert hall.settings("placements") == ["home=8", "home=8"]


def test_of_a_key_that_is_pushed_anew_nothing_is_gone_on_with(hall):
    hall.push("home=8")
    hall.push("home=7")
    assert [bytes(staged.request.value) for staged in hall.ledger.pushes()] == [b'"home=7"']


def test_a_push_to_one_component_is_what_stands_and_nothing_earlier_is_gone_on_with(hall):
    telemetry, hosts = hall.layers("config")
    door = Pushes(hall.process.runtime, telemetry, hall.ports, hosts, hall.ledger)
    for value, components in ((b'"home=8"', REPLICAS), (b'"home=7"', REPLICAS[:1])):
        request = PushRequest("placements", msgspec.Raw(value), "ann", list(components), "bob")
        hall.run(door.push(request, 0.1))
    assert hall.ledger.pushes() == []
    hall.machine.advance(3.5)
    assert hall.settings("placements") == ["home=7", "home=10"]


class Pushing:
    """One door, at which the same key is pushed again and again."""

    def __init__(self, hall: Hall, mode: Mode = Mode.ENFORCE) -> None:
        self.hall = hall
        telemetry, hosts = hall.layers("config", mode)
        self.door = Pushes(hall.process.runtime, telemetry, hall.ports, hosts, hall.ledger)

    def __call__(self, value: object, *components: str, key: str = "placements") -> str:
        raw = msgspec.Raw(msgspec.json.encode(value))
        request = PushRequest(key, raw, "ann", list(components or REPLICAS), "bob")
        return self.hall.run(self.door.push(request, 0.1), 0.02).refused_by


def fail(hall: Hall, name: str) -> None:
    metrics = hall.replica(name).telemetry.metrics
    metrics.add("answers_total", 30)
    metrics.add("answers_failed_total", 30)


@pytest.mark.parametrize("then", ["nothing", "a restart", "serving-a is away", "a restart, and it is away"])
def test_what_nobody_has_judged_is_taken_back_where_another_value_is_pushed_elsewhere(hall, then):
    push = Pushing(hall)
    assert push("home=8") == ""
    mend = hall.machine.links["door-serving-a"].shape(lambda plan: plan.replace(refused="away" in then))
    assert push("home=7", "serving-b") == ""
    if "restart" in then:
        hall.machine.end("door")
        take_over_pushes(hall)
    else:
        hall.machine.advance(3.3)
        mend()
    hall.machine.advance(3.6)
    assert hall.settings("placements") == ["home=10", "home=7"]
    assert hall.ledger.pushes() == []


def test_what_fails_is_taken_back_to_what_was_there_before_another_value_that_nobody_has_judged(hall):
    push = Pushing(hall)
    assert (push("home=8"), push("home=7")) == ("", "")
    fail(hall, "serving-a")
    hall.machine.advance(3.5)
    assert hall.settings("placements") == ["home=10", "home=10"]


def test_a_value_is_held_against_what_was_there_before_one_that_nobody_has_judged(hall):
    push = Pushing(hall)
    before = hall.settings("refresh_days")
    assert push(10 * before[0], key="refresh_days") == ""
    assert push(100 * before[0], key="refresh_days") == "config"
    hall.machine.advance(3.5)  # the first one goes on
    assert hall.settings("refresh_days") == [10 * before[0]] * 2
    assert push(100 * before[0], key="refresh_days") == ""


def test_what_nobody_has_judged_is_taken_back_though_the_next_value_does_not_fit(hall):
    push = Pushing(hall)
    before = hall.settings("refresh_days")
    assert push(2 * before[0], key="refresh_days") == ""
    assert push("many", key="refresh_days") == "serving-a"
    hall.machine.advance(3.5)
    assert (hall.settings("refresh_days"), hall.ledger.pushes()) == (before, [])


def test_what_is_taken_back_does_not_undo_the_value_that_has_come_in_its_place(hall):
    push = Pushing(hall)
    assert push("home=8") == ""
    mend = hall.machine.links["door-serving-a"].shape(lambda plan: plan.replace(refused=True))
    assert push("home=7", "serving-b", "serving-a") == ""
    hall.machine.advance(3.13)
    assert hall.settings("placements") == ["home=8", "home=7"]
    mend()
    hall.machine.advance(3.6)
    assert (hall.settings("placements"), hall.ledger.pushes()) == (["home=7", "home=7"], [])


def test_a_value_that_was_found_sound_stays_where_another_is_pushed_elsewhere(hall):
    push = Pushing(hall)
    assert push("home=8") == ""
    hall.machine.end("serving-b")
    hall.machine.advance(3.3)
    hall.machine.start("serving-b", lambda process: hall.component("serving-b", process), ShellSettings())
    assert push("home=7", "serving-b") == ""
    hall.machine.advance(3.6)
    assert (hall.settings("placements"), hall.ledger.pushes()) == (["home=8", "home=7"], [])


def test_a_value_that_goes_on_while_the_key_is_pushed_anew_ends_no_stage_of_the_new_one(hall, monkeypatch):
    """The answer that serving-b has taken the first value comes when the second one stands there."""
    push = Pushing(hall)
    give = push.door._give

    async def slowly(component: str, request: PushRequest) -> PortError | None:
        error = await give(component, request)
        if (component, bytes(request.value)) == ("serving-b", b'"home=8"'):
            await hall.process.runtime.until(3.2)
        return error

    monkeypatch.setattr(push.door, "_give", slowly)
    assert push("home=8") == ""
    hall.machine.advance(3.15)
    assert hall.settings("placements") == ["home=8", "home=8"]
    assert push("home=7", "serving-b", "serving-a") == ""
    hall.machine.advance(3.5)
    assert hall.settings("placements") == ["home=7", "home=7"]


def test_a_push_that_is_under_way_stops_where_its_key_is_pushed_anew(hall, monkeypatch):
    push, replies = Pushing(hall, Mode.OFF), []
    give = push.door._give

    async def slowly(component: str, request: PushRequest) -> PortError | None:
        error = await give(component, request)
        if bytes(request.value) == b'"home=8"':
            await hall.process.runtime.until(3.1)
        return error

    async def first() -> None:
        value = msgspec.Raw(b'"home=8"')
        replies.append(
            await push.door.push(PushRequest("placements", value, "ann", list(REPLICAS), "bob"), 0.1)
        )

    monkeypatch.setattr(push.door, "_give", slowly)
    hall.process.runtime.spawn(first())
    hall.machine.advance(3.05)
    assert push("home=7", "serving-a") == ""
    hall.machine.advance(3.5)
    assert hall.settings("placements") == ["home=7", "home=10"]
    assert [(reply.refused_by, reply.unsure) for reply in replies] == [("serving-b", True)]


# --- the canary's stage ----------------------------------------------------------------------------------


def desk(hall: Hall) -> CanaryDesk:
    _, hosts = hall.layers("canary")
    registry = MemoryRegistry(MemoryFolder({}, "registry"), hall.machine.day)
    tags = {"snapshot": "s", "trained_day": "3"}
    for _ in range(2):
        hall.run(registry.register(artifact=b"m", parameters={}, metrics={}, tags=tags), 0.001)
    hall.machine.start("collector", lambda process: hall.component("collector", process), ShellSettings())
    collector = hall.machine.link("door-collector", "collector").port(hall.process)
    return CanaryDesk(hall.process.runtime, registry, hall.ports, collector, hosts, hall.ledger)


def test_a_stage_routes_and_counts_from_its_beginning(hall):
    stage = desk(hall)
    hall.traffic.asked = {1: 500, 2: 10}
    run = hall.run(stage.begin(2, 1))
    assert hall.settings("canary") == [True, True]
    assert stage.armed
    # Two replicas answer alike: what each has counted before the stage began is left out.
    hall.traffic.asked, hall.traffic.clicked = {1: 540, 2: 50}, {1: 22}
    hall.machine.advance(3.3)
    look = hall.run(stage.look(run))
    assert look.over
    assert "0 of 80 views" in look.objection
    assert "44 of 80" in look.objection
    hall.run(stage.end())
    assert hall.settings("canary") == [False, False]


def look_after(hall: Hall, change=lambda: None, *, clicked: int = 40):
    """A stage in which the champion's views are clicked 40 times in a hundred, looked at after `change`."""
    stage = desk(hall)
    hall.traffic.asked, hall.traffic.clicked = {1: 500, 2: 10}, {1: 200, 2: 4}
    run = hall.run(stage.begin(2, 1))
    hall.traffic.asked, hall.traffic.clicked = {1: 600, 2: 110}, {1: 240, 2: 4 + clicked}
    change()
    hall.machine.advance(3.3)
    return hall.run(stage.look(run), 1.0)


def again(hall: Hall, name: str) -> None:
    """The component begins anew, a moment later."""
    hall.machine.end(name)
    hall.machine.advance(hall.machine.day() + 0.01)
    hall.machine.start(name, lambda process: hall.component(name, process), ShellSettings())


def test_a_challenger_that_does_as_well_ends_its_stage(hall):
    assert look_after(hall) == Look(over=True)


@pytest.mark.parametrize("how", ["is gone", "began anew"])
@pytest.mark.parametrize("clicked", [5, 40])
def test_what_a_replica_that_is_gone_has_brought_counts_for_neither_side(hall, how, clicked):
    """The collector goes on counting the clicks on what it recommended: a bad challenger is bad all the same."""
    change = hall.machine.end if how == "is gone" else partial(again, hall)
    look = look_after(hall, lambda: change("serving-b"), clicked=clicked)
    assert look.over
    assert look.objection == ("" if clicked == 40 else look.objection)
    assert ("5 of 100 views" in look.objection) is (clicked == 5)
    assert ("champion's 40 of 100" in look.objection) is (clicked == 5)


def test_while_the_collector_is_away_nobody_is_judged(hall):
    assert look_after(hall, lambda: hall.machine.end("collector"), clicked=0) == Look()


@pytest.mark.parametrize("names", [("collector",), REPLICAS])
def test_a_stage_whose_counts_are_lost_begins_anew(hall, names):
    assert look_after(hall, lambda: [again(hall, name) for name in names], clicked=0) == Look(lost=True)


def test_a_replica_that_begins_anew_is_told_of_the_stage_again(hall):
    look_after(hall, lambda: again(hall, "serving-b"))
    assert hall.settings("canary") == [True, True]


@pytest.mark.parametrize("gone", ["collector", "serving-b"])
def test_a_stage_that_cannot_begin_leaves_nothing_routed(hall, gone):
    stage = desk(hall)
    hall.machine.end(gone)
    with pytest.raises(Unreachable):
        hall.run(stage.begin(2, 1), 1.0)
    assert hall.run(stage._registry.resolve("challenger")) is None
    assert hall.replica("serving-a").settings.canary is False


def test_a_stage_that_was_given_up_is_begun_anew(hall):
    stage = desk(hall)
    run = hall.run(stage.begin(2, 1))
    assert not stage.abandoned
    hall.run(stage.abandon())
    assert stage.abandoned
    hall.run(stage.begin(2, 1))
    assert not stage.abandoned
    assert hall.settings("canary") == [True, True]
    assert run.version == 2


def test_a_stage_lasts_for_its_time(hall):
    stage = desk(hall)
    hall.machine.advance(3.4)
    run = hall.run(stage.begin(2, 1))
    hall.traffic.asked, hall.traffic.clicked = {1: 100, 2: 100}, {1: 40, 2: 40}
    hall.machine.advance(3.6)
    assert hall.run(stage.look(run)) == Look()
    hall.machine.advance(3.7)
    assert hall.run(stage.look(run)) == Look(over=True)


@pytest.mark.parametrize("restarts", [False, True])
def test_a_replica_that_could_not_be_told_that_a_stage_is_over_is_told_later(hall, restarts):
    stage = desk(hall)
    hall.run(stage.begin(2, 1))
    mend = hall.machine.links["door-serving-b"].shape(lambda plan: plan.replace(refused=True))
    hall.run(stage.end())
    assert (hall.settings("canary"), stage.left_behind) == ([False, True], True)
    assert hall.run(stage._registry.resolve("challenger")) is None
    mend()
    if restarts:
        stage = another(hall, stage)
        stage.take_over(under_way=False)
        assert stage.left_behind
    hall.run(stage.clear())
    assert (hall.settings("canary"), stage.left_behind) == ([False, False], False)
    after = another(hall, stage)
    after.take_over(under_way=False)
    assert not after.left_behind


def another(hall: Hall, stage: CanaryDesk) -> CanaryDesk:
    """The desk of whoever comes after."""
    return CanaryDesk(
        hall.process.runtime, stage._registry, hall.ports, stage._collector, stage._hosts, hall.ledger
    )


@pytest.mark.parametrize("under_way", [False, True])
def test_a_stage_of_who_was_at_work_before_is_left_behind_unless_it_goes_on(hall, under_way):
    stage = desk(hall)
    hall.ledger.stage(True)  # by another process, meanwhile
    stage.take_over(under_way=under_way)
    assert stage.left_behind is not under_way


def test_a_stage_that_could_not_be_ended_is_ended_later(hall, monkeypatch):
    stage = desk(hall)
    hall.run(stage.begin(2, 1))

    async def away(_alias: str) -> None:
        raise Unreachable("the registry is away")

    with monkeypatch.context() as patch:
        patch.setattr(stage._registry, "drop_alias", away)
        hall.run(stage.abandon())
    assert hall.settings("canary") == [False, False]
    assert stage.left_behind
    after = another(hall, stage)
    after.take_over(under_way=True)
    assert not after.left_behind
    after.take_over(under_way=False)
    assert after.left_behind
    hall.run(after.clear())
    assert hall.run(stage._registry.resolve("challenger")) is None
    assert not after.left_behind
    hall.run(stage.begin(2, 1))
    hall.run(stage.clear())
    assert hall.settings("canary") == [True, True]


def test_counts_that_were_forgotten_are_lost(hall):
    def forget() -> None:
        hall.traffic.asked = {1: 3, 2: 110}

    assert look_after(hall, forget) == Look(lost=True)


def test_a_stage_of_an_older_version_is_begun_anew():
    older = {
        "serving-a": {"asked": 5, "late": 0, "clicked": 0},
        "collector": {"asked": 0, "late": 0, "clicked": 3},
    }
    now = {
        "serving-a": {"asked": 9, "late": 0, "began": 7},
        "collector": {"clicked.serving-a": 1, "began": 7},
    }
    assert not canary._same_life("serving-a", now, older)
    assert not canary._same_life("collector", now, older)
    assert not canary._same_life("serving-a", older, now)
    assert canary._same_life("serving-a", now, now)

"""Links and processes in virtual time: toxics, kills, pauses, the same twice."""

import asyncio

import msgspec
import pytest

from reference_stack.folders import MemoryFolder
from reference_stack.messages import HEALTH
from reference_stack.ports import Failed, PortError, Rejected, TimedOut, Unreachable
from reference_stack.settings import ShellSettings
from reference_stack.shells.virtual_link import LinkModel, Plan, Shape
from reference_stack.shells.virtual_machine import VirtualMachine, VirtualProcess


class House:
    """A caller and an echo, and one link between them."""

    def __init__(self, parts, *, seed: int = 1, shell: ShellSettings | None = None) -> None:
        self.parts = parts
        self.log: list[str] = []
        self.exits: list[tuple[str, int]] = []
        self.machine = VirtualMachine(seed, 1.0, on_exit=lambda name, code: self.exits.append((name, code)))
        self.shell = shell or ShellSettings()
        self.start("echo")
        self.start("caller")
        self.link = self.machine.link("caller-echo", "echo", LinkModel(way_ms=1.0, jitter_ms=0.0))

    def start(self, name: str) -> None:
        self.machine.start(
            name, lambda p: self.parts.make(name, p.runtime, p.sink(self.log.append)), self.shell
        )

    @property
    def echo(self):
        return self.machine.process("echo").server.component

    def call(self, what: str = "x", timeout_ms: float = 100.0) -> list[object]:
        """Start a call; what became of it, and when, will be in the list."""
        process = self.machine.process("caller")
        port = self.link.port(process)
        became: list[object] = []

        async def work() -> None:
            try:
                reply = await port.call(self.parts.ASK, self.parts.Ask(what), timeout_ms=timeout_ms)
            except PortError as error:
                became.append(type(error))
            else:
                became.append(reply.what)
            became.append(round(process.runtime.now() * 1000, 6))

        process.runtime.spawn(work())
        return became


@pytest.fixture
def house(parts):
    house = House(parts)
    yield house
    house.machine.close()


def test_a_message_takes_its_way_there_and_back(house: House) -> None:
    became = house.call()
    house.machine.advance(1.0)
    assert became == ["hello x", 2.0]


@pytest.mark.parametrize(
    ("shape", "expected", "asked"),
    [
        (lambda plan: plan.replace(down_ms=plan.down_ms + 50), ["hello x", 52.0], 1),
        (lambda plan: plan.replace(up_ms=plan.up_ms + 200), [TimedOut, 100.0], 1),
        (lambda plan: plan.replace(lost_up=True), [TimedOut, 100.0], 0),
        (lambda plan: plan.replace(lost_down=True), [TimedOut, 100.0], 1),
        (lambda plan: plan.replace(reset_up=True), [Unreachable, 1.0], 0),
        (lambda plan: plan.replace(reset_down=True), [Unreachable, 2.0], 1),
        (lambda plan: plan.replace(corrupt_up=True), [Rejected, 2.0], 0),
        (lambda plan: plan.replace(corrupt_down=True), [Failed, 2.0], 1),
        (lambda plan: plan.replace(refused=True), [Unreachable, 2.0], 0),
    ],
)
def test_shapes_do_what_they_say(house: House, shape: Shape, expected: list[object], asked: int) -> None:
    house.link.shape(shape)
    became = house.call()
    house.machine.advance(1.0)
    assert became == expected
    assert house.echo.asked == asked


def test_shapes_add_up_and_are_taken_away_one_by_one(house: House) -> None:
    def slower(plan: Plan) -> Plan:
        return plan.replace(down_ms=plan.down_ms + 10)

    removes = [house.link.shape(slower), house.link.shape(slower)]
    times: list[float] = []
    for _ in range(3):
        start = house.machine.loop.time()
        became = house.call()
        house.machine.advance(house.machine.day() + 0.5)
        times.append(became[1] - start * 1000)
        if removes:
            remove = removes.pop()
            remove()
            remove()
    assert times == pytest.approx([22.0, 12.0, 2.0])


def test_a_caller_that_gives_up_does_not_end_the_work(house: House) -> None:
    became = house.call("slow", timeout_ms=50)
    house.machine.advance(1.0)
    assert became == [TimedOut, 50.0]
    assert house.echo.finished == 1


def test_a_cut_link_breaks_what_is_under_way_and_refuses_the_rest(house: House) -> None:
    first = house.call("slow", timeout_ms=1000)
    house.machine.advance(0.05)
    house.link.down()
    second = house.call()
    house.machine.advance(0.5)
    assert first == [Unreachable, 50.0]
    assert second == [Unreachable, 52.0]
    house.link.up()
    third = house.call()
    house.machine.advance(1.0)
    assert third == ["hello x", 502.0]
    assert house.echo.finished == 2


@pytest.mark.parametrize(
    "toxic",
    [
        lambda plan: plan.replace(lost_down=True),
        lambda plan: plan.replace(corrupt_down=True),
        lambda plan: plan.replace(down_ms=plan.down_ms + 50),
    ],
)
@pytest.mark.parametrize("ends", ["the link", "the process"])
def test_a_refused_connection_is_refused_at_once_whatever_toxics_do_to_replies(
    house: House, toxic: Shape, ends: str
) -> None:
    house.link.shape(toxic)
    if ends == "the link":
        house.link.down()
    else:
        house.machine.end("echo")
    became = house.call()
    house.machine.advance(1.0)
    assert became == [Unreachable, 2.0]


def test_a_lossy_link_loses_its_share(parts) -> None:
    house = House(parts)
    link = house.machine.link("lossy", "echo", LinkModel(lost=0.1))
    house.link = link
    became = [house.call() for _ in range(1000)]
    house.machine.advance(1.0)
    lost = sum(one[0] is TimedOut for one in became)
    assert 150 < lost < 230  # 1 − 0.9² of a thousand
    house.machine.close()


def test_toxics_leave_the_draws_of_others_alone(parts) -> None:
    def times(shape: Shape | None) -> list[float]:
        house = House(parts)
        house.link = house.machine.link("jittery", "echo", LinkModel(way_ms=1.0, jitter_ms=1.0))
        if shape:
            house.link.shape(shape)
        became = [house.call() for _ in range(20)]
        house.machine.advance(1.0)
        house.machine.close()
        return [one[1] for one in became]

    def every_other(plan: Plan) -> Plan:
        return plan.replace(lost_up=True) if plan.ordinal % 2 else plan

    plain, shaped = times(None), times(every_other)
    assert shaped[::2] == plain[::2]
    assert set(shaped[1::2]) == {100.0}


def test_two_runs_are_the_same_and_another_seed_is_not(parts) -> None:
    def run(seed: int) -> list[object]:
        house = House(parts, seed=seed, shell=ShellSettings(workers=2, queue=4, service_ms=3.0))
        house.link = house.machine.link("jittery", "echo", LinkModel(jitter_ms=2.0))
        became: list[list[object]] = []
        for step in range(200):
            became.extend(house.call("slow" if step % 7 == 0 else f"{step}") for _ in range(3))
            house.machine.advance((step + 1) / 250)
        house.machine.advance(2.0)
        house.machine.close()
        return [*became, house.log]

    assert run(5) == run(5)
    assert run(5) != run(6)


def test_a_killed_component_is_gone_and_callers_notice(house: House) -> None:
    under_way = house.call("slow", timeout_ms=1000)
    house.machine.advance(0.05)
    killed = house.echo
    house.machine.end("echo")
    later = house.call()
    house.machine.advance(0.5)
    assert under_way == [Unreachable, 51.0]
    assert later == [Unreachable, 52.0]
    assert killed.finished == 0
    assert house.exits == [("echo", -9)]
    house.start("echo")
    again = house.call()
    house.machine.advance(1.0)
    assert again == ["hello x", 502.0]
    assert house.echo.asked == 1


def test_a_kill_ends_all_tasks_keeps_the_folder_and_lets_nothing_clean_up(parts) -> None:
    machine = VirtualMachine(1, 1.0)
    folder = MemoryFolder()
    log: list[str] = []

    class Writer(parts.Echo):
        def __init__(self, *args) -> None:
            *args, self.folder = args
            super().__init__(*args)

        async def run(self) -> None:
            self.runtime.spawn(self.tick())
            self.folder.write("lease", b"held")
            try:
                await self.runtime.sleep(100)
            finally:
                self.folder.delete("lease")

        async def tick(self) -> None:
            while True:
                await self.runtime.sleep(1)
                self.folder.append("ticks", b".")
                self.telemetry.log("tick")

    def build(process):
        return parts.make("writer", process.runtime, process.sink(log.append), Writer, process.folder(folder))

    machine.start("writer", build, ShellSettings())
    machine.advance(3.5)
    tasks = machine.process("writer").runtime.tasks
    machine.end("writer")
    machine.advance(9.0)
    assert len(tasks) == 0
    assert folder.read("ticks") == b"..."
    assert folder.exists("lease")
    assert len(log) == 3
    machine.start("writer", build, ShellSettings())
    machine.advance(10.5)
    assert folder.read("ticks") == b"...."
    machine.close()


def test_a_paused_component_answers_when_it_goes_on(house: House) -> None:
    impatient = house.call(timeout_ms=50)
    patient = house.call(timeout_ms=1000)
    house.machine.process("echo").pause()
    house.machine.advance(0.2)
    assert impatient == [TimedOut, 50.0]
    assert patient == []
    house.machine.process("echo").resume()
    house.machine.advance(0.5)
    assert patient == ["hello x", 201.0]
    assert house.echo.asked == 2


def test_a_component_killed_while_paused_breaks_its_calls(house: House) -> None:
    waiting = house.call(timeout_ms=1000)
    house.machine.process("echo").pause()
    house.machine.advance(0.2)
    house.machine.end("echo")
    house.machine.advance(0.5)
    assert waiting == [Unreachable, 201.0]


def test_a_component_whose_work_breaks_ends_with_code_1(parts) -> None:
    house = House(parts)

    class Broken(parts.Echo):
        async def run(self) -> None:
            await self.runtime.sleep(1)
            raise LookupError("no such day")

    house.machine.start(
        "broken", lambda p: parts.make("broken", p.runtime, p.sink(house.log.append), Broken), ShellSettings()
    )
    house.machine.advance(2.0)
    assert house.exits == [("broken", 1)]
    assert msgspec.json.decode(house.log[-1])["kind"] == "LookupError"
    with pytest.raises(RuntimeError, match="runs already"):
        house.start("echo")
    house.machine.close()


def test_requests_past_the_links_get_a_status_and_a_body(house: House) -> None:
    got: list[tuple[int, bytes]] = []

    def on_reply(status: int, body: bytes) -> None:
        got.append((status, body))

    def ask(name: str, operation: str, body: bytes) -> None:
        house.machine.request(name, operation, body, on_reply)

    ask("echo", "ask", b'{"what":"x"}')
    ask("echo", "ask", b'{"what":1}')
    ask("echo", "count", b"")
    ask("echo", "nothing", b"{}")
    ask("echo", "ask", b'{"what":"bug"}')
    ask("nobody", "ask", b"{}")
    house.machine.advance(0.1)
    statuses = sorted(status for status, _ in got)
    assert statuses == [200, 200, 400, 404, 500, 503]
    assert (200, b'{"what":"hello x","count":1}') in got


def test_messages_can_be_checked(parts) -> None:
    machine = VirtualMachine(1, 1.0, check_messages=True)

    def build(process):
        return parts.make(process.name, process.runtime, process.sink(lambda _: None))

    machine.start("echo", build, ShellSettings())
    caller = machine.start("caller", build, ShellSettings())
    port = machine.link("link", "echo").port(caller)
    became: list[object] = []

    async def work() -> None:
        became.append(await port.call(parts.ASK, parts.Ask("x"), timeout_ms=10))
        with pytest.raises(TypeError, match="does not go over a wire as Ask"):
            await port.call(parts.ASK, parts.Ask(3), timeout_ms=10)
        became.append("refused")

    caller.runtime.spawn(work())
    machine.advance(1.0)
    assert became == [parts.Told("hello x", 1), "refused"]
    machine.close()


def test_a_day_that_was_waited_for_has_come_whatever_the_pace() -> None:
    machine = VirtualMachine(1, 60.0)
    process = VirtualProcess(machine, "one")
    early = []

    async def wait() -> None:
        for step in range(1, 2000):
            await process.runtime.until(step / 145)
            early.append(process.runtime.day() < step / 145)

    process.runtime.spawn(wait(), lambda _ended: None)
    machine.advance(14.0)
    machine.close()
    assert len(early) == 1999
    assert not any(early)


# --- stop --------------------------------------------------------------------------------------------------


def test_a_component_that_is_stopped_answers_what_is_open_and_takes_nothing_more(house: House) -> None:
    first = house.call("slow", timeout_ms=5000)
    house.machine.advance(0.1)
    house.machine.stop("echo")
    assert house.machine.process("echo") is None
    second = house.call("x", timeout_ms=5000)
    house.machine.advance(1.0)
    assert first[0] == "hello slow"
    assert second[0] is Unreachable
    assert house.exits == [("echo", 0)]


def test_who_has_nothing_to_answer_is_gone_at_once(house: House) -> None:
    house.machine.stop("echo")
    assert house.exits == [("echo", 0)]


def test_what_takes_longer_than_a_second_breaks_off(house: House) -> None:
    became = [house.call("slow", timeout_ms=5000)]
    house.machine.advance(0.1)
    process = house.machine.process("echo")
    process.pause()
    house.machine.stop("echo")
    house.machine.advance(1.0)
    assert house.exits == []
    house.machine.advance(1.2)
    assert house.exits == [("echo", 0)]
    assert became[0][0] is Unreachable


def test_a_component_that_is_started_again_meanwhile_has_ended_before(house: House) -> None:
    became = house.call("slow", timeout_ms=5000)
    house.machine.advance(0.1)
    house.machine.stop("echo")
    house.start("echo")
    assert house.exits == [("echo", 0)]
    house.machine.advance(3.0)
    assert became[0] is Unreachable
    assert house.exits == [("echo", 0)]
    assert house.echo.asked == 0


def test_what_winds_up_ends_with_the_machine(parts) -> None:
    house = House(parts)
    house.call("slow", timeout_ms=5000)
    house.machine.advance(0.1)
    house.machine.stop("echo")
    house.machine.close()
    assert ("echo", 0) in house.exits


def test_a_health_request_takes_its_own_way_and_leaves_the_draws_of_others_alone(parts) -> None:
    moments = []
    for pings in (0, 3):
        house = House(parts)
        link = house.link = house.machine.link("jittery", "echo", LinkModel(way_ms=1.0, jitter_ms=0.5))
        trips: list[float] = []
        for _ in range(pings):
            link.ping(trips.append)
        moments.append([house.call(str(number)) for number in range(5)])
        house.machine.advance(1.0)
        assert trips == pytest.approx([2.0] * pings), "without jitter, so that it is the link's own figure"
        house.machine.close()
    assert moments[0] == moments[1]


@pytest.mark.parametrize(
    ("shape", "trip_ms"),
    [
        (lambda plan: plan.replace(up_ms=plan.up_ms + 3, down_ms=plan.down_ms + 50), 55.0),
        (lambda plan: plan.replace(lost_up=True), None),
        (lambda plan: plan.replace(lost_down=True), None),
        (lambda plan: plan.replace(refused=True), None),
        (lambda plan: plan.replace(reset_up=True), None),
        (lambda plan: plan.replace(reset_down=True), None),
        (lambda plan: plan.replace(corrupt_down=True), None),
    ],
)
def test_a_health_request_feels_the_toxics(house: House, shape: Shape, trip_ms: float | None) -> None:
    house.link.shape(shape)
    trips: list[float] = []
    house.machine.advance(0.3)
    house.link.ping(trips.append)
    house.machine.advance(1.0)
    assert trips == ([] if trip_ms is None else pytest.approx([trip_ms]))


def test_a_health_request_comes_back_neither_over_a_cut_link_nor_from_a_dead_process(house: House) -> None:
    trips: list[float] = []
    house.link.down()
    house.link.ping(trips.append)
    house.link.up()
    house.link.ping(trips.append)
    house.link.down()
    house.machine.advance(0.1)
    house.link.up()
    house.machine.end("echo")
    house.link.ping(trips.append)
    house.machine.advance(0.2)
    assert trips == []


def test_chance_in_a_shape_reaches_a_share_of_the_health_requests(house: House) -> None:
    house.link.shape(lambda plan: plan.replace(lost_up=plan.up_chance < 0.25))
    trips: list[float] = []
    for number in range(200):
        house.machine.advance(number * 0.037)
        house.link.ping(trips.append)
    house.machine.advance(8.0)
    assert 140 <= len(trips) <= 160


def test_a_reply_comes_later_by_what_its_handler_takes_and_each_time_alike(parts) -> None:
    house = House(parts)
    model = LinkModel(way_ms=1.0, jitter_ms=0.0, handling_ms={parts.ASK.name: 4.0, HEALTH.name: 3.0})
    house.link = house.machine.link("handled", "echo", model)
    for start in (0.0, 0.5):
        house.machine.advance(start)
        became = house.call()
        house.machine.advance(start + 0.4)
        assert became == ["hello x", start * 1000 + 6.0]
    trips: list[float] = []
    house.link.ping(trips.append)
    house.machine.advance(1.0)
    assert trips == pytest.approx([5.0])
    house.machine.close()


def test_each_fate_befalls_its_own_share_and_jitter_only_delays(parts) -> None:
    house = House(parts)
    house.link = house.machine.link(
        "bad", "echo", LinkModel(lost=0.05, reset=0.1, corrupt=0.2, jitter_ms=0.5)
    )
    became = [house.call() for _ in range(2000)]
    house.machine.advance(1.0)
    seen = [one[0] for one in became]
    back = (
        1.0 - 0.05 - 0.1
    )  # what is neither lost nor broken off on its way up; an unreadable one is answered
    for kind, share in (
        (TimedOut, 0.05 + back * 0.05),
        (Unreachable, 0.1 + back * 0.1),
        (Failed, back * 0.2),
    ):
        assert seen.count(kind) / 2000 == pytest.approx(share, abs=0.025)
    trips = [one[1] for one in became if one[0] not in (TimedOut, Unreachable, Rejected)]
    assert min(trips) >= 0.5
    assert sum(trips) / len(trips) == pytest.approx(0.5 + 2 * 0.5, abs=0.1)
    house.machine.close()


def test_a_process_that_has_ended_asks_nothing_any_more(house: House) -> None:
    port = house.link.port(house.machine.process("caller"))
    house.machine.end("caller")
    with pytest.raises(asyncio.CancelledError):
        port.call(house.parts.ASK, house.parts.Ask("x"), timeout_ms=10.0)
    house.machine.advance(1.0)
    assert house.echo.asked == 0

"""The warm parent and its processes: told what to do by JSON lines, and gone with it."""

import http.client
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import psutil
import pytest

from reference_stack.shells.addresses import free_addresses
from reference_stack.shells.live import write_origin

pytestmark = pytest.mark.processes

LIMIT_S = 30.0
SCRIPT = """
import sys
from pathlib import Path
import msgspec
from reference_stack.component import Component, serves
from reference_stack.messages import Empty
from reference_stack.ports import Operation
from reference_stack.settings import read_settings
from reference_stack.shells.live import line_sink, open_log, run_component
from reference_stack.shells.processes import Body, run_parent

class Told(msgspec.Struct, frozen=True):
    day: float
    memory: int

class Small(msgspec.Struct, frozen=True):
    greeting: str = "hello"

class Counter(Component[Small]):
    memory = 0

    async def run(self):
        self.telemetry.log("began")
        if self.name == "broken":
            await self.runtime.until(0.01)
            raise LookupError("lost its way")

    @serves(Operation("count", Empty, Told))
    async def count(self, request):
        self.memory += 1
        return Told(self.runtime.day(), self.memory)

def serve(name, settings):
    def build(life):
        return Counter(name, life.runtime, life.telemetry, Small(), {}, "b1")
    with open_log(Path(settings.root), name) as log:
        return run_component(name, settings, build, line_sink(log))

def choose(name, settings, file):
    if name == "program":
        return Body(program=[sys.executable, "-c", "import sys, time; print(sys.argv, flush=True); time.sleep(600)", str(file)])
    if name == "raises":
        return Body(run=lambda: 1 // 0)
    return Body(run=lambda: serve(name, settings))

sys.exit(run_parent(read_settings, choose))
"""


class Parent:
    """A parent with small components, and what it says."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.root = folder / "stack"
        self.root.mkdir()
        script = folder / "parent.py"
        script.write_text(SCRIPT)
        self.addresses = free_addresses(names)
        self.settings = folder / "settings.json"
        self.settings.write_text(
            json.dumps({"root": str(self.root), "addresses": self.addresses, "day_seconds": 0.5})
        )
        self.process = subprocess.Popen(
            [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        self.unasked: list[dict] = []
        assert self.line() == {"ready": True}

    def line(self) -> dict:
        readable, _, _ = select.select([self.process.stdout], [], [], LIMIT_S)
        assert readable, "the parent says nothing"
        return json.loads(self.process.stdout.readline())

    def tell(self, **command: str) -> dict:
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        while True:
            said = self.line()
            if "ok" in said:
                return said
            self.unasked.append(said)

    def up(self) -> dict[str, int]:
        said = self.tell(do="up", settings=str(self.settings))
        assert said["ok"], said
        return said["pids"]

    def ask(self, component: str, path: str) -> dict | None:
        connection = http.client.HTTPConnection(self.addresses[component], timeout=0.5)
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def await_health(self, component: str) -> None:
        eventually(lambda: self.ask(component, "/health"))

    def log(self, component: str) -> list[dict]:
        return [
            json.loads(line) for line in (self.root / "logs" / f"{component}.jsonl").read_text().splitlines()
        ]


def eventually(condition):
    deadline = time.monotonic() + LIMIT_S
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.005)
    return found


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def parent_of(tmp_path: Path):
    parents: list[Parent] = []

    def make(*names: str) -> Parent:
        parents.append(Parent(tmp_path, list(names)))
        return parents[-1]

    yield make
    for parent in parents:
        parent.process.stdin.close()
        parent.process.wait(LIMIT_S)
        parent.process.stdout.close()


def test_a_stack_comes_up_starts_together_and_goes_down(parent_of) -> None:
    parent = parent_of("one", "two")
    pids = parent.up()
    assert sorted(pids) == ["one", "two"]
    for name in pids:
        parent.await_health(name)
        assert parent.ask(name, "/count")["day"] == 0.0
    write_origin(parent.root, time.monotonic() - 5.0)
    for name in pids:
        eventually(lambda name=name: parent.ask(name, "/count")["day"] > 10.0)
        assert [line["event"] for line in parent.log(name) if line["event"] not in ("lag", "times")] == [
            "began"
        ]
    assert parent.tell(do="down") == {"ok": True}
    assert sorted(said["exit"] for said in parent.unasked) == ["one", "two"]
    assert all(said["code"] == 0 for said in parent.unasked)
    assert all(gone(pid) for pid in pids.values())
    again = parent.up()
    assert sorted(again) == ["one", "two"]


def test_a_killed_component_starts_anew_without_its_memory(parent_of) -> None:
    parent = parent_of("one")
    pids = parent.up()
    parent.await_health("one")
    assert [parent.ask("one", "/count")["memory"] for _ in range(2)] == [1, 2]
    assert parent.tell(do="kill", component="one") == {"ok": True}
    assert parent.unasked == [{"exit": "one", "code": -9}]
    assert parent.tell(do="exits")["exits"] == parent.unasked
    assert parent.tell(do="kill", component="one") == {"ok": False, "error": "one does not run"}
    started = parent.tell(do="start", component="one")
    assert started["pids"]["one"] != pids["one"]
    parent.await_health("one")
    assert parent.ask("one", "/count")["memory"] == 1


def test_a_paused_component_is_silent_until_it_goes_on(parent_of) -> None:
    parent = parent_of("one")
    parent.up()
    parent.await_health("one")
    assert parent.tell(do="pause", component="one") == {"ok": True}
    assert parent.ask("one", "/health") is None
    assert parent.tell(do="resume", component="one") == {"ok": True}
    assert parent.ask("one", "/health")["ready"]
    parent.tell(do="pause", component="one")
    assert parent.tell(do="stop", component="one") == {"ok": True}
    assert parent.unasked == [{"exit": "one", "code": 0}]


def test_components_that_break_are_reported(parent_of) -> None:
    parent = parent_of("broken", "raises")
    parent.up()
    assert parent.line() == {"exit": "raises", "code": 1}
    assert "ZeroDivisionError" in (parent.root / "logs" / "raises.err").read_text()
    parent.await_health("broken")
    write_origin(parent.root, time.monotonic())
    assert parent.line() == {"exit": "broken", "code": 1}
    last = parent.log("broken")[-1]
    assert (last["event"], last["where"], last["says"]) == ("error", "run", "lost its way")


def test_a_program_is_given_the_complete_settings(parent_of) -> None:
    parent = parent_of("program")
    parent.up()
    said = parent.root / "logs" / "program.err"
    eventually(lambda: said.exists() and said.read_text())
    file = Path(said.read_text().split("'")[3])
    assert msgspec.json.decode(file.read_bytes())["serving"]["placements"] == "home=10"


def test_what_cannot_be_done_is_said(parent_of, tmp_path) -> None:
    parent = parent_of("one")
    assert parent.tell(do="start", component="one")["error"] == "no stack is up"
    assert "is none of" in parent.tell(do="dance")["error"]
    assert "speed" in parent.tell(do="up", speed="full")["error"]
    (tmp_path / "bad.json").write_text('{"world": 3}')
    assert "world" in parent.tell(do="up", settings=str(tmp_path / "bad.json"))["error"]
    assert "no-such" in parent.tell(do="up", settings="no-such.json")["error"]
    parent.up()
    assert parent.tell(do="up", settings=str(parent.settings))["error"] == "a stack is up already"


@pytest.mark.parametrize("how", ["end of input", "SIGTERM", "SIGKILL"])
def test_no_process_outlives_the_parent(parent_of, how: str) -> None:
    parent = parent_of("one", "paused", "program")
    pids = parent.up()
    for name in ("one", "paused"):
        parent.await_health(name)
    parent.tell(do="pause", component="paused")
    group = os.getpgid(parent.process.pid)
    assert group == parent.process.pid
    if how == "end of input":
        parent.process.stdin.close()
    else:
        parent.process.send_signal(getattr(signal, how))
    assert parent.process.wait(LIMIT_S) == (-9 if how == "SIGKILL" else 0)
    for pid in pids.values():
        eventually(lambda pid=pid: gone(pid))
    members = lambda: [p.pid for p in psutil.process_iter() if not gone(p.pid) and _group(p.pid) == group]  # noqa: E731
    eventually(lambda: not members())


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return -1


def test_the_reaper_alone_ends_them_too(parent_of) -> None:
    """What other systems than Linux rely on: a process that survives the parent is killed all the same."""
    parent = parent_of("one")
    parent.up()
    stray = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], process_group=os.getpgid(parent.process.pid)
    )
    parent.process.kill()
    assert stray.wait(LIMIT_S) == -9

"""One arm of the reference stack on real processes: it serves, it explains, and what goes wrong is said."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil
import pytest

from chaos.app import make_catalogue, make_files
from chaos.clock import WallClock
from chaos.domain.event import Exit, Views
from chaos.domain.plan import ArmPlan
from chaos.domain.scenario import Scenario
from chaos.domain.source import build, parse_source
from chaos.domain.target import TargetSpec
from chaos.domain.verdict import Results
from chaos.drivers.local import driver as driver_module
from chaos.drivers.local.driver import LocalDriver
from chaos.drivers.local.http import request
from chaos.drivers.local.ports import free_addresses
from chaos.errors import ArmFailed, ChaosError, Interrupted
from chaos.journal import read
from chaos.runner.plan import Planner, Request
from tests.command import CALM, begin, complete, until

pytestmark = pytest.mark.processes

# Loose bounds: what is tested here does not depend on whether the machine keeps up.
LOOSE = CALM.replace("probe: good_views\n    at_least: 0.9", "probe: views_per_day\n    at_least: 1")
REAL = ("--target", "reference-local", "--arms", "defended", "--day-seconds", "2")
UP_SECONDS = 300.0


def lines(*files: Path) -> Iterator[dict[str, object]]:
    """The whole lines of JSON files that are being written."""
    for file in files:
        whole = file.read_bytes().rpartition(b"\n")[0].splitlines()
        yield from (json.loads(line) for line in whole if line)


@pytest.fixture
def arm(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A real run of two quiet days that is serving; its process, and the folder of its only arm."""
    (tmp_path / "calm.yaml").write_text(LOOSE)
    process = begin("run", "calm.yaml", *REAL, "--keep", "never", "--out", "run", folder=tmp_path)
    root = tmp_path / "run" / "calm-1" / "defended" / "stack"
    try:
        until(lambda: shown(root) != [] or process.poll() is not None, UP_SECONDS)
        if process.poll() is not None:
            pytest.fail(f"it never served: {process.communicate()}")
        yield process, root
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate()


def shown(root: Path) -> list[dict[str, object]]:
    """Recommendations of scenario days that serving-a has logged."""
    logs = [path for path in root.glob("serving/**/serving-a.jsonl") if "-" not in path.parent.name]
    return [line for line in lines(*logs) if "recommendation" in line]


def test_an_arm_serves_and_explains_and_its_logs_stay(arm: tuple[subprocess.Popen[str], Path]) -> None:
    process, root = arm
    recommended = shown(root)[0]
    address = json.loads((root / "settings.json").read_text())["addresses"]["serving-a"]
    told = json.loads(request(address, "GET", f"/explain/{recommended['recommendation']}", timeout_ms=10_000))
    assert told["recommendation"] == recommended["recommendation"]
    assert told["version"] == recommended["version"]
    assert told["slate"] == recommended["slate"]
    assert told["replica"] == "serving-a"
    assert told["snapshot"]
    assert told["partitions"]
    assert len(told["reasons"]) == len(told["slate"])

    outcome = complete(process)
    assert outcome.code in (0, 1, 2), outcome  # as the machine allows
    journal = read(root.parent.parent / "journal-defended.jsonl")
    assert not journal.interrupted
    assert sum(row.n for views in journal.of(Views) for row in views.rows) > 500
    assert [gone.component for gone in journal.of(Exit) if not gone.expected] == []
    kept = {path.name for path in root.iterdir() if path.is_dir()}
    assert kept == {"logs", "registry"}
    said = {path.stem for path in (root / "logs").glob("*.jsonl")}
    assert {"collector", "features", "serving-a", "serving-b", "orchestrator", "monitor", "shop"} <= said
    assert [path for path in (root / "registry").rglob("*") if path.is_file()]


def test_a_component_that_is_killed_from_outside_is_seen(arm: tuple[subprocess.Popen[str], Path]) -> None:
    process, root = arm
    record = root.parent.parent.parent / "processes.jsonl"
    (pid,) = [entry["pid"] for entry in lines(record) if entry.get("name") == "serving-a"]
    os.kill(int(str(pid)), signal.SIGKILL)
    outcome = complete(process)
    assert outcome.code in (1, 2), outcome
    journal = read(root.parent.parent / "journal-defended.jsonl")
    (lost,) = [gone for gone in journal.of(Exit) if not gone.expected]
    assert (lost.component, lost.code) == ("serving-a", -signal.SIGKILL)
    results = Results.model_validate_json((record.parent / "results.json").read_bytes())
    assert results.verdict != "passed"
    assert any("lost serving-a" in reason.says for reason in results.trials[0].reasons)
    assert "lost serving-a" in outcome.out


# --- what cannot be brought up ---------------------------------------------------------------------------


class Started:
    """The processes that a driver says it has started."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._processes: list[psutil.Process] = []

    def note(self, name: str, pid: int) -> None:
        self.names.append(name)
        with suppress(psutil.NoSuchProcess):
            self._processes.append(psutil.Process(pid))

    def alive(self) -> list[psutil.Process]:
        return [
            process
            for process in self._processes
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        ]


def arm_plan(spec: TargetSpec) -> ArmPlan:
    source = parse_source("calm.yaml", LOOSE.encode())
    planner = Planner(build(Scenario, source), source, spec, make_catalogue(), Request(day_seconds=2.0))
    return planner.plan(1).arms[0]


def refusal(
    spec: TargetSpec,
    folder: Path,
    started: Started,
    kind: type[ChaosError] = ArmFailed,
    stopping: Callable[[], bool] = lambda: False,
) -> str:
    """Why a driver could not bring up an arm; it has taken everything down when this returns."""
    arm = folder / "arm"
    arm.mkdir()
    driver = LocalDriver(folder, WallClock(), started.note, stopping)
    try:
        with pytest.raises(kind) as caught:
            driver.start(arm_plan(spec), spec, arm, lambda _event: None)
    finally:
        driver.close()
    assert until(lambda: started.alive() == [], 5.0), started.alive()
    assert not (folder / "warmup").exists()
    return str(caught.value)


@pytest.fixture
def spec() -> TargetSpec:
    return make_files().target("reference-local")[0]


def test_a_port_in_use_is_named(tmp_path: Path, spec: TargetSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(
            driver_module,
            "free_addresses",
            lambda names: {**free_addresses(names), "collector": f"127.0.0.1:{port}"},
        )
        started = Started()
        says = refusal(spec, tmp_path, started)
    assert "collector" in says
    assert str(port) in says
    assert "in use" in says
    assert {"stack", "network proxy", "data proxy"} <= set(started.names)


def test_an_arm_that_does_not_come_up_is_no_obstacle_to_the_next_one(
    tmp_path: Path, spec: TargetSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = Started()
    driver = LocalDriver(tmp_path, WallClock(), started.note)
    try:
        for name in ("first", "second"):
            (tmp_path / name).mkdir()
        with monkeypatch.context() as patch:
            patch.setattr(driver_module, "HEALTHY_SECONDS", 0.0)
            with pytest.raises(ArmFailed, match=r"^not healthy after 0 s: "):
                driver.start(arm_plan(spec), spec, tmp_path / "first", lambda _event: None)
        target = driver.start(arm_plan(spec), spec, tmp_path / "second", lambda _event: None)
        assert target.running("serving-a")
        target.close()
    finally:
        driver.close()
    assert until(lambda: started.alive() == [], 5.0), started.alive()


@pytest.mark.parametrize("last", ["warm-up", "stack", "serving-a"])
def test_a_stop_is_heeded_while_an_arm_comes_up(tmp_path: Path, spec: TargetSpec, last: str) -> None:
    started = Started()
    says = refusal(spec, tmp_path, started, Interrupted, lambda: last in started.names)
    assert says == "stopped by the user"
    assert last in started.names


def test_a_missing_command_is_named(tmp_path: Path, spec: TargetSpec) -> None:
    driver = spec.driver.model_copy(update={"command": ["no-such-program", "serve"]})
    says = refusal(spec.model_copy(update={"driver": driver}), tmp_path, Started())
    assert "no-such-program" in says
    assert "No such file" in says


def test_a_command_that_fails_says_why(tmp_path: Path, spec: TargetSpec) -> None:
    driver = spec.driver.model_copy(update={"command": ["python", "-m", "reference_stak"]})
    says = refusal(spec.model_copy(update={"driver": driver}), tmp_path, Started())
    assert "No module named reference_stak" in says


def test_a_full_disk_is_named_and_everything_is_taken_down(tmp_path: Path) -> None:
    """No file may grow beyond 64 kB: the warm-up's database is the first that wants to."""
    (tmp_path / "calm.yaml").write_text(LOOSE)
    small_disk = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, 65_536))"
    process = begin("run", "calm.yaml", *REAL, "--out", "run", folder=tmp_path, prelude=small_disk)
    outcome = complete(process)
    assert outcome.code == 2, outcome
    assert "Traceback" not in outcome.err
    assert "void: the warm-up failed: " in outcome.out
    for entry in lines(tmp_path / "run" / "processes.jsonl"):
        if "pid" in entry:
            assert not psutil.pid_exists(int(str(entry["pid"])))
    assert not (tmp_path / "run" / "warmup").exists()
    assert msgspec.json.decode((tmp_path / "run" / "processes.jsonl").read_bytes().splitlines()[-1]) == {
        "what": "closed"
    }

"""What an engine is asked for by the changes that only it can make, and what it is asked for to undo them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any

import pytest
from docker.errors import APIError, ImageNotFound

from chaos.clock import WallClock
from chaos.domain.change import (
    Change,
    Connect,
    Disconnect,
    FillDisk,
    FreeDisk,
    LimitCpu,
    LimitMemory,
    RunImage,
    Stop,
)
from chaos.drivers.compose.limits import MIB, Limits
from chaos.drivers.compose.stack import Containers
from chaos.engine import RUN_LABEL, containers_of, sweep
from chaos.errors import ArmFailed
from chaos.seeds import fresh_id
from tests.command import until
from tests.containers import engine_or_skip, image_of, image_or_skip

NEW, OLD = "stack:2026", "stack:2018"


class Engine:
    """One container and what is done to it."""

    def __init__(self) -> None:
        self.name = "run-serving-b-1"
        self.short_id = "0123"
        self.image = NEW
        self.said: list[str] = []
        self.fails_at = ""
        self.networks_joined = {"run_inside": {"Aliases": ["serving-b"]}}
        self.host: dict[str, Any] = {"CpuQuota": 100_000, "CpuPeriod": 100_000, "Memory": 512 * MIB}
        self.made: dict[str, Any] = {}
        self.api = self.images = self.networks = self

    @property
    def attrs(self) -> dict[str, Any]:
        config = {"Image": self.image, "Labels": {"run": "x"}, "Hostname": "0123"}
        return {
            "Config": config,
            "HostConfig": self.host,
            "NetworkSettings": {"Networks": self.networks_joined},
        }

    # containers
    def container(self, _component: str) -> Engine:
        return self

    def tell(self, verb: str, component: str) -> None:
        self.said.append(f"{verb} {component}")

    def run_in(self, _component: str, command: list[str]) -> str:
        self.said.append(f"run {command[0]} {command[-1]}")
        return ""

    # the SDK
    def get(self, name: str) -> Engine:
        if name.startswith("gone"):
            raise ImageNotFound(name)
        return self

    def pull(self, name: str) -> None:
        self.said.append(f"pull {name}")

    def update(self, **limits: object) -> None:
        self.said.append("update " + " ".join(f"{key}={value}" for key, value in limits.items()))

    def create_container_from_config(self, config: dict[str, Any], name: str) -> dict[str, str]:
        self.made = config
        self.said.append(f"create {name}")
        return {"Id": "next"}

    def kill(self) -> None:
        self.said.append("kill")

    def stop(self, *, timeout: int) -> None:
        self.said.append(f"stop within {timeout}")

    def rename(self, *names: str) -> None:
        self.asked(f"rename {' '.join(names)}")

    def remove_container(self, container: str, *, force: bool) -> None:
        self.said.append(f"remove {container} force={force}")

    def asked(self, words: str) -> None:
        if words == self.fails_at:
            raise APIError(f"cannot {words}")
        self.said.append(words)

    def start(self, container: str) -> None:
        self.asked(f"start {container}")
        self.image = self.made["Image"]

    def disconnect(self, _container: Engine, *, force: bool) -> None:
        self.said.append(f"disconnect force={force}")
        self.networks_joined = {}

    def connect(self, _container: Engine, *, aliases: list[str]) -> None:
        self.said.append(f"connect {aliases}")


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def limits(engine: Engine) -> Limits:
    return Limits(engine, engine, "run", {"collector": "/k9s/collector"}, WallClock())  # type: ignore[arg-type]


def test_another_image_takes_the_place_of_the_first_and_back(engine: Engine, limits: Limits) -> None:
    change = RunImage("serving-b", OLD)
    undo = limits.undo_of(change)
    assert undo == RunImage("serving-b", NEW, expect=OLD)
    assert limits.apply(change)
    assert until(lambda: "stop within 5" in engine.said, 5)
    limits.check()
    assert engine.said == [
        "create run-serving-b-1-next",
        "rename run-serving-b-1-0123",
        "rename next run-serving-b-1",
        "start next",
        'run /opt/mlchaos/healthy "ready":true',
        "stop within 5",
    ]
    assert engine.made["Labels"] == {"run": "x"}
    assert engine.made["HostConfig"] is engine.host
    assert engine.made["NetworkingConfig"] == {"EndpointsConfig": {"run_inside": {"Aliases": ["serving-b"]}}}
    assert not limits.changed_meanwhile(undo)
    assert limits.apply(undo)
    assert engine.image == NEW
    assert limits.changed_meanwhile(undo)


def test_an_old_container_that_cannot_be_ended_is_told_at_the_next_look(
    engine: Engine, limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*, timeout: int) -> None:
        raise APIError(f"not within {timeout} s")

    monkeypatch.setattr(engine, "stop", fail)
    assert limits.apply(RunImage("serving-b", OLD))

    def told() -> bool:
        try:
            limits.check()
        except ArmFailed as error:
            return str(error) == "stop the old serving-b: not within 5 s"
        return False

    assert until(told, 5)
    limits.check()


@pytest.mark.parametrize("step", ["rename run-serving-b-1-0123", "rename next run-serving-b-1", "start next"])
def test_a_container_that_cannot_take_the_place_of_the_first_is_removed(
    step: str, engine: Engine, limits: Limits
) -> None:
    undo = limits.undo_of(RunImage("serving-b", OLD))
    assert undo is not None
    engine.fails_at = step
    with pytest.raises(ArmFailed, match=f"run serving-b from image stack:2018: cannot {step}"):
        limits.apply(RunImage("serving-b", OLD))
    assert engine.said[-2:] == ["remove next force=True", "rename run-serving-b-1"]
    assert limits.changed_meanwhile(undo)  # the first one runs: nothing is to be put back
    limits.check()
    assert not any("stop" in words for words in engine.said)


@pytest.mark.containers
def test_with_an_image_that_lacks_the_program_the_first_container_goes_on() -> None:
    with contextmanager(engine_or_skip)() as client:
        run, image, lacking = fresh_id("mlchaos"), image_of("serving-b"), image_of("toxiproxy")
        for name in (image, lacking):
            image_or_skip(client, name)
        labels = {RUN_LABEL: run}
        inside = client.networks.create(f"{run}_inside", labels=labels)
        serving = {"name": f"{run}-serving-b-1", "network": inside.name, "labels": labels, "user": "0"}
        try:
            first = client.containers.create(image, ["infinity"], entrypoint=["sleep"], **serving)
            first.start()
            containers = Containers(client, run, {"serving-b": f"{run}-serving-b-1"})
            limits = Limits(containers, client, run, {}, WallClock())
            with pytest.raises(ArmFailed, match=r"run serving-b from image .*sleep"):
                limits.apply(RunImage("serving-b", lacking))
            (left,) = containers_of(client, run)
            assert (left.id, left.name, left.status) == (first.id, f"{run}-serving-b-1", "running")
            limits.close()
            containers.close()
        finally:
            sweep(client, run)


def test_an_image_that_is_not_there_is_refused_before_anything_is_done(
    engine: Engine, limits: Limits
) -> None:
    with pytest.raises(ArmFailed, match="image 'gone:1': "):
        limits.undo_of(RunImage("serving-b", "gone:1"))
    assert engine.said == []  # nor is it pulled, which would keep everybody waiting


@pytest.mark.parametrize(
    ("change", "undo", "said"),
    [
        (
            LimitCpu("serving-b", 0.03),
            LimitCpu("serving-b", 1.0, expect=0.03),
            ["update cpu_period=100000 cpu_quota=3000"],
        ),
        (
            LimitMemory("serving-b", 24),
            LimitMemory("serving-b", 512, expect=24),
            ["kill", f"update mem_limit={24 * MIB} memswap_limit={24 * MIB}", "start serving-b"],
        ),
        (Disconnect("serving-b"), Connect("serving-b"), ["disconnect force=True"]),
        (Connect("serving-b"), None, ["connect ['serving-b']"]),
        (FreeDisk("collector"), None, ["run rm /k9s/collector/.filled-by-mlchaos"]),
    ],
)
def test_what_is_done_and_its_undo(
    change: Change, undo: Change | None, said: list[str], engine: Engine, limits: Limits
) -> None:
    assert limits.undo_of(change) == undo
    assert limits.apply(change)
    assert engine.said == said


def test_a_disk_is_filled_until_hardly_a_byte_is_left(engine: Engine, limits: Limits) -> None:
    assert limits.undo_of(FillDisk("collector")) == FreeDisk("collector")
    assert limits.apply(FillDisk("collector"))
    (said,) = engine.said
    assert "/k9s/collector/.filled-by-mlchaos" in said
    assert "df " in said


def test_a_value_that_is_no_longer_the_faults_is_left(engine: Engine, limits: Limits) -> None:
    engine.host["CpuQuota"] = 50_000
    assert limits.changed_meanwhile(LimitCpu("serving-b", 1.0, expect=0.03))
    assert not limits.changed_meanwhile(LimitCpu("serving-b", 1.0, expect=0.5))
    assert limits.changed_meanwhile(LimitMemory("serving-b", 1024, expect=24))
    assert limits.changed_meanwhile(Connect("serving-b"))


def test_what_is_left_of_a_fault_after_its_undo_is_told(engine: Engine, limits: Limits) -> None:
    engine.host |= {"CpuQuota": 5_000, "Memory": 24 * MIB}
    engine.image, engine.networks_joined = OLD, {}
    assert "0.05 of a processor" in limits.left_over(LimitCpu("serving-b", None, expect=0.05))
    assert "24 MiB" in limits.left_over(LimitMemory("serving-b", 512, expect=24))
    assert OLD in limits.left_over(RunImage("serving-b", NEW, expect=OLD))
    assert "off its network" in limits.left_over(Connect("serving-b"))
    assert not limits.left_over(RunImage("serving-b", OLD, expect=OLD))
    engine.host |= {"CpuQuota": -1, "Memory": 512 * MIB}
    engine.image, engine.networks_joined = NEW, {"run_inside": {"Aliases": ["serving-b"]}}
    assert not limits.left_over(LimitCpu("serving-b", None, expect=0.05))
    assert not limits.left_over(LimitMemory("serving-b", 512, expect=24))
    assert not limits.left_over(RunImage("serving-b", NEW, expect=OLD))
    assert not limits.left_over(Connect("serving-b"))


def test_a_change_of_another_kind_is_somebody_elses(engine: Engine, limits: Limits) -> None:
    assert limits.undo_of(Stop("serving-b")) is None
    assert not limits.apply(Stop("serving-b"))
    assert not limits.changed_meanwhile(Stop("serving-b"))
    assert engine.said == []


@pytest.mark.parametrize("cpus", [0.03, 0.0333, 0.33333, 0.12345, 0.123456789])
def test_a_share_of_many_digits_is_the_faults_as_the_engine_keeps_it(
    cpus: float, engine: Engine, limits: Limits
) -> None:
    change = LimitCpu("serving-b", cpus)
    undo = limits.undo_of(change)
    assert undo is not None
    limits.apply(change)
    engine.host["CpuQuota"] = int(engine.said[-1].rpartition("=")[2])
    assert not limits.changed_meanwhile(undo)
    assert limits.left_over(undo) != ""
    engine.host["CpuQuota"] = 100_000
    assert limits.changed_meanwhile(undo)

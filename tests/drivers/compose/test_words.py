"""What Compose and the engine say, in words for people; and what must agree with the compose file."""

from __future__ import annotations

import gc
import re
import shutil
import socket
import subprocess
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import yaml
from docker.errors import ImageNotFound
from docker.models.images import ImageCollection

from chaos.app import compose_file, make_files
from chaos.clock import WallClock
from chaos.domain.target import NetworkLink
from chaos.drivers.compose import surroundings
from chaos.drivers.compose.driver import PORT
from chaos.drivers.compose.project import Project
from chaos.drivers.compose.stack import _code
from chaos.drivers.compose.surroundings import GIB, check, check_image
from chaos.errors import ArmFailed, Interrupted, UsageError
from reference_stack.shop.component import LAST_DAY
from tests.command import in_process

COMPOSE = yaml.safe_load(compose_file().read_text())
STACK = yaml.safe_load((compose_file().parent / "deploy" / "stack.yaml").read_text())
CPUS = {"prepare": 2}
"""More than one processor, for services that have two processes at work."""


class Client:
    def __init__(
        self, memory: float = 8.0, images: tuple[str, ...] = ("some:1", "other:2"), root: str = "/nowhere"
    ) -> None:
        self._memory = memory
        self._images = images
        self._root = root
        self.images = self

    def info(self) -> dict[str, object]:
        return {"MemTotal": self._memory * surroundings.GIB, "DockerRootDir": self._root}

    def get(self, image: str) -> None:
        if image not in self._images:
            raise ImageNotFound(image)

    def pull(self, image: str) -> None:
        raise ImageNotFound(image)

    def close(self) -> None:
        pass


def said(command: list[str]) -> str:
    return "2.40.3" if "version" in command else "some:1\nother:2\n"


@pytest.mark.parametrize(
    ("client", "says"),
    [
        (Client(memory=1.0), r"the container engine has 1\.0 GiB of memory; 3 are needed"),
        (Client(images=("some:1",)), r"image 'other:2' is not here and cannot be pulled; `make images`"),
    ],
)
def test_surroundings(client: Client, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "connect", lambda _timeout: client)
    monkeypatch.setattr(surroundings, "_said", said)
    with pytest.raises(UsageError, match=says) as caught:
        check(Path("docker-compose.yml"))
    assert caught.value.exit_code == 3


def test_surroundings_that_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "connect", lambda _timeout: Client())
    monkeypatch.setattr(surroundings, "_said", said)
    check(Path("docker-compose.yml"))
    with pytest.raises(UsageError, match="image 'old:1' is not here"):
        check(Path("docker-compose.yml"), ["old:1"])


def test_too_little_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "connect", lambda _timeout: Client(root=str(tmp_path)))
    monkeypatch.setattr(surroundings, "_said", said)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Namespace(free=10**8))
    with pytest.raises(UsageError, match=r"the container engine's disk has 0\.1 GiB left; 1 are needed"):
        check(Path("docker-compose.yml"))


@pytest.mark.parametrize(
    ("engine", "where", "says"),
    [
        (8.0, "", "the container engine has 1.0 GiB of memory left; 1.5 are needed"),
        (
            8.0,
            "unix:///run/user/docker.sock",
            "the container engine has 1.0 GiB of memory left; 1.5 are needed",
        ),
        (8.0, "tcp://elsewhere:2375", None),
        (6.0, "", None),  # a virtual machine with memory of its own
    ],
)
def test_too_little_memory_left(
    engine: float, where: str, says: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surroundings, "connect", lambda _timeout: Client(memory=engine))
    monkeypatch.setattr(surroundings, "_said", said)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Namespace(total=8 * GIB, available=GIB))
    monkeypatch.setenv("DOCKER_HOST", where)
    if says is None:
        check(Path("docker-compose.yml"))
        return
    with pytest.raises(UsageError, match=re.escape(says)):
        check(Path("docker-compose.yml"))


class Registry:
    """The SDK's lowest layer: nothing is here, and everything can be pulled."""

    def __init__(self) -> None:
        self.pulled: list[tuple[str, str]] = []

    def inspect_image(self, name: str) -> dict[str, str]:
        if not self.pulled:
            raise ImageNotFound(name)
        return {"Id": name}

    def pull(self, repository: str, *, tag: str, **_: object) -> list[bytes]:
        self.pulled.append((repository, tag))
        return []


DIGEST = f"sha256:{64 * 'a'}"


@pytest.mark.parametrize(
    ("image", "pulled"),
    [
        ("some:1", ("some", "1")),
        ("some", ("some", "latest")),
        ("there:5000/some", ("there:5000/some", "latest")),
        ("there:5000/some:1", ("there:5000/some", "1")),
        (f"there:5000/some@{DIGEST}", ("there:5000/some", DIGEST)),
    ],
)
def test_an_image_is_pulled_by_tag_or_digest(image: str, pulled: tuple[str, str]) -> None:
    registry = Registry()
    images = ImageCollection(Namespace(api=registry))  # type: ignore[arg-type]
    check_image(Namespace(images=images), image)  # type: ignore[arg-type]
    assert registry.pulled == [pulled]


def test_ports_that_are_named_are_looked_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "connect", lambda _timeout: Client())
    monkeypatch.setattr(surroundings, "_said", said)
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        monkeypatch.setenv("MLFLOW_PORT", str(port))
        with pytest.raises(UsageError, match=f"MLFLOW_PORT={port}: the port is taken"):
            check(Path("docker-compose.yml"))
    check(Path("docker-compose.yml"))
    monkeypatch.setenv("MLFLOW_PORT", "70000")
    with pytest.raises(UsageError, match="MLFLOW_PORT=70000: a port is a number up to 65535"):
        check(Path("docker-compose.yml"))


@pytest.mark.parametrize(
    "words",
    [
        ("run", "late-partition", "--target", "reference-compose"),
        ("stack", "up", "--target", "reference-compose"),
        ("stack", "up", "--target", "reference-compose", "-d"),
    ],
)
def test_no_engine_is_said_before_anything_is_written(
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    outcome = in_process(monkeypatch, capsys)(*words)
    assert outcome.code == 3
    assert outcome.err.startswith("mlchaos: no container engine answers")
    assert outcome.err.count("\n") == 1
    assert list(here.iterdir()) == []
    gc.collect()


def test_no_compose(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(command: list[str]) -> str:
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(surroundings, "connect", lambda _timeout: Client())
    monkeypatch.setattr(surroundings, "_said", fail)
    with pytest.raises(UsageError, match="docker compose is not there"):
        check(Path("docker-compose.yml"))


def project_in(
    folder: Path, stopping: Callable[[], bool] = lambda: False, pids: list[int] | None = None
) -> Project:
    def note(_name: str, pid: int) -> None:
        if pids is not None:
            pids.append(pid)

    return Project("p", folder / "c.yml", folder / "logs", WallClock(), note, stopping)


def test_a_taken_port_and_other_failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "docker"
    monkeypatch.setenv("PATH", str(tmp_path))
    project = project_in(tmp_path)
    with pytest.raises(ArmFailed, match="docker compose cannot be run"):
        project.up("{}", 1.0)
    for words, says in (
        ("Bind for 127.0.0.1:5000 failed: port is already allocated", "port 127.0.0.1:5000 is taken"),
        ("Container x  Starting\nno space left on device", "docker compose: no space left on device"),
    ):
        fake.write_text(f"#!/bin/sh\nprintf '%s\\n' '{words}'\nexit 1\n")
        fake.chmod(0o755)
        with pytest.raises(ArmFailed, match=says):
            project.up("{}", 1.0)


@pytest.mark.parametrize(
    "trap", ["exit 130", ":"], ids=["Compose ends when it is told to", "Compose has to be killed"]
)
def test_a_stop_while_compose_brings_the_stack_up(
    trap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chaos.drivers.compose.project.STOPPING_SECONDS", 0.5)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    up = tmp_path / "up"
    fake = tmp_path / "docker"
    fake.write_text(f"#!/bin/bash\ntrap '{trap}' INT\ntouch {up}\nwhile :; do read -rt 0.05 <> <(:); done\n")
    fake.chmod(0o755)
    pids: list[int] = []
    with pytest.raises(Interrupted):
        project_in(tmp_path, up.exists, pids).up("{}", 1.0)
    assert len(pids) == 1
    assert not psutil.pid_exists(pids[0])


def test_exit_codes_are_as_elsewhere() -> None:
    assert [_code(text) for text in ("0", "1", "137", "143")] == [0, 1, -9, -15]


def test_the_target_file_and_the_stack_agree_on_addresses_and_links() -> None:
    spec, _ = make_files().target("reference-compose")
    network = {name for name, link in spec.links.items() if isinstance(link, NetworkLink)}
    assert spec.driver.settings["links"] == STACK["links"]
    assert set(STACK["links"]) == network
    assert STACK["addresses"] == {name: f"{name}:{PORT}" for name in spec.components}
    assert set(spec.driver.settings["disks"]) <= set(spec.components)


def user_of(service: dict[str, object]) -> str:
    """Whom it runs as: its own word, or that of the stack's image."""
    if "user" in service:
        return str(service["user"])
    assert service["image"] == "${STACK_IMAGE:-mlchaos-stack:local}"
    return str(
        re.findall(r"^USER (\S+)$", (compose_file().parent / "Dockerfile").read_text(), re.MULTILINE)[-1]
    )


def test_every_component_is_a_service_without_privileges_or_a_way_out() -> None:
    services = COMPOSE["services"]
    spec, _ = make_files().target("reference-compose")
    assert set(spec.components) <= set(services)
    assert COMPOSE["networks"]["inside"]["internal"] is True
    for name, service in services.items():
        assert ("outside" in service["networks"]) is (name == "door"), name
        assert service["labels"] == {"org.mlchaos.run": "${MLCHAOS_RUN:-}"}, name
        assert "mem_limit" in service, name
        assert service["pids_limit"] <= 200, name
        assert service["cpu_quota"] <= CPUS.get(name, 1) * service["cpu_period"], name
        assert service["read_only"] is True, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["dns_opt"] == ["ndots:1", "timeout:1", "attempts:3"], name
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", [])), name
        assert "$" in service["image"], name
        if name != "postgres":  # its entrypoint makes a folder its user's own, and becomes that user
            assert service["cap_drop"] == ["ALL"], name
            assert user_of(service).partition(":")[0] not in {"", "0", "root"}, name
    for kind in ("networks", "volumes"):
        for name, one in COMPOSE[kind].items():
            assert one["labels"] == {"org.mlchaos.run": "${MLCHAOS_RUN:-}"}, name


def test_one_service_builds_the_image_that_no_registry_is_asked_for() -> None:
    services = COMPOSE["services"]
    (builder,) = [name for name, service in services.items() if "build" in service]
    assert builder == "data-proxy"
    ours = {name for name, service in services.items() if service["image"] == services[builder]["image"]}
    assert set(services) - ours == {"postgres", "toxiproxy", "prometheus"}
    for name in ours:
        assert services[name]["pull_policy"] == "never", name
    # `docker compose up shop` builds as well: all that it depends on comes up with it.
    assert {name for name in ours if builder not in needed(name)} == {"door"}


def needed(name: str) -> set[str]:
    """A service, and all that it depends on."""
    found = {name}
    for other in COMPOSE["services"][name].get("depends_on", ()):
        found |= needed(other)
    return found


def test_a_stack_to_look_around_in_has_one_pace_and_the_days_of_its_shop() -> None:
    text = compose_file().read_text()
    assert set(re.findall(r"\$\{DAY_SECONDS:-(.+?)\}", text)) == {"30"}
    assert "--day-seconds=${DAY_SECONDS:-30}" in COMPOSE["services"]["data-proxy"]["command"]
    changes = ['{"day_seconds": ${DAY_SECONDS:-30}}', "${STACK_CHANGES:-}"]  # what a run asks for counts
    for name, service in COMPOSE["services"].items():
        if "STACK_CHANGES" in str(service["command"]):
            assert service["environment"]["STACK_CHANGES"].splitlines() == changes, name
    assert "day_seconds" not in STACK
    assert STACK["days"] == LAST_DAY


def test_what_is_asked_of_each_service_is_whether_it_is_ready() -> None:
    services = COMPOSE["services"]
    spec, _ = make_files().target("reference-compose")
    asked = {
        name: service["healthcheck"]["test"] for name, service in services.items() if "healthcheck" in service
    }
    assert set(asked) == {*spec.components, "postgres", "data-proxy", "door", "prometheus"}
    assert asked["postgres"][1] == "pg_isready"
    assert asked["prometheus"][-1] == "http://127.0.0.1:9090/-/ready"
    assert asked["registry"][2] == "/api/2.0/mlflow/experiments/get?experiment_id=0"
    for name in set(spec.components) - {"registry"}:
        assert asked[name] == ["CMD", "/opt/mlchaos/healthy", "/health", '"ready":true'], name
    for name in ("data-proxy", "door"):
        assert f"--port={asked[name][-1]}" in services[name]["command"], name

"""One arm in containers: it lives, each fault bites there and is undone, and nothing of it stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from docker import DockerClient

from chaos.app import compose_file, make_catalogue, make_files
from chaos.clock import WallClock
from chaos.domain.change import Change
from chaos.domain.event import Event, Exit, Views
from chaos.domain.scenario import Scenario
from chaos.domain.source import build, parse_source
from chaos.domain.target import TargetSpec
from chaos.drivers.compose.driver import ComposeDriver
from chaos.drivers.compose.target import ComposeTarget
from chaos.engine import containers_of, marked, sweep
from chaos.runner.plan import Planner, Request
from tests.containers import engine_or_skip, image_or_skip

pytestmark = pytest.mark.containers

CALM = """
scenario: calm
kind: quiet
teaches: nothing but that an arm in containers lives
source: tests
days: 90d
steady_state:
  - probe: views_per_day
    at_least: 1
expect:
  false_alarms: 0
"""
DAY_SECONDS = 5.0
PATIENCE_DAYS = 40.0
"""Loose: what is tested here does not depend on whether the machine keeps up."""

engine = pytest.fixture(scope="module")(engine_or_skip)


@dataclass
class Arm:
    target: ComposeTarget
    spec: TargetSpec
    client: DockerClient
    run: str
    events: list[Event]

    def until(self, true: Callable[[], bool], what: str) -> None:
        self.target.advance(self.target.day() + PATIENCE_DAYS, true)
        assert true(), f"not within {PATIENCE_DAYS:g} days: {what}"

    def container(self, component: str) -> dict[str, object]:
        found: dict[str, object] = self.client.containers.get(f"{self.run}-{component}-1").attrs
        return found

    def inflict(self, name: str, **parameters: object) -> list[Change]:
        """Make a fault's changes, see it bite by its own proof; the undos, last first."""
        catalogue = make_catalogue()
        fault = catalogue.faults.make(name, parameters)
        check = fault.effect(self.spec)
        assert check is not None
        probe = catalogue.probes.make(check.probe, check.parameters)
        before = probe.read(self.target)
        assert before is None or not check.seen(before)
        undos = []
        for change in fault.changes(self.target):
            undo = self.target.prepare(change)
            assert undo is not None
            undos.append(undo)
            self.target.apply(change)

        def bites() -> bool:
            value = probe.read(self.target)
            return value is not None and check.seen(value)

        self.until(bites, f"{name} bites")
        return undos[::-1]


@pytest.fixture(scope="module")
def arm(engine: DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arm]:
    folder = tmp_path_factory.mktemp("run")
    spec, _ = make_files().target("reference-compose")
    source = parse_source("calm.yaml", CALM.encode())
    request = Request(day_seconds=DAY_SECONDS)
    trial = Planner(build(Scenario, source), source, spec, make_catalogue(), request).plan(1)
    driver = ComposeDriver(folder, WallClock(), compose_file(), lambda _name, _pid: None)
    events: list[Event] = []
    (folder / "arm").mkdir()
    target = driver.start(trial.arms[0], spec, folder / "arm", events.append)
    run = marked(folder)
    assert run is not None
    try:
        yield Arm(target, spec, engine, run, events)
        target.close()
    finally:
        driver.close()
    assert containers_of(engine, run) == []
    label = {"label": f"org.mlchaos.run={run}"}
    assert engine.volumes.list(filters=label) == []
    assert engine.networks.list(filters=label) == []
    assert {path.stem for path in Path(folder, "arm", "stack", "logs").iterdir()} >= set(spec.components)


def test_shoppers_are_served(arm: Arm) -> None:
    arm.until(lambda: sum(row.n for views in arm.target.seen(Views) for row in views.rows) > 50, "views")
    assert arm.target.delivered("events")
    assert arm.target.link_up("serving-features")


def test_everything_is_labelled_unprivileged_and_inside(arm: Arm) -> None:
    for container in containers_of(arm.client, arm.run):
        networks = sorted(container.attrs["NetworkSettings"]["Networks"])
        service = container.labels["com.docker.compose.service"]
        assert (f"{arm.run}_outside" in networks) is (service == "door"), service
        for bound in (container.ports or {}).values():
            assert all(one["HostIp"] == "127.0.0.1" for one in bound or ())
        if service in arm.spec.components:
            assert container.attrs["Config"]["User"] == "k9s"
            assert container.attrs["HostConfig"]["ReadonlyRootfs"] is True


def test_a_killed_component_is_restarted_by_its_policy(arm: Arm) -> None:
    started = arm.container("features")["State"]["StartedAt"]  # type: ignore[index]
    undos = arm.inflict("kill", component="features")
    ends = [event for event in arm.target.seen(Exit) if event.component == "features"]
    assert (ends[-1].code, ends[-1].expected) == (-9, True)
    arm.until(lambda: arm.target.running("features"), "the restart policy acts")
    assert arm.container("features")["State"]["StartedAt"] != started  # type: ignore[index]
    assert [arm.target.revert(undo) for undo in undos] == ["left"]


@pytest.mark.parametrize(
    ("fault", "parameters"),
    [
        ("stop", {"component": "oncall"}),
        ("pause", {"component": "serving-a"}),
        ("disconnect", {"component": "collector"}),
        ("cpu_limit", {"component": "trainer", "cpus": 0.01}),
        ("out_of_memory", {"component": "features", "mib": 24}),
        ("disk_full", {"component": "collector"}),
        ("old_image", {"component": "serving-b", "image": "mlchaos-stack:2018.4", "build": "2018.4"}),
        ("link_down", {"link": "serving-features"}),
        ("clock_shift", {"component": "collector", "ahead_days": "1.5d"}),
    ],
)
def test_a_fault_bites_and_is_undone(arm: Arm, fault: str, parameters: dict[str, object]) -> None:
    if "image" in parameters:
        image_or_skip(arm.client, str(parameters["image"]))
    component = str(parameters.get("component", "features"))
    arm.until(lambda: arm.target.metrics(component) is not None, f"{component} answers before")
    undos = arm.inflict(fault, **parameters)
    if fault == "out_of_memory":
        assert any(event.code == -9 for event in arm.target.seen(Exit) if event.component == component)
    assert [arm.target.revert(undo) for undo in undos] == ["undone"]
    arm.until(lambda: arm.target.metrics(component) is not None, f"{component} answers again")
    check = make_catalogue().faults.make(fault, parameters).effect(arm.spec)
    assert check is not None
    if check.probe != "component_ends":
        probe = make_catalogue().probes.make(check.probe, check.parameters)

        def healed() -> bool:
            value = probe.read(arm.target)
            return value is not None and not check.seen(value)

        arm.until(healed, f"{fault} is gone")


@pytest.mark.parametrize("component", ["oncall", "features", "serving-b", "collector"])
def test_what_somebody_else_ends_is_seen_as_unexpected(arm: Arm, component: str) -> None:
    """Also of those that faults have ended before: had less memory, another image, no network."""

    def unexpected() -> list[Exit]:
        return [one for one in arm.target.seen(Exit) if one.component == component and not one.expected]

    assert unexpected() == []
    arm.client.containers.get(f"{arm.run}-{component}-1").kill()
    arm.until(lambda: len(unexpected()) == 1, "the end of a container that no fault has ended")


def test_sweeping_another_run_touches_nothing(arm: Arm) -> None:
    before = {container.id for container in containers_of(arm.client, arm.run)}
    assert sweep(arm.client, f"{arm.run}-other") == []
    assert {container.id for container in containers_of(arm.client, arm.run)} == before

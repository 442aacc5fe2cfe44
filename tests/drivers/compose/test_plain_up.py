"""`docker compose up` alone: a stack to look around in, its pages on loopback, and nothing left after `down`.

Then the profile `observe`: Prometheus beside it scrapes all that it is told to, and knows the alert rules.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from docker import DockerClient

from chaos.app import compose_file, make_files
from chaos.drivers.compose.project import PORTS
from chaos.drivers.local.http import HttpFailed, ask, read_metrics
from chaos.drivers.local.ports import free_addresses
from chaos.engine import SERVICE_LABEL
from tests.command import until
from tests.containers import engine_or_skip, image_of, image_or_skip

pytestmark = pytest.mark.containers

SECONDS = 300.0
"""Loose: what is tested here does not depend on whether the machine keeps up."""
EXPERIMENT = "/api/2.0/mlflow/experiments/get?experiment_id=0"

OBSERVED = ("--profile", "observe")
COMPONENTS = set(make_files().target("reference-compose")[0].components)
EXPECTED = {
    **dict.fromkeys((*COMPONENTS, "postgres", "data-proxy", "door"), "healthy"),
    "toxiproxy": "running",
    **dict.fromkeys(("prepare", "begin"), "exited with 0"),
}

engine = pytest.fixture(scope="module")(engine_or_skip)


class Experiment(msgspec.Struct):
    experiment_id: str


class Found(msgspec.Struct):
    experiment: Experiment


class Scraped(msgspec.Struct):
    health: str
    labels: dict[str, str]
    lastError: str  # noqa: N815 (Prometheus' word)


class Targets(msgspec.Struct):
    activeTargets: list[Scraped]  # noqa: N815


class TargetsReply(msgspec.Struct):
    data: Targets


class Rule(msgspec.Struct):
    name: str
    health: str


class Group(msgspec.Struct):
    rules: list[Rule]


class Groups(msgspec.Struct):
    groups: list[Group]


class RulesReply(msgspec.Struct):
    data: Groups


class Plain:
    """A project of `docker compose` as a user brings it up, under a name and at ports of its own."""

    def __init__(self, client: DockerClient) -> None:
        self._client = client
        self._name = f"plain-{secrets.token_hex(4)}"
        self._mine = {"label": f"com.docker.compose.project={self._name}"}
        self.addresses = free_addresses(PORTS)

    def compose(self, *words: str) -> None:
        command = ["docker", "compose", "--project-name", self._name, "--file", str(compose_file()), *words]
        ports = {name: address.rpartition(":")[2] for name, address in self.addresses.items()}
        done = subprocess.run(
            command, env={**os.environ, **ports}, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        assert done.returncode == 0, done.stderr

    def states(self) -> dict[str, str]:
        """How each service's container is: whether healthy, where that is looked at; else whether it runs."""
        found = self._client.containers.list(all=True, ignore_removed=True, filters=self._mine)
        states = {one.labels[SERVICE_LABEL]: one.attrs["State"] for one in found}
        return {name: _words(state) for name, state in states.items()}

    def left(self) -> list[str]:
        containers = self._client.containers.list(all=True, ignore_removed=True, filters=self._mine)
        networks = self._client.networks.list(filters=self._mine)
        volumes = self._client.volumes.list(filters=self._mine)
        return [str(one.name) for one in (*containers, *networks, *volumes)]


def _words(state: dict[str, Any]) -> str:
    if state["Status"] == "exited":
        return f"exited with {state['ExitCode']}"
    return str((state.get("Health") or state)["Status"])


@pytest.fixture(scope="module")
def plain(engine: DockerClient) -> Iterator[Plain]:
    plain = Plain(engine)
    try:
        plain.compose("up", "--detach")
        yield plain
    finally:
        plain.compose(*OBSERVED, "down", "--volumes")
    assert plain.left() == []


def test_a_stack_to_look_around_in(plain: Plain) -> None:
    seen: list[Found] = []
    views: list[float] = []

    def mlflow_answers() -> bool:
        with suppress(HttpFailed):
            seen.append(ask(plain.addresses["MLFLOW_PORT"], "GET", EXPERIMENT, None, Found))
        return bool(seen)

    def shoppers_are_counted() -> bool:
        with suppress(HttpFailed):
            views.append(read_metrics(plain.addresses["SHOP_PORT"]).get("views_total", 0.0))
        return bool(views) and views[-1] > 0

    assert until(mlflow_answers, SECONDS), plain.states()
    assert seen[0].experiment.experiment_id == "0"
    assert until(shoppers_are_counted, SECONDS), plain.states()
    assert until(lambda: plain.states() == EXPECTED, SECONDS), plain.states()


def test_prometheus_beside_it(engine: DockerClient, plain: Plain) -> None:
    image_or_skip(engine, image_of("prometheus"))
    plain.compose(*OBSERVED, "up", "--detach")
    prometheus = plain.addresses["PROMETHEUS_PORT"]
    health: dict[str, str] = {}
    rules: dict[str, str] = {}

    def all_is_scraped() -> bool:
        with suppress(HttpFailed):
            found = ask(prometheus, "GET", "/api/v1/targets?state=active", None, TargetsReply)
            for one in found.data.activeTargets:
                health[one.labels["instance"].partition(":")[0]] = one.lastError or one.health
        return bool(health) and set(health.values()) == {"up"}

    def rules_are_evaluated() -> bool:
        with suppress(HttpFailed):
            found_rules = ask(prometheus, "GET", "/api/v1/rules", None, RulesReply)
            rules.update({one.name: one.health for group in found_rules.data.groups for one in group.rules})
        return bool(rules) and set(rules.values()) == {"ok"}

    assert until(all_is_scraped, SECONDS), (health, plain.states())
    assert set(health) == COMPONENTS - {"registry"}
    assert until(rules_are_evaluated, SECONDS), rules
    assert "LayerFired" in rules
    expected = {**EXPECTED, "prometheus": "healthy"}
    assert until(lambda: plain.states() == expected, SECONDS), plain.states()

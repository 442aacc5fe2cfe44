"""What tests in containers need: an engine, the images of the compose file, and some of them further ones."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import msgspec
from docker import DockerClient

from chaos.app import compose_file
from chaos.drivers.compose.surroundings import check, check_image
from chaos.engine import connect
from chaos.errors import UsageError
from tests.command import cannot_run


class _Service(msgspec.Struct):
    image: str


class _Config(msgspec.Struct):
    services: dict[str, _Service]


def image_of(service: str) -> str:
    """The image of a service of the compose file, as it is named here."""
    command = ["docker", "compose", "--file", str(compose_file()), "--profile", "observe", "config"]
    said = subprocess.run([*command, "--format", "json"], check=True, capture_output=True)
    return msgspec.json.decode(said.stdout, type=_Config).services[service].image


def image_or_skip(client: DockerClient, image: str) -> None:
    """Where an image is not there, and cannot be pulled, the test is skipped by name, and fails in CI."""
    try:
        check_image(client, image)
    except UsageError as error:
        cannot_run(f"containers: {error}")


def engine_or_skip() -> Iterator[DockerClient]:
    """A client of the engine; where there is none the test is skipped by name, and fails in CI."""
    try:
        check(compose_file())
        client = connect()
    except UsageError as error:
        cannot_run(f"containers: {error}")
    yield client
    client.close()

"""What tests in containers need: an engine, and the images of the compose file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NoReturn

import pytest
from docker import DockerClient

from chaos.app import compose_file
from chaos.drivers.compose.surroundings import check
from chaos.engine import connect
from chaos.errors import UsageError


def cannot_run(why: str) -> NoReturn:
    """End a container test that lacks something: skipped by name, and failed in CI."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(f"containers: {why}")


def engine_or_skip() -> Iterator[DockerClient]:
    """A client of the engine; where there is none the test is skipped by name, and fails in CI."""
    try:
        check(compose_file())
        client = connect()
    except UsageError as error:
        cannot_run(str(error))
    yield client
    client.close()

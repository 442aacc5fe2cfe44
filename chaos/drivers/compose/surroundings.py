"""What can be told before anything is started: the engine, Compose, the images, memory and disk."""

from __future__ import annotations

import math
import os
import shutil
import socket
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from chaos.drivers.compose.project import PORTS
from chaos.engine import connect, socket_here
from chaos.errors import UsageError

if TYPE_CHECKING:
    from docker import DockerClient

GIB = 1_073_741_824
LEAST_MEMORY_GIB = 3.0
LEAST_LEFT_GIB = 1.5
"""All containers of a stack take 0.9 GiB, the harness some more (docs/containers.md)."""
LEAST_DISK_GIB = 1.0
LAST_PORT = 65_535
COMPOSE_SECONDS = 30.0
FIRST_ANSWER_SECONDS = 20.0


def check(file: Path, images: Iterable[str] = ()) -> None:
    """Raise UsageError, with one message, for surroundings in which no arm could be brought up.

    `images` are wanted besides those of the compose file, as by a fault.
    """
    client = connect(FIRST_ANSWER_SECONDS)
    try:
        _check_ports()
        _check_compose()
        _check_room(client.info())
        for image in [*_images(file), *images]:
            check_image(client, image)
    finally:
        client.close()


def check_images(images: Iterable[str]) -> None:
    """Raise UsageError where no engine answers, or one of these can neither be found nor pulled."""
    client = connect(FIRST_ANSWER_SECONDS)
    try:
        for image in images:
            check_image(client, image)
    finally:
        client.close()


def _check_compose() -> None:
    says = "docker compose is not there; install Compose's plugin, version 2"
    try:
        version = _said(["docker", "compose", "version", "--short"])
    except (OSError, subprocess.SubprocessError) as error:
        raise UsageError(says) from error
    if version.removeprefix("v").startswith("1."):
        raise UsageError(f"docker compose is version {version}; version 2 is needed")


def _check_ports() -> None:
    """Those that the environment names; all others are free ones."""
    for name in PORTS:
        port = os.environ.get(name, "0")
        if not port.isdecimal() or int(port) > LAST_PORT:
            raise UsageError(f"{name}={port}: a port is a number up to {LAST_PORT}")
        if port == "0":
            continue
        try:
            socket.create_server(("127.0.0.1", int(port))).close()
        except OSError as error:
            raise UsageError(f"{name}={port}: the port is taken or not yours; name another") from error


def _images(file: Path) -> list[str]:
    try:
        found = _said(["docker", "compose", "--file", str(file), "config", "--images"]).split()
    except subprocess.CalledProcessError as error:
        words = (error.stderr or "").strip().splitlines()
        raise UsageError(f"{file}: {words[-1] if words else error}") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise UsageError(f"{file}: {error}") from error
    return sorted(dict.fromkeys(found))


def _check_room(info: dict[str, object]) -> None:
    memory = float(str(info.get("MemTotal") or 0)) / GIB
    if 0 < memory < LEAST_MEMORY_GIB:
        raise UsageError(
            f"the container engine has {memory:.1f} GiB of memory; {LEAST_MEMORY_GIB:g} are needed"
        )
    here = psutil.virtual_memory()
    # Asked at this machine's socket, and with as much as it has: an engine in no virtual machine.
    if socket_here() is not None and math.isclose(memory, here.total / GIB, rel_tol=0.01):
        left = here.available / GIB
        if left < LEAST_LEFT_GIB:
            raise UsageError(
                f"the container engine has {left:.1f} GiB of memory left; {LEAST_LEFT_GIB:g} are needed"
            )
    root = Path(str(info.get("DockerRootDir") or ""))
    if root.is_dir():  # an engine elsewhere keeps its disk to itself
        free = shutil.disk_usage(root).free / GIB
        if free < LEAST_DISK_GIB:
            raise UsageError(
                f"the container engine's disk has {free:.1f} GiB left; {LEAST_DISK_GIB:g} are needed"
            )


def check_image(client: DockerClient, image: str) -> None:
    """Have the engine pull an image that is not there. Raises UsageError."""
    import requests
    from docker.errors import DockerException, ImageNotFound

    try:
        client.images.get(image)
        return
    except ImageNotFound:
        pass
    try:
        client.images.pull(image)  # the SDK tells a tag from a digest
    except (DockerException, requests.RequestException) as error:
        says = f"image {image!r} is not here and cannot be pulled; `make images` builds it"
        raise UsageError(f"{says}, or a variable of docker-compose.yml names another") from error


def _said(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=COMPOSE_SECONDS, check=True)
    return done.stdout.strip()

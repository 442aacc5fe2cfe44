"""The container engine: reached, its errors said in words, and what a run has left on it removed by label.

Nothing is ever removed but what carries the label of the run that asks.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from chaos.errors import ArmFailed, UsageError
from chaos.whole import write_whole

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

RUN_LABEL = "org.mlchaos.run"
SERVICE_LABEL = "com.docker.compose.service"
VOLUME_LABEL = "com.docker.compose.volume"
MARK = "containers.json"
"""A run's folder holds this file from before its first container: the label of all that it starts."""
ANSWER_SECONDS = 60
SOCKET = "unix:///var/run/docker.sock"
"""Where the SDK looks for the engine if the environment names none."""
_AT_ONCE = 6


class NoEngine(UsageError):
    """There is no engine that could be used; nothing has been started."""

    exit_code: ClassVar[int] = 3


class Mark(msgspec.Struct, frozen=True):
    """What a run's containers, networks and volumes are labelled with."""

    run: str


def connect(timeout_s: float = ANSWER_SECONDS) -> DockerClient:
    """A client of the engine that the environment names. Raises NoEngine."""
    # Imported here: the SDK takes a fifth of a second, and most commands do not need it.
    import docker
    import requests
    from docker.errors import DockerException

    try:
        _knock(timeout_s)
        client: DockerClient = docker.from_env(timeout=round(timeout_s), max_pool_size=40)
        client.ping()
    except (OSError, DockerException, requests.RequestException) as error:
        raise NoEngine(_why_not(error)) from error
    return client


def _knock(timeout_s: float) -> None:
    """Raises OSError where nobody listens at the engine's socket: the SDK would leave its own one open."""
    path = socket_here()
    if path is not None:
        with socket.socket(socket.AF_UNIX) as end:
            end.settimeout(timeout_s)
            end.connect(path)


def socket_here() -> str | None:
    """The engine's socket on this machine, None where it is asked over the network."""
    url = os.environ.get("DOCKER_HOST") or SOCKET
    return url.removeprefix("unix://") if url.startswith("unix://") else None


def _why_not(error: BaseException) -> str:
    seen: BaseException | None = error
    causes = []
    while seen is not None:
        causes.append(seen)
        seen = seen.__cause__ or seen.__context__
    words = " ".join(f"{type(one).__name__} {one}" for one in causes)
    if "PermissionError" in words or "permission denied" in words.lower():
        return "no permission on the container engine's socket; is your user in the group `docker`?"
    if "timed out" in words.lower():
        return "the container engine does not answer; see `docker info`"
    return "no container engine answers; is Docker installed and running? `docker info` says more"


@contextlib.contextmanager
def asking(what: str) -> Iterator[None]:
    """Errors of the SDK, and of an engine that answers no more, become ArmFailed."""
    import requests
    from docker.errors import DockerException

    try:
        yield
    except DockerException as error:
        raise ArmFailed(f"{what}: {getattr(error, 'explanation', None) or error}") from error
    except (requests.RequestException, OSError) as error:
        raise ArmFailed(f"{what}: the container engine does not answer any more ({error})") from error


def mark(run_folder: Path, run: str) -> None:
    """Write down what a run's containers will be labelled with, before the first of them."""
    write_whole(run_folder / MARK, msgspec.json.encode(Mark(run)).decode(), lasting=True)


def marked(run_folder: Path) -> str | None:
    """The label of a run's containers, None for a run without any. Raises ArmFailed where it is damaged."""
    file = run_folder / MARK
    try:
        return msgspec.json.decode(file.read_bytes(), type=Mark).run
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        look = f"remove it once `docker ps -a --filter label={RUN_LABEL}` shows none of that run"
        raise ArmFailed(f"{file} is damaged, so its containers cannot be told from others: {look}") from error


def containers_of(client: DockerClient, run: str) -> list[Container]:
    """A run's containers, those that have ended too. Raises ArmFailed."""
    with asking("listing containers"):
        found: list[Container] = client.containers.list(all=True, ignore_removed=True, filters=_labelled(run))
    return found


def sweep(client: DockerClient, run: str, kept_volumes: tuple[str, ...] = ()) -> list[str]:
    """Remove a run's containers, networks and volumes, and say which. Raises ArmFailed.

    `kept_volumes` by the names that the compose file gives them.
    """
    containers = containers_of(client, run)
    with asking("removing what the run has left"):
        # By ones and twos the engine takes four times as long.
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            list(pool.map(lambda one: _gone(lambda: one.remove(force=True, v=True)), containers))
        networks = client.networks.list(filters=_labelled(run))
        for network in networks:
            _gone(network.remove)
        volumes = [
            volume
            for volume in client.volumes.list(filters=_labelled(run))
            if (volume.attrs.get("Labels") or {}).get(VOLUME_LABEL) not in kept_volumes
        ]
        for volume in volumes:
            _gone(partial(volume.remove, force=True))
    kinds = (("container", containers), ("network", networks), ("volume", volumes))
    return [f"{kind} {one.name}" for kind, found in kinds for one in found]


def _gone(remove: Callable[[], object]) -> None:
    from docker.errors import NotFound

    with contextlib.suppress(NotFound):
        remove()


def _labelled(run: str) -> dict[str, Any]:
    return {"label": f"{RUN_LABEL}={run}"}

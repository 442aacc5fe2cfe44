"""Changes that only a container's engine can make, each with its undo."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from chaos.clock import Clock
from chaos.domain.change import (
    Change,
    Connect,
    Disconnect,
    FillDisk,
    FreeDisk,
    LimitCpu,
    LimitMemory,
    RunImage,
)
from chaos.drivers.compose.stack import STOP_SECONDS, Containers
from chaos.engine import asking
from chaos.errors import ArmFailed

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container
    from docker.models.networks import Network

NETWORK = "inside"
PERIOD_US = 100_000
MIB = 1_048_576
HEALTHY = ["/opt/mlchaos/healthy", "/health", '"ready":true']
READY_SECONDS = 30.0
READY_POLL_SECONDS = 0.2
FILLER = ".filled-by-mlchaos"
FILL = "cat /dev/zero >{0} 2>/dev/null; sync; test $(df --output=avail -B1 {1} | tail -1) -lt 65536"
"""The write ends with the disk; what counts is that hardly a byte is left."""


class Limits:
    """Makes, undoes and compares such changes. `disks` are the folders that may be filled, by component."""

    def __init__(
        self,
        containers: Containers,
        client: DockerClient,
        project: str,
        disks: Mapping[str, str],
        clock: Clock,
    ) -> None:
        self._containers = containers
        self._client = client
        self._project = project
        self._disks = disks
        self._clock = clock
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="replace")
        self._later: list[Future[None]] = []

    def undo_of(self, change: Change) -> Change | None:
        """The undo, from what is there now; None for a change of another kind. Raises ArmFailed."""
        match change:
            case LimitCpu(component=component, cpus=cpus):
                kept = None if cpus is None else _share(round(cpus * PERIOD_US), PERIOD_US)
                return LimitCpu(component, self._cpus(component), expect=kept)
            case LimitMemory(component=component, mib=mib):
                return LimitMemory(component, self._mib(component), expect=mib)
            case RunImage(component=component, image=image):
                self._check_image(image)
                return RunImage(component, self._image(component), expect=image)
            case Disconnect(component=component):
                return Connect(component)
            case FillDisk(component=component):
                return FreeDisk(component)
            case _:
                return None

    def changed_meanwhile(self, undo: Change) -> bool:
        """Whether what an undo would put back is no longer the fault's. Raises ArmFailed."""
        match undo:
            case LimitCpu(component=component, expect=expect):
                return self._cpus(component) != expect
            case LimitMemory(component=component, expect=expect):
                return self._mib(component) != expect
            case RunImage(component=component, expect=expect):
                return self._image(component) != expect
            case Connect(component=component):
                return self._connected(component)
            case _:
                return False

    def left_over(self, undo: Change) -> str:
        """What of the fault's is there after its undo, in words; empty where nothing is. Raises ArmFailed.

        Where a fault set what it found, its undo changes nothing.
        """
        match undo:
            case LimitCpu(component=one, expect=expect) if undo.cpus != expect == self._cpus(one):
                return f"{one} still has {expect} of a processor"
            case LimitMemory(component=one, expect=expect) if undo.mib != expect == self._mib(one):
                return f"{one} still has {expect} MiB of memory"
            case RunImage(component=one, expect=expect) if undo.image != expect == self._image(one):
                return f"{one} still runs from image {expect}"
            case Connect(component=one) if not self._connected(one):
                return f"{one} is still off its network"
            case _:
                return ""

    def apply(self, change: Change) -> bool:
        """Make the change; False for one of another kind. Raises ArmFailed."""
        match change:
            case LimitCpu(component=component, cpus=cpus):
                quota = -1 if cpus is None else round(cpus * PERIOD_US)
                with asking(f"limit the processors of {component}"):
                    self._containers.container(component).update(cpu_period=PERIOD_US, cpu_quota=quota)
            case LimitMemory(component=component, mib=mib):
                self._limit_memory(component, mib)
            case RunImage(component=component, image=image):
                self._run_image(component, image)
            case Disconnect(component=component):
                with asking(f"disconnect {component}"):
                    self._network().disconnect(self._containers.container(component), force=True)
            case Connect(component=component):
                with asking(f"connect {component}"):
                    self._network().connect(self._containers.container(component), aliases=[component])
            case FillDisk(component=component):
                folder = self._disks[component]
                self._containers.run_in(component, ["bash", "-c", FILL.format(f"{folder}/{FILLER}", folder)])
            case FreeDisk(component=component):
                self._containers.run_in(component, ["rm", "-f", f"{self._disks[component]}/{FILLER}"])
            case _:
                return False
        return True

    def _limit_memory(self, component: str, mib: int | None) -> None:
        """With the container down: what runs cannot be given less than it uses (cgroup v1)."""
        container = self._containers.container(component)
        limit = -1 if mib is None else mib * MIB
        with asking(f"limit the memory of {component}"):
            container.kill()
            container.update(mem_limit=limit, memswap_limit=limit)
            # One that is killed while it starts has started.
            with contextlib.suppress(ArmFailed):
                self._containers.tell("start", component)

    def _run_image(self, component: str, image: str) -> None:
        """As a rollout does it: the new container answers before the old one ends, which nobody waits for.

        The old one stays under another name, for whoever clears the arm away. Where the new one cannot be
        started, as with an image that lacks the program, all is as it was. Raises ArmFailed.
        """
        old = self._containers.container(component)
        networks = {name: {"Aliases": [component]} for name in old.attrs["NetworkSettings"]["Networks"]}
        config = {
            **old.attrs["Config"],
            "Image": image,
            "Hostname": "",
            "HostConfig": old.attrs["HostConfig"],
            "NetworkingConfig": {"EndpointsConfig": networks},
        }
        with asking(f"run {component} from image {image}"):
            api, name = self._client.api, str(old.name)
            made = api.create_container_from_config(config, f"{name}-next")["Id"]  # type: ignore[no-untyped-call]
            try:
                old.rename(f"{name}-{old.short_id}")
                api.rename(made, name)
                api.start(made)
            except BaseException:
                self._take_back(made, old, name)
                raise
        self._later.append(self._pool.submit(self._replace, old, component))

    def _take_back(self, made: str, old: Container, name: str) -> None:
        """Remove the new container and give the old one its name again; what came before this is told."""
        with contextlib.suppress(ArmFailed), asking(f"remove {made}"):
            self._client.api.remove_container(made, force=True)
        with contextlib.suppress(ArmFailed), asking(f"rename {name}"):  # it may have it still
            old.rename(name)

    def _replace(self, old: Container, component: str) -> None:
        for _ in range(round(READY_SECONDS / READY_POLL_SECONDS)):
            with contextlib.suppress(ArmFailed):
                self._containers.run_in(component, HEALTHY)
                break
            self._clock.sleep(READY_POLL_SECONDS)
        with asking(f"stop the old {component}"):
            old.stop(timeout=STOP_SECONDS)

    def check(self) -> None:
        """Raise ArmFailed where what was begun and not waited for has failed."""
        for done in [one for one in self._later if one.done()]:
            self._later.remove(done)
            done.result()

    def close(self) -> None:
        """What has begun is of no more interest."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _check_image(self, image: str) -> None:
        """It is pulled, if need be, before anything starts; by now a pull would keep everybody waiting."""
        with asking(f"image {image!r}"):
            self._client.images.get(image)

    def _image(self, component: str) -> str:
        return str(self._containers.container(component).attrs["Config"]["Image"])

    def _cpus(self, component: str) -> float | None:
        host = self._containers.container(component).attrs["HostConfig"]
        if host.get("NanoCpus"):
            return float(host["NanoCpus"]) / 1e9
        quota = host.get("CpuQuota") or -1
        return None if quota < 0 else _share(quota, host.get("CpuPeriod") or PERIOD_US)

    def _mib(self, component: str) -> int | None:
        limit = self._containers.container(component).attrs["HostConfig"].get("Memory") or 0
        return None if limit <= 0 else int(limit) // MIB

    def _connected(self, component: str) -> bool:
        networks = self._containers.container(component).attrs["NetworkSettings"]["Networks"]
        return self._network_name() in networks

    def _network_name(self) -> str:
        return f"{self._project}_{NETWORK}"

    def _network(self) -> Network:
        found: Network = self._client.networks.get(self._network_name())
        return found


def _share(quota_us: int, period_us: int) -> float:
    """How much of a processor that is, as it is compared: the engine keeps whole microseconds."""
    return round(quota_us / period_us, 4)

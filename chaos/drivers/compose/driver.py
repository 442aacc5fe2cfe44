"""Brings arms up with `docker compose`, one after another, under one project name of the run's own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import msgspec

from chaos.clock import Clock
from chaos.domain.event import Event
from chaos.domain.plan import ArmPlan
from chaos.domain.source import merge
from chaos.domain.target import NetworkLink, TargetSpec
from chaos.drivers.compose.logs import ContainerLogs
from chaos.drivers.compose.project import Project
from chaos.drivers.compose.stack import Containers
from chaos.drivers.compose.target import CACHE, ComposeTarget
from chaos.drivers.local.http import ask
from chaos.drivers.local.target import Wiring
from chaos.drivers.toxiproxy import Toxiproxy
from chaos.engine import SERVICE_LABEL, NoEngine, asking, connect, containers_of, mark, sweep
from chaos.errors import ArmFailed, ChaosError, Interrupted, LeftBehind
from chaos.seeds import fresh_id

if TYPE_CHECKING:
    from docker.models.containers import Container

BEGIN_SECONDS = 320.0
POLL_SECONDS = 0.1
LAST_LINES = 3
LAST_ANSWER_SECONDS = 20.0
CLOCK_READINGS = 5
PORT = 8000
PAGES = {
    "MLflow": (5000, "/"),
    "shop": (8090, "/metrics"),
    "monitor": (8091, "/metrics"),
    "Toxiproxy": (8474, "/proxies"),
}
"""What the door forwards for people, by its ports in the compose file."""


class _Begun(msgspec.Struct):
    origin: float | None = None
    waiting: list[str] = []


class _ClockReading(msgspec.Struct):
    monotonic: float


class ComposeDriver:
    """All arms of a run share a project name and what the warm-up keeps; nothing else outlives an arm."""

    name: ClassVar[str] = "compose"

    def __init__(
        self,
        run_folder: Path,
        clock: Clock,
        compose_file: Path,
        on_process: Callable[[str, int], None],
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._folder = run_folder
        self._clock = clock
        self._stopping = stopping
        self._client = connect()
        # Not by the folder: another machine's, or one that was there before, may have the same name.
        self._run = fresh_id("mlchaos")
        mark(run_folder, self._run)
        self._project = Project(self._run, compose_file, run_folder / "harness", clock, on_process, stopping)

    def start(
        self, plan: ArmPlan, spec: TargetSpec, folder: Path, on_event: Callable[[Event], None]
    ) -> ComposeTarget:
        """Bring up an arm; its logs lie in `folder`.

        Raises ArmFailed, and Interrupted where the user asked to stop; everything is taken down then.
        """
        try:
            return self._start(plan, spec, folder, on_event)
        except (ArmFailed, OSError) as error:
            self._clear_away()
            raise ArmFailed(f"the arm cannot be set up: {error}") from error
        except Interrupted:
            self._clear_away()
            raise

    def _clear_away(self) -> None:
        """What stands in the way of an engine that answers is told by what comes next."""
        with contextlib.suppress(ArmFailed):
            sweep(self._client, self._run, kept_volumes=(CACHE,))

    def close(self) -> None:
        """Remove everything that carries the run's label. Raises LeftBehind where no engine answers."""
        self._client.close()
        try:
            # Asked anew: the engine may be back. One that is not says so soon; one that is may take its time.
            connect(LAST_ANSWER_SECONDS).close()
            client = connect()
            try:
                sweep(client, self._run)
            finally:
                client.close()
        except (NoEngine, ArmFailed) as error:
            again = f"when it does again: mlchaos recover {self._folder}"
            raise LeftBehind(f"containers are left: {error}; {again}") from error

    def _start(
        self, plan: ArmPlan, spec: TargetSpec, folder: Path, on_event: Callable[[Event], None]
    ) -> ComposeTarget:
        logs = folder / "stack" / "logs"
        logs.mkdir(parents=True)
        try:
            self._project.up(_changes(plan, spec), plan.day_seconds)
        except ArmFailed as error:
            raise ArmFailed(f"{error}{self._why_not_up()}") from error
        names = {component: self._project.container(component) for component in spec.components}
        containers = Containers(self._client, self._run, names)
        try:
            origin = self._begin(containers, logs)
            wiring = self._wiring(spec, folder / "stack")
            origin += self._ahead(wiring)
            toxiproxy = Toxiproxy(self._project.published(self._client, "door", 8474))
            pages = {
                name: f"http://{self._project.published(self._client, 'door', port)}{path}"
                for name, (port, path) in PAGES.items()
            }
        except (ChaosError, OSError):
            containers.close()
            raise
        tail = ContainerLogs(self._client, names, logs)
        return ComposeTarget(
            plan,
            spec,
            wiring,
            containers,
            tail,
            toxiproxy,
            self._clock,
            origin,
            on_event,
            self._client,
            self._run,
            pages,
        )

    def _begin(self, containers: Containers, logs: Path) -> float:
        """Wait until the stack has found itself healthy and has started; day 0 on its own clock."""
        limit = self._clock.monotonic() + BEGIN_SECONDS
        name = self._project.container("begin")
        while True:
            with asking("the stack's start"):
                begin = self._client.containers.get(name)
                said = begin.logs(stderr=False).splitlines() if begin.status == "exited" else None
            if said is not None:
                begun = _begun(said)
                if begun is None:
                    raise ArmFailed(f"the stack did not begin: {self._end_of(begin)}")
                if begun.origin is not None:
                    return begun.origin
                raise ArmFailed(f"not healthy in time: {', '.join(begun.waiting)}")
            if self._stopping():
                raise Interrupted("stopped by the user")
            for ended in containers.ended():
                words = self._last_words(self._project.container(ended.component))
                raise ArmFailed(f"{ended.component} ended with code {ended.code} as it came up{words}")
            if self._clock.monotonic() > limit:
                raise ArmFailed(f"the stack did not begin within {BEGIN_SECONDS:g} s; see {logs}")
            self._clock.sleep(POLL_SECONDS)

    def _last_words(self, container: str) -> str:
        with asking(f"the log of {container}"):
            said = self._client.containers.get(container).logs(tail=LAST_LINES)
        lines = said.decode(errors="replace").strip().splitlines()
        return f": {lines[-1]}" if lines else ""

    def _end_of(self, container: Container) -> str:
        service = container.labels.get(SERVICE_LABEL, "")
        code = container.attrs["State"]["ExitCode"]
        return f"{service} ended with code {code}{self._last_words(str(container.id))}"

    def _why_not_up(self) -> str:
        """What the first container that failed said last: Compose says which it was, and no more."""
        with contextlib.suppress(ArmFailed):
            for container in containers_of(self._client, self._run):
                if container.status == "exited" and container.attrs["State"]["ExitCode"]:
                    return f"; {self._end_of(container)}"
        return ""

    def _wiring(self, spec: TargetSpec, root: Path) -> Wiring:
        door = self._project.published(self._client, "door", 7070)
        known = spec.driver.settings
        links = {
            name: f"{known['links'][name]}@{door}"
            for name, link in spec.links.items()
            if isinstance(link, NetworkLink)
        }
        return Wiring(
            root=root,
            sinks={},
            addresses={name: f"{name}:{PORT}@{door}" for name in spec.components},
            links=links,
            data_api=f"data-proxy:8475@{door}",
            model=str(known.get("model", "")),
        )

    def _ahead(self, wiring: Wiring) -> float:
        """How far this machine's monotonic clock is ahead of the engine's, which may be another's."""
        door = wiring.data_api.partition("@")[2]
        best = (float("inf"), 0.0)
        for _ in range(CLOCK_READINGS):
            before = self._clock.monotonic()
            there = ask(door, "GET", "/clock", None, _ClockReading).monotonic
            after = self._clock.monotonic()
            best = min(best, (after - before, (before + after) / 2 - there))
        return best[1]


def _begun(said: Sequence[bytes]) -> _Begun | None:
    """The last of what was said, where that is what it should be."""
    try:
        begun = msgspec.json.decode(said[-1] if said else b"", type=_Begun)
    except msgspec.DecodeError:
        return None
    return begun if begun.origin is not None or begun.waiting else None


def _changes(plan: ArmPlan, spec: TargetSpec) -> str:
    """What the plan asks of the stack's settings, on top of those in its image and of the target file's."""
    planned = {
        "seed": plan.seed,
        "world": plan.world,
        "days": plan.days,
        "day_seconds": plan.day_seconds,
        "layers": {
            name: {"mode": layer.mode.value, "parameters": layer.parameters}
            for name, layer in plan.layers.items()
        },
        "shop": {"normal_ms": spec.normal_ms},
    }
    return msgspec.json.encode(merge(spec.driver.stack, planned)).decode()

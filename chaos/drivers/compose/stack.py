"""The containers of one arm: which run, which have ended, and the verbs for one of them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from chaos.drivers.local.stack import Ended
from chaos.engine import RUN_LABEL, SERVICE_LABEL, NoEngine, asking, connect
from chaos.errors import ArmFailed

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

STOP_SECONDS = 5
PULSE_SECONDS = 5.0
PULSE_ANSWER_SECONDS = 10.0
FIRST_TO_END = ("monitor", "shop")
"""The watcher would page for all that end after it; then the traffic, before those it asks."""
KILL = ["bash", "-c", "kill -KILL $(cat /proc/1/task/1/children)"]
"""From within, past the container's init: a crash as a supervisor sees one, so that the restart policy acts.
What the engine is asked to kill it takes for stopped on purpose."""


BESIDE = ("postgres", "toxiproxy", "data-proxy", "door")
"""Services that are no components, and whose end spoils an arm as much."""


class Containers:
    """The components of one arm as containers, by name."""

    def __init__(self, client: DockerClient, run: str, names: Mapping[str, str]) -> None:
        self._client = client
        self._names = dict(names)
        self._events: queue.Queue[Mapping[str, Any]] = queue.Queue()
        self._ended: list[Ended] = []
        self._running = dict.fromkeys(names, 1)
        self._excused: dict[str, _Excuse] = {}
        self._closing = threading.Event()
        self._stream: Any = client.events(
            decode=True,
            filters={"label": f"{RUN_LABEL}={run}", "type": "container", "event": ["die", "start"]},
        )
        self._lost = ""
        for work, name in ((self._listen, "engine-events"), (self._feel_pulse, "engine-pulse")):
            threading.Thread(target=work, daemon=True, name=name).start()

    @property
    def lost(self) -> bool:
        """Whether the engine has been found not to answer any more; nothing is asked of it then."""
        return bool(self._lost)

    @property
    def pids(self) -> Mapping[str, int]:
        """The components whose containers run; what a number means here is nobody's business."""
        self._hear()
        return dict(self._running)

    def container(self, component: str) -> Container:
        """A component's container. Raises ArmFailed."""
        self._check()
        with asking(f"container of {component}"):
            found: Container = self._client.containers.get(self._names[component])
        return found

    def tell(self, verb: str, component: str) -> None:
        """`start`, `stop`, `kill`, `pause` or `resume` a component. Raises ArmFailed."""
        container = self.container(component)
        with asking(f"{verb} {component}"):
            match verb:
                case "start":
                    container.start()
                case "stop":
                    container.stop(timeout=STOP_SECONDS)
                case "kill":
                    self.run_in(component, KILL)
                case "pause":
                    container.pause()
                case "resume":
                    if container.status == "paused":  # else it was killed, and started anew, meanwhile
                        container.unpause()
                case _:
                    raise ArmFailed(f"{verb!r} is none of start, stop, kill, pause, resume")

    def stands_still(self, component: str) -> bool:
        """Whether a component's container is paused. Raises ArmFailed."""
        return str(self.container(component).status) == "paused"

    def run_in(self, component: str, command: Sequence[str]) -> str:
        """Run a command in a component's container; what it said. Raises ArmFailed where it fails."""
        with asking(f"a command in {component}"):
            code, said = self.container(component).exec_run(list(command))
        text = said.decode(errors="replace").strip() if isinstance(said, bytes) else ""
        # A process that is killed from within may take the command along.
        if code not in (0, None, 137):
            raise ArmFailed(f"a command in {component} ended with {code}: {text[-200:]}")
        return text

    def ended(self) -> list[Ended]:
        """Components, and services beside them, whose containers have ended since the last call.

        Raises ArmFailed: no engine.
        """
        self._hear()
        ended, self._ended = self._ended, []
        return ended

    def excuse(self, component: str) -> None:
        """A change is why it ends from now on, however often."""
        self._excused[component] = _Excuse()

    def excuse_no_more(self, component: str) -> None:
        """The change is taken back: what is heard of later counts if it ended before it was last started.

        Raises ArmFailed.
        """
        now = self.container(component)
        self._excused[component] = _Excuse(str(now.id), _nanoseconds(now.attrs["State"]["StartedAt"]))

    def down(self) -> None:
        """Stop all components; each writes its last words. Raises ArmFailed."""
        for name in FIRST_TO_END:
            if name in self._running:
                self._stop(name)
        with ThreadPoolExecutor(max_workers=len(self._names)) as pool:
            list(pool.map(self._stop, [name for name in self._names if name not in FIRST_TO_END]))
        self._running = {}

    def close(self) -> None:
        """Listen no more."""
        self._closing.set()
        self._stream.close()

    def _stop(self, component: str) -> None:
        container = self.container(component)
        with asking(f"stop {component}"):
            if container.status == "paused":
                container.unpause()
            container.stop(timeout=STOP_SECONDS)

    def _check(self) -> None:
        if self._lost:
            raise ArmFailed(self._lost)

    def _hear(self) -> None:
        self._check()
        while not self._events.empty():
            event = self._events.get()
            attributes = event["Actor"]["Attributes"]
            component = attributes.get(SERVICE_LABEL, "")
            if event["Action"] != "start" and component in (*self._names, *BESIDE):
                excuse = self._excused.get(component)
                excused = excuse is not None and excuse.covers(event)
                self._ended.append(Ended(component, _code(attributes.get("exitCode", "0")), excused))
            if component not in self._names:
                continue
            # Two of them, for a while, where one takes the place of the other.
            count = self._running.pop(component, 0) + (1 if event["Action"] == "start" else -1)
            if count > 0:
                self._running[component] = count

    def _listen(self) -> None:
        import requests
        from docker.errors import DockerException
        from urllib3.exceptions import HTTPError

        why = "it ended its events"
        try:
            for event in self._stream:
                self._events.put(event)
        except (DockerException, requests.RequestException, HTTPError, OSError, AttributeError) as error:
            why = str(error)
        self._lose(why)

    def _feel_pulse(self) -> None:
        """An engine that hangs keeps its connections open: only a question shows it."""
        try:
            while not self._closing.wait(PULSE_SECONDS):
                connect(PULSE_ANSWER_SECONDS).close()
        except NoEngine as error:
            self._lose(str(error))

    def _lose(self, why: str) -> None:
        if not self._closing.is_set() and not self._lost:
            self._lost = f"the container engine does not answer any more ({why})"


@dataclass(frozen=True)
class _Excuse:
    """Every end of a component; of its `container`, if that is given, those until it was `started`.

    In nanoseconds since 1970 by the engine's clock: its events come late.
    """

    container: str = ""
    started_ns: int = 0

    def covers(self, event: Mapping[str, Any]) -> bool:
        """Whether the end of a container is one of them."""
        another = event["Actor"].get("ID") != self.container
        return another or int(event.get("timeNano", 0)) <= self.started_ns


def _nanoseconds(stamp: str) -> int:
    """A stamp of the engine, as in 2026-01-31T23:59:59.123456789Z."""
    seconds, _, fraction = stamp.rstrip("Z").partition(".")
    whole = datetime.fromisoformat(seconds).replace(tzinfo=UTC).timestamp()
    return round(whole) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9] or 0)


def _code(text: str) -> int:
    """An exit code; as elsewhere, a negative one is a signal's number."""
    code = int(text)
    return code if code < 128 else 128 - code

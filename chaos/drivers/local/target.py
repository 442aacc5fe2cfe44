"""The live handle of one arm on real processes."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar, cast

import msgspec

from chaos.capabilities import Capability, Described
from chaos.clock import Clock
from chaos.domain.change import (
    AddDataToxic,
    AddToxic,
    Change,
    Configure,
    Feed,
    Kill,
    Pause,
    Promote,
    Push,
    RemoveDataToxic,
    RemoveToxic,
    Resume,
    Scalar,
    SetAlias,
    SetLayer,
    SetLinkUp,
    Start,
    Starve,
    Stop,
    TakeBack,
)
from chaos.domain.event import Event, Exit, Observed, Views
from chaos.domain.plan import ArmPlan
from chaos.domain.target import TargetSpec
from chaos.drivers.changes import changed_meanwhile, left_over, settings_of, undo_of
from chaos.drivers.doors import ANSWER_DAYS, check_answer, request_of
from chaos.drivers.duty import DutyCycles
from chaos.drivers.ends import Ends
from chaos.drivers.local.data_watch import DataWatch
from chaos.drivers.local.http import HttpFailed, ask, read_metrics, request
from chaos.drivers.local.machine import Machine
from chaos.drivers.local.observer import Latest
from chaos.drivers.local.stack import Ended
from chaos.drivers.observed import LogReader, MalformedLog, partition_day
from chaos.drivers.toxiproxy import Toxic, Toxiproxy
from chaos.drivers.volley import moments_ms
from chaos.errors import ArmFailed, ChangeRefused

C = TypeVar("C", bound=Capability)
E = TypeVar("E", bound=Event)

POLL_SECONDS = 0.02
FRESH_DAYS = 0.25


class _Setting(msgspec.Struct):
    value: msgspec.Raw


class _DataToxic(msgspec.Struct):
    name: str


class _Alias(msgspec.Struct):
    class Version(msgspec.Struct):
        version: str

    model_version: Version


class Stack(Protocol):
    """What runs the components; each may raise ArmFailed, and `down` LeftBehind."""

    @property
    def pids(self) -> Mapping[str, int]:
        """The components that run."""
        ...

    def tell(self, verb: str, component: str) -> None:
        """`start`, `stop`, `kill`, `pause` or `resume` a component."""
        ...

    def stands_still(self, component: str) -> bool:
        """Whether a component is paused."""
        ...

    def ended(self) -> Sequence[Ended]:
        """Components that have ended since the last call."""
        ...

    def down(self) -> None:
        """End all components."""
        ...


class Tail(Protocol):
    """Follows what the components say."""

    reader: LogReader

    def poll(self) -> Iterator[Observed]:
        """The events said since the last look."""
        ...

    def rest(self) -> Iterator[Observed]:
        """Everything up to the components' end."""
        ...

    def close(self) -> None:
        """Follow no more."""
        ...


@dataclass(frozen=True)
class Wiring:
    """Where everything of one arm is: addresses as `host:port`, links as callers see them."""

    root: Path
    sinks: Mapping[str, Path]
    addresses: Mapping[str, str]
    links: Mapping[str, str]
    data_api: str
    model: str


class LocalTarget:
    """One arm: lets time pass, makes changes, hands on what the components say.

    `proxies` are the processes besides the stack's that every view passes, by name; `beside` tells which of
    them have ended since it was last asked: what fails then is none of the platform's doing.
    """

    def __init__(
        self,
        plan: ArmPlan,
        spec: TargetSpec,
        wiring: Wiring,
        stack: Stack,
        tail: Tail,
        toxiproxy: Toxiproxy,
        clock: Clock,
        origin: float,
        on_event: Callable[[Event], None],
        proxies: Mapping[str, int],
        beside: Callable[[], Sequence[Ended]] = tuple,
    ) -> None:
        self._spec = spec
        self._plan = plan
        self._wiring = wiring
        self._stack = stack
        self._toxiproxy = toxiproxy
        self._clock = clock
        self._origin = origin
        self._on_event = on_event
        self._tail = tail
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="observe")
        self._metrics: dict[str, Latest[dict[str, float]]] = {}
        self._latencies: dict[str, Latest[float]] = {}
        self._slowest: dict[tuple[str, float], Latest[float]] = {}
        self._data = DataWatch(wiring.data_api, wiring.sinks, self._pool, self.day)
        self._machine = Machine(clock, proxies)
        self._beside = beside
        self._seen: dict[object, list[Event]] = {}
        self._reporters: set[str] = set()
        """Who has told of views."""
        self._ending = Ends()
        self._duty = DutyCycles(
            plan.day_seconds,
            lambda component: stack.tell("pause", component),
            lambda component: stack.tell("resume", component),
            lambda component: component in stack.pids,
        )

    # --- reading -----------------------------------------------------------------------------------------

    @property
    def spec(self) -> TargetSpec:
        """The target's description."""
        return self._spec

    @property
    def addresses(self) -> Mapping[str, str]:
        """Where each component is, past the proxies."""
        return dict(self._wiring.addresses)

    @property
    def pages(self) -> Mapping[str, str]:
        """MLflow's pages, where the registry is one."""
        registry = self._wiring.addresses.get("registry")
        return {"MLflow": f"http://{registry}"} if registry and self._wiring.model else {}

    @property
    def logs(self) -> Path:
        """Where the components write their logs."""
        return self._wiring.root / "logs"

    def use(self, capability: type[C]) -> C:
        """A capability's verbs."""
        return Described(self._spec).use(capability)

    def day(self) -> float:
        """The calendar by this machine's monotonic clock, which all components count from."""
        return (self._clock.monotonic() - self._origin) / self._plan.day_seconds

    def metrics(self, component: str) -> Mapping[str, float] | None:
        """Samples of /metrics, read in the background."""
        if component not in self._metrics:
            address = self._wiring.addresses[component]
            self._metrics[component] = Latest(self._pool, lambda: read_metrics(address), self.day)
        return self._metrics[component].get(FRESH_DAYS)

    def link_ms(self, link: str, within_days: float = 2 * FRESH_DAYS) -> float | None:
        """A health request through the link's proxy, timed in the background."""
        if link not in self._latencies:
            self._latencies[link] = Latest(self._pool, lambda: self._time_link(link), self.day)
        return self._latencies[link].get(within_days)

    def slowest_ms(self, link: str, over_ms: float) -> float | None:
        """Several health requests through the link's proxy, one after the other in the background."""
        asked = (link, over_ms)
        if asked not in self._slowest:
            nth = itertools.count()
            self._slowest[asked] = Latest(
                self._pool, lambda: self._time_volley(link, moments_ms(next(nth), over_ms)), self.day
            )
        return self._slowest[asked].get(2 * FRESH_DAYS + over_ms / (1000 * self._plan.day_seconds))

    def seen(self, kind: type[E]) -> Sequence[E]:
        """The events of one kind so far."""
        return cast("list[E]", self._seen.get(kind, []))

    def delivered(self, link: str) -> Mapping[int, int] | None:
        """The partitions in the link's sink folder."""
        sink = self._wiring.sinks.get(link)
        if sink is None:
            return None
        found = {}
        for path in sink.iterdir():
            if (day := partition_day(path.name)) is not None:
                found[day] = path.stat().st_size
        return found

    def _time_link(self, link: str) -> float:
        start = self._clock.monotonic()
        callee = self._spec.components[self._spec.links[link].to]
        request(self._wiring.links[link], "GET", callee.health)
        return (self._clock.monotonic() - start) * 1000

    def _time_volley(self, link: str, moments: Sequence[float]) -> float:
        """The longest of those that came back. One that waits puts off the next, and has seen what it was
        sent for. Raises ArmFailed where none came back.
        """
        start, came = self._clock.monotonic(), []
        for moment in moments:
            self._clock.sleep(max(0.0, moment / 1000 - (self._clock.monotonic() - start)))
            with contextlib.suppress(HttpFailed):
                came.append(self._time_link(link))
        if not came:
            raise ArmFailed(f"nothing came back over {link}")
        return max(came)

    # --- time --------------------------------------------------------------------------------------------

    def advance(self, until_day: float, wake: Callable[[], bool]) -> None:
        """Hand on what is said until the day has come, and turn duty cycles at their moments.

        Raises NothingMatched where a data toxic matched nothing of what passed, at most half a day later, and
        ArmFailed where what is said cannot be read or a data link is in lasting trouble.
        """
        while True:
            self._hand_on()
            self._data.look()
            due = self._duty.due_day
            if due is not None and due <= self.day():
                self._duty.turn(self.day())
                due = self._duty.due_day
            left = (until_day - self.day()) * self._plan.day_seconds
            if left <= 0 or wake():
                return
            if due is not None:
                left = max(0.0, min(left, (due - self.day()) * self._plan.day_seconds))
            self._clock.sleep(min(POLL_SECONDS, left))

    def drain(self) -> None:
        """End the components, so that each writes its last words, and read every log to its end.

        Raises NothingMatched where that was not known before.
        """
        self._data.look_at_last()
        self._take_down()

    def _take_down(self) -> None:
        try:
            self._hand_on()  # who has ended by now did so without being asked to
        finally:
            self._ending.all_of(self._stack.pids)
            self._stack.down()
        self._hand_on()
        self._hear(self._tail.rest())
        for waiting in self._machine.rest(self.day()):
            self._note(waiting)

    def _hear(self, said: Iterator[Observed]) -> None:
        try:
            for event in said:
                self._note(event)
        except MalformedLog as error:
            raise ArmFailed(f"what a component says cannot be read: {error}") from error

    def _hand_on(self) -> None:
        self._hear(self._tail.poll())
        self._look_at_machine()
        if found := [*self._stack.ended(), *self._beside()]:
            self._hear(self._tail.poll())  # what it has said between the look above and its end
        for ended in found:
            expected = self._ending.expected(ended.component) or ended.excused
            says = "" if expected else self._tail.reader.last_error(ended.component, self.day())
            self._note(Exit(self.day(), ended.component, ended.code, expected, says))

    def _look_at_machine(self) -> None:
        for event in self._machine.look(self.day(), self._answering(), self._sending()):
            self._note(event)

    def _answering(self) -> Mapping[str, int]:
        """The processes that answer views: a trainer that waits for a processor makes none of them slow."""
        wanted = self._spec.called_by(self._reporters) if self._reporters else list(self._spec.components)
        return {name: pid for name, pid in self._stack.pids.items() if name in wanted}

    def _sending(self) -> Mapping[str, int]:
        """The processes that views come from: they tell what became of them."""
        return {name: pid for name, pid in self._stack.pids.items() if name in self._reporters}

    def _note(self, event: Event) -> None:
        if isinstance(event, Views):
            self._reporters.add(event.component)
        self._seen.setdefault(type(event), []).append(event)
        self._on_event(event)

    # --- changes -----------------------------------------------------------------------------------------

    def prepare(self, change: Change) -> Change | None:
        """The undo of a change, from what is there now."""
        return undo_of(change, self)

    def apply(self, change: Change) -> None:  # noqa: PLR0912 (one case a change)
        """Make a change. Raises ChangeRefused where the component says 400, ArmFailed otherwise."""
        match change:
            case AddToxic():
                toxic = Toxic(change.type, change.attributes, change.stream, change.toxicity, change.name)
                self._toxiproxy.add_toxic(change.link, toxic)
            case RemoveToxic(link=link, name=name):
                self._toxiproxy.remove_toxic(link, name)
            case SetLinkUp(link=link, up=up):
                (self._toxiproxy.enable if up else self._toxiproxy.disable)(link)
            case AddDataToxic(link=link):
                body = {"name": change.name, "type": change.type, "parameters": dict(change.parameters)}
                request(self._wiring.data_api, "POST", f"/links/{link}/toxics", body)
                self._data.follow(link, change.name)
            case RemoveDataToxic(link=link, name=name):
                request(self._wiring.data_api, "DELETE", f"/links/{link}/toxics/{name}")
                self._data.let_go(link, name)
            case Configure() | SetLayer() | TakeBack():
                for component, key, value in settings_of(change, self):
                    self._configure(component, key, value)
            case Kill(component=component) | Stop(component=component):
                self._stack.tell("kill" if isinstance(change, Kill) else "stop", component)
                self._ending.asked_for(component)  # where that failed, its next end is nobody's wish
            case Start(component=component):
                self._stack.tell("start", component)
            case Pause(component=component):
                self._stack.tell("pause", component)
            case Resume(component=component):
                self._stack.tell("resume", component)
            case Starve():
                self._duty.begin(change.component, change.stopped_ms, change.running_ms, self.day())
            case Feed(component=component):
                self._duty.end(component)
            case SetAlias(alias=alias, version=version):
                self._set_alias(alias, version)
            case Promote() | Push():
                self._ask_door(change)

    def _ask_door(self, change: Promote | Push) -> None:
        asked = request_of(change)
        address, path = self._wiring.addresses[asked.component], f"/{asked.operation}"
        timeout_ms = max(2000.0, 1000.0 * ANSWER_DAYS * self._plan.day_seconds)
        try:
            answer = request(address, "POST", path, asked.body, timeout_ms=timeout_ms)
        except HttpFailed as error:
            if error.status == 400:
                raise ChangeRefused(asked.component, str(error)) from error
            raise
        check_answer(asked, 200, answer)

    def revert(self, undo: Change) -> str:
        """Play an undo, and look; a value that is no longer the fault's is left alone.

        Raises ArmFailed where what the fault did is there still.
        """
        if changed_meanwhile(undo, self):
            return "left"
        self.apply(undo)
        if says := self._left_over(undo):
            raise ArmFailed(says)
        return "undone"

    def _left_over(self, undo: Change) -> str:
        return left_over(undo, self)

    def close(self) -> None:
        """End the components, if they are up still, and let go of the proxies' links."""
        try:
            if self._stack.pids:
                self._take_down()
        finally:
            self._tail.close()
            self._pool.shutdown(wait=False, cancel_futures=True)
            for link in self._wiring.sinks:
                try:
                    request(self._wiring.data_api, "DELETE", f"/links/{link}")
                except HttpFailed as error:
                    refused = isinstance(error.__cause__, ConnectionRefusedError)
                    if not refused:  # else nobody is there, nor is a link
                        raise

    # --- what is there, for undos ------------------------------------------------------------------------

    def running(self, component: str) -> bool:
        """Whether the component has a process, paused or not."""
        return component in self._stack.pids

    def stands_still(self, component: str) -> bool:
        """Whether the component's process is stopped."""
        return self._stack.stands_still(component)

    def link_up(self, link: str) -> bool:
        """Whether the link's proxy accepts connections."""
        return self._toxiproxy.proxy(link).enabled

    def has_toxic(self, link: str, name: str) -> bool:
        """Whether the link's proxy has a toxic of that name."""
        return any(toxic.name == name for toxic in self._toxiproxy.proxy(link).toxics)

    def has_data_toxic(self, link: str, name: str) -> bool:
        """Whether the data proxy has a toxic of that name on the link."""
        toxics = ask(self._wiring.data_api, "GET", f"/links/{link}/toxics", None, list[_DataToxic])
        return any(toxic.name == name for toxic in toxics)

    def setting(self, component: str, key: str, *, within_ms: float = 2000.0) -> Scalar:
        """The setting that the component says is in force. Raises HttpFailed."""
        address = self._wiring.addresses[component]
        answer = ask(address, "POST", "/setting", {"key": key}, _Setting, timeout_ms=within_ms)
        value: Scalar = msgspec.json.decode(answer.value)
        return value

    def _configure(self, component: str, key: str, value: Scalar) -> None:
        try:
            request(self._wiring.addresses[component], "POST", "/configure", {"key": key, "value": value})
        except HttpFailed as error:
            if error.status == 400:
                raise ChangeRefused(component, str(error)) from error
            raise

    def alias(self, name: str) -> int | None:
        """The version that the registry has under an alias."""
        path = f"/api/2.0/mlflow/registered-models/alias?name={self._wiring.model}&alias={name}"
        try:
            answer = ask(self._wiring.addresses["registry"], "GET", path, None, _Alias)
        except HttpFailed as error:
            if error.status in (400, 404):
                return None
            raise
        return int(answer.model_version.version)

    def _set_alias(self, alias: str, version: int | None) -> None:
        body: dict[str, str] = {"name": self._wiring.model, "alias": alias}
        method = "DELETE"
        if version is not None:
            method, body = "POST", {**body, "version": str(version)}
        path = "/api/2.0/mlflow/registered-models/alias"
        request(self._wiring.addresses["registry"], method, path, body)

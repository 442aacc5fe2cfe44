"""The live handle of one arm in virtual time."""

from __future__ import annotations

import copy
import functools
import heapq
import itertools
import math
import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Concatenate, ParamSpec, SupportsFloat, TypeVar, cast

import msgspec

from chaos.capabilities import Capability, Described
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
from chaos.domain.event import Event, Exit
from chaos.domain.plan import ArmPlan
from chaos.domain.target import TargetSpec
from chaos.drivers.changes import changed_meanwhile, left_over, settings_of, undo_of
from chaos.drivers.doors import ANSWER_DAYS, check_answer, request_of
from chaos.drivers.duty import DutyCycles
from chaos.drivers.ends import Ends
from chaos.drivers.observed import LogReader, partition_day, read_samples
from chaos.drivers.virtual.data import shape_folder
from chaos.drivers.virtual.protocol import Asked, InProcessTarget, Stopped
from chaos.drivers.virtual.toxics import shape_of
from chaos.drivers.volley import Volley, Volleys, moments_ms
from chaos.errors import ArmFailed, ChangeRefused, ChaosError, NothingMatched

C = TypeVar("C", bound=Capability)
E = TypeVar("E", bound=Event)
P = ParamSpec("P")
R = TypeVar("R")
Remove = Callable[[], None]

FRESH_DAYS = 0.5
SLACK_DAYS = 1e-6
"""By how much a target may miss the day that it was to stop on."""


class _ExitLine(msgspec.Struct, tag_field="event", tag="exit"):
    component: str
    code: int


_exits = msgspec.json.Decoder(_ExitLine)
_EXIT = re.compile(r'"event"\s*:\s*"exit"')


def driven(
    method: Callable[Concatenate[VirtualTarget, P], R],
) -> Callable[Concatenate[VirtualTarget, P], R]:
    """What breaks in a target's own code is told as the target's, with the place; the arm ends there."""

    @functools.wraps(method)
    def call(target: VirtualTarget, /, *args: P.args, **named: P.kwargs) -> R:
        try:
            return method(target, *args, **named)
        except ChaosError:
            raise
        except (Exception, SystemExit) as error:
            raise ArmFailed(broken(target.spec, method.__name__, args, error)) from error

    return call


def broken(spec: TargetSpec, what: str, about: Sequence[object], error: BaseException) -> str:
    """One line on a target that broke: its factory, what was asked of it about what, and where it broke."""
    subject = next((name for one in about if (name := _name(one))), "")
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(last.filename).name}, line {last.lineno}, in {last.name}"
    asked = f"{what} {subject}".rstrip()
    return f"{spec.driver.factory}: {asked}: {type(error).__name__}: {error} ({place})"


def _name(one: object) -> str:
    """The link, layer or component that something is about; empty where it is about none."""
    if isinstance(one, str):
        return repr(one)
    for kind in ("link", "layer", "component"):
        if isinstance(name := getattr(one, kind, None), str):
            return f"of {kind} {name!r}"
    return ""


class VirtualTarget:
    """One arm: lets virtual time pass, makes changes, hands on what the components say."""

    def __init__(
        self, plan: ArmPlan, spec: TargetSpec, inner: InProcessTarget, on_event: Callable[[Event], None]
    ) -> None:
        self._plan = plan
        self._spec = spec
        self._inner = inner
        self._on_event = on_event
        self._seen: dict[object, list[Event]] = {}
        self._words: dict[str, list[str]] = {}
        self._reader = LogReader()
        self._toxics: dict[tuple[str, str], Remove] = {}
        self._pings: dict[str, tuple[float, float]] = {}
        self._volleys: dict[tuple[str, float], Volleys] = {}
        self._to_send: list[tuple[float, int, str, Volley]] = []
        self._order = itertools.count()
        self._ending = Ends()
        self._trouble = ""
        self._duty = DutyCycles(plan.day_seconds, self._pause, self._resume, inner.running)
        self._paused: set[str] = set()
        inner.on_log(self._logged)

    def beside(self) -> VirtualTarget:
        """Another arm's handle on the same system. Only health requests under way are an arm's own: the first
        reading of a link has none to tell of, whoever else has asked before.
        """
        other = copy.copy(self)
        other._pings, other._volleys = {}, {}
        return other

    def _pause(self, component: str) -> None:
        self._inner.pause(component)  # looked up only now: not every target can

    def _resume(self, component: str) -> None:
        self._inner.resume(component)

    # --- reading -----------------------------------------------------------------------------------------

    @property
    def spec(self) -> TargetSpec:
        """The target's description."""
        return self._spec

    def use(self, capability: type[C]) -> C:
        """A capability's verbs."""
        return Described(self._spec).use(capability)

    @driven
    def day(self) -> float:
        """The calendar of the virtual loop. Raises ArmFailed where that is no number."""
        day: object = self._inner.day()
        if type(day) is not float:  # one of a library's own cannot be written
            day = day if isinstance(day, bool) or not isinstance(day, SupportsFloat) else float(day)
        if not isinstance(day, float) or not math.isfinite(day):
            raise ArmFailed(f"{self._spec.driver.factory}: day: it is {day!r}, which is no day")
        return day

    @driven
    def metrics(self, component: str) -> Mapping[str, float] | None:
        """Samples of what /metrics would give; None where the component is gone or stands still."""
        if component in self._paused or not self._inner.running(component):
            return None
        return read_samples(self._inner.metrics(component))

    @driven
    def link_ms(self, link: str, within_days: float = FRESH_DAYS) -> float | None:
        """The newest health request over the link that came back; starts the next one."""
        sent = self.day()

        def came_back(ms: float) -> None:
            self._pings[link] = (sent, ms)

        newest = self._pings.get(link)
        self._inner.link(link).ping(came_back)
        return None if newest is None or sent - newest[0] > within_days else newest[1]

    @driven
    def slowest_ms(self, link: str, over_ms: float) -> float | None:
        """Of the newest volley that is over; `advance` sends what is due of the one that begins here."""
        now, over_days = self.day(), self._days(over_ms)
        volleys = self._volleys.setdefault((link, over_ms), Volleys(over_days + FRESH_DAYS))
        begun = volleys.next(now)
        if begun is not None:
            for after_ms in moments_ms(begun.nth, over_ms):
                moment = now + self._days(after_ms)
                heapq.heappush(self._to_send, (moment, next(self._order), link, begun))
        return volleys.longest_ms(now)

    def _days(self, ms: float) -> float:
        return ms / (1000.0 * self._plan.day_seconds)

    def seen(self, kind: type[E]) -> Sequence[E]:
        """The events of one kind so far."""
        return cast("list[E]", self._seen.get(kind, []))

    @driven
    def delivered(self, link: str) -> Mapping[int, int] | None:
        """The partitions at the link's sink."""
        found = {}
        for name, size in self._inner.folder(link).delivered().items():
            if (day := partition_day(name)) is not None:
                found[day] = size
        return found

    # --- time --------------------------------------------------------------------------------------------

    @driven
    def advance(self, until_day: float, wake: Callable[[], bool]) -> None:
        """Run the loop, turn duty cycles and send health requests at their moments.

        Raises NothingMatched where a data toxic matched nothing of what passed, and ArmFailed where the
        target stops on another day than it was asked to.
        """

        def stop() -> bool:
            return bool(self._trouble) or wake()

        while (due := self._due_day()) < until_day:
            self._pass(due, stop)
            if self.day() < due - 1e-9:
                break
            self._duty.turn(self.day())
            self._send_due()
        else:
            self._pass(until_day, stop)
        if self._trouble:
            raise NothingMatched(self._trouble)

    def _pass(self, until_day: float, stop: Callable[[], bool]) -> None:
        until_day = max(until_day, self.day())  # what was due while a door took its time to answer is due now
        self._inner.advance(until_day, stop)
        day = self.day()
        says = ""
        if day > until_day + SLACK_DAYS:
            says = f"went on to day {day:g}"
        elif day < until_day - SLACK_DAYS and not stop():
            says = f"stopped on day {day:g}, and nothing had woken it"
        if says:
            raise ArmFailed(f"{self._spec.driver.factory}: advance: asked for day {until_day:g} it {says}")

    def _due_day(self) -> float:
        turn = self._duty.due_day
        send = self._to_send[0][0] if self._to_send else math.inf
        return send if turn is None else min(turn, send)

    def _send_due(self) -> None:
        while self._to_send and self._to_send[0][0] <= self.day() + 1e-9:
            _, _, link, volley = heapq.heappop(self._to_send)
            self._inner.link(link).ping(volley.came.append)

    def drain(self) -> None:
        """Everything said has been heard already."""

    def words(self) -> Mapping[str, Sequence[str]]:
        """What components have said for people, by component: all that is no event of the journal."""
        return self._words

    def _logged(self, component: str, line: str) -> None:
        event: Event | None = self._reader.read(line)
        if event is None and '"exit"' in line and _EXIT.search(line):
            ended = _exits.decode(line)
            expected = self._ending.expected(ended.component)
            says = "" if expected else self._reader.last_error(ended.component, self.day())
            event = Exit(self.day(), ended.component, ended.code, expected, says)
        if event is None:
            self._words.setdefault(component, []).append(line)
        else:
            self._seen.setdefault(type(event), []).append(event)
            self._on_event(event)

    # --- changes -----------------------------------------------------------------------------------------

    @driven
    def prepare(self, change: Change) -> Change | None:
        """The undo of a change, from what is there now."""
        return undo_of(change, self)

    @driven
    def apply(self, change: Change) -> None:  # noqa: PLR0912 (one case a change)
        """Make a change. Raises ChangeRefused or ArmFailed."""
        match change:
            case AddToxic(link=link):
                self._shape(link, change.name, lambda: self._inner.link(link).shape(shape_of(change)))
            case AddDataToxic(link=link):
                folder = self._inner.folder(link)
                self._shape(link, change.name, lambda: shape_folder(folder, change, self._in_trouble))
            case RemoveToxic(link=link, name=name) | RemoveDataToxic(link=link, name=name):
                self._toxics.pop((link, name), _nothing)()
            case SetLinkUp(link=link, up=up):
                (self._inner.link(link).up if up else self._inner.link(link).down)()
            case Configure() | SetLayer() | TakeBack():
                for component, key, value in settings_of(change, self):
                    self._configure(component, key, value)
            case Kill(component=component):
                self._ending.asked_for(component)
                self._inner.kill(component)
            case Stop(component=component):
                self._ending.asked_for(component)
                (self._inner.stop if isinstance(self._inner, Stopped) else self._inner.kill)(component)
            case Start(component=component):
                self._inner.start(component)
            case Pause(component=component):
                self._inner.pause(component)
                self._paused.add(component)
            case Resume(component=component):
                self._inner.resume(component)
                self._paused.discard(component)
            case Starve():
                self._duty.begin(change.component, change.stopped_ms, change.running_ms, self.day())
            case Feed(component=component):
                self._duty.end(component)
            case SetAlias(alias=alias, version=None):
                self._inner.registry.drop_alias(alias)
            case SetAlias(alias=alias, version=int(version)):
                self._inner.registry.set_alias(alias, version)
            case Promote() | Push():
                self._ask_door(change)

    def _ask_door(self, change: Promote | Push) -> None:
        """Ask, and let time pass until the door has answered. Raises ChangeRefused or ArmFailed."""
        asked = request_of(change)
        if not isinstance(self._inner, Asked):
            raise ArmFailed(f"the target takes no requests, so {asked.component} cannot be asked")
        answers: list[tuple[int, bytes]] = []
        body = msgspec.json.encode(asked.body)
        self._inner.request(
            asked.component, asked.operation, body, lambda status, answer: answers.append((status, answer))
        )
        self._pass(self.day() + ANSWER_DAYS, lambda: bool(answers))
        if not answers:
            raise ArmFailed(f"{asked.component} does not answer {asked.operation}")
        check_answer(asked, *answers[0])

    def _shape(self, link: str, name: str, add: Callable[[], Remove]) -> None:
        """Two of one name could not be told apart by an undo, as in any proxy."""
        if (link, name) in self._toxics:
            raise ArmFailed(f"link {link!r} has a toxic {name!r} already")
        self._toxics[link, name] = add()

    def _in_trouble(self, says: str) -> None:
        self._trouble = says

    @driven
    def revert(self, undo: Change) -> str:
        """Play an undo, and look; a value that is no longer the fault's is left alone.

        Raises ArmFailed where what the fault did is there still.
        """
        if changed_meanwhile(undo, self):
            return "left"
        self.apply(undo)
        if isinstance(undo, Start) and not self.running(undo.component):
            raise ArmFailed(f"{undo.component} was started and does not run")
        if says := left_over(undo, self):
            raise ArmFailed(says)
        return "undone"

    @driven
    def close(self) -> None:
        """End the target."""
        self._ending.all_of(self._spec.components)
        self._inner.close()

    # --- what is there, for undos ------------------------------------------------------------------------

    def running(self, component: str) -> bool:
        """Whether the component is up."""
        return self._inner.running(component)

    def stands_still(self, component: str) -> bool:  # noqa: ARG002
        """Nobody can say: letting a component go on is a call in this process, and has returned."""
        return False

    def link_up(self, link: str) -> bool:
        """Whether the link is not cut."""
        return not self._inner.link(link).is_down

    def has_toxic(self, link: str, name: str) -> bool:
        """Whether the link is shaped by a toxic of that name."""
        return (link, name) in self._toxics

    def has_data_toxic(self, link: str, name: str) -> bool:
        """Whether the folder is shaped by a toxic of that name."""
        return (link, name) in self._toxics

    def alias(self, name: str) -> int | None:
        """The version that the registry has under an alias."""
        return self._inner.registry.resolve(name)

    def setting(self, component: str, key: str, *, within_ms: float = 0.0) -> Scalar:  # noqa: ARG002
        """The setting that the component has in force, at once. Raises ArmFailed where it does not run."""
        if not self._inner.running(component):
            raise ArmFailed(f"{component} is not running")
        return cast("Scalar", self._inner.setting(component, key))

    def _configure(self, component: str, key: str, value: Scalar) -> None:
        if not self._inner.running(component):
            raise ArmFailed(f"{component} is not running")
        try:
            self._inner.configure(component, key, value)
        except ValueError as error:
            raise ChangeRefused(component, str(error)) from error


def _nothing() -> None:
    pass

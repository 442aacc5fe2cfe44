"""What is injected by hand, on a target of which links can be cut and components be ended."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chaos.app import make_catalogue
from chaos.domain.change import Change, Kill, SetLinkUp, Start
from chaos.domain.event import Effect, Event, Exit
from chaos.drivers.fake import FakeTarget, silent
from chaos.errors import ArmFailed
from chaos.runner.injection import Injector
from chaos.runner.undo import UndoLedger
from chaos.standing.injections import Injections
from chaos.standing.up import Asked, plan_of
from chaos.standing.wire import Answer, Inject
from tests.harness import TARGET, target_of

SPEC = target_of(TARGET.replace("[network,", "[network, processes,"))
OUTAGE = Inject("registry_outage", {"links": ["wire"], "restart": "writer"})


@dataclass
class Machine(FakeTarget):
    """Links that are cut, components that end; `stuck` links stay as they are."""

    cut: set[str] = field(default_factory=set)
    stuck: bool = False

    def apply(self, change: Change) -> None:
        match change:
            case Kill(component=component):
                self.down.add(component)
            case Start(component=component):
                self.down.discard(component)
            case SetLinkUp(link=link, up=up):
                if self.stuck:
                    raise ArmFailed("the proxy does not answer")
                (self.cut.discard if up else self.cut.add)(link)
            case _:
                super().apply(change)

    def link_up(self, link: str) -> bool:
        return link not in self.cut


class Stand:
    """A stack that stands, as much of it as faults by hand need."""

    def __init__(self, folder: Path) -> None:
        plan = plan_of(Asked("game", SPEC, 1, "default", 40.0, 1.0))
        self.said: list[Event] = []
        self.target = Machine(plan, SPEC, self.said.append, silent)
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        injector = Injector(self.target, UndoLedger(folder / "undo.jsonl"), self.said.append, lambda: None)
        self.injections = Injections(
            self.target, injector, make_catalogue(), plan, self.said.append, self._at
        )

    def _at(self, day: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (day, next(self._order), act))

    def pass_until(self, day: float) -> None:
        """Days pass, and what is due is done."""
        while self._due and self._due[0][0] <= day:
            self.target.now, _, act = heapq.heappop(self._due)
            act()
        self.target.now = day


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    return Stand(tmp_path)


def test_of_what_is_undone_is_said_what_was_left(stand: Stand) -> None:
    """The component that the fault ended it has started again itself."""
    stand.injections.inject(OUTAGE)
    stand.pass_until(2.0)
    says = "registry_outage_1 is undone on day 2.00; left as it is: writer runs already"
    assert stand.injections.undo("") == Answer(says)
    assert stand.target.link_up("wire")


def test_what_is_left_in_whole_is_said_to_be(stand: Stand) -> None:
    stand.injections.inject(OUTAGE)
    stand.target.cut.clear()  # somebody else has mended it
    gone = "the value was no longer the fault's (set_link_up wire up=True)"
    says = f"registry_outage_1 is left as it is: writer runs already; {gone}"
    assert stand.injections.undo("") == Answer(says)


def test_what_was_undone_before_another_undo_failed_is_not_said_to_be_left(stand: Stand) -> None:
    stand.injections.inject(OUTAGE)
    stand.target.down.add("writer")
    stand.target.stuck = True
    failed = stand.injections.undo("")
    assert (failed.exit_code, stand.target.down) == (4, set())
    stand.target.cut.clear()
    left = "the value was no longer the fault's (set_link_up wire up=True)"
    says = f"registry_outage_1 is undone on day 0.00; left as it is: {left}"
    assert stand.injections.undo("") == Answer(says)


def test_what_a_count_has_counted_before_is_no_effect(stand: Stand) -> None:
    """Its second end, which is told of on day 2, is one."""
    stand.target.said[Exit] = [Exit(0.5, "writer", 0, expected=False)]
    stand.pass_until(1.0)
    stand.injections.inject(Inject("kill", {"component": "writer"}))
    stand.pass_until(2.0)
    stand.target.said[Exit] += [Exit(2.0, "writer", 0, expected=True)]
    stand.pass_until(3.0)
    effects = [event for event in stand.said if isinstance(event, Effect)]
    assert {(one.seen, one.value, one.says) for one in effects if one.day < 1.95} == {
        (False, 1.0, "as before the injection")
    }
    assert {(one.seen, one.value, one.says) for one in effects if one.day > 2.05} == {(True, 2.0, "")}

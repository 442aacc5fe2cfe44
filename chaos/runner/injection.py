"""Makes changes with their undo on disk first, and takes them back; every step of it is journalled."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from operator import eq

from msgspec import structs

from chaos.contracts import Configured, Running, Target
from chaos.domain.change import (
    Change,
    Configure,
    Kill,
    Pause,
    Push,
    Scalar,
    SetLayer,
    Start,
    Starve,
    Stop,
    TakeBack,
    as_text,
)
from chaos.domain.event import Applied, Event, Planned, Prepared, Refused, Undone
from chaos.errors import ArmFailed, ChangeRefused
from chaos.runner.undo import UndoLedger

LOOK_MS = 200.0
"""So long a component is waited for that is asked what it has in force: time that passes is the arm's."""
UNDOES = "mlchaos"
"""Who has read what an undo gives to a door: a layer that asks for a second person has no cause to object."""


@dataclass
class Injector:
    """What stands between a fault's changes and a target. `sync` waits until the journal is on the disk."""

    target: Target
    ledger: UndoLedger
    write: Callable[[Event], None]
    sync: Callable[[], None]
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _day: float = 0.0
    _pushed: list[tuple[TakeBack, Push]] = field(default_factory=list)
    """Pushes that a door has let in, by their undos."""

    def make(self, about: str, changes: Sequence[Change]) -> list[Refused]:
        """Each change: planned, its undo on disk, then applied; those that the target refused.

        Raises ArmFailed where one cannot be made, and then the undos of those before it are on the disk.
        """
        refusals = []
        for nth, change in enumerate(changes):
            self._require_running(change, changes[nth + 1 :])
            id = f"{about}-{next(self._ids)}"
            self.write(Planned(day=self.target.day(), id=id, about=about, change=change))
            undo = self.target.prepare(change)
            if undo is not None:
                self.ledger.record(id, undo)
            self.write(Prepared(day=self.target.day(), id=id, undo=undo))
            self.sync()
            began_day = self.target.day()  # it bites from then on, however long it takes to be made
            if isinstance(change, Push) and isinstance(undo, TakeBack):
                # Before it is made: a door may make it, and answer too late.
                self._pushed.append((undo, change))
            try:
                self.target.apply(change)
            except ChangeRefused as refused:
                refusals.append(Refused(day=self.target.day(), id=id, by=refused.by, says=refused.says))
                self.write(refusals[-1])
                # What of it was done all the same is put back now: later its value may be there by right.
                self._play(partial(eq, id))
                continue
            self.write(Applied(day=began_day, id=id))
            self._day = began_day
            if undo is not None:
                self._require_taken(about, change, undo)
        return refusals

    def _require_running(self, change: Change, then: Sequence[Change]) -> None:
        """What does not run cannot be ended, and its undo would start what the fault has not ended. A restart
        leaves it running, whatever it found. Raises ArmFailed.
        """
        if not isinstance(change, Kill | Stop | Pause | Starve) or Start(change.component) in then:
            return
        if isinstance(self.target, Running) and not self.target.running(change.component):
            raise ArmFailed(f"{change.component} does not run")

    def _require_taken(self, about: str, change: Change, undo: Change) -> None:
        """A value that is in force in another form than it was set is not what its undo looks for: it gets
        one of its own. Raises ArmFailed then, so that all of this is undone.
        """
        others = []
        for component, key, value in self._sets(change):
            found = self._in_force(component, key)
            if found is None:  # nor is anybody else waited for
                break
            before = undo.values[component] if isinstance(undo, TakeBack) else getattr(undo, "value", None)
            # What was pushed may come there later, or be taken back by now.
            expected = (as_text(value), as_text(before)) if isinstance(change, Push) else (as_text(value),)
            if found not in expected:
                others.append(f"{key} of {component} is {found} after it was set to {as_text(value)}")
                self._record(about, Configure(component, key, value), before, found, change)
        if others:
            raise ArmFailed(f"{others[0]}, so that its undo could not know it again")

    def _record(self, about: str, made: Configure, before: Scalar, found: str, change: Change) -> None:
        """An undo of what a change has made of one setting."""
        id, day = f"{about}-{next(self._ids)}", self.target.day()
        undo: Configure | TakeBack = Configure(made.component, made.key, before, expect=found)
        if isinstance(change, Push):
            undo = TakeBack(made.key, {made.component: before}, expect=found)
            self._pushed.append((undo, change))
        self.write(Planned(day=day, id=id, about=about, change=made))
        self.ledger.record(id, undo)
        self.write(Prepared(day=day, id=id, undo=undo))
        self.write(Applied(day=day, id=id))

    def _sets(self, change: Change) -> list[tuple[str, str, Scalar]]:
        """Component, key and value of what a change sets."""
        match change:
            case Configure(component=component, key=key, value=value):
                return [(component, key, value)]
            case SetLayer(layer=layer, key=key, value=value):
                return [
                    (one, f"layers.{layer}.{key}", value) for one in self.target.spec.layers[layer].asked_by
                ]
            case Push(key=key, value=value, components=components):
                return [(one, key, value) for one in components]
            case _:
                return []

    def _in_force(self, component: str, key: str) -> str | None:
        """A setting as text; None where nobody can tell."""
        with suppress(Exception):  # such as of one that the value has ended
            if isinstance(self.target, Configured):
                return as_text(self.target.setting(component, key, within_ms=LOOK_MS))
        return None

    def undo(self, about: str) -> list[Undone]:
        """Play the undos of one fault or hole, last in, first out."""
        return self._play(lambda id: id.rpartition("-")[0] == about)

    def undos(self, about: str) -> dict[str, Change]:
        """Those of one fault or hole that are to be played, by their id."""
        return {one.id: one.undo for one in self.ledger.open if one.id.rpartition("-")[0] == about}

    def try_again(self) -> list[Undone]:
        """Play the undos that failed once more, while there is something to be undone."""
        failed = set(self.ledger.failed)
        return self._play(lambda id: id in failed)

    def undo_rest(self) -> list[Undone]:
        """Play every undo that is left."""
        return self._play(lambda _id: True)

    def _revert(self, undo: Change) -> str:
        overtaken = isinstance(undo, TakeBack) and self._overtake(undo)
        outcome = self.target.revert(undo)
        return "undone" if overtaken else outcome

    def _overtake(self, undo: TakeBack) -> bool:
        """Where only some have a pushed value its door may have yet to set it on the others, after its undo.
        It forgets that once the key is pushed anew, so one of them is given its own value by the door; the
        rest is done past it, as is all of it where the door, or a layer that it asks, says no.
        """
        push = next((push for pushed, push in self._pushed if pushed is undo), None)
        if push is None:
            return False
        have = {one: self._in_force(one, undo.key) == undo.expect for one in push.components}
        theirs = (pair for pair in undo.values.items() if have[pair[0]] and as_text(pair[1]) != undo.expect)
        first = next(theirs, None)
        if first is None or all(have.values()):
            return False
        component, value = first
        with suppress(Exception):  # whatever its reason, there is a way past it
            self.target.apply(structs.replace(push, components=[component], value=value, approved_by=UNDOES))
            return True
        return False

    def _play(self, wanted: Callable[[str], bool]) -> list[Undone]:
        played = []
        for id, outcome, says in self.ledger.play(self._revert, wanted):
            with suppress(ArmFailed):  # of a target whose calendar is broken the others are undone, too
                self._day = self.target.day()
            played.append(Undone(day=self._day, id=id, outcome=outcome, says=says))
            self.write(played[-1])
        return played

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
from chaos.errors import ArmFailed, ChangeRefused, ChaosError, UndoFailed
from chaos.runner.undo import UndoLedger


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
            if isinstance(change, Push) and isinstance(undo, TakeBack):
                self._pushed.append((undo, change))
            if undo is not None:
                self._require_taken(id, change, undo)
        return refusals

    def _require_running(self, change: Change, then: Sequence[Change]) -> None:
        """What does not run cannot be ended, and its undo would start what the fault has not ended. A restart
        leaves it running, whatever it found. Raises ArmFailed.
        """
        if not isinstance(change, Kill | Stop | Pause | Starve) or Start(change.component) in then:
            return
        if isinstance(self.target, Running) and not self.target.running(change.component):
            raise ArmFailed(f"{change.component} does not run")

    def _require_taken(self, id: str, change: Change, undo: Change) -> None:
        """Of a value that is in force in another form than it was set no undo could tell whose it is: the old
        one is put back. Raises ArmFailed then, or UndoFailed where that fails.
        """
        others = []
        for component, key, value in self._sets(change):
            before = undo.values[component] if isinstance(undo, TakeBack) else getattr(undo, "value", None)
            found = self._in_force(component, key)
            # What was pushed may come there later, or be taken back by now.
            expected = (as_text(value), as_text(before)) if isinstance(change, Push) else (as_text(value),)
            if found is not None and found not in expected:
                says = f"{key} of {component} is {found} after it was set to {as_text(value)}"
                others.append((says, Configure(component, key, before)))
        for says, put_back in others:
            try:
                if isinstance(change, Push):
                    self._push_back(change, put_back.component, put_back.value)
                self.target.apply(put_back)
            except ChaosError as error:
                was = as_text(put_back.value)
                raise UndoFailed(f"{says}, and {was} could not be put back: {error}") from error
        if others:
            self._play(partial(eq, id))
            raise ArmFailed(f"{others[0][0]}, so that no undo could know it again")

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
                return as_text(self.target.setting(component, key))
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
        have = [self._in_force(one, undo.key) == undo.expect for one in undo.values]
        theirs = (pair for pair, has in zip(undo.values.items(), have, strict=True) if has)
        first = next((pair for pair in theirs if as_text(pair[1]) != undo.expect), None)
        return first is not None and not all(have) and self._push_back(push, *first)

    def _push_back(self, push: Push, component: str, value: Scalar) -> bool:
        """Whether the door that has let a push in lets this one in, too."""
        with suppress(Exception):  # whatever its reason, there is a way past it
            self.target.apply(structs.replace(push, components=[component], value=value))
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

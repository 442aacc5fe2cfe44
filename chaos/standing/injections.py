"""What is injected into a standing stack by hand, and what each has hold of, until it is undone."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from msgspec import structs

from chaos.capabilities import MeaninglessChange
from chaos.catalogue import Catalogue, UnknownName
from chaos.contracts import EffectCheck, Probe, Target
from chaos.domain.change import Change, Start, describe
from chaos.domain.event import Effect, Event, Phase
from chaos.domain.places import grip_of
from chaos.domain.plan import EFFECT_EVERY_DAYS, ArmPlan
from chaos.errors import ChaosError, UndoFailed, defect, told
from chaos.runner.check import changes_of, check_lengths, effect_of, make_fault
from chaos.runner.injection import Injector
from chaos.runner.plan import lasts_of
from chaos.runner.quarrels import Claim, quarrel
from chaos.runner.readings import read_effect
from chaos.standing.wire import Answer, Inject, Open

SAME_MOMENT_DAYS = 1e-6
TRY_AGAIN_DAYS = 0.1
"""How long after an undo in time that failed it is tried again."""


class Injections:
    """Faults by hand: `write` is given what happens, and `at` what is to be done on a later day."""

    def __init__(
        self,
        target: Target,
        injector: Injector,
        catalogue: Catalogue,
        plan: ArmPlan,
        write: Callable[[Event], None],
        at: Callable[[float, Callable[[], None]], None],
    ) -> None:
        self._target = target
        self._injector = injector
        self._catalogue = catalogue
        self._plan = plan
        self._write = write
        self._at = at
        self._numbers = itertools.count(1)
        self._open: dict[str, Open] = {}
        self._claims: dict[str, Claim] = {}
        """What each of these has hold of."""
        self._begun: set[str] = set()
        """Those of which something is undone."""

    def open(self) -> tuple[Open, ...]:
        """What is injected, in the order in which it was."""
        return tuple(self._open.values())

    def inject(self, ask: Inject) -> Answer:
        """Inject a fault; the answer says until when. Raises ChaosError where that cannot be done."""
        try:
            fault = make_fault(ask.fault, ask.parameters, self._target.spec, self._catalogue)
            changes = changes_of(fault, self._target)
            effect = effect_of(fault, self._target.spec, self._catalogue)
            check_lengths(fault, self._plan.day_seconds)
        except UnknownName as error:
            return Answer(str(error), 3)
        except MeaninglessChange as error:
            return Answer(error.of_its_field, 3)
        began, lasts = self._target.day(), ask.for_days if ask.for_days is not None else lasts_of(fault)
        grip = grip_of(changes, self._target.spec.layers)
        claim = Claim(ask.fault, grip, began, math.inf if lasts is None else began + lasts)
        if says := self._in_the_way(claim):
            return Answer(says, 3)
        id = f"{ask.fault}_{next(self._numbers)}"
        before = None if effect is None else self._effect(id, *effect)
        self._write(Phase(self._target.day(), "inject", id))
        try:
            refusals = self._injector.make(id, changes)
        except (Exception, SystemExit) as error:
            undone = self._injector.undo(id)  # those that were made before the one that failed
            left = [one for one in undone if one.outcome == "failed"]
            if left:
                self.note(replace(claim, about=id, until_day=math.inf), None)
                self.note_failed(id, left[0].says)
                says = str(error) if isinstance(error, ChaosError) else defect(error)
                raise UndoFailed(f"{says}; and the undo of {id} failed: {left[0].says}") from error
            raise
        if len(refusals) == len(changes):
            self._injector.undo(id)
            return Answer(f"{refusals[0].by} refused it: {refusals[0].says}", 2)
        day = self._target.day()
        until = None if lasts is None else day + lasts
        self.note(replace(claim, about=id, until_day=math.inf if until is None else until), until)
        if until is not None:
            self._at(until, partial(self._undo_in_time, id))
        if effect is not None:
            self._watch_effect(id, *effect, before)
        end = "until it is undone by hand" if until is None else f"undone by itself on day {until:.2f}"
        if until is not None and until > self._plan.days:
            end = f"undone when the stack ends, on day {self._plan.days:g}"
        return Answer(f"{id} is injected on day {day:.2f}, {end}")

    def _in_the_way(self, claim: Claim) -> str:
        """What is injected that this would quarrel with; what should be undone by now is there still."""
        for other, taken in self._claims.items():
            until_day = max(taken.until_day, claim.from_day + SAME_MOMENT_DAYS)
            if says := quarrel(replace(taken, until_day=until_day), claim):
                return f"{says}: undo {other} first"
        return ""

    def note(self, claim: Claim, until_day: float | None) -> None:
        """Something is injected, until a day or until it is undone."""
        id = claim.about
        self._open[id] = Open(id, self._target.day(), until_day)
        self._claims[id] = claim

    def note_failed(self, id: str, says: str) -> None:
        """It is there still, and can be undone again."""
        self._claims[id] = replace(self._claims[id], until_day=math.inf)
        self._open[id] = structs.replace(self._open[id], failed_day=self._target.day(), failed=says)

    def _watch_effect(self, id: str, check: EffectCheck, probe: Probe, before: Effect | None) -> None:
        def read() -> None:
            if id in self._open:
                now = self._effect(id, check, probe)
                if now.seen and before is not None and before.seen and now.value == before.value:
                    now = structs.replace(now, seen=False, says="as before the injection")
                self._write(now)
                self._at(self._target.day() + EFFECT_EVERY_DAYS, read)

        self._at(self._target.day() + EFFECT_EVERY_DAYS, read)

    def _effect(self, id: str, check: EffectCheck, probe: Probe) -> Effect:
        try:
            return read_effect(self._target, id, check, probe)
        except Exception as error:  # noqa: BLE001 (what cannot be read now is no data, and the stack stands on)
            says = str(error) if isinstance(error, ChaosError) else told(error)
            return Effect(self._target.day(), id, seen=None, value=None, says=says)

    def _undo_in_time(self, id: str) -> None:
        if id in self._open:
            self._undo(id)
        if id in self._open:  # nobody is there to do it
            self._at(self._target.day() + TRY_AGAIN_DAYS, partial(self._undo_in_time, id))

    def undo(self, id: str) -> Answer:
        """Undo what is injected: of that name, or the newest. What cannot be undone can be tried again."""
        if not self._open:
            return Answer("nothing is injected", 3)
        if id and id not in self._open:
            return Answer(f"{id!r} is not injected; there is {', '.join(self._open)}", 3)
        return self._undo(id or next(reversed(self._open)))

    def _undo(self, id: str) -> Answer:
        self._write(Phase(self._target.day(), "undo", id))
        undos = self._injector.undos(id)
        undone = self._injector.undo(id)
        if any(one.outcome == "undone" for one in undone):
            self._begun.add(id)
        failed = [one.says for one in undone if one.outcome == "failed"]
        if failed:
            self.note_failed(id, failed[0])
            return Answer(f"the undo of {id} failed: {failed[0]}", 4)
        del self._open[id], self._claims[id]
        left = "; ".join(_left(undos[one.id], one.says) for one in undone if one.outcome == "left")
        if left and id not in self._begun:
            return Answer(f"{id} is left as it is: {left}")
        done = f"{id} is undone on day {self._target.day():.2f}"
        return Answer(f"{done}; left as it is: {left}" if left else done)

    def undo_rest(self) -> str:
        """Undo all that is left; why the first undo failed that did, or nothing."""
        failed = [one for one in self._injector.undo_rest() if one.outcome == "failed"]
        if not failed:
            return ""
        about = failed[0].id.rpartition("-")[0]
        return f"the undo of {about} failed: {failed[0].says}"


def _left(undo: Change, says: str) -> str:
    """Why an undo was left, and of what it is."""
    match undo:
        case Start(component=component):
            return f"{component} runs already"
        case _:
            return f"{says} ({describe(undo)})"

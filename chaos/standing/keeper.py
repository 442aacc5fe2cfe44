"""Keeps a stack up: lets its days pass, injects and undoes as it is asked, and lends it to runs."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType

from pydantic import ValidationError

from chaos.catalogue import Catalogue
from chaos.contracts import Driver, Running, Target
from chaos.domain.event import Event, Exit, Header, Phase
from chaos.domain.places import grip_of
from chaos.domain.plan import ArmPlan, TrialPlan
from chaos.domain.target import TargetSpec
from chaos.domain.wrong import first_of
from chaos.errors import (
    ArmFailed,
    ChaosError,
    DataTrouble,
    Interrupted,
    NothingMatched,
    UndoFailed,
    defect,
)
from chaos.journal import JournalWriter, header_of
from chaos.runner.adopt import AdoptingDriver
from chaos.runner.execute import ArmContext, ArmRun, Go
from chaos.runner.injection import Injector
from chaos.runner.quarrels import Claim, claim_of_fault
from chaos.runner.stop import StopSignal
from chaos.runner.trials import journal_path, trial_folder
from chaos.runner.undo import LEDGER, UndoLedger, find_undos
from chaos.standing.injections import SAME_MOMENT_DAYS, Injections
from chaos.standing.wire import (
    Answer,
    Ask,
    Desk,
    Down,
    Happened,
    Inject,
    Run,
    Status,
    StatusIs,
    Stop,
    Undo,
    Visitor,
    Waiting,
    Watch,
)
from chaos.standing.wire import Go as GoOn

JOURNAL = "journal-standing.jsonl"


@dataclass(frozen=True)
class Kept:
    """What a stack is kept with."""

    run: str
    mlchaos: str
    started_at: str
    versions: Mapping[str, str]
    folder: Path
    plan: ArmPlan
    spec: TargetSpec
    catalogue: Catalogue
    driver: Driver
    desk: Desk
    stop: StopSignal
    borrowed: Callable[[Path], None]


@dataclass
class Loan:
    """A run that has the stack, and whoever asked for it."""

    ask: Run
    visitor: Visitor
    stop: StopSignal = field(default_factory=StopSignal)
    waits: bool = False

    def stop_for(self, why: str) -> None:
        """Nobody asked the run itself to stop."""
        if not self.stop.asked:
            self.stop.asked, self.stop.why = True, why


class Keeper:
    """One stack from its coming up to its end. Single-threaded: whoever asks is heard between two looks."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._moments: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._gone: dict[str, int] = {}
        self._watchers: list[Visitor] = []
        self._waiting: list[tuple[Visitor, Inject | Undo | Run]] = []
        self._listener: Callable[[Event], None] | None = None
        self._loan: Loan | None = None
        self._leaving: list[Visitor] = []
        self._not_undone = ""
        self._over = False

    def keep(self, ready: Callable[[Target], None]) -> None:
        """Bring the stack up, call `ready`, and keep it until it is asked to go, or its days are over.

        Everything is undone and taken down at the end, and the driver is closed. Raises ArmFailed where the
        stack cannot be brought up or driven on, UndoFailed where an undo failed, however it ended, LeftBehind
        where it cannot be taken down.
        """
        kept = self._kept
        with ExitStack() as stack:
            stack.callback(kept.desk.close)
            stack.push(self._say_goodbye)
            stack.push(self._tell_not_undone)
            stack.callback(kept.driver.close)
            self._journal = stack.enter_context(JournalWriter(kept.folder / JOURNAL, self._header()))
            self._ledger = stack.enter_context(UndoLedger(kept.folder / LEDGER))
            try:
                self._target = kept.driver.start(kept.plan, kept.spec, kept.folder, self._hear)
                stack.callback(self._tear_down)
                self._injected = Injections(
                    self._target,
                    Injector(self._target, self._ledger, self._write, self._journal.sync),
                    kept.catalogue,
                    kept.plan,
                    self._write,
                    self._at,
                )
                stack.callback(self._undo_rest)
                ready(self._target)
                self._live()
            except ArmFailed as failed:
                self._write(Phase(self._day(), "void", str(failed)))
                raise
            except Interrupted:
                self._write(Phase(self._day(), "interrupted", "the user asked to stop as it came up"))
                raise

    def _live(self) -> None:
        days = self._kept.plan.days
        while not self._over and self._target.day() < days - SAME_MOMENT_DAYS:
            due = min(self._moments[0][0] if self._moments else days, days)
            if not self._passed(due, self._wake):
                continue
            while self._moments and self._moments[0][0] <= self._target.day() + SAME_MOMENT_DAYS:
                heapq.heappop(self._moments)[2]()
            while self._waiting and not self._over:
                self._serve(*self._waiting.pop(0))

    def _passed(self, until_day: float, wake: Callable[[], bool]) -> bool:
        """Let time pass; False where a data link had something to tell, after which the stack stands on."""
        try:
            self._target.advance(until_day, wake)
        except (NothingMatched, DataTrouble) as found:
            self._write(Phase(self._day(), "observe", str(found)))
            return False
        return True

    def _wake(self) -> bool:
        self._look()
        return self._over or bool(self._waiting)

    def _look(self) -> None:
        """Hear what is asked; what takes time is put off until the stack is in hand again."""
        if self._kept.stop.asked:
            self._leave()
        for visitor, ask in self._kept.desk.poll():
            self._asked(visitor, ask)
        if self._loan is not None and self._loan.visitor.gone:
            self._loan.stop_for("whoever began it has gone")

    def _asked(self, visitor: Visitor, ask: Ask) -> None:
        match ask:
            case Status():
                run = self._loan.ask.run if self._loan is not None else ""
                told = self._injected.open()
                visitor.tell(StatusIs(self._target.day(), run, told, self._missing()))
            case Watch():
                self._watchers.append(visitor)
            case GoOn():
                if self._loan is not None and self._loan.visitor is visitor:
                    self._loan.waits = False
            case Stop():
                if self._loan is not None and self._loan.visitor is visitor:
                    self._loan.stop.asked = True
            case Down():
                self._leaving.append(visitor)
                self._leave()
            case _ if self._loan is not None:
                visitor.tell(Answer(f"run {self._loan.ask.run} has the stack; wait for its end", 3))
            case _:
                self._waiting.append((visitor, ask))

    def _leave(self) -> None:
        self._over = True
        if self._loan is not None:
            self._loan.stop_for("the stack is taken down")

    # --- by hand -----------------------------------------------------------------------------------------

    def _serve(self, visitor: Visitor, ask: Inject | Undo | Run) -> None:
        if visitor.gone and not isinstance(ask, Undo):
            return  # whoever asked has not waited for it, and does not expect it any more
        try:
            match ask:
                case Inject():
                    answer = self._injected.inject(ask)
                case Undo(id=id):
                    answer = self._injected.undo(id)
                case Run():
                    answer = self._lend(Loan(ask, visitor))
        except ChaosError as error:
            answer = Answer(str(error), error.exit_code)
        except OSError as error:  # of the folder of a run, such as one that is gone: the stack stands on
            answer = Answer(str(error), ArmFailed.exit_code)
        except (Exception, SystemExit) as error:  # noqa: BLE001 (of a fault or a driver: the stack stands on)
            answer = Answer(defect(error), ArmFailed.exit_code)
        visitor.tell(answer)

    def _at(self, day: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._moments, (day, next(self._order), act))

    # --- runs --------------------------------------------------------------------------------------------

    def _missing(self) -> tuple[str, ...]:
        """The components that ended without being asked to, and were not started again."""
        gone = {name: code for name, code in self._gone.items() if not self._runs(name)}
        return tuple(f"{name} (code {code})" for name, code in gone.items())

    def _runs(self, component: str) -> bool:
        return isinstance(self._target, Running) and self._target.running(component)

    def _lend(self, loan: Loan) -> Answer:
        try:
            trial = TrialPlan.model_validate_json(bytes(loan.ask.plan))
        except ValidationError as error:
            return Answer(f"not a plan of this version: {first_of(error)}", 3)
        (plan,) = trial.arms
        if injected := self._injected.open():
            return Answer(f"{injected[0].id} is injected; undo it first", 3)
        if missing := self._missing():
            return Answer(f"{', '.join(missing)} ended by itself; what is run now would judge that", 3)
        if plan.start_day < self._target.day() or plan.days > self._kept.plan.days:
            return Answer(
                f"it would run from day {plan.start_day:g} to {plan.days:g}, and the stack is on day "
                f"{self._target.day():.2f} of {self._kept.plan.days:g}",
                3,
            )
        self._passed(self._target.day(), lambda: True)  # what is still to be told is no trouble of the run's
        run_folder = Path(loan.ask.folder)
        folder = trial_folder(run_folder, trial)
        arm_folder = folder / plan.arm.value
        arm_folder.mkdir()
        self._kept.borrowed(run_folder)
        context = ArmContext(
            run=loan.ask.run,
            mlchaos=self._kept.mlchaos,
            started_at=loan.ask.started_at,
            folder=arm_folder,
            journal=journal_path(folder, plan.arm),
            spec=self._kept.spec,
            catalogue=self._kept.catalogue,
            driver=AdoptingDriver(self._target, self._look, self._listen),
            stop=loan.stop,
            show=lambda event: self._show(event, loan.visitor),
            versions=dict(self._kept.versions),
            pause=partial(self._pause, loan),
        )
        self._loan = loan
        waiting, self._waiting = self._waiting, []
        for other, late in waiting:  # asked in one moment with this, and not to be done hours later
            self._asked(other, late)
        try:
            ArmRun(plan, context).run()
        except Interrupted as error:
            rest = "the stack is taken down" if self._over else "the stack stands"
            return Answer(f"stopped: what it did is undone, {rest}", error.exit_code)
        except ChaosError as error:  # it has begun: what there is of it is to be read, whatever went wrong
            return Answer(str(error), ArmFailed.exit_code)
        finally:
            self._loan = None
            self._take_over(arm_folder / LEDGER, plan, loan.ask.run)
        return Answer("done")

    def _take_over(self, ledger: Path, plan: ArmPlan, run: str) -> None:
        """What a run could not undo is there still: it is injected as if by hand, and can be undone so.

        Raises ArmFailed where a line of the ledger cannot be read, once what can be is taken over.
        """
        spec, found = self._target.spec, find_undos(ledger)
        for nth, left in enumerate(reversed(found.undos), start=1):
            about, _, _ = left.id.rpartition("-")
            id = f"{about}_of_{run}"
            self._ledger.record(f"{id}-{nth}", left.undo)
            grip = grip_of([left.undo], spec.layers)  # of a hole; a fault's own says more
            for fault in plan.faults:
                if fault.key == about:
                    grip = claim_of_fault(fault, self._kept.catalogue, spec).grip
            self._injected.note(Claim(id, grip, self._target.day(), math.inf), None)
            if left.failed:
                self._injected.note_failed(id, left.failed)
        if found.unread:
            raise ArmFailed(f"what run {run} did may be there still: {found.unread[0]}")

    def _pause(self, loan: Loan, before: str, about: str) -> Go | None:
        if before not in loan.ask.pause_before:
            return None
        loan.waits = True
        loan.visitor.tell(Waiting(before, about))
        return lambda: not loan.waits

    def _listen(self, listener: Callable[[Event], None] | None) -> None:
        self._listener = listener

    # --- what happens ------------------------------------------------------------------------------------

    def _hear(self, event: Event) -> None:
        """The stack says something."""
        if isinstance(event, Exit) and not event.expected:
            self._gone[event.component] = event.code
        if self._listener is not None:
            self._listener(event)  # the run that has the stack shows it, too
            self._journal.write(event)
        else:
            self._write(event)

    def _write(self, event: Event) -> None:
        self._journal.write(event)
        self._show(event, None)

    def _show(self, event: Event, also: Visitor | None) -> None:
        self._watchers = [watcher for watcher in self._watchers if not watcher.gone]
        for visitor in [*self._watchers, *([also] if also is not None else [])]:
            visitor.tell(Happened(event))

    def _day(self) -> float:
        target = getattr(self, "_target", None)
        return target.day() if target is not None else 0.0

    def _tell_not_undone(
        self,
        kind: type[BaseException] | None,  # noqa: ARG002
        error: BaseException | None,
        trace: TracebackType | None,  # noqa: ARG002
    ) -> None:
        expected = error is None or isinstance(error, ArmFailed | Interrupted)
        if self._not_undone and expected:
            raise UndoFailed(f"{error or 'down'}, but {self._not_undone}") from error

    def _say_goodbye(
        self,
        kind: type[BaseException] | None,  # noqa: ARG002
        error: BaseException | None,
        trace: TracebackType | None,  # noqa: ARG002
    ) -> None:
        """To whoever had it taken down: that it is, or what stood in the way."""
        for visitor in self._leaving:
            visitor.tell(self._end(error))

    def _end(self, error: BaseException | None) -> Answer:
        match error:
            case None:
                return Answer("down")
            case ChaosError():
                return Answer(str(error), error.exit_code)
            case _:
                return Answer(f"the process that keeps it failed: {error!r}", ArmFailed.exit_code)

    def _undo_rest(self) -> None:
        self._not_undone = self._injected.undo_rest()

    def _tear_down(self) -> None:
        self._write(Phase(self._target.day(), "teardown"))
        try:
            self._target.close()
        finally:
            self._write(Phase(self._target.day(), "done"))

    def _header(self) -> Header:
        kept = self._kept
        return header_of(
            kept.plan,
            run=kept.run,
            mlchaos=kept.mlchaos,
            started_at=kept.started_at,
            versions=kept.versions,
        )

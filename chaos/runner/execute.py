"""One arm, from provisioning to teardown. Knows protocols, never a concrete fault or driver."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from chaos.capabilities import Layers
from chaos.catalogue import Catalogue
from chaos.contracts import Driver, EffectCheck, Probe, Target, Worded
from chaos.domain.event import Action, Event, Exit, Header, Lag, Phase, Reading
from chaos.domain.plan import EFFECT_EVERY_DAYS, ArmPlan, PlannedFault, PlannedHole, same_day
from chaos.domain.scenario import OnAction
from chaos.domain.target import TargetSpec
from chaos.errors import ArmFailed, ChaosError, Interrupted, LeftBehind, defect, told
from chaos.journal import JournalWriter, header_of
from chaos.runner.injection import Injector
from chaos.runner.lag import LagMeter
from chaos.runner.readings import Steady, read_effect, reading
from chaos.runner.stop import StopSignal
from chaos.runner.undo import LEDGER, UndoLedger

TICK_DAYS = 0.05


Go = Callable[[], bool]
Pause = Callable[[str, str], Go | None]


def no_pause(_before: str, _about: str) -> Go | None:
    """Nobody wants to be waited for."""
    return None


@dataclass(frozen=True)
class ArmContext:
    """What an arm is run with.

    `pause` is asked before an injection and an undo, with `inject` or `undo` and the fault's key: it returns
    what says whether to go on, or None where nobody is to be waited for.
    """

    run: str
    mlchaos: str
    started_at: str
    folder: Path
    journal: Path
    spec: TargetSpec
    catalogue: Catalogue
    driver: Driver
    stop: StopSignal
    show: Callable[[Event], None]
    versions: dict[str, str] = field(default_factory=dict)
    pause: Pause = no_pause


class ArmEnded(Exception):
    """The arm ends before its time; the phase says why."""

    def __init__(self, phase: str, says: str) -> None:
        self.phase = phase
        self.says = says
        super().__init__(says)


@dataclass(frozen=True)
class Waiting:
    """Something to be done at an action of the target, from the `after`-th one on."""

    about: str
    when: OnAction
    after: int
    act: Callable[[], object]

    def come(self, actions: Sequence[Action]) -> bool:
        """Whether the target has told such an action."""
        if len(actions) <= self.after:
            return False
        told = [(action.component, action.action) for action in actions[self.after :]]
        return (self.when.component, self.when.action) in told


@dataclass(frozen=True, order=True)
class _Moment:
    """Something to be done on a day; `changes` says that the target may be another one afterwards."""

    day: float
    order: int
    act: Callable[[], object] = field(compare=False)
    changes: bool = field(compare=False)


class ArmRun:
    """Runs one arm of a trial and writes its journal.

    `run` does it all. Whoever drives several arms over one target (runner/trunk.py) calls what `run` is made
    of: `open`, `begin`, then `act` at each `due_day` while it does not `part`, and `step` within `ending`.
    """

    def __init__(self, plan: ArmPlan, context: ArmContext) -> None:
        self._plan = plan
        self._context = context
        self._lag = LagMeter()
        self._moments: list[_Moment] = []
        self._order = itertools.count()
        self._day = plan.start_day
        self._waited_days = 0.0
        self._lagging = False
        self._waiting: list[Waiting] = []
        self._begun = False
        self._biting: set[str] = set()
        """Faults that are injected now."""
        self._unwell = False
        """Whether the steady state may be away because of one, from its injection on until it holds again."""

    def run(self) -> None:
        """Bring the target up, live through the days, undo, take it down.

        Raises ArmFailed when the target cannot be driven and Interrupted when the user asked to stop; the
        journal is complete in either case.
        """
        context = self._context
        self.open()
        with self.ending():
            self.begin(context.driver.start(self._plan, context.spec, context.folder, self.hear))
            while self.step():
                pass

    def open(self) -> None:
        """Begin the journal and the undo ledger. Raises ArmFailed."""
        context = self._context
        with ExitStack() as stack:
            self._journal = stack.enter_context(JournalWriter(context.journal, self._header()))
            self._ledger = stack.enter_context(UndoLedger(context.folder / LEDGER))
            if not self._plan.start_day:
                self._phase("provision")
            self._opened = stack.pop_all()

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Around the arm's life once it is open: what ends it is told, what is left is undone and taken down.

        Raises what `run` raises.
        """
        with self._opened:
            try:
                yield
            except ArmEnded as ended:
                self._phase(ended.phase, ended.says)
            except (Interrupted, KeyboardInterrupt):
                self._phase("interrupted", self._context.stop.why)
                raise
            except ChaosError as failed:
                self._void(str(failed), over=not (self._begun or isinstance(failed, LeftBehind)))
                if isinstance(failed, ArmFailed | LeftBehind):
                    raise
                raise ArmFailed(str(failed)) from failed  # by now it is no mistake of who asked for the run
            except (Exception, SystemExit) as error:
                # Of a fault, a probe or a layer: without a word the journal would pass for a whole one.
                self._void(says := defect(error), over=not self._begun)
                raise ArmFailed(says) from error

    def let_go(self) -> None:
        """Close the files and say nothing: another process goes on with this arm."""
        self._journal.close()
        self._ledger.close()

    def begin(self, target: Target) -> None:
        """Here is the target: from now on it is taken down at the end. Plans what is to be done and when."""
        plan = self._plan
        self._target = target
        self._begun = True
        self._opened.callback(self._tear_down)
        self._injector = Injector(target, self._ledger, self.hear, self._journal.sync)
        self._opened.callback(self._injector.undo_rest)
        self._phase("steady_before")
        self._steady = self._steady_probes()
        self._abort = [
            (bound, self._context.catalogue.probes.make(bound.probe, bound.with_)) for bound in plan.abort_if
        ]
        self._unread = [bound for bound, _ in self._abort]
        start, probe_every = plan.start_day, plan.probe_every_days
        self._every(start + TICK_DAYS, TICK_DAYS, plan.days, self._check_abort)
        self._every(start + probe_every, probe_every, plan.days, self._read_steady)
        for hole in plan.holes:
            self._plan_hole(hole)
        for fault in plan.faults or plan.effect_watch:
            self._plan_fault(fault, injected=bool(plan.faults))
        if not plan.faults:
            first = min((fault.inject_day for fault in plan.effect_watch), default=plan.quiet_day)
            self._at(first, self._require_steady_state)

    @property
    def plan(self) -> ArmPlan:
        """What is run."""
        return self._plan

    @property
    def context(self) -> ArmContext:
        """What it is run with."""
        return self._context

    @property
    def due_day(self) -> float:
        """When there is something to be done next; the arm's end where nothing is left."""
        return (self._moments[0].day if self._moments else self._plan.days) + self._waited_days

    @property
    def parts(self) -> bool:
        """Whether what is to be done next changes the target, or ends the arm."""
        return not self._moments or self._moments[0].changes

    def act(self) -> None:
        """Do what is due now, `due_day` having come."""
        self._note_time(self.due_day)
        heapq.heappop(self._moments).act()

    def step(self) -> bool:
        """Let time pass until something is to be done, and do it; False where that was the end."""
        if self._moments:
            moment = heapq.heappop(self._moments)
            self._pass_until(moment.day)
            moment.act()
            return True
        self._pass_until(self._plan.days)
        self._injector.try_again()
        self._phase("drain")
        self._target.drain()
        day, lag_days = self._target.day(), self._lag.largest  # draining may have taken a moment
        self.hear(Lag(day=day, component="harness", lag_days=lag_days, over_days=0.0))
        return False

    def _pass_until(self, planned_day: float) -> None:
        stop = self._context.stop
        while True:
            due = planned_day + self._waited_days  # which what has come may put off
            self._target.advance(due, lambda: stop.asked or bool(self._waiting and self._come()))
            if stop.asked:
                raise Interrupted("stopped by the user")
            come = self._come()
            if not come:
                break
            for waiting in come:
                self._waiting.remove(waiting)
                waiting.act()
        self._note_time(due)

    def _come(self) -> list[Waiting]:
        """What was waited for and has come."""
        return [waiting for waiting in self._waiting if waiting.come(self._target.seen(Action))]

    def _wait_for_go(self, before: str, about: str) -> None:
        """While somebody wants to be waited for, time passes and everything planned is put off."""
        go = self._context.pause(before, about)
        if go is None:
            return
        stop, asked_day = self._context.stop, self._target.day()
        self._phase("paused", f"somebody is waited for before the {before}")
        while not go():
            self._target.advance(self._target.day() + TICK_DAYS, lambda: stop.asked or go())
            if stop.asked:
                raise Interrupted("stopped by the user")
            self._check_abort()  # what was planned is put off; what users bear is not
        self._waited_days += self._target.day() - asked_day

    def _note_time(self, due: float) -> None:
        self._day = self._target.day()
        spell = self._lag.tick(due, self._day)
        if spell is not None and not self._lagging:
            worst, over = spell
            self.hear(Lag(day=self._day, component="harness", lag_days=worst, over_days=over))
        self._lagging = spell is not None

    def _at(self, day: float, act: Callable[[], object], *, changes: bool = False) -> None:
        heapq.heappush(self._moments, _Moment(same_day(day), next(self._order), act, changes))

    def _every(self, first: float, step: float, until: float, act: Callable[[], object]) -> None:
        count = math.floor((until - first) / step + 1e-6) + 1
        for index in range(count):
            self._at(first + index * step, act)

    # --- steady state ------------------------------------------------------------------------------------

    def _steady_probes(self) -> list[Steady]:
        probes = self._context.catalogue.probes
        return [
            Steady(use.probe, probes.make(use.probe, use.with_), use.at_least, use.at_most)
            for use in self._plan.steady_state
        ]

    def _read_steady(self) -> bool:
        fine = True
        for steady in self._steady:
            value = reading(steady.probe, self._target)
            ok = steady.judge(value)
            fine = fine and ok is True
            self.hear(Reading(day=self._target.day(), probe=steady.name, value=value, ok=ok))
        if fine and not self._biting:
            self._unwell = False
        return fine

    def _require_steady_state(self) -> None:
        # What is injected later may find a platform that a fault before it has made unwell.
        if not self._read_steady() and not self._unwell:
            gone = [event.component for event in self._target.seen(Exit) if not event.expected]
            why = f"; {', '.join(dict.fromkeys(gone))} had ended by itself" if gone else ""
            raise ArmEnded("void", f"the steady state did not hold before the fault{why}")
        if self._unread:
            self._check_abort()
        if self._unread:
            blind = ", ".join(dict.fromkeys(bound.probe for bound in self._unread))
            raise ArmEnded("void", f"abort_if has had no data from {blind} so far, and could stop nothing")

    def _check_abort(self) -> None:
        for bound, probe in self._abort:
            value = reading(probe, self._target)
            if value is None:
                continue
            self._unread = [unread for unread in self._unread if unread is not bound]
            if bound.below is not None and value < bound.below:
                raise ArmEnded("aborted", f"{bound.probe} is {value:g}, below {bound.below:g}")
            if bound.above is not None and value > bound.above:
                raise ArmEnded("aborted", f"{bound.probe} is {value:g}, above {bound.above:g}")

    # --- faults and holes --------------------------------------------------------------------------------

    def _plan_fault(self, planned: PlannedFault, *, injected: bool) -> None:
        fault = self._context.catalogue.faults.make(planned.fault, planned.parameters)
        check = fault.effect(self._context.spec)
        if check is not None:
            probe = self._context.catalogue.probes.make(check.probe, check.parameters)
            first = planned.inject_day + EFFECT_EVERY_DAYS
            if len(self._plan.faults or self._plan.effect_watch) > 1:  # what it sees already is another's
                first = max(EFFECT_EVERY_DAYS, planned.inject_day - EFFECT_EVERY_DAYS)
            if self._plan.start_day:  # nothing to compare with but the time before
                first = max(self._plan.start_day, planned.inject_day - 3 * EFFECT_EVERY_DAYS)
            read = partial(self._read_effect, planned.key, check, probe)
            self._every(first, EFFECT_EVERY_DAYS, planned.undo_day, read)
        if not injected:
            return

        def inject() -> None:
            self._wait_for_go("inject", planned.key)
            self._require_steady_state()
            self._phase("inject", planned.key)
            changes = list(fault.changes(self._target))
            if len(self._injector.make(planned.key, changes)) < len(changes):
                self._biting.add(planned.key)
                self._unwell = True
            self._phase("observe", planned.key)

        def undo() -> None:
            self._wait_for_go("undo", planned.key)
            self._phase("undo", planned.key)
            self._waiting = [waiting for waiting in self._waiting if waiting.about != planned.key]
            self._injector.undo(planned.key)
            self._biting.discard(planned.key)
            self._phase("steady_after", planned.key)

        begin = inject if planned.when is None else partial(self._wait, planned.key, planned.when, inject)
        self._at(planned.inject_day, begin, changes=True)
        self._at(planned.undo_day, undo, changes=True)

    def _wait(self, about: str, when: OnAction, act: Callable[[], object]) -> None:
        """Have it done at the first such action of the target from now on."""
        self._waiting.append(Waiting(about, when, len(self._target.seen(Action)), act))

    def _plan_hole(self, hole: PlannedHole) -> None:
        key = f"{hole.stem}{next(self._order)}"

        def open_hole() -> None:
            refusals = self._injector.make(
                key, [self._target.use(Layers).set(hole.layer, hole.key, hole.value)]
            )
            for refused in refusals:
                raise ArmFailed(f"the hole in {hole.layer}: {refused.by} refused it: {refused.says}")

        opens = max(hole.from_day, self._plan.start_day + 0.01)
        self._at(opens, open_hole, changes=True)
        if hole.until_day is not None:
            self._at(max(hole.until_day, opens), lambda: self._injector.undo(key), changes=True)

    def _read_effect(self, fault: str, check: EffectCheck, probe: Probe) -> None:
        self.hear(read_effect(self._target, fault, check, probe))

    # --- the journal -------------------------------------------------------------------------------------

    def _tear_down(self) -> None:
        try:
            if not self._plan.start_day:
                self._phase("teardown")
            self._keep_words()
        finally:
            self._close()
        self._phase("done")

    def _close(self) -> None:
        try:
            self._target.close()
        except (LeftBehind, Interrupted):
            raise
        except (Exception, SystemExit) as error:
            why = str(error) if isinstance(error, ChaosError) else told(error)
            self._void(says := f"it could not be taken down: {why}", over=True)
            raise ArmFailed(says) from error

    def _void(self, says: str, *, over: bool) -> None:
        """`over`: there is no target that is still to be taken down."""
        self._phase("void", says)
        if over:
            self._phase("done")

    def _keep_words(self) -> None:
        """What was said for people, where real processes have their logs; a disk that is full has none."""
        if not isinstance(self._target, Worded):
            return
        logs = self._context.folder / "stack" / "logs"
        with suppress(OSError):
            logs.mkdir(parents=True, exist_ok=True)
            for component, lines in self._target.words().items():
                (logs / f"{component}.jsonl").write_text(
                    "".join(f"{line}\n" for line in lines), encoding="utf-8"
                )

    def _header(self) -> Header:
        context = self._context
        return header_of(
            self._plan,
            run=context.run,
            mlchaos=context.mlchaos,
            started_at=context.started_at,
            versions=context.versions,
        )

    def _phase(self, phase: str, says: str = "") -> None:
        # A calendar that breaks is told by itself; the end is to be told all the same.
        with suppress(ArmFailed):
            self._day = self._target.day() if self._begun else self._day
        self.hear(Phase(day=self._day, phase=phase, says=says))

    def hear(self, event: Event) -> None:
        """Journal an event: the target's, or one of the arm's own."""
        self._journal.write(event)
        self._context.show(event)

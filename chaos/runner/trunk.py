"""Arms that begin alike, lived through once: a trunk from which each arm branches off where it differs.

    seed 1, all layers on     ──●────────●───────────●─────────●   the trunk: one target, every arm's journal
                                │        │           └─ control of a scenario of 10 days: its end
                                │        └─ defended of another: its fault is injected
                                └─ defended of one with a hole: the hole opens

Virtual time is deterministic, so until an arm changes something it is the same simulation as every other arm
that was started alike, observed by other probes at other moments. There the process is forked: the child
goes on with that arm alone, to its end, and the trunk goes on for the others when the child is done. So one
process computes at a time, and a journal holds what it would hold had its arm been run by itself.

That holds for targets in which nothing is moved by a reading, which live through a day alike however many are
to come, and which have no threads that take part. (The one there is on `reference-virtual`, of Arrow's
allocator, knows of forks.)
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import NoReturn, Protocol

from chaos.contracts import Shared, Target
from chaos.domain.event import Event
from chaos.domain.plan import ArmPlan
from chaos.errors import ArmFailed, ChaosError, Interrupted
from chaos.runner.execute import ArmRun
from chaos.runner.parents import end_with

MOST_ARMS = 120
"""In one trunk: each has two files open, and a process may have 256 at the least."""


class Processes(Protocol):
    """Who has to know of the processes that branch off, and of each arm that is done."""

    def born(self, pid: int) -> None:
        """A process goes on with an arm."""
        ...

    def gone(self, pid: int) -> None:
        """It has ended."""
        ...

    def done(self, plan: ArmPlan) -> None:
        """An arm's journal is whole, or says why it is not."""
        ...


def alike(plan: ArmPlan) -> str:
    """What a target in virtual time is started with: arms for which it is equal may share a trunk."""
    return plan.model_dump_json(include={"target", "world", "seed", "day_seconds", "layers", "start_day"})


def packed(arms: Sequence[ArmPlan], most: int) -> list[list[ArmPlan]]:
    """Arms put together that may share a trunk, `most` of them at most: one process lives through a pack."""
    alikes: dict[str, list[ArmPlan]] = {}
    for arm in arms:
        alikes.setdefault(alike(arm), []).append(arm)
    return [pack for group in alikes.values() for pack in _evenly(group, max(1, min(most, MOST_ARMS)))]


def _evenly(arms: list[ArmPlan], most: int) -> list[list[ArmPlan]]:
    count = -(-len(arms) // most)
    ends = [len(arms) * nth // count for nth in range(count + 1)]
    return [arms[start:end] for start, end in itertools.pairwise(ends)]


class Trunk:
    """Several arms over one target. `lived` is told of each that came to its end, in whichever process."""

    def __init__(
        self, arms: Sequence[ArmRun], processes: Processes, lived: Callable[[ArmRun], object]
    ) -> None:
        self._arms = list(arms)
        self._stop = arms[0].context.stop
        self._processes = processes
        self._lived = lived

    def run(self) -> None:
        """Live through all arms.

        Raises ArmFailed where a process that branched off died. What befalls an arm is said in its journal.
        """
        for arm in list(self._arms):
            try:
                arm.open()
            except ArmFailed:
                self._arms.remove(arm)
                self._processes.done(arm.plan)
        if not self._arms:
            return
        try:
            target = self._start(max(self._arms, key=lambda arm: arm.plan.days))
            if not isinstance(target, Shared):
                raise ArmFailed("the target file says `forks`, and the driver's targets cannot be shared")
        except (Exception, SystemExit) as error:  # noqa: BLE001 (each arm says so)
            for arm in self._arms:
                self._live(arm, error)
                self._processes.done(arm.plan)
            return
        for arm in list(self._arms):
            try:
                arm.begin(target.beside())
            except (Exception, SystemExit) as failed:  # noqa: BLE001 (the arm's own: it says so, and ends alone)
                self._branch_off(arm, failed)
        while len(self._arms) > 1:
            self._pass(target, min(arm.due_day for arm in self._arms))
        for last in self._arms:
            self._live(last)
            self._processes.done(last.plan)

    def _start(self, longest: ArmRun) -> Target:
        """The target of the arm that lives longest: those that end before must not see its end coming."""
        context = longest.context
        return context.driver.start(longest.plan, context.spec, context.folder, self._hear)

    def _hear(self, event: Event) -> None:
        for arm in self._arms:
            arm.hear(event)

    def _pass(self, target: Target, day: float) -> None:
        """Let time pass to a day on which at least one arm has something to do, and have it done."""
        error: BaseException | None = None
        try:
            target.advance(day, lambda: self._stop.asked)
        except (Exception, SystemExit) as failed:  # noqa: BLE001 (each arm says so)
            error = failed
        if self._stop.asked:
            error = Interrupted("stopped by the user")
        for arm in list(self._arms):
            if error is not None:
                self._branch_off(arm, error)
            else:
                self._act(arm, day)

    def _act(self, arm: ArmRun, day: float) -> None:
        while arm.due_day <= day:
            if arm.parts:
                self._branch_off(arm)
                return
            try:
                arm.act()
            except (Exception, SystemExit) as ended:  # noqa: BLE001 (likewise)
                self._branch_off(arm, ended)
                return

    def _branch_off(self, arm: ArmRun, error: BaseException | None = None) -> None:
        """Have a child live through the rest of an arm, and wait for it; the last one of all needs none.

        With an error the arm ends here, by that. Raises ArmFailed where the child died.
        """
        if len(self._arms) == 1:
            self._live(arm, error)
            self._arms = []
            self._processes.done(arm.plan)
            return
        _flush()  # else a child writes once more what its parent has still to write
        trunk = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._be_child(arm, error, trunk)
        self._processes.born(pid)
        self._arms.remove(arm)
        arm.let_go()
        _, status = os.waitpid(pid, 0)
        self._processes.gone(pid)
        if (code := os.waitstatus_to_exitcode(status)) != 0:
            about = f"{arm.plan.scenario}, seed {arm.plan.seed}, {arm.plan.arm.value}"
            raise ArmFailed(f"the process of {about} ended with {code}; is there enough memory?")
        self._processes.done(arm.plan)

    def _be_child(self, arm: ArmRun, error: BaseException | None, trunk: int) -> NoReturn:
        code = 1
        try:
            end_with(trunk)
            gc.freeze()  # what is there already is shared with the trunk, and stays so if it is not looked at
            for other in self._arms:
                if other is not arm:
                    other.let_go()
            self._arms = [arm]
            self._live(arm, error, trunk)
            code = 0
        except BaseException:  # noqa: BLE001 (there is nobody above: the trunk is told by the exit code)
            traceback.print_exc()
        finally:
            _flush()
            os._exit(code)

    def _live(self, arm: ArmRun, error: BaseException | None = None, trunk: int | None = None) -> None:
        """The rest of an arm, alone. A child whose trunk has been killed ends where it is, as that did."""
        try:
            with arm.ending():
                if error is not None:
                    raise error
                while arm.step():
                    if trunk is not None and os.getppid() != trunk:
                        os._exit(1)
        except ChaosError:
            return  # the arm's journal says why
        self._lived(arm)


def _flush() -> None:
    """Write out what was printed. That nobody reads it is no error, and keeps no child from its end."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # the latter of one that is closed
            stream.flush()

"""The target's own warm parent: forks the components of one arm after another, told so by JSON lines."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import psutil

from chaos.drivers.local.program import Program
from chaos.errors import ArmFailed, LeftBehind
from chaos.processes import Known, alive, below, kill, known, still_there

UP_SECONDS = 120.0
WORD_SECONDS = 15.0


class _Said(msgspec.Struct):
    ok: bool | None = None
    ready: bool | None = None
    pids: dict[str, int] = {}
    error: str = ""
    exit: str = ""
    code: int = 0


class Ended(msgspec.Struct, frozen=True):
    """A component's process ended by itself, or was made to; `excused` where a change is known to be why."""

    component: str
    code: int
    excused: bool = False


class StackParent:
    """A handle on the warm parent. `on_process` is told of each process that the parent tells of."""

    def __init__(self, program: Program, on_process: Callable[[str, int], None]) -> None:
        self._program = program
        self._on_process = on_process
        self._told_of: list[Known] = []
        self._ended: list[Ended] = []
        self._pids: dict[str, int] = {}
        self._owed = 0
        """Answers that are still to come."""
        self._await_ready()

    @property
    def pids(self) -> Mapping[str, int]:
        """Process ids of the components that are up."""
        return dict(self._pids)

    def up(self, settings: Path) -> Mapping[str, int]:
        """Start all components. Raises ArmFailed."""
        self.ended()  # those were of the stack before
        self._pids = dict(self._ask({"do": "up", "settings": str(settings)}, UP_SECONDS).pids)
        return self.pids

    def down(self) -> None:
        """End all components. Raises ArmFailed where the parent does not, and then they are killed with it;
        LeftBehind where one survives that.
        """
        try:
            self._ask({"do": "down"}, UP_SECONDS)
        except ArmFailed:
            family = self._family()
            self._program.kill()
            self._end(family)
            raise
        self._pids = {}

    def close(self) -> None:
        """End the parent, and whatever of its components is there after it. Raises LeftBehind."""
        family = self._family()
        self._program.close()
        self._end(family)

    def tell(self, verb: str, component: str) -> None:
        """`start`, `stop`, `kill`, `pause` or `resume` a component. Raises ArmFailed."""
        said = self._ask({"do": verb, "component": component}, WORD_SECONDS)
        self._pids.update(said.pids)

    def stands_still(self, component: str) -> bool:
        """Whether a component's process is stopped; one that has ended is not."""
        with contextlib.suppress(KeyError, psutil.NoSuchProcess):
            return psutil.Process(self._pids[component]).status() == psutil.STATUS_STOPPED
        return False

    def ended(self) -> list[Ended]:
        """Components whose processes have ended since the last call. Raises ArmFailed: the parent has."""
        while self._program.waiting():
            self._hear(self._program.receive(_Said, timeout_s=1.0))
        self._program.check()
        ended, self._ended = self._ended, []
        return ended

    def _await_ready(self) -> None:
        said = self._program.receive(_Said, timeout_s=UP_SECONDS)
        if said.ready is not True:
            raise ArmFailed(f"the stack's parent is not ready: {said.error}")

    def _ask(self, message: object, timeout_s: float) -> _Said:
        self._program.send(message)
        self._owed += 1
        while True:
            said = self._program.receive(_Said, timeout_s=timeout_s)
            if said.ok is None:
                self._hear(said)
                continue
            self._owed -= 1
            self._note(said.pids)
            if self._owed:  # what was asked before, and not waited for any longer: answers come in order
                self._pids.update(said.pids)
            elif said.ok:
                return said
            else:
                raise ArmFailed(f"the stack: {said.error}")

    def _hear(self, said: _Said) -> None:
        if said.exit:
            self._ended.append(Ended(said.exit, said.code))
            self._pids.pop(said.exit, None)

    def _note(self, pids: Mapping[str, int]) -> None:
        self._told_of = [one for one in self._told_of if alive(one.pid, one.started) is not None]
        for component, pid in pids.items():
            self._on_process(component, pid)
            if (one := known(component, pid)) is not None:
                self._told_of.append(one)

    def _family(self) -> list[Known]:
        """The components, and what else the parent has started, which nobody knows after its end."""
        found: dict[int, Known] = {}
        if self._program.code is None:  # else its number may be another's by now
            found = {one.pid: one for one in below(psutil.Process(self._program.pid))}
        return list((found | {one.pid: one for one in self._told_of}).values())

    def _end(self, family: Sequence[Known]) -> None:
        left = kill(family)
        self._pids = {name: pid for name, pid in self._pids.items() if pid in [one.pid for one in left]}
        if left:
            raise LeftBehind(f"{still_there(left)}; `mlchaos recover` tries again")

"""A warm parent: one process that has imported everything and forks the components of one arm after another.

It speaks JSON lines. First it says {"ready": true}; then, told

    {"do": "up", "settings": PATH}          {"ok": true, "pids": {COMPONENT: PID, …}}
    {"do": "start", "component": NAME}      {"ok": true, "pids": {NAME: PID}}
    {"do": "stop" | "kill" | "pause" | "resume", "component": NAME}                      {"ok": true}
    {"do": "exits"}                         {"ok": true, "exits": [{"exit": NAME, "code": CODE}, …]}
    {"do": "down"}                          {"ok": true}

or {"ok": false, "error": …}. Unasked it says {"exit": NAME, "code": CODE} when a process has ended; a
negative code is a signal's number. It ends, and its processes with it, when its standard input does or on
SIGTERM. If it is killed, they die too: on Linux by the kernel, everywhere by a reaper that waits on a pipe.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

# Bound here, since in the shop's nursery gevent then puts its own into these modules.
from os import fork, waitpid
from pathlib import Path
from select import select
from signal import set_wakeup_fd
from signal import signal as handle
from typing import NoReturn

import msgspec

from reference_stack.runtime import monotonic
from reference_stack.settings import COMPONENTS, SettingsError, StackSettings
from reference_stack.shells.live import LOGS
from reference_stack.shells.nursery import Nursery
from reference_stack.shells.parental import Answer, Command, Exit, StackError

STOP_SECONDS = 3.0
"""How long a component may take to end by itself before it is killed."""
BATCH = ("trainer", "registry")
BATCH_NICENESS = 4
"""Batch work gives way to what shoppers wait for, as on any machine that does both."""
TRAFFIC = "shop"
WATCHER = "monitor"
"""Ends first, since it would page for all that end after it; then the traffic, before those who answer it."""
SLOW_TO_START = (TRAFFIC, "registry")
COMPLETE_SETTINGS = "stack-settings.json"
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Body:
    """What is to run in a component's process: a function, whose result is the exit code, or a program."""

    run: Callable[[], int] | None = None
    program: Sequence[str] = ()


Choose = Callable[[str, StackSettings, Path], Body]
"""What runs in a component's process, by name; the path is that of the complete settings."""


class Children:
    """The processes forked for one stack, some of them by `nurseries`, by the component's name."""

    def __init__(
        self,
        choose: Choose,
        on_exit: Callable[[Exit], object],
        nurseries: Mapping[str, Nursery] | None = None,
    ) -> None:
        self.pids: dict[str, int] = {}
        self.exits: list[Exit] = []
        self._choose = choose
        self._on_exit = on_exit
        self._nurseries = nurseries or {}
        self._killer = _parent_death_signal()
        # Written to by the signal handler's machinery, read by whoever waits for an exit.
        self.wakeup, self._waker = os.pipe()
        os.set_blocking(self.wakeup, False)
        os.set_blocking(self._waker, False)
        set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        handle(signal.SIGCHLD, _noted)

    def start(self, names: Sequence[str], settings: StackSettings, file: Path) -> dict[str, int]:
        """Fork components; their pids. Raises StackError where one runs already."""
        for name in names:
            if name in self.pids:
                raise StackError(f"{name} runs already")
        nursed = [name for name in names if name in self._nurseries]
        for name in nursed:
            self._nurseries[name].ask(name, file)
        for name in names:
            if name not in nursed:
                self.pids[name] = self._fork(name, settings, file)
        for name in nursed:
            self.pids[name] = self._nurseries[name].pid(name)
        return {name: self.pids[name] for name in names}

    @property
    def wakers(self) -> list[int]:
        """Descriptors that can be read when a process may have ended."""
        return [self.wakeup, *(nursery.said for nursery in self._nurseries.values() if nursery.lives)]

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a component. Raises StackError where it does not run."""
        if name not in self.pids:
            raise StackError(f"{name} does not run")
        with suppress(ProcessLookupError):  # a nursery has seen its end, and is about to say so
            os.kill(self.pids[name], number)

    def end(self, names: Sequence[str], number: int) -> None:
        """Signal components and wait for their ends, with SIGKILL to those that take too long."""
        for name in names:
            self.signal(name, signal.SIGCONT)
            self.signal(name, number)
        if not self.wait(names, STOP_SECONDS):
            for name in [name for name in names if name in self.pids]:
                self.signal(name, signal.SIGKILL)
            self.wait(names, STOP_SECONDS)

    def wait(self, names: Sequence[str], seconds: float) -> bool:
        """Wait until none of `names` runs; whether that came about in time."""
        deadline = monotonic() + seconds
        self.reap()
        while any(name in self.pids for name in names):
            left = deadline - monotonic()
            if left <= 0:
                return False
            select(self.wakers, [], [], left)
            self.reap()
        return True

    def reap(self) -> None:
        """Take note of processes that have ended."""
        drain(self.wakeup)
        for name, pid in list(self.pids.items()):
            if name in self._nurseries:
                continue
            ended, status = waitpid(pid, os.WNOHANG)
            if ended:
                self._gone(Exit(name, os.waitstatus_to_exitcode(status)))
        for nursery in self._nurseries.values():
            for gone in nursery.exits():
                self._gone(gone)

    def _gone(self, gone: Exit) -> None:
        del self.pids[gone.exit]
        self.exits.append(gone)
        self._on_exit(gone)

    def _fork(self, name: str, settings: StackSettings, file: Path) -> int:
        body = self._choose(name, settings, file)
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = fork()
        if pid == 0:
            self._child(body, settings, name, parent)
        return pid

    def _child(self, body: Body, settings: StackSettings, name: str, parent: int) -> NoReturn:
        """The forked process's life. Nothing of the parent's frames may go on in it."""
        code = 1
        try:
            self._killer()
            if os.getppid() != parent:
                os._exit(1)
            set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
                handle(number, signal.SIG_DFL)
            _redirect(Path(settings.root) / LOGS / f"{name}.err")
            os.closerange(3, _highest_descriptor())
            if name in BATCH:
                os.nice(BATCH_NICENESS)
            if body.run is not None:
                code = body.run()
            else:
                os.execv(body.program[0], list(body.program))
        finally:
            failure = sys.exc_info()
            if failure[0] is not None and failure[1] is not None:
                sys.excepthook(failure[0], failure[1], failure[2])
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


class Parent:
    """The loop that reads commands and answers them."""

    def __init__(
        self,
        read: Callable[[Path], StackSettings],
        choose: Choose,
        out: int,
        nurseries: Mapping[str, Nursery] | None = None,
    ) -> None:
        self._read = read
        self._out = out
        self._settings: StackSettings | None = None
        self._file = Path()
        self.children = Children(choose, self._say, nurseries)

    def serve(self, commands: int) -> None:
        """Answer until the end of `commands`, a file descriptor, or SIGTERM."""
        self._say(msgspec.Raw(b'{"ready":true}'))
        pending = b""
        while True:
            readable, _, _ = select([commands, *self.children.wakers], [], [])
            self.children.reap()
            if commands not in readable:
                continue
            data = os.read(commands, 65536)
            if not data:
                return
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                if line.strip():
                    self._say(self._answer(line))

    def down(self) -> None:
        """End all components, the shop first: its shoppers must not see the others go."""
        for name in (WATCHER, TRAFFIC):
            if name in self.children.pids:
                self.children.end([name], signal.SIGTERM)
        self.children.end(list(self.children.pids), signal.SIGTERM)
        self._settings = None

    def _answer(self, line: bytes) -> Answer:
        try:
            return self._do(msgspec.json.decode(line, type=Command))
        except (msgspec.DecodeError, SettingsError, StackError, OSError) as error:
            return Answer(ok=False, error=str(error))

    def _do(self, command: Command) -> Answer:
        match command.do:
            case "up":
                return Answer(ok=True, pids=self._up(Path(command.settings)))
            case "start":
                if command.settings:
                    self._file = Path(command.settings)
                    self._settings = self._read(self._file)
                pids = self.children.start([command.component], self._in_force(), self._file)
                return Answer(ok=True, pids=pids)
            case "stop":
                self.children.end([command.component], signal.SIGTERM)
            case "kill":
                self.children.end([command.component], signal.SIGKILL)
            case "pause":
                self.children.signal(command.component, signal.SIGSTOP)
            case "resume":
                self.children.signal(command.component, signal.SIGCONT)
            case "exits":
                return Answer(ok=True, exits=list(self.children.exits))
            case "down":
                self.down()
            case unknown:
                raise StackError(f"{unknown!r} is none of up, start, stop, kill, pause, resume, exits, down")
        return Answer(ok=True)

    def _up(self, path: Path) -> dict[str, int]:
        if self.children.pids:
            raise StackError("a stack is up already")
        settings = self._read(path)
        self._file = write_complete(settings)
        self._settings = settings
        self.children.exits.clear()
        return self.children.start(components_of(settings), settings, self._file)

    def _in_force(self) -> StackSettings:
        if self._settings is None:
            raise StackError("no stack is up")
        return self._settings

    def _say(self, message: object) -> None:
        data = msgspec.json.encode(message) + b"\n"
        while data:
            data = data[os.write(self._out, data) :]


def run_parent(
    read: Callable[[Path], StackSettings], choose: Choose, nurseries: Mapping[str, Nursery] | None = None
) -> int:
    """Be a warm parent on standard input and output until the end of the input or SIGTERM; the exit code, 0.

    The process becomes the leader of a group of its own, which its components belong to.
    Whatever is to be inherited has been imported before.
    """
    lead_group()
    start_reaper()
    try:
        return _serve_commands(read, choose, nurseries)
    finally:
        for nursery in (nurseries or {}).values():
            nursery.close()


def run_nursery(read: Callable[[Path], StackSettings], choose: Choose) -> int:
    """Be a nursery: a warm parent below another, in its group, whose end ends this one too."""
    parent = os.getppid()
    _parent_death_signal()()
    return _serve_commands(read, choose, None) if os.getppid() == parent else 1


def _serve_commands(
    read: Callable[[Path], StackSettings], choose: Choose, nurseries: Mapping[str, Nursery] | None
) -> int:
    out = os.dup(sys.stdout.fileno())
    # Nobody but the protocol may write there.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    gc.collect()
    gc.freeze()
    parent = Parent(read, choose, out, nurseries)
    for number in (signal.SIGTERM, signal.SIGINT):
        handle(number, _leave)
    try:
        parent.serve(sys.stdin.fileno())
    finally:
        parent.down()
    return 0


def lead_group() -> None:
    """Become the leader of a process group, unless this process is one."""
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)


def components_of(settings: StackSettings) -> list[str]:
    """The components that have an address; those that take longest to start come first."""
    known = [name for name in COMPONENTS if name in settings.addresses]
    others = sorted(name for name in settings.addresses if name not in COMPONENTS)
    return sorted([*known, *others], key=lambda name: name not in SLOW_TO_START)


def write_complete(settings: StackSettings, name: str = COMPLETE_SETTINGS) -> Path:
    """Write the settings with all their defaults below their root, for a program that reads them itself."""
    root = Path(settings.root)
    (root / LOGS).mkdir(parents=True, exist_ok=True)
    file = root / name
    file.write_bytes(msgspec.json.encode(settings))
    return file


def start_reaper() -> None:
    """Fork a process that kills this process's group, itself included, when this process is gone."""
    waiting, _held = os.pipe()
    pid = fork()
    if pid == 0:
        # It keeps its own end of the pipe only, so that nobody waits in vain for the end of another one.
        os.closerange(3, waiting)
        os.closerange(waiting + 1, _highest_descriptor())
        for number in (signal.SIGTERM, signal.SIGINT):
            handle(number, signal.SIG_IGN)
        os.read(waiting, 1)
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os.close(waiting)


def drain(descriptor: int) -> None:
    """Read what is there of a pipe that does not block."""
    try:
        while os.read(descriptor, 512):
            pass
    except BlockingIOError:
        return


def _noted(_number: int, _frame: object) -> None:
    """SIGCHLD needs a handler for its wake-up to be written."""


def _leave(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(0)


def _redirect(errors: Path) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    said = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(nothing, 0)
    os.dup2(said, 1)
    os.dup2(said, 2)


def _highest_descriptor() -> int:
    return min(os.sysconf("SC_OPEN_MAX"), 4096)


def _parent_death_signal() -> Callable[[], object]:
    """Make the calling process die with its parent where the kernel can do that."""
    if sys.platform != "linux":
        return lambda: None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

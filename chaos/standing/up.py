"""`mlchaos stack`: brings a stack up under a name, says how it is, takes it down."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from chaos.app import check_surroundings, make_catalogue, make_driver, new_run_folder, version, versions
from chaos.clock import WallClock
from chaos.contracts import Addressed, Target
from chaos.domain.plan import ArmPlan, PlannedLayer
from chaos.domain.scenario import Arm, Kind
from chaos.domain.target import CapabilityName, TargetSpec
from chaos.drivers.local.http import HttpFailed, request
from chaos.errors import ArmFailed, UsageError
from chaos.processes import alive, born
from chaos.runner.guardian import Guardian
from chaos.runner.imports import imported_as_here
from chaos.runner.plan import short_day
from chaos.runner.remains import ProcessRecord
from chaos.runner.stop import StopSignal, on_signals
from chaos.seeds import fresh_secret
from chaos.standing import place
from chaos.standing.keeper import Keeper, Kept
from chaos.standing.wire import Answer, Desk, Down, Line, Open, Status, StatusIs

COMING_UP_SECONDS = 300.0
DOWN_SECONDS = 120.0
"""Of silence: whoever waits hears nothing until all is undone and cleared away."""
POLL_SECONDS = 0.05
STOPPING = "stopping: undoing and taking down"
KEEPER = "from chaos.runner.imports import give_back; give_back(); from chaos.cli import main; main()"


@dataclass(frozen=True)
class Asked:
    """The stack that is asked for: in `world`, for so many `days` of `day_seconds` each."""

    name: str
    spec: TargetSpec
    seed: int
    world: str
    days: float
    day_seconds: float


def check(asked: Asked) -> None:
    """Raises UsageError for what cannot stand."""
    if asked.spec.driver.kind in ("virtual", "fake"):
        raise UsageError(f"target {asked.spec.target!r} cannot stand by itself; reference-local can")
    if asked.spec.worlds and asked.world not in asked.spec.worlds:
        raise UsageError(f"--world {asked.world}: the target has {', '.join(asked.spec.worlds)}")
    if place.is_taken(place.check_name(asked.name)):
        raise UsageError(f"a stack stands under the name {asked.name!r} already; see `mlchaos stack status`")
    if says := short_day(plan_of(asked).layers, asked.spec, asked.day_seconds):
        raise UsageError(f"--day-seconds {asked.day_seconds:g}: {says}")
    check_surroundings(asked.spec)
    with place.reserved(asked.name):
        pass  # nor does one come up at this moment, whose log would be written over


def plan_of(asked: Asked) -> ArmPlan:
    """Nothing is planned for it: layers as the target file has them, no fault."""
    return ArmPlan(
        scenario=asked.name,
        kind=Kind.QUIET,
        arm=Arm.DEFENDED,
        target=asked.spec.target,
        world=asked.world,
        seed=asked.seed,
        days=asked.days,
        day_seconds=asked.day_seconds,
        layers={
            name: PlannedLayer(
                mode=layer.default, stages=layer.stages, parameters=layer.defaults(asked.world)
            )
            for name, layer in asked.spec.layers.items()
        },
        holes=[],
        faults=[],
        steady_state=[],
        abort_if=[],
        watchdog=asked.spec.alerting.watchdog,
        answers_told=asked.spec.alerting.answers_told,
        truth=CapabilityName.TRUTH in asked.spec.capabilities,
    )


def up(asked: Asked, say: Callable[[str], None]) -> None:
    """Bring a stack up and keep it until Ctrl-C, SIGTERM, `down`, or the end of its days.

    Raises UsageError for a name that is taken, ArmFailed where it does not come up or cannot go on,
    UndoFailed where an undo failed, LeftBehind where something of it cannot be taken down.
    """
    check(asked)
    clock = WallClock()
    stop = StopSignal()
    with ExitStack() as stack:
        stack.enter_context(place.reserved(asked.name))
        run, folder = new_run_folder(None, clock, place.FOLDER / asked.name)
        record = ProcessRecord(folder)
        record.note("runner", psutil.Process().pid)
        guardian = Guardian(folder)
        stack.callback(guardian.close)
        stack.push(record.close_after)
        driver = make_driver(asked.spec, folder, clock, record.note, lambda: stop.asked)
        token = fresh_secret()
        desk = Desk(token)
        kept = Kept(
            run=run,
            mlchaos=version(),
            started_at=clock.utc().isoformat(timespec="seconds"),
            versions=versions(),
            folder=folder,
            plan=plan_of(asked),
            spec=asked.spec,
            catalogue=make_catalogue(),
            driver=driver,
            desk=desk,
            stop=stop,
            borrowed=record.also,
        )

        def ready(target: Target) -> None:
            place.write(_state(asked, folder, desk, token, target))
            for line in _where(asked, folder, target):
                say(line)

        stack.enter_context(on_signals(stop, lambda: say(STOPPING)))
        Keeper(kept).keep(ready)
    say("down")


def _state(asked: Asked, folder: Path, desk: Desk, token: str, target: Target) -> place.State:
    me = psutil.Process()
    return place.State(
        name=asked.name,
        target=asked.spec.target,
        pid=me.pid,
        started=born(me),
        folder=str(folder),
        port=desk.port,
        token=token,
        seed=asked.seed,
        world=asked.world,
        days=asked.days,
        day_seconds=asked.day_seconds,
        addresses=dict(target.addresses) if isinstance(target, Addressed) else {},
        pages=dict(target.pages) if isinstance(target, Addressed) else {},
        health={name: component.health for name, component in asked.spec.components.items()},
        described=str(describe(asked.spec, folder)),
    )


def describe(spec: TargetSpec, folder: Path) -> Path:
    """The target's description, with all that it extends, as a file in the stack's folder."""
    file = folder.resolve() / place.DESCRIBED
    whole = spec.model_dump(mode="json", by_alias=True)
    file.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
    return file


def _where(asked: Asked, folder: Path, target: Target) -> Iterator[str]:
    if isinstance(target, Addressed):
        for component, address in target.addresses.items():
            yield f"{component:<14} {_url(address)}"
        yield from _pages(target.pages)
        if target.logs is not None:
            yield f"{'logs':<14} {target.logs}"
    yield f"{'journal':<14} {folder / 'journal-standing.jsonl'}"
    yield (
        f"{asked.name} stands for {asked.days:g} days of {asked.day_seconds:g} s; "
        f"`mlchaos stack down --name {asked.name}` ends it"
    )


def _url(address: str) -> str:
    there, _, door = address.partition("@")
    return f"http://{there}" + (f"   (curl -px {door} …)" if door else "")


def _pages(pages: Mapping[str, str]) -> Iterator[str]:
    for name, url in pages.items():
        yield f"{'to look at':<14} {name:<10} {url}"


def detach(arguments: Sequence[str], name: str, say: Callable[[str], None]) -> None:
    """Have a process of its own keep the stack; returns once it stands. Raises ArmFailed if it does not."""
    clock = WallClock()
    log = place.FOLDER / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out, imported_as_here():
        process = subprocess.Popen(
            [sys.executable, "-c", KEEPER, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    limit = clock.monotonic() + COMING_UP_SECONDS
    try:
        while place.keeper_of(name) != process.pid:  # another may have come up in this moment
            if process.poll() is not None or clock.monotonic() > limit:
                words = log.read_text(errors="replace").strip().splitlines()
                says = words[-1].removeprefix("mlchaos: ") if words else f"see {log}"
                if process.returncode == UsageError.exit_code:
                    raise UsageError(says)
                raise ArmFailed(f"the stack did not come up: {says}")
            clock.sleep(POLL_SECONDS)
    except BaseException:  # nobody would know of it
        if process.poll() is None:
            say(STOPPING)
            process.terminate()
            process.wait()
        raise
    process.returncode = 0  # it goes on by itself: nobody waits for it here
    say(f"{name} stands; see `mlchaos stack status --name {name}`, and {log}")


def status(name: str | None) -> Iterator[str]:
    """A line for each stack, or for each component of one. Raises UsageError where none has that name."""
    if name is None:
        found = list(place.standing())
        for state in found:
            try:
                told = f"day {ask_status(state).day:.2f} of {state.days:g}"
            except ArmFailed as error:  # such as one that is being taken down: the others stand
                told = str(error)
            yield f"{state.name:<14} {state.target}, {told}"
        if not found:
            yield "no stack stands here"
        return
    state = place.find(name)
    answer = ask_status(state)
    yield f"{name}: {state.target}, day {answer.day:.2f} of {state.days:g}, a day is {state.day_seconds:g} s"
    for component, address in state.addresses.items():
        try:
            request(address, "GET", state.health.get(component, "/health"), timeout_ms=1000)
            yield f"{component:<14} up    {_url(address)}"
        except HttpFailed as error:
            yield f"{component:<14} down  {error}"
    yield from _pages(state.pages)
    for component in answer.gone:
        yield f"ended by itself: {component}"
    for one in answer.open:
        yield f"injected: {one.id} since day {one.since_day:.2f}, {_until(one, state.days)}"
    if answer.run:
        yield f"run {answer.run} has it"


def _until(one: Open, days: float) -> str:
    until = "until it is undone by hand"
    if one.until_day is not None:
        until = f"until day {min(one.until_day, days):.2f}"
    if one.failed_day is None:
        return until
    again = " and is tried again" if one.until_day is not None and one.until_day <= one.failed_day else ""
    return f"{until}; its undo failed on day {one.failed_day:.2f}{again}: {one.failed}"


def ask_status(state: place.State) -> StatusIs:
    """What its keeper says. Raises ArmFailed where it does not answer."""
    with Line(state.name, state.port, state.token) as line:
        line.say(Status())
        try:
            word = line.hear()
        except TimeoutError as error:
            raise ArmFailed(f"the stack {state.name!r} does not answer") from error
    if not isinstance(word, StatusIs):
        raise ArmFailed(f"the stack {state.name!r} gave an unexpected answer")
    return word


def down(name: str) -> str:
    """Undo what is injected and take a stack down. Raises UsageError, ArmFailed or UndoFailed."""
    state = place.find(name)
    with Line(name, state.port, state.token) as line:
        line.say(Down())
        try:
            goodbye = _goodbye(line)
        except TimeoutError as error:
            raise ArmFailed(f"the stack (process {state.pid}) did not end in {DOWN_SECONDS:g} s") from error
    if (keeper := alive(state.pid, state.started)) is not None:
        psutil.wait_procs([keeper], timeout=DOWN_SECONDS)
    return goodbye.ok_or_raise()


def _goodbye(line: Line) -> Answer:
    while True:
        word = line.hear(patience_s=DOWN_SECONDS)
        if isinstance(word, Answer):
            return word

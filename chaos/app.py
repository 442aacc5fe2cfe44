"""The composition root: what the commands do, put together from all floors below."""

from __future__ import annotations

import os
import platform
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.capabilities import Described
from chaos.catalogue import Catalogue, Shelf
from chaos.clock import Clock
from chaos.contracts import Driver
from chaos.domain.change import Change, RunImage
from chaos.domain.files import Files, Found, scenario_files
from chaos.domain.plan import TrialPlan
from chaos.domain.scenario import Arm, Scenario
from chaos.domain.source import Source
from chaos.domain.target import TargetSpec
from chaos.drivers.words import command_of
from chaos.errors import ArmFailed, InvalidInput, UndoFailed, UsageError, hint, nearest
from chaos.faults import BUILT_IN as FAULTS
from chaos.plugins import FAULT_GROUP, PROBE_GROUP, added
from chaos.probes import BUILT_IN as PROBES
from chaos.runner.imports import as_here
from chaos.runner.lacking import needs_lacking
from chaos.runner.overrides import Overrides
from chaos.runner.plan import Planner, Request
from chaos.seeds import fresh_id

if TYPE_CHECKING:
    from chaos.domain.ablation import Ablation
    from chaos.domain.verdict import NotRun, Results, Verdict

DRIVERS = ("local", "virtual", "compose")


def version() -> str:
    """mlchaos's own version."""
    from importlib import metadata

    return metadata.version("mlchaos")


def built_in(kind: str) -> Path:
    """The folder of the scenarios or targets that came with mlchaos."""
    package = Path(__file__).parent
    inside = package / "builtin" / kind
    return inside if inside.is_dir() else package.parent / kind


def compose_file() -> Path:
    """The compose file that came with mlchaos."""
    return built_in("targets").parent / "docker-compose.yml"


def cache_folder() -> Path:
    """Where things that can be made again are kept for this user. Raises UsageError without a home."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "mlchaos"
    except RuntimeError as error:  # no $HOME and no entry for the user, as for a container's bare id
        says = "this user has no home: name a folder for what can be made again by XDG_CACHE_HOME"
        raise UsageError(says) from error


def make_files() -> Files:
    """The files that can be named: built in, and in ./scenarios and ./targets of the working directory."""
    here = Path.cwd()
    return Files(_folders("scenarios", here), _folders("targets", here))


def _folders(kind: str, here: Path) -> list[Path]:
    found = [built_in(kind)]
    local = here / kind
    if local.is_dir() and local.resolve() != found[0].resolve():
        found.append(local)
    return found


def make_catalogue() -> Catalogue:
    """Built-in faults and probes, and those that installed packages add by entry points."""
    return Catalogue(
        faults=Shelf("fault", FAULTS, lambda: added(FAULT_GROUP)),
        probes=Shelf("probe", PROBES, lambda: added(PROBE_GROUP)),
    )


@dataclass(frozen=True)
class Wanted:
    """What the command line asks to be run.

    `cache` keeps arms without a fault for later runs, `shared` all arms without layers for runs that belong
    together and use the same code.
    """

    scenarios: tuple[str, ...]
    target: str
    seeds: tuple[int, ...] | None = None
    arms: tuple[Arm, ...] = tuple(Arm)
    overrides: Overrides = field(default_factory=Overrides)
    day_seconds: float | None = None
    allow: tuple[str, ...] = ()
    out: Path | None = None
    keep: str = "failed"
    jobs: int = 1
    rerun_void: int = 0
    cache: Path | None = None
    shared: Path | None = None
    junit: Path | None = None
    list_not_run: bool = False
    """What the target cannot do is listed and not run, as `suite` wants it, in place of an error."""
    by_name: tuple[str, ...] = ()
    """What was typed: a large scenario is run with others only where it stands there itself."""
    blind: bool = False
    of_virtual_time: tuple[str, ...] = ()
    """Options that were given and mean something in virtual time alone."""


def options_of(wanted: Wanted) -> list[str]:
    """The options that decide what a trial does, as they would be typed again; seeds are left out."""
    words = ["--target", wanted.target]
    if wanted.arms != tuple(Arm):
        words += ["--arms", ",".join(wanted.arms)]
    for hole in wanted.overrides.holes:
        span = "" if hole.from_ is None or hole.until is None else f"@{hole.from_:.12g}d..{hole.until:.12g}d"
        words += ["--hole", f"{hole.layer}{span}"]
    for setting in wanted.overrides.settings:
        words += str(setting).split(" ", 1)
    if wanted.day_seconds is not None:
        words += ["--day-seconds", f"{wanted.day_seconds:.12g}"]
    return words + [word for host in wanted.allow for word in ("--allow", host)]


@dataclass(frozen=True)
class Planned:
    """A run as it will be, all of it checked."""

    spec: TargetSpec
    trials: list[TrialPlan]
    not_run: list[NotRun]
    files: dict[str, str] = field(default_factory=dict)
    """Scenarios that were given as files, by their names: the file as it was given."""
    notes: list[str] = field(default_factory=list)
    """What was asked for and is not done, though the run goes on."""


def plan_run(wanted: Wanted, files: Files, catalogue: Catalogue) -> Planned:
    """Read and check everything before anything is started. Raises InvalidInput or UsageError."""
    from chaos.domain.verdict import NotRun

    spec, target_source = files.target(wanted.target)
    check_hosts(spec, target_source, wanted.allow)
    trials: list[TrialPlan] = []
    not_run: list[NotRun] = []
    problems: list[InvalidInput] = []
    files_given: dict[str, str] = {}
    notes: list[str] = []
    if wanted.of_virtual_time and spec.driver.kind != "virtual":
        given = " and ".join(wanted.of_virtual_time)
        notes.append(f"{given}: without meaning on target {spec.target!r}, which is not in virtual time")
    request = Request(wanted.overrides, wanted.arms, wanted.day_seconds)
    for named in wanted.scenarios:
        try:
            scenario, source = files.scenario(named)
            if named != scenario.scenario:
                files_given[scenario.scenario] = named
            world = _world_lacking(scenario, spec, files)
            any_world = spec.model_copy(update={"worlds": []}) if world else spec
            planner = Planner(scenario, source, any_world, catalogue, request)
            lacking = needs_lacking(scenario, any_world, catalogue, wanted.overrides)
            needs = {**lacking, **dict.fromkeys(world, ("world",))}
            if needs:
                planner.plan(1)
                if not wanted.list_not_run:
                    says = f"target {spec.target!r} lacks what this needs: {', '.join(needs)}"
                    raise InvalidInput([source.problem(next(iter(needs.values())), says)])
                not_run.append(NotRun(scenario=scenario.scenario, needs=list(needs)))
                continue
            by_name = bool({named, scenario.scenario} & set(wanted.by_name))
            if scenario.large and wanted.list_not_run and not by_name:
                planner.plan(1)
                not_run.append(NotRun(scenario=scenario.scenario, needs=[]))
                continue
            seeds = wanted.seeds or scenario.seeds or (1,)
            if says := _other_seeds(wanted, scenario):
                if by_name or not wanted.list_not_run:
                    raise UsageError(says)
                notes.append(f"{says}; it is run with its own")
                seeds = scenario.seeds or ()
            trials += [planner.plan(seed) for seed in seeds]
        except InvalidInput as error:
            problems.append(error)
    if problems:
        raise InvalidInput([problem for error in problems for problem in error.problems])
    for name, count in Counter((trial.scenario.scenario, trial.seed) for trial in trials).items():
        if count > 1:
            raise UsageError(f"scenario {name[0]!r} with seed {name[1]} is asked for twice")
    return Planned(spec, trials, not_run, files_given, notes)


def _world_lacking(scenario: Scenario, spec: TargetSpec, files: Files) -> list[str]:
    """A world that another target has and this one lacks; one that none has is a mistake of the scenario."""
    if not spec.worlds or scenario.world in spec.worlds:
        return []
    others = [files.target(str(found.path))[0] for found in files.targets()]
    return [f"world {scenario.world}"] if any(scenario.world in other.worlds for other in others) else []


def _other_seeds(wanted: Wanted, scenario: Scenario) -> str:
    """That seeds are asked for which a scenario with seeds of its own has not; empty where none are."""
    others = [seed for seed in wanted.seeds or () if scenario.seeds and seed not in scenario.seeds]
    if not others:
        return ""
    fixed = ", ".join(map(str, scenario.seeds or ()))
    return f"scenario {scenario.scenario!r} fixes its seeds ({fixed}): {others[0]} is none of them"


def check_hosts(spec: TargetSpec, source: Source, allow: Sequence[str]) -> None:
    """Whether all hosts beyond loopback are named on the command line too. Raises InvalidInput."""
    for path, host in spec.far_hosts():
        if host not in allow:
            says = f"{host!r} is not on loopback; name it with --allow too"
            raise InvalidInput([source.problem(path, says)])


def check_can_start(wanted: Wanted, planned: Planned) -> None:
    """What can be told beforehand of where the run will write, and by whom. Raises UsageError."""
    spec = planned.spec
    if spec.driver.kind not in DRIVERS:
        known = f"give one whose driver is {' or '.join(DRIVERS)}"
        raise UsageError(f"target {spec.target!r} cannot be run, its driver is {spec.driver.kind!r}; {known}")
    if planned.trials:
        check_surroundings(spec, _images_of(planned) if spec.driver.kind == "compose" else ())
    if planned.trials and spec.driver.kind == "virtual":
        from chaos.drivers.virtual.driver import check_factory

        check_factory(spec)
    check_junit(wanted.junit)


def check_can_visit(wanted: Wanted, planned: Planned) -> None:
    """As `check_can_start`, for a run in a stack that stands: nothing has to come up. Raises UsageError."""
    if planned.trials:
        check_images(planned.spec, _images_of(planned))
    check_junit(wanted.junit)


def check_junit(junit: Path | None) -> None:
    """Whether JUnit can be written there. Raises UsageError."""
    if junit is None:
        return
    if junit.is_dir():
        raise UsageError(f"--junit {junit}: that is a folder, name a file in it")
    if not junit.absolute().parent.is_dir():
        raise UsageError(f"--junit {junit}: there is no folder {junit.parent}")
    if not any(os.access(place, os.W_OK) for place in (junit, junit.absolute().parent)):
        raise UsageError(f"--junit {junit}: you may not write there")


def check_surroundings(spec: TargetSpec, images: Sequence[str] = ()) -> None:
    """Whether what the target is run by or on is there: its command, the container engine. Raises UsageError.

    `images` are wanted besides the stack's own.
    """
    if spec.driver.kind == "local":
        command = command_of(spec.driver.command)[0]
        if shutil.which(command) is None:
            raise UsageError(f"target {spec.target!r}: its command {command!r} is not there to be run")
    if spec.driver.kind == "compose":
        from chaos.drivers.compose.surroundings import check

        check(compose_file(), images)


def check_images(spec: TargetSpec, images: Sequence[str]) -> None:
    """Whether the engine that the target is run on answers, and has these. Raises UsageError."""
    if spec.driver.kind == "compose":
        from chaos.drivers.compose.surroundings import check_images as check

        check(images)


def images_in(changes: Iterable[Change]) -> list[str]:
    """The images that changes are going to run."""
    return sorted({change.image for change in changes if isinstance(change, RunImage)})


def _images_of(planned: Planned) -> list[str]:
    catalogue, target = make_catalogue(), Described(planned.spec)
    faults = [fault for trial in planned.trials for arm in trial.arms for fault in arm.faults]
    return images_in(
        change
        for one in faults
        for change in catalogue.faults.make(one.fault, one.parameters).changes(target)
    )


def new_run_folder(out: Path | None, clock: Clock, base: Path = Path("runs")) -> tuple[str, Path]:
    """A run's name and its own, empty folder: `out`, or one of its name in `base`. Raises UsageError."""
    run = f"{clock.utc():%Y%m%d-%H%M%S}-{fresh_id('run')}"
    folder = out or base / run
    try:
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(f"--out {folder}: is not empty; a run wants a folder of its own")
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise UsageError(f"{folder}: you may not write there")
    return run, folder.resolve()


def make_driver(
    spec: TargetSpec,
    folder: Path,
    clock: Clock,
    on_process: Callable[[str, int], None],
    stopping: Callable[[], bool],
) -> Driver:
    """The driver that a target names; `stopping` tells it of the user's Ctrl-C while it brings an arm up.

    Raises UsageError for one that is not there.
    """
    if spec.driver.kind == "local":
        from chaos.drivers.local.driver import LocalDriver

        return LocalDriver(folder, clock, on_process, stopping, as_here())
    if spec.driver.kind == "virtual":
        from chaos.drivers.virtual.driver import VirtualDriver

        return VirtualDriver()
    if spec.driver.kind == "compose":
        from chaos.drivers.compose.driver import ComposeDriver

        return ComposeDriver(folder, clock, compose_file(), on_process, stopping)
    raise UsageError(f"target {spec.target!r}: there is no driver for {spec.driver.kind!r} yet")


def versions() -> dict[str, str]:
    """Versions of what decides a run's figures, for the journal's header."""
    from importlib import metadata

    names = ("numpy", "scipy", "scikit-learn", "mlflow", "locust", "pyarrow")
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True)
class Recovery:
    """What was done for each interrupted run, and why for others nothing could be done."""

    done: dict[Path, str]
    left: dict[Path, Exception]


def recover_all(folder: Path) -> Recovery:
    """Clean up after every interrupted run in `folder` (one run, or many)."""
    from chaos.engine import NoEngine
    from chaos.runner.remains import RECORD, is_closed, recover, runner_alive

    done: dict[Path, str] = {}
    left: dict[Path, Exception] = {}
    for record in sorted(folder.rglob(RECORD)):
        run = record.parent
        if is_closed(run):
            continue
        if runner_alive(run):
            done[run] = "still running; left alone"
            continue
        try:
            found = recover(run)
        except (ArmFailed, NoEngine, OSError) as error:
            left[run] = error
            continue
        says = f"ended {len(found.ended)} processes and containers, settled {len(found.undone)} undos"
        done[run] = "; ".join([says, *found.unread])
    return Recovery(done, left)


def choose(names: Sequence[str], files: Files) -> list[str]:
    """The scenarios of folders, tags or names; all of them where none is given. Raises UsageError."""
    found = files.scenarios()
    if not names:
        return [one.name for one in found]
    words = {
        one.name: {one.name, one.path.parent.name, *files.scenario(str(one.path))[0].tags} for one in found
    }
    chosen: list[str] = []
    for name in names:
        ours = [one.name for one in found if name in words[one.name]]
        matches = _in_folder(Path(name), found, alone=not ours) or ours
        if not matches:
            near = nearest(name, sorted(set().union(*words.values())))
            raise UsageError(f"no scenario is in a folder {name!r}, or has that tag or name{hint(near)}")
        chosen += [match for match in matches if match not in chosen]
    return chosen


def _in_folder(folder: Path, known: Sequence[Found], *, alone: bool) -> list[str]:
    """The scenarios in a folder of the user's, whatever it is called: known ones by name, others by file.

    `alone`: nothing of ours is called so.
    """
    if not folder.is_dir():
        return []
    names = {one.path.resolve(): one.name for one in known}
    return [names.get(path.resolve(), str(path)) for path in scenario_files(folder, alone=alone)]


def exit_code(results: Results, folder: Path) -> int:
    """0 passed, 1 failed, 2 void; 4 where an undo failed, whatever the verdict."""
    return _exit_code(results.verdict, [folder])


def ablation_exit_code(ablation: Ablation, folder: Path) -> int:
    """The same of all rounds of an ablation, each of which is a run in a folder of its own."""
    return _exit_code(ablation.verdict, runs_of(folder))


def runs_of(folder: Path) -> list[Path]:
    """The folders of an ablation's rounds so far."""
    return sorted(found.parent for found in folder.glob("*/run.json"))


def _exit_code(verdict: Verdict, runs: Iterable[Path]) -> int:
    from chaos.domain.verdict import EXIT_CODES
    from chaos.results import undo_failures

    if any(undo_failures(run) for run in runs):
        return UndoFailed.exit_code
    return EXIT_CODES[verdict]

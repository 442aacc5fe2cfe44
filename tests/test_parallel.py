"""How arms are given to workers, and that it does not matter to what they write."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path
from unittest.mock import Mock

import psutil
import pytest
import yaml

from chaos.app import Wanted, make_files
from chaos.domain.event import Phase
from chaos.domain.scenario import Arm
from chaos.drivers.blas import pins
from chaos.errors import ArmFailed
from chaos.journal import read_folder
from chaos.parallel import staggered
from chaos.worker import WORKER, Common, Job, Worker, code_of, work
from reference_stack.folders import cache_folder
from tests.command import LATE, SCENARIOS, begin, complete, until

ALONE = """
target: reference-virtual
extends: k9s
says: the same, but each arm by itself
toxics: [latency, timeout, reset_peer, limit_data, noop]
driver: {kind: virtual, factory: "reference_stack.virtual:factory"}
"""
TOGETHER = "reference-virtual"
GONE_SECONDS = 5.0


@pytest.mark.parametrize("jobs", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_everything_is_begun_once_and_the_first_of_a_group_well_before_its_others(
    jobs: int, count: int
) -> None:
    groups = [[(number, arm) for arm in range(4)] for number in range(count)]
    order = list(staggered(groups, jobs))
    assert sorted(order) == sorted(each for group in groups for each in group)
    for index in range(count):
        between = order.index((index, 1)) - order.index((index, 0))
        assert between >= min(jobs, count - index)


def test_what_arms_are_computed_by_is_the_same_before_numeric_programs_are_pinned_and_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ablation asks first, and takes what runs have kept all the same."""
    asked = Wanted(("late-partition",), TOGETHER, cache=tmp_path)
    spec, _ = make_files().target(TOGETHER)
    for name in pins():
        monkeypatch.delenv(name, raising=False)
    before = code_of(asked, spec, print)
    for name, value in pins().items():
        monkeypatch.setenv(name, value)
    after = code_of(asked, spec, print)
    assert before is not None
    assert before == after


def short_scenarios() -> dict[str, dict[str, object]]:
    """With data held, a hole with a span, something waited for, a link that is measured, an early end."""
    late = yaml.safe_load(LATE.read_text()) | {"days": "5.5d"}
    late["faults"][0]["with"]["held_days"] = "1.2d"
    slow = yaml.safe_load((SCENARIOS / "features" / "slow-features.yaml").read_text())
    torn = yaml.safe_load((SCENARIOS / "training" / "torn-checkpoint.yaml").read_text())
    slow["faults"][0]["for"] = "0.8d"
    torn["faults"] = torn["faults"][:1]
    torn["expect"] = late["expect"]
    hole = {"latent": [{"layer": "hold", "mode": "observe", "from": "2d", "until": "4.2d"}]}
    early = {"abort_if": [{"probe": "model_age", "above": 1.3}]}
    return {
        "short-slow": slow | {"days": "4.5d"},
        "short-late": late,
        "short-torn": torn | {"days": "5.5d"},
        "short-hole": late | hole,
        "short-early": late | early,
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of scenarios, and of a cache of its own that begins with this user's warm-ups."""
    folder = tmp_path_factory.mktemp("together")
    (folder / "scenarios").mkdir()
    for name, scenario in short_scenarios().items():
        (folder / "scenarios" / f"{name}.yaml").write_text(
            yaml.safe_dump({**scenario, "scenario": name, "decisive": []})
        )
    (folder / "alone.yaml").write_text(ALONE)
    (folder / "cache" / "mlchaos").mkdir(parents=True)
    cache_folder("warmup").mkdir(parents=True, exist_ok=True)
    (folder / "cache" / "mlchaos" / "warmup").symlink_to(cache_folder("warmup"))
    return folder


def journals_of(place: Path, out: str, *arguments: object) -> dict[str, bytes]:
    cache = {"XDG_CACHE_HOME": str(place / "cache")}
    process = begin("suite", *arguments, "--seed", 1, "--out", out, "--json", folder=place, environment=cache)
    outcome = complete(process, seconds=600)
    assert outcome.code in (0, 1, 2), outcome
    assert not outcome.err
    found = (place / out).rglob("journal-*.jsonl")
    return {str(path.relative_to(place / out)): path.read_bytes() for path in found}


def test_journals_are_those_of_arms_run_alone_with_and_without_the_cache(place: Path) -> None:
    names = list(short_scenarios())
    alone = journals_of(place, "alone", *names, "--target", "alone.yaml", "--no-cache")
    assert len(alone) == 4 * len(names)
    assert b'"aborted"' in alone["short-early-1/journal-bare.jsonl"]
    together = journals_of(place, "together", *names, "--target", TOGETHER, "--jobs", 1)
    assert [name for name in alone if together[name] != alone[name]] == []
    entries = sorted((place / "cache").rglob("arms/*/*.jsonl"))
    assert len(entries) == 2 * len(names)
    entries[0].write_bytes(entries[0].read_bytes()[:-3])
    cached = journals_of(place, "cached", "short-slow", "short-late", "--target", TOGETHER, "--jobs", 1)
    assert [name for name in cached if cached[name] != alone[name]] == []


@pytest.fixture
def under_way(place: Path) -> Iterator[tuple[psutil.Process, Path]]:
    """A run whose fault is in, so that a child of its worker is at work, and the run's folder."""
    scenario = yaml.safe_load(LATE.read_text()) | {"scenario": "long", "days": "90d"}
    scenario["faults"][0] |= {"at": "2d", "with": {"link": "events", "held_days": "80d"}}
    (place / "long.yaml").write_text(yaml.safe_dump(scenario))
    out = Path(place / f"run-{len(list(place.iterdir()))}")
    process = begin(
        "run", "long.yaml", "--target", TOGETHER, "--jobs", 1, "--out", out, "--no-cache", folder=place
    )
    journal = out / "long-1" / "journal-defended.jsonl"
    try:
        assert until(lambda: journal.exists() and b'"inject"' in journal.read_bytes(), 120)
        yield psutil.Process(process.pid), out
    finally:
        process.kill()
        process.communicate()


def test_ctrl_c_stops_the_trunk_and_what_branched_off(under_way: tuple[psutil.Process, Path]) -> None:
    runner, out = under_way
    started = runner.children(recursive=True)
    runner.send_signal(signal.SIGINT)
    gone, left = psutil.wait_procs([runner, *started], timeout=60)
    assert not left
    assert next(process for process in gone if process == runner).returncode == 130
    journals = read_folder(out / "long-1")
    assert set(journals) == {Arm.DEFENDED, Arm.CONTROL}
    for journal in journals.values():
        assert [phase.phase for phase in journal.of(Phase)][-3:] == ["interrupted", "teardown", "done"]


def test_a_killed_runner_leaves_neither_trunk_nor_branch(under_way: tuple[psutil.Process, Path]) -> None:
    runner, _ = under_way
    started = runner.children(recursive=True)
    assert len(started) >= 4  # the guardian, the server of forks, a worker and its child
    runner.kill()
    _, left = psutil.wait_procs(started, timeout=GONE_SECONDS)
    assert not left


@pytest.mark.parametrize("when", ["the server of forks is there", "a worker is there"])
def test_a_runner_that_is_killed_as_it_begins_leaves_nothing(place: Path, when: str) -> None:
    """Workers that are not in the record yet, while they and what they are forked from still import."""
    out = place / when.replace(" ", "-")
    process = begin("run", LATE, "--target", TOGETHER, "--out", out, "--no-cache", folder=place)
    runner = psutil.Process(process.pid)
    started: dict[int, psutil.Process] = {}

    def is_there() -> bool:
        for one in runner.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if "forkserver" in " ".join(one.cmdline()):
                    started[one.pid] = one
        wanted = 1 if when.startswith("the server") else 2
        return len(started) >= wanted

    try:
        assert until(is_there, 60)
    finally:
        process.kill()
        process.communicate()
    _, left = psutil.wait_procs(list(started.values()), timeout=GONE_SECONDS)
    assert not left


def test_a_branch_ends_with_its_trunk_though_it_hangs() -> None:
    """A child that looks at nothing, of a process that is killed."""
    words = "import os, signal, time; from chaos.runner.parents import end_with; trunk = os.getpid()"
    child = "end_with(trunk); print(os.getpid(), flush=True); time.sleep(600)"
    code = f"{words}\nif os.fork():\n    time.sleep(600)\nelse:\n    {child}"
    trunk = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert trunk.stdout is not None
        branch = psutil.Process(int(trunk.stdout.readline()))
    finally:
        trunk.kill()
        trunk.communicate()
    _, left = psutil.wait_procs([branch], timeout=GONE_SECONDS)
    assert not left


def test_who_comes_when_its_parent_has_ended_already_ends_at_once() -> None:
    code = f"from chaos.runner.parents import end_with; end_with({os.getpid()} + 1); print('went on')"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")


def test_a_campaign_whose_worker_is_killed_says_so_however_much_was_to_come(place: Path) -> None:
    out = place / "killed"
    options = ("--target", TOGETHER, "--seeds", "1..20", "--jobs", 2, "--out", out, "--no-cache")
    process = begin("run", LATE, *options, folder=place)
    runner = psutil.Process(process.pid)

    def workers() -> list[psutil.Process]:
        return [one for one in runner.children(recursive=True) if one.parent() not in (None, runner)]

    try:
        assert until(lambda: any(out.glob("late-partition-*/journal-*.jsonl")), 120)
        workers()[0].kill()
        outcome = complete(process, seconds=60)
    finally:
        process.kill()
        process.communicate()
    assert outcome.code == 2, outcome
    assert "a worker process died; is there enough memory?" in outcome.err


def test_a_job_is_small_enough_for_all_that_wait_to_fit_into_a_pipe() -> None:
    arms = tuple(
        ("a-scenario-with-a-very-long-name-" + "x" * 31, 10**6 + nth, Arm.UNDEFENDED) for nth in range(120)
    )
    waiting = 3 * len(pickle.dumps(Job(arms)))
    assert waiting < 65_536


def test_a_worker_that_was_told_to_end_takes_no_arm_for_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = Common(spec="", folder=tmp_path, found="", cache=None, shared=None, code=None)
    worker = Worker(common, Mock())
    worker.stop.asked = True
    heeded: list[object] = []
    monkeypatch.setattr(signal, "signal", lambda *given: heeded.append(given))
    context = copy_context()
    context.run(WORKER.set, worker)
    with pytest.raises(ArmFailed, match="told to end"):
        context.run(work, Mock(spec=Job))
    assert heeded == [(signal.SIGTERM, worker)]  # whatever a target has made of it

"""Arms that share a trunk: each journal holds what it holds where the arm is run by itself."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chaos.app import make_catalogue
from chaos.domain.event import Action, Event, Phase
from chaos.domain.plan import ArmPlan, TrialPlan
from chaos.drivers.fake import FakeDriver, FakeTarget
from chaos.errors import ArmFailed, Interrupted
from chaos.journal import read
from chaos.runner.cache import ArmCache
from chaos.runner.overrides import parse_overrides
from chaos.runner.plan import Request
from chaos.runner.stop import StopSignal
from chaos.runner.trials import RunContext, journal_path, open_trial, run_arm, run_arms, trial_folder
from chaos.runner.trunk import MOST_ARMS, packed
from chaos.runner.undo import UndoLedger
from tests.harness import edited, planned, shoppers, target_of

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # a test process may have threads

LATENCY = {"fault": "latency", "with": {"link": "wire", "delay_ms": "9ms"}, "at": "2.5d", "for": "1d"}
LATE = {"fault": "late_partition", "with": {"link": "events", "held_days": "2d"}, "at": "2d"}
SCENARIOS = {
    "small": edited(),
    "longer": edited(scenario="longer", days="7d", faults=[LATENCY]),
    "two-faults": edited(scenario="two-faults", faults=[LATE, LATENCY]),
    "hole-with-a-span": edited(
        scenario="hole-with-a-span", latent=[{"layer": "hold", "mode": "off", "from": "1d", "until": "3d"}]
    ),
    "at-an-action": edited(
        scenario="at-an-action", faults=[{**LATE, "when": {"component": "writer", "action": "save"}}]
    ),
    "aborted-early": edited(
        scenario="aborted-early",
        abort_if=[{"probe": "metric", "with": {"component": "reader", "sample": "steps"}, "above": 24}],
    ),
    "aborted-by-the-fault": edited(
        scenario="aborted-by-the-fault",
        abort_if=[{"probe": "partitions_overdue", "with": {"link": "events"}, "above": 0.5}],
    ),
    "not-steady": edited(scenario="not-steady", steady_state=[{"probe": "good_views", "at_least": 2.0}]),
    "no-fault": edited(scenario="no-fault", kind="quiet", faults=[], expect={"false_alarms": 0}),
}


def life(target: FakeTarget) -> Iterator[Event]:
    """Shoppers, a partition each morning unless a toxic holds it, and something saved at noon."""
    if not target.on:
        newest = int(target.day() - 0.1) - 1
        target.partitions |= dict.fromkeys(range(newest + 1), 1)
    yield from shoppers(target)
    if abs(target.day() % 1 - 0.5) < 0.02:
        yield Action(target.day(), "writer", "writer", "save")


@dataclass
class Told:
    """What a worker is told."""

    done_arms: list[tuple[str, str]] = field(default_factory=list)
    born_pids: list[int] = field(default_factory=list)
    gone_pids: list[int] = field(default_factory=list)
    on_born: Callable[[int], object] = lambda _pid: None

    def born(self, pid: int) -> None:
        self.born_pids.append(pid)
        self.on_born(pid)

    def gone(self, pid: int) -> None:
        self.gone_pids.append(pid)

    def done(self, plan: ArmPlan) -> None:
        self.done_arms.append((plan.scenario, plan.arm.value))


@dataclass
class Group:
    """Trials in a folder of their own."""

    folder: Path
    trials: Sequence[TrialPlan]
    driver: FakeDriver
    cache: ArmCache | None = None
    stop: StopSignal = field(default_factory=StopSignal)
    told: Told = field(default_factory=Told)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        for trial in self.trials:
            open_trial(trial, self.folder)

    @property
    def context(self) -> RunContext:
        return RunContext(
            run="test",
            mlchaos="0",
            started_at="virtual",
            folder=self.folder,
            spec=target_of(),
            catalogue=make_catalogue(),
            driver=self.driver,
            stop=self.stop,
            show=lambda _trial, _arm, _event: None,
            versions={},
            cache=self.cache,
        )

    def run_each_alone(self) -> None:
        for trial in self.trials:
            for arm in trial.arms:
                try:
                    run_arm(trial, arm, self.context)
                except (ArmFailed, Interrupted):
                    continue

    def run_together(self) -> None:
        by_key = {trial.scenario.scenario: trial for trial in self.trials}
        for pack in packed([arm for trial in self.trials for arm in trial.arms], MOST_ARMS):
            run_arms([(by_key[arm.scenario], arm) for arm in pack], self.context, self.told)

    @property
    def journals(self) -> dict[str, bytes]:
        paths = [
            journal_path(trial_folder(self.folder, trial), arm.arm)
            for trial in self.trials
            for arm in trial.arms
        ]
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in paths}


def trials(*names: str, request: Request | None = None) -> list[TrialPlan]:
    return [planned(SCENARIOS[name], request) for name in names or SCENARIOS]


@pytest.mark.parametrize(
    "names", [(), ("small",), ("small", "longer"), ("aborted-early", "not-steady")], ids=str
)
def test_journals_are_those_of_arms_run_alone(tmp_path: Path, names: tuple[str, ...]) -> None:
    alone = Group(tmp_path / "alone", trials(*names), FakeDriver(life))
    alone.run_each_alone()
    together = Group(tmp_path / "together", trials(*names), FakeDriver(life))
    together.run_together()
    assert together.journals == alone.journals
    assert sorted(together.told.done_arms) == sorted(
        (arm.scenario, arm.arm.value) for trial in together.trials for arm in trial.arms
    )
    assert together.told.born_pids == together.told.gone_pids
    assert len(together.driver.targets) < len(alone.driver.targets)
    for ledger in (tmp_path / "alone").rglob("undo.jsonl"):
        other = tmp_path / "together" / ledger.relative_to(tmp_path / "alone")
        assert other.read_bytes() == ledger.read_bytes()


def test_what_is_set_for_a_layer_is_shared_by_those_arms_that_have_it_so(tmp_path: Path) -> None:
    off = Request(parse_overrides(["hold"], []))
    alone = Group(tmp_path / "alone", trials("small", request=off), FakeDriver(life))
    alone.run_each_alone()
    together = Group(tmp_path / "together", trials("small", request=off), FakeDriver(life))
    together.run_together()
    assert together.journals == alone.journals


def test_a_target_that_does_not_come_up_or_breaks_is_said_in_every_journal(tmp_path: Path) -> None:
    def breaking(target: FakeTarget) -> Iterator[Event]:
        if target.day() > 1.3:
            raise ArmFailed("their stack is broken")
        yield from life(target)

    def leaving(target: FakeTarget) -> Iterator[Event]:
        if target.day() > 1.3:
            raise SystemExit("no licence")
        yield from life(target)

    for name, driver in (
        ("start", FakeDriver(life, fails_to_start="no port")),
        ("way", FakeDriver(breaking)),
        ("exit", FakeDriver(leaving)),
    ):
        alone = Group(tmp_path / f"alone-{name}", trials("small", "longer"), driver)
        alone.run_each_alone()
        together = Group(tmp_path / f"together-{name}", trials("small", "longer"), driver)
        together.run_together()
        assert together.journals == alone.journals
        assert len(together.told.done_arms) == 8


def test_an_arm_whose_files_cannot_be_opened_does_not_hurt_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ledger(path: Path) -> UndoLedger:
        if path.parent == path.parents[2] / "longer-1" / "control":
            raise ArmFailed("the undo ledger cannot be written")
        return UndoLedger(path)

    monkeypatch.setattr("chaos.runner.execute.UndoLedger", ledger)
    alone = Group(tmp_path / "alone", trials("small", "longer"), FakeDriver(life))
    alone.run_each_alone()
    together = Group(tmp_path / "together", trials("small", "longer"), FakeDriver(life))
    together.run_together()
    assert together.journals == alone.journals
    assert len(together.told.done_arms) == 8


def test_a_target_that_breaks_in_one_arm_does_not_hurt_the_others(tmp_path: Path) -> None:
    def breaking(target: FakeTarget) -> Iterator[Event]:
        if "hold" in str(target.values) and target.day() > 2:
            raise ArmFailed("their stack is broken")
        yield from life(target)

    alone = Group(tmp_path / "alone", trials("small", "hole-with-a-span"), FakeDriver(breaking))
    alone.run_each_alone()
    together = Group(tmp_path / "together", trials("small", "hole-with-a-span"), FakeDriver(breaking))
    together.run_together()
    assert together.journals == alone.journals
    void = [name for name, journal in together.journals.items() if b'"void"' in journal]
    assert sorted(void) == [f"hole-with-a-span-1/journal-{arm}.jsonl" for arm in ("control", "defended")]


def test_arms_without_a_fault_are_kept_and_taken(tmp_path: Path) -> None:
    alone = Group(tmp_path / "alone", trials("small", "longer"), FakeDriver(life))
    alone.run_each_alone()
    cache = ArmCache(tmp_path / "cache", "salt")
    first = Group(tmp_path / "first", trials("small", "longer"), FakeDriver(life), cache)
    first.run_together()
    entries = sorted((tmp_path / "cache").rglob("*.jsonl"))
    assert len(entries) == 4
    entries[0].write_bytes(entries[0].read_bytes()[:-3])
    again = Group(tmp_path / "again", trials("small", "longer"), FakeDriver(life), cache)
    again.run_together()
    assert first.journals == again.journals == alone.journals
    assert len(again.told.done_arms) == 8
    taken = [
        trial
        for trial in again.trials
        for arm in trial.arms
        if not (trial_folder(again.folder, trial) / arm.arm.value).exists()
    ]
    assert len(taken) == 3


def test_a_user_who_stops_is_told_in_every_journal(tmp_path: Path) -> None:
    stop = StopSignal()

    def pressed(target: FakeTarget) -> Iterator[Event]:
        stop.asked = target.day() > 1.5
        yield from life(target)

    group = Group(tmp_path / "run", trials("small", "longer"), FakeDriver(pressed), stop=stop)
    group.run_together()
    for arm in ("control", "defended"):
        phases = [phase.phase for phase in read(group.folder / f"small-1/journal-{arm}.jsonl").of(Phase)]
        assert phases == ["provision", "steady_before", "interrupted", "teardown", "done"]


def test_a_child_that_dies_is_told(tmp_path: Path) -> None:
    group = Group(tmp_path / "run", trials("small", "longer"), FakeDriver(life))
    group.told.on_born = lambda pid: os.kill(pid, signal.SIGKILL)
    with pytest.raises(ArmFailed, match="process of small, seed 1, defended ended with -9"):
        group.run_together()


def test_an_error_of_the_harness_in_a_child_is_no_silence(tmp_path: Path) -> None:
    def wrong(target: FakeTarget) -> Iterator[Event]:
        if target.on:
            raise RuntimeError("a mistake")
        yield from life(target)

    group = Group(tmp_path / "run", trials("small", "longer"), FakeDriver(wrong))
    group.run_together()
    ended = {name: read(group.folder / name).ended for name in group.journals}
    said = {name: phase.says.partition(" (")[0] for name, phase in ended.items() if phase is not None}
    says = "a defect of its own: RuntimeError: a mistake"
    assert said == {name: says for name in ended if "-defended." in name or "-undefended." in name}
    assert len(said) == 4


class Unread(io.StringIO):
    """A standard output whose reader has gone."""

    def flush(self) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def test_what_a_target_has_printed_for_nobody_ends_no_arm_and_keeps_no_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that got past its end would go on as another worker, with what is its parent's to do."""
    group = Group(tmp_path / "together", trials("small"), FakeDriver(life))
    monkeypatch.setattr(sys, "stdout", Unread())
    group.run_together()
    monkeypatch.undo()
    assert sorted(arm for _, arm in group.told.done_arms) == ["bare", "control", "defended", "undefended"]
    assert group.told.born_pids == group.told.gone_pids
    assert all(b'"phase":"done"' in journal for journal in group.journals.values())


def test_packs_hold_what_starts_alike_and_no_more_than_asked() -> None:
    arms = [arm for trial in trials() for arm in trial.arms]
    names = [[(arm.scenario, arm.arm.value) for arm in pack] for pack in packed(arms, MOST_ARMS)]
    assert [len(pack) for pack in names] == [2 * len(SCENARIOS)] * 2
    assert {arm for _, arm in names[0]} == {"defended", "control"}
    for most in (1, 2, 7):
        packs = packed(arms, most)
        assert max(map(len, packs)) <= most
        assert sorted(id(arm) for pack in packs for arm in pack) == sorted(map(id, arms))
    other = [arm.model_copy(update={"seed": 2}) for arm in arms[:2]]
    assert len(packed([*arms[:2], *other], MOST_ARMS)) == 2

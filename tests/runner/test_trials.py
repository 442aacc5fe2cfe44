"""Trials arm by arm: what is run, what is taken from a cache, and what is left on disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from chaos.app import make_catalogue
from chaos.domain.event import Event
from chaos.domain.scenario import Arm
from chaos.drivers.fake import FakeDriver, FakeTarget
from chaos.errors import Interrupted
from chaos.journal import read, read_folder
from chaos.runner.cache import ArmCache
from chaos.runner.stop import StopSignal
from chaos.runner.trials import RunContext, open_trial, run_arms, run_trial, thin_out, trial_folder
from tests.harness import planned, shoppers, target_of


def life(target: FakeTarget) -> Iterator[Event]:
    if not target.on:
        target.partitions |= dict.fromkeys(range(int(target.day() - 0.1)), 1)
    yield from shoppers(target)


def context(
    folder: Path,
    driver: FakeDriver,
    *,
    cache: ArmCache | None = None,
    shared: ArmCache | None = None,
    stop: StopSignal | None = None,
) -> RunContext:
    return RunContext(
        run="test",
        mlchaos="0",
        started_at="virtual",
        folder=folder,
        spec=target_of(),
        catalogue=make_catalogue(),
        driver=driver,
        stop=stop or StopSignal(),
        show=lambda _trial, _arm, _event: None,
        versions={},
        cache=cache,
        shared=shared,
    )


def test_only_arms_without_a_fault_are_kept_and_none_with_layers_is_shared(tmp_path: Path) -> None:
    cache, shared = ArmCache(tmp_path / "own", "salt"), ArmCache(tmp_path / "shared", "salt")
    own = context(tmp_path, FakeDriver(), cache=cache)
    assert [own.cache_of(arm) for arm in Arm] == [None, cache, None, cache]
    both = context(tmp_path, FakeDriver(), cache=cache, shared=shared)
    assert [both.cache_of(arm) for arm in Arm] == [None, cache, shared, shared]


def test_an_arm_that_was_kept_is_not_run_again(tmp_path: Path) -> None:
    cache, trial = ArmCache(tmp_path / "cache", "salt"), planned()
    first, second = FakeDriver(life), FakeDriver(life)
    run_trial(trial, context(tmp_path / "first", first, cache=cache))
    run_trial(trial, context(tmp_path / "second", second, cache=cache))
    assert (len(first.targets), len(second.targets)) == (4, 2)
    again = trial_folder(tmp_path / "second", trial)
    assert list(read_folder(again)) == list(Arm)
    for arm in Arm:
        name = f"journal-{arm.value}.jsonl"
        assert (again / name).read_bytes() == (trial_folder(tmp_path / "first", trial) / name).read_bytes()


def test_an_arm_that_cannot_be_driven_ends_its_trial(tmp_path: Path) -> None:
    trial = planned()
    run_trial(trial, context(tmp_path, FakeDriver(life, fails_to_start="no port")))
    assert list(read_folder(trial_folder(tmp_path, trial))) == [Arm.DEFENDED]


def test_a_user_who_stops_between_two_arms_is_heard(tmp_path: Path) -> None:
    stop = StopSignal()

    class Stopping(FakeDriver):
        def start(self, *arguments: object) -> FakeTarget:  # type: ignore[override]
            target = super().start(*arguments)  # type: ignore[arg-type]
            target.close = lambda: setattr(stop, "asked", True)  # type: ignore[method-assign]
            return target

    trial = planned()
    with pytest.raises(Interrupted):
        run_trial(trial, context(tmp_path, Stopping(life), stop=stop))
    (journal,) = read_folder(trial_folder(tmp_path, trial)).values()
    assert not read(journal.path).interrupted


def test_seeds_of_one_scenario_have_folders_of_their_own(tmp_path: Path) -> None:
    trial = planned()
    assert trial_folder(tmp_path, trial) == tmp_path / "small-1"
    assert trial_folder(tmp_path, trial.model_copy(update={"seed": 2})) == tmp_path / "small-2"


def test_what_is_large_goes_and_what_is_named_stays(tmp_path: Path) -> None:
    trial = planned()
    for name in ("logs", "lake", "registry"):
        (tmp_path / "control" / "stack" / name).mkdir(parents=True)
    (tmp_path / "control" / "stack" / "pids.json").write_text("")
    thin_out(tmp_path, trial, ["logs", "registry"])
    left = sorted(path.name for path in (tmp_path / "control" / "stack").iterdir())
    assert left == ["logs", "pids.json", "registry"]


@pytest.mark.parametrize("fails_to_start", ["", "no port"])
def test_whoever_asked_is_told_that_an_arm_which_is_run_alone_is_done(
    tmp_path: Path, fails_to_start: str
) -> None:
    trial, told = planned(), Mock()
    open_trial(trial, tmp_path)
    driver = FakeDriver(life, fails_to_start=fails_to_start)
    run_arms([(trial, trial.arms[1])], context(tmp_path, driver), told)
    told.done.assert_called_once_with(trial.arms[1])
    assert told.born.call_count == 0

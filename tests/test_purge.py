"""What a purge leaves in service is found by lineage: a stack whose purge is broken is seen to be."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from chaos.app import make_catalogue, make_files
from chaos.domain.plan import ArmPlan, TrialPlan
from chaos.domain.scenario import Arm, Scenario
from chaos.domain.source import build, parse_source
from chaos.domain.verdict import Contamination, TrialResult, Verdict
from chaos.drivers.virtual.driver import VirtualDriver
from chaos.journal import Journal, read
from chaos.runner.execute import ArmContext, ArmRun
from chaos.runner.plan import Planner, Request
from chaos.runner.stop import StopSignal
from chaos.scoring.trial import score_trial
from reference_stack.features.component import Features
from reference_stack.features.manifest import Manifest
from tests.command import SCENARIOS

PURGED = "held-too-late"
QUARANTINED = "source-distrusted"
Defended = Callable[..., TrialResult]


TOLD = [(PURGED, 1), (QUARANTINED, 1), (QUARANTINED, 2)]


def planned(name: str, seed: int) -> TrialPlan:
    """Up to two days after people have put data aside."""
    text = (SCENARIOS / "people" / f"{name}.yaml").read_text()
    text = text.replace("days: 12d", "days: 8d").replace("for: 5d", "for: 4d")
    source = parse_source(f"{name}.yaml", text.encode())
    spec, _ = make_files().target("reference-virtual")
    request = Request(arms=(Arm.DEFENDED, Arm.CONTROL))
    return Planner(build(Scenario, source), source, spec, make_catalogue(), request).plan(seed)


def lived(plan: ArmPlan, folder: Path) -> Journal:
    """One arm's journal."""
    (folder / "arm").mkdir(parents=True)
    context = ArmContext(
        run="purge",
        mlchaos="0",
        started_at="",
        folder=folder / "arm",
        journal=folder / "journal.jsonl",
        spec=make_files().target("reference-virtual")[0],
        catalogue=make_catalogue(),
        driver=VirtualDriver(),
        stop=StopSignal(),
        show=lambda _event: None,
    )
    ArmRun(plan, context).run()
    return read(folder / "journal.jsonl")


@pytest.fixture(scope="module")
def controls(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], Journal]:
    """What is seen without the fault, by scenario and seed: no test breaks anything there."""
    return {
        (name, seed): lived(planned(name, seed).arms[1], tmp_path_factory.mktemp("control"))
        for name, seed in TOLD
    }


@pytest.fixture
def defended(tmp_path: Path, controls: dict[tuple[str, int], Journal]) -> Defended:
    """The trial of a scenario in which people put data aside, but for what needs the arms without layers."""

    def score(name: str = PURGED, seed: int = 1) -> TrialResult:
        plan = planned(name, seed)
        journals = {Arm.DEFENDED: lived(plan.arms[0], tmp_path), Arm.CONTROL: controls[name, seed]}
        return score_trial(plan, journals)

    return score


def purge_of(trial: TrialResult) -> tuple[Verdict, str]:
    (reason,) = [reason for reason in trial.reasons if reason.about == "purge"]
    return reason.verdict, reason.says


def contamination(trial: TrialResult) -> Contamination:
    found = trial.contamination[Arm.DEFENDED]
    assert found is not None
    return found


def test_a_purge_leaves_nothing_in_service_that_was_made_of_altered_data(defended: Defended) -> None:
    trial = defended()
    found = contamination(trial)
    assert found.purged == [3, 4, 5]
    assert set(found.partitions) >= {3, 4, 5}
    assert len(found.snapshots) == len(found.versions) == 2
    assert found.views > 500
    assert (found.left_in_service, found.snapshots_left_in_service) == ([], [])
    said = "day 3, 4, 5 purged, and nothing made of altered data was in service after it"
    assert purge_of(trial) == ("passed", said)


def test_a_source_left_out_leaves_nothing_in_service_that_was_made_of_it(defended: Defended) -> None:
    trial = defended(QUARANTINED)
    found = contamination(trial)
    assert found.quarantined == {1: 3}
    assert found.purged == []
    assert found.snapshots
    assert found.versions
    assert (found.left_in_service, found.snapshots_left_in_service) == ([], [])
    said = "source 1 from day 3 left out, and nothing made of altered data was in service after it"
    assert purge_of(trial) == ("passed", said)


def test_a_purge_that_goes_back_to_nothing_is_reported(
    defended: Defended, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_args: object) -> None:
        """There is nothing to go back to, says this stack."""

    monkeypatch.setattr("reference_stack.orchestrator.promotions.version_without", none)
    trial = defended()
    found = contamination(trial)
    assert found.purged == [3, 4, 5]
    assert found.left_in_service == found.versions[-1:]
    verdict, says = purge_of(trial)
    assert verdict == "failed"
    assert f"contaminated version {found.versions[-1]} answered" in says
    assert trial.verdict == "failed"


def test_a_purge_after_which_the_features_job_fails_is_reported(
    defended: Defended, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = Features._build

    async def full(self: Features, day: int) -> Manifest:
        if self._notes.diary.purged:
            raise OSError(errno.ENOSPC, "no space left on device")
        return await build(self, day)

    monkeypatch.setattr(Features, "_build", full)
    snapshot_is_reported(defended())


def test_a_quarantine_whose_features_still_hold_the_source_is_reported(
    defended: Defended, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The day's snapshot is taken for one in order, and serves on. With this seed people act before midnight.
    monkeypatch.setattr(Features, "_in_order", lambda *_args: True)
    snapshot_is_reported(defended(QUARANTINED, seed=2))


def snapshot_is_reported(trial: TrialResult) -> None:
    found = contamination(trial)
    assert found.snapshots_left_in_service == found.snapshots[-1:]
    verdict, says = purge_of(trial)
    assert verdict == "failed"
    assert f"contaminated snapshot {found.snapshots[-1]} served" in says
    assert trial.verdict == "failed"

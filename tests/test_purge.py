"""What a purge leaves in service is found by lineage: a stack whose purge is broken is seen to be."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from chaos.app import make_catalogue, make_files
from chaos.domain.scenario import Arm, Scenario
from chaos.domain.source import build, parse_source
from chaos.domain.verdict import Contamination, TrialResult, Verdict
from chaos.drivers.virtual.driver import VirtualDriver
from chaos.journal import read
from chaos.runner.execute import ArmContext, ArmRun
from chaos.runner.plan import Planner, Request
from chaos.runner.stop import StopSignal
from chaos.scoring.trial import score_trial
from reference_stack.features.component import Features
from reference_stack.features.manifest import Manifest
from tests.command import SCENARIOS

PURGED = "held-too-late"
QUARANTINED = "source-distrusted"


def defended(folder: Path, name: str = PURGED, seed: int = 1) -> TrialResult:
    """The defended arm of a scenario in which people put data aside, up to two days after it."""
    text = (SCENARIOS / "people" / f"{name}.yaml").read_text()
    text = text.replace("days: 12d", "days: 8d").replace("for: 5d", "for: 4d")
    source = parse_source(f"{name}.yaml", text.encode())
    spec, _ = make_files().target("reference-virtual")
    request = Request(arms=(Arm.DEFENDED,))
    plan = Planner(build(Scenario, source), source, spec, make_catalogue(), request).plan(seed)
    (folder / "arm").mkdir()
    context = ArmContext(
        run="purge",
        mlchaos="0",
        started_at="",
        folder=folder / "arm",
        journal=folder / "journal.jsonl",
        spec=spec,
        catalogue=make_catalogue(),
        driver=VirtualDriver(),
        stop=StopSignal(),
        show=lambda _event: None,
    )
    ArmRun(plan.arms[0], context).run()
    return score_trial(plan, {Arm.DEFENDED: read(folder / "journal.jsonl")})


def purge_of(trial: TrialResult) -> tuple[Verdict, str]:
    (reason,) = [reason for reason in trial.reasons if reason.about == "purge"]
    return reason.verdict, reason.says


def contamination(trial: TrialResult) -> Contamination:
    found = trial.contamination[Arm.DEFENDED]
    assert found is not None
    return found


def test_a_purge_leaves_nothing_in_service_that_was_made_of_altered_data(tmp_path: Path) -> None:
    trial = defended(tmp_path)
    found = contamination(trial)
    assert found.purged == [3, 4, 5]
    assert set(found.partitions) >= {3, 4, 5}
    assert len(found.snapshots) == len(found.versions) == 2
    assert found.views > 500
    assert (found.left_in_service, found.snapshots_left_in_service) == ([], [])
    said = "day 3, 4, 5 purged, and nothing made of altered data was in service after it"
    assert purge_of(trial) == ("passed", said)


def test_a_source_left_out_leaves_nothing_in_service_that_was_made_of_it(tmp_path: Path) -> None:
    trial = defended(tmp_path, QUARANTINED)
    found = contamination(trial)
    assert found.quarantined == {1: 3}
    assert found.purged == []
    assert found.snapshots
    assert found.versions
    assert (found.left_in_service, found.snapshots_left_in_service) == ([], [])
    said = "source 1 from day 3 left out, and nothing made of altered data was in service after it"
    assert purge_of(trial) == ("passed", said)


def test_a_purge_that_goes_back_to_nothing_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_args: object) -> None:
        """There is nothing to go back to, says this stack."""

    monkeypatch.setattr("reference_stack.orchestrator.component.version_without", none)
    trial = defended(tmp_path)
    found = contamination(trial)
    assert found.purged == [3, 4, 5]
    assert found.left_in_service == found.versions[-1:]
    verdict, says = purge_of(trial)
    assert verdict == "failed"
    assert f"contaminated version {found.versions[-1]} answered" in says
    assert trial.verdict == "failed"


def test_a_purge_after_which_the_features_job_fails_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = Features._build

    async def full(self: Features, day: int) -> Manifest:
        if self._notes.diary.purged:
            raise OSError(errno.ENOSPC, "no space left on device")
        return await build(self, day)

    monkeypatch.setattr(Features, "_build", full)
    snapshot_is_reported(defended(tmp_path))


def test_a_quarantine_whose_features_still_hold_the_source_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The day's snapshot is taken for one in order, and serves on. With this seed people act before midnight.
    monkeypatch.setattr(Features, "_in_order", lambda *_args: True)
    snapshot_is_reported(defended(tmp_path, QUARANTINED, seed=2))


def snapshot_is_reported(trial: TrialResult) -> None:
    found = contamination(trial)
    assert found.snapshots_left_in_service == found.snapshots[-1:]
    verdict, says = purge_of(trial)
    assert verdict == "failed"
    assert f"contaminated snapshot {found.snapshots[-1]} served" in says
    assert trial.verdict == "failed"

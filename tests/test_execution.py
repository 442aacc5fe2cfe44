"""Trials in turn: what is said of one that is tried again."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaos import execution
from chaos.app import Planned, Wanted, make_catalogue, make_files, plan_run
from chaos.cli.options import campaign as campaign_options
from chaos.domain.verdict import Verdict
from chaos.errors import ArmFailed, Interrupted, UndoFailed
from tests.harness import planned

WANTED = Wanted(("small",), "fake", rerun_void=1)


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (WANTED, "small, seed 1: void; try 2"),
        (replace(WANTED, blind=True), "a scenario, seed 1: void; try 2"),
    ],
)
def test_a_void_trial_is_tried_again_and_named_only_where_names_may_be_told(
    wanted: Wanted, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts = [Verdict.VOID, Verdict.PASSED]
    monkeypatch.setattr(execution, "run_trial", lambda _plan, _context: None)
    monkeypatch.setattr(execution, "score_folder", lambda _folder: Namespace(verdict=verdicts.pop(0)))
    for name in ("keep_data", "set_aside"):
        monkeypatch.setattr(execution, name, lambda *_: None)
    told: list[str] = []
    nobody: Any = None
    watcher: Any = Namespace(note=told.append)
    campaign = execution.Campaign(wanted, nobody, nobody, watcher, nobody, nobody, tmp_path, nobody, nobody)
    assert execution._run_one(planned(), nobody, campaign).verdict is Verdict.PASSED
    assert told == [says]


def nothing(*_: object) -> None:
    """Whoever is told does nothing."""


@pytest.mark.parametrize(
    "ended",
    [ArmFailed("a worker process died"), Interrupted("stopped by the user"), OSError(28, "No space left")],
    ids=["a worker", "Ctrl-C", "a full disk"],
)
def test_an_undo_that_failed_is_told_however_the_run_ended(
    ended: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(_campaign: object) -> None:
        raise ended

    monkeypatch.setattr(execution, "run_in_parallel", end)
    monkeypatch.setattr(execution, "undo_failures", lambda _folder: ["late_partition-1"])
    monkeypatch.setattr(execution, "Guardian", lambda _folder: Namespace(close=nothing))
    watcher: Any = Namespace(note=nothing, stopping=nothing)
    wanted = Wanted(("small",), "reference-virtual", out=tmp_path / "run")
    found = Planned(make_files().target("reference-virtual")[0], [planned()], [])
    with pytest.raises(UndoFailed, match="and an undo failed: late_partition-1") as caught:
        execution.execute(wanted, found, make_catalogue(), watcher)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("target", ["reference-virtual", "reference-local"])
@pytest.mark.parametrize(
    ("jobs", "no_cache", "given"), [(2, True, "--jobs and --no-cache"), (None, False, "")]
)
def test_an_option_without_meaning_on_a_target_is_told(
    jobs: int | None, no_cache: bool, given: str, target: str
) -> None:
    wanted = replace(Wanted(("late-partition",), target), **campaign_options(jobs, 0, no_cache))
    notes = plan_run(wanted, make_files(), make_catalogue()).notes
    told = [f"{given}: without meaning on target {target!r}, which is not in virtual time"]
    assert notes == (told if given and target == "reference-local" else [])

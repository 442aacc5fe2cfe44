from __future__ import annotations

import os
import shutil
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from chaos.app import Wanted
from chaos.campaign import Progress, keep_data, set_aside, write_so_far
from chaos.domain.event import Action, Phase, Undone
from chaos.domain.plan import fingerprint_of
from chaos.domain.scenario import Arm
from chaos.domain.verdict import Results, Unfinished, Verdict
from chaos.errors import InvalidInput, UsageError
from chaos.journal import JournalWriter, journal_name
from chaos.reports.junit import junit
from chaos.results import (
    RunInfo,
    compose,
    journal_problems,
    read_run,
    score_folder,
    undo_failures,
    write_reports,
)
from chaos.whole import write_whole
from tests.journals import Story, Told, quiet, without

KEPT, THINNED = {"logs", "registry", "collector"}, {"logs", "registry"}


def left(keep: str, verdict: Verdict, folder: Path) -> set[str]:
    """What of an arm's folder is there after a trial has ended with that verdict."""
    story = Story()
    root = folder / Arm.DEFENDED.value / "stack"
    for name in KEPT:
        (root / name).mkdir(parents=True)
    keep_data(keep, folder, story.plan, story.score().model_copy(update={"verdict": verdict}))
    return {path.name for path in root.iterdir()}


@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("keep", ["never", "failed", "always"])
def test_whose_data_is_kept(keep: str, verdict: Verdict, tmp_path: Path) -> None:
    looked_at = keep == "always" or (keep == "failed" and verdict is not Verdict.PASSED)
    assert left(keep, verdict, tmp_path) == (KEPT if looked_at else THINNED)


class Moments:
    """A clock that goes on by two seconds with each look."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 2.0
        return self.now


def test_while_a_run_goes_on_its_results_are_whole_and_not_passed(tmp_path: Path) -> None:
    """Three trials are planned, two have ended and passed."""
    trials = [Story(Told(seed=seed)) for seed in (1, 2, 3)]
    keys = [Unfinished(scenario="late-partition", seed=seed) for seed in (1, 2, 3)]
    info = RunInfo(
        run="r",
        mlchaos="0",
        target="t",
        day_seconds=1.0,
        started_at="2026-01-01T00:00:00+00:00",
        planned=keys,
    )
    info.save(tmp_path)
    junit = tmp_path / "results" / "junit.xml"
    told: list[tuple[int, int]] = []
    campaign: Any = Namespace(
        wanted=Wanted(("late-partition",), "fake", junit=junit),
        folder=tmp_path,
        clock=Moments(),
        watcher=Namespace(progress=lambda done, total, _left: told.append((len(done), total))),
    )
    progress = Progress(campaign, 3)
    ended = [story.score() for story in trials[:2]]
    progress.done(ended[:1])
    progress.done(ended)
    assert told == [(1, 3), (2, 3)]
    written = Results.model_validate_json((tmp_path / "results.json").read_text())
    assert [trial.verdict for trial in written.trials] == [Verdict.PASSED, Verdict.PASSED]
    assert written.verdict is Verdict.VOID
    assert written.unfinished == keys[2:]
    assert "the run has not got to its end" in junit.read_text()
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "junit.xml",
        "results.json",
        "run.json",
    ]


def test_a_run_with_an_interrupted_trial_has_not_passed(tmp_path: Path) -> None:
    keys = [Unfinished(scenario="late-partition", seed=seed) for seed in (1, 2)]
    RunInfo(run="r", mlchaos="0", target="t", day_seconds=1.0, started_at="x", planned=keys).save(tmp_path)
    whole, cut = Story(Told(seed=1)).score(), Story(Told(seed=2)).cut(Arm.DEFENDED, 6.0).score()
    assert compose(tmp_path, [whole, cut]).verdict is Verdict.VOID
    assert compose(tmp_path, [whole, Story(Told(seed=2)).score()]).verdict is Verdict.PASSED
    assert compose(tmp_path, [Story(without(Told(seed=1), "hold")).score(), cut]).verdict is Verdict.FAILED


def test_an_undo_that_failed_in_a_try_that_was_set_aside_is_not_forgotten(tmp_path: Path) -> None:
    failed = Undone(8.0, "hole_x-1", "failed", "nobody answers")
    story = Story().add(Arm.DEFENDED, failed)
    folder = story.write(tmp_path)
    (folder / "trial.json").write_text(story.plan.model_dump_json(by_alias=True))
    assert undo_failures(tmp_path) == ["hole_x-1"]
    set_aside(folder, 1)
    assert undo_failures(tmp_path) == ["hole_x-1"]


def test_a_try_that_is_being_set_aside_counts_no_more_at_no_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = Story()
    folder = story.write(tmp_path)
    (folder / "trial.json").write_text(story.plan.model_dump_json(by_alias=True))
    rename = Path.rename

    def killed(self: Path, target: Path) -> Path:
        if self == folder:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        set_aside(folder, 1)
    assert list(tmp_path.glob("*/trial.json")) == []
    assert len(list(folder.glob("journal-*.jsonl"))) == 4


@pytest.mark.parametrize("outcome", ["undone", "left"])
def test_an_undo_that_came_right_when_it_was_tried_again_has_not_failed(
    outcome: Literal["undone", "left"], tmp_path: Path
) -> None:
    first, again = Undone(8.0, "hole_x-1", "failed"), Undone(14.0, "hole_x-1", outcome)
    story = Story().add(Arm.DEFENDED, first, again)
    folder = story.write(tmp_path)
    (folder / "trial.json").write_text(story.plan.model_dump_json(by_alias=True))
    assert undo_failures(tmp_path) == []


@pytest.mark.parametrize("arms", [(Arm.DEFENDED,), (Arm.DEFENDED, Arm.CONTROL), ()])
def test_a_run_that_was_stopped_between_two_arms_has_not_passed(
    tmp_path: Path, arms: tuple[Arm, ...]
) -> None:
    """As its folder tells it: a quiet trial that needs its first arm only, of four that were planned."""
    keys = [Unfinished(scenario="quiet", seed=seed) for seed in (7, 8)]
    RunInfo(run="r", mlchaos="0", target="t", day_seconds=1.0, started_at="x", planned=keys).save(tmp_path)
    for seed in (7, 8):
        story = Story(replace(quiet(), seed=seed, scenario="quiet"))
        folder = story.write(tmp_path)
        (folder / "trial.json").write_text(story.plan.model_dump_json(by_alias=True))
    assert write_reports(tmp_path).verdict is Verdict.PASSED
    for arm in Arm:
        if arm not in arms:
            (folder / journal_name(arm)).unlink()
    results = write_reports(tmp_path)
    assert results.trials[-1].interrupted
    assert results.verdict is Verdict.VOID


@pytest.mark.parametrize(
    ("file", "says"), [("trial.json", "is no plan of a trial"), ("journal-control.jsonl", "is not an event")]
)
@pytest.mark.parametrize("known", [True, False])
def test_a_trial_that_cannot_be_read_any_more_leaves_the_others_and_a_void_run(
    tmp_path: Path, file: str, says: str, known: bool
) -> None:
    stories = [Story(Told(seed=seed)) for seed in (1, 2)]
    keys = [Unfinished(scenario=story.plan.scenario.scenario, seed=story.plan.seed) for story in stories]
    planned = keys if known else []
    RunInfo(run="r", mlchaos="0", target="t", day_seconds=1.0, started_at="x", planned=planned).save(tmp_path)
    folders = [story.write(tmp_path) for story in stories]
    for story, folder in zip(stories, folders, strict=True):
        (folder / "trial.json").write_text(story.plan.model_dump_json(by_alias=True))
    assert write_reports(tmp_path).verdict is Verdict.PASSED
    text = (folders[0] / file).read_text()
    (folders[0] / file).write_text(text[:40] + "\n" + text[60:])
    results = write_reports(tmp_path)
    assert results.verdict is Verdict.VOID
    assert [trial.seed for trial in results.trials] == [2]
    assert any(says in str(problem) and file in str(problem) for problem in journal_problems(tmp_path))


def written(tmp_path: Path) -> tuple[Path, Story]:
    """A run of one trial that passes, as its folder tells it."""
    RunInfo(run="r", mlchaos="0", target="t", day_seconds=1.0, started_at="x").save(tmp_path)
    story = Story()
    folder = story.write(tmp_path)
    (folder / "trial.json").write_text(story.plan.model_dump_json(by_alias=True))
    assert write_reports(tmp_path).verdict is Verdict.PASSED
    return folder, story


def test_a_journal_that_does_not_hold_to_what_journals_do_is_no_pass(tmp_path: Path) -> None:
    folder, _ = written(tmp_path)
    journal = folder / journal_name(Arm.DEFENDED)
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(line for line in lines if '"event":"undone"' not in line))
    results = write_reports(tmp_path)
    assert (results.verdict, results.trials[0].verdict) == (Verdict.VOID, Verdict.VOID)
    assert any(one.about == "journal" and "never undone" in one.says for one in results.trials[0].reasons)
    assert '<error message="void: journal' in junit(results)


def test_a_journal_that_lost_a_line_is_no_pass(tmp_path: Path) -> None:
    """Such as an alarm that was a false one: no other rule of a journal misses it."""
    folder, _ = written(tmp_path)
    journal = folder / journal_name(Arm.CONTROL)
    lines = journal.read_bytes().splitlines(keepends=True)
    lost = next(at for at, line in enumerate(lines) if b'"event":"views"' in line)
    journal.write_bytes(b"".join(lines[:lost] + lines[lost + 1 :]))
    results = write_reports(tmp_path)
    assert (results.verdict, score_folder(folder).verdict) == (Verdict.VOID, Verdict.VOID)
    (reason,) = [one for one in results.trials[0].reasons if one.about == "journal"]
    assert "journal-control.jsonl" in reason.says
    assert "taken out" in reason.says


def test_a_report_has_the_trials_in_the_order_in_which_they_were_planned(tmp_path: Path) -> None:
    stories = [Story(replace(quiet(), seed=seed, scenario=name)) for name in ("b", "a") for seed in (2, 10)]
    planned = [Unfinished(scenario=story.told.scenario, seed=story.told.seed) for story in stories]
    RunInfo(run="r", mlchaos="0", target="t", day_seconds=1.0, started_at="x", planned=planned).save(tmp_path)
    for story in stories:
        folder = story.write(tmp_path)
        (folder / "trial.json").write_text(story.plan.model_dump_json(by_alias=True))
    told = [(trial.scenario, trial.seed) for trial in write_reports(tmp_path).trials]
    assert told == [("b", 2), ("b", 10), ("a", 2), ("a", 10)]


def test_a_run_says_of_such_a_journal_what_its_report_says_later(tmp_path: Path) -> None:
    folder, _ = written(tmp_path)
    assert score_folder(folder).verdict is Verdict.PASSED
    with JournalWriter.reopen(folder / journal_name(Arm.DEFENDED)) as journal:
        journal.write(Action(-201.0, "theirs", "people", "look"))
    for trial in (score_folder(folder), *write_reports(tmp_path).trials):
        assert trial.verdict is Verdict.VOID
        assert any(one.about == "journal" and "is not a day" in one.says for one in trial.reasons)


def test_a_run_of_a_version_that_knew_less_of_plans_can_be_scored_anew(tmp_path: Path) -> None:
    folder, _ = written(tmp_path)
    for arm in Arm:
        journal = folder / journal_name(arm)
        first, rest = journal.read_bytes().split(b"\n", 1)
        header = msgspec.json.decode(first)
        del header["plan"]["data_links"], header["sealed"]
        header["plan_hash"] = fingerprint_of(msgspec.json.encode(header["plan"]))
        journal.write_bytes(msgspec.json.encode(header) + b"\n" + rest)
    assert journal_problems(tmp_path) == []
    assert write_reports(tmp_path).verdict is Verdict.PASSED


@pytest.mark.parametrize("other", ["arm", "trial"])
def test_a_journal_of_another_arm_or_trial_is_none_of_this_one(tmp_path: Path, other: str) -> None:
    folder, _ = written(tmp_path)
    source = folder if other == "arm" else Story(Told(seed=8)).write(tmp_path / "other")
    name = journal_name(Arm.BARE if other == "arm" else Arm.CONTROL)
    (folder / journal_name(Arm.CONTROL)).write_bytes((source / name).read_bytes())
    assert write_reports(tmp_path).verdict is Verdict.VOID
    with pytest.raises(InvalidInput, match="not that of the control arm in"):
        score_folder(folder)
    (named,) = journal_problems(tmp_path)
    assert "not that of the control arm in" in str(named)


def test_a_copy_of_a_trial_in_its_run_does_not_count_twice(tmp_path: Path) -> None:
    folder, _ = written(tmp_path)
    shutil.copytree(folder, tmp_path / f"{folder.name}-copy")
    results = write_reports(tmp_path)
    assert (results.verdict, len(results.trials)) == (Verdict.VOID, 1)
    assert '<error message="void: not every trial could be read"' in junit(results)
    (named,) = journal_problems(tmp_path)
    assert str(named).endswith(f"-copy/trial.json:1: is the plan of {folder.name}, which has another folder")


def test_two_runs_that_begin_at_once_do_not_share_a_folder(tmp_path: Path) -> None:
    first = RunInfo(run="first", mlchaos="0", target="t", day_seconds=1.0, started_at="x")
    first.save(tmp_path)
    with pytest.raises(UsageError, match="another run has begun here"):
        first.model_copy(update={"run": "second"}).save(tmp_path)
    assert read_run(tmp_path) == first


def test_the_folder_of_an_ablation_says_which_runs_it_holds(tmp_path: Path) -> None:
    for part in ("without-1", "complete"):
        (tmp_path / part).mkdir()
        RunInfo(run=part, mlchaos="0", target="t", day_seconds=1.0, started_at="x").save(tmp_path / part)
    with pytest.raises(
        UsageError, match=r"it has no run\.json; it holds runs of their own: complete, without-1$"
    ):
        read_run(tmp_path)


def test_an_arm_that_failed_is_the_end_of_its_trial_and_no_interruption(tmp_path: Path) -> None:
    story = Story(Told(arms=(Arm.DEFENDED, Arm.CONTROL)))
    story.add(Arm.DEFENDED, Phase(6.0, "void", "nobody answers"))
    folder = story.write(tmp_path)
    (folder / journal_name(Arm.CONTROL)).unlink()
    (folder / "trial.json").write_text(story.plan.model_dump_json(by_alias=True))
    assert not score_folder(folder).interrupted


def test_a_trial_says_how_often_it_was_run(tmp_path: Path) -> None:
    for tries in (1, 2, 3):
        story = Story()
        folder = story.write(tmp_path)
        (folder / "trial.json").write_text(story.plan.model_dump_json(by_alias=True))
        assert score_folder(folder).tries == tries
        set_aside(folder, tries)


def test_results_are_put_in_the_place_of_what_a_link_leads_to(tmp_path: Path) -> None:
    real, link = tmp_path / "real.xml", tmp_path / "latest.xml"
    link.symlink_to(real)
    for text in ("one", "two"):
        write_whole(link, text)
        assert (real.read_text(), link.is_symlink()) == (text, True)
    write_whole(Path("/dev/null"), "three")
    assert not Path("/dev/null").is_file()


def test_a_pipe_gets_one_document(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    write_whole(Path(f"/dev/fd/{writer}"), "whole")
    os.close(writer)
    with os.fdopen(reader) as pipe:
        assert pipe.read() == "whole"
    info = RunInfo(run="r", mlchaos="0", target="t", day_seconds=1.0, started_at="x")
    info.save(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    write_so_far(tmp_path, [], tmp_path / "fifo")  # nobody reads it: it would wait for ever
    assert (tmp_path / "results.json").is_file()

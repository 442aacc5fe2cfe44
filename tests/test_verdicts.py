"""Whole runs in virtual time, from the command line to the verdict: the real stack, all layers, one seed."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest

from chaos.domain.event import Alert, Partition, Planned, Signal, Undone, Version, Views
from chaos.domain.plan import PlannedHole
from chaos.domain.scenario import Arm, Harm
from chaos.domain.verdict import LayerResult, Results, TrialResult
from chaos.journal import read
from chaos.scoring.arms import ArmView, view_of
from chaos.scoring.harm import defective_views, defects_of
from tests.command import LATE, REPOSITORY, SCENARIOS, Command, Outcome, begin, complete, in_process

VIRTUAL = ("--target", "reference-virtual", "--seed", "1")
ARMS = ("defended", "control", "undefended", "bare")
HOLE_FAULTS = ("inside", "outside")


@pytest.fixture
def mlchaos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(tmp_path)
    return in_process(monkeypatch, capsys)


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome, Path]:
    """`late-partition` run in two processes that share nothing, not even the seed of their hashes."""
    folder = tmp_path_factory.mktemp("twice")
    outcomes = []
    for name, seed, jobs in (("one", "1", 2), ("other", "2", 1)):
        arguments = ("run", "late-partition", *VIRTUAL, "--no-cache", "--out", name, "--jobs", jobs)
        outcomes.append(complete(begin(*arguments, folder=folder, environment={"PYTHONHASHSEED": seed})))
    assert [outcome.code for outcome in outcomes] == [0, 0], outcomes
    return folder / "one", outcomes[0], folder / "other"


def trial_of(outcome: Outcome) -> TrialResult:
    (trial,) = Results.model_validate_json(outcome.out).trials
    return trial


def saying(trial: TrialResult, about: str) -> tuple[str, str]:
    (reason,) = [reason for reason in trial.reasons if reason.about == about]
    return reason.verdict, reason.says


def layer(trial: TrialResult, name: str) -> LayerResult:
    return next(result for result in trial.layers if result.layer == name)


def test_late_partition_passes_and_says_why(twice: tuple[Path, Outcome, Path]) -> None:
    folder, outcome, _ = twice
    results = json.loads((folder / "results.json").read_text())
    (trial,) = results["trials"]
    assert results["verdict"] == trial["verdict"] == "passed"
    assert {reason["verdict"] for reason in trial["reasons"]} == {"passed"}
    (fault,) = trial["faults"]
    assert fault["effective_day"] == pytest.approx(4.2, abs=0.1)
    assert fault["detection"]["layer"] in ("volume", "freshness")
    assert fault["containment"]["ratio"] >= 0.9
    assert "hold" in fault["containment"]["by"]
    assert trial["harm"]["undefended"]["defective_views"] > 100
    assert trial["harm"]["defended"]["defective_views"] == 0
    for words in ("PASSED", "first detection  volume", "containment", "recovery", "report ", "journal "):
        assert words in outcome.out
    assert (folder / "report.html").is_file()


def test_equal_runs_have_equal_journals_byte_for_byte(twice: tuple[Path, Outcome, Path]) -> None:
    one, _, other = twice
    for arm in ARMS:
        name = f"late-partition-1/journal-{arm}.jsonl"
        assert (one / name).read_bytes() == (other / name).read_bytes(), arm


def test_report_scores_again_and_finds_the_same(twice: tuple[Path, Outcome, Path], mlchaos: Command) -> None:
    folder, outcome, _ = twice
    before = (folder / "results.json").read_bytes()
    page = (folder / "report.html").read_bytes()
    (folder / "results.json").unlink()
    (folder / "report.html").unlink()
    again = mlchaos("report", folder)
    assert again.code == 0
    assert (folder / "results.json").read_bytes() == before
    assert (folder / "report.html").read_bytes() == page
    answer = again.out.partition("\nreport ")[0]
    assert answer.strip()
    assert answer in outcome.out


def test_without_both_data_gates_it_fails_and_says_who_was_missing(
    twice: tuple[Path, Outcome, Path], mlchaos: Command
) -> None:
    holes = ("--hole", "freshness", "--hole", "volume")
    outcome = mlchaos("run", "late-partition", *VIRTUAL, *holes, "--out", "run", "--json")
    assert outcome.code == 1
    trial = trial_of(outcome)
    assert trial.verdict == "failed"
    assert trial.not_armed == ["freshness", "volume"]
    verdict, says = saying(trial, "detected")
    assert verdict == "failed"
    assert "not armed: volume, freshness" in says
    assert "nobody else saw it either" in says
    assert "not armed: freshness, volume" in saying(trial, "contained")[1]
    assert trial.faults[0].detection is None
    assert layer(trial, "freshness").outcome == layer(trial, "volume").outcome == "not armed"
    # A version passes its canary before it answers everybody, so a few views differ.
    defended, undefended = (trial.harm[Arm(arm)][Harm.DEFECTIVE_VIEWS] for arm in ("defended", "undefended"))
    assert defended == pytest.approx(undefended, rel=0.02)
    screen = mlchaos("report", "run")
    assert screen.code == 0
    assert "FAILED" in screen.out
    assert "not armed        freshness, volume" in screen.out
    compared = mlchaos("compare", twice[0], "run")
    assert (compared.code, compared.err) == (0, "")
    assert "worse    late-partition             passed 1 → 0, failed 0 → 1 of 1" in compared.out
    assert (
        "layer    volume                     enforce → off; not armed 0 → 1; detected 1 → 0" in compared.out
    )
    data = json.loads(mlchaos("compare", twice[0], "run", "--json").out)
    assert [(one["scenario"], one["turn"]) for one in data["scenarios"]] == [("late-partition", "worse")]


def test_results_of_another_version_are_no_crash(
    twice: tuple[Path, Outcome, Path], mlchaos: Command, tmp_path: Path
) -> None:
    other = json.loads((twice[0] / "results.json").read_text())
    for name, change in (("later", {**other, "schema": 99}), ("strange", [])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(json.dumps(change))
        outcome = mlchaos("compare", twice[0], name)
        assert (outcome.code, outcome.out) == (3, "")
        assert f"`mlchaos report {name}` scores the run again" in outcome.err


def test_without_one_of_them_the_other_sees_it(mlchaos: Command) -> None:
    outcome = mlchaos("run", "late-partition", *VIRTUAL, "--hole", "volume", "--out", "run", "--json")
    trial = trial_of(outcome)
    assert saying(trial, "detected")[0] == "passed"
    assert trial.faults[0].detection is not None
    assert trial.faults[0].detection.layer == "freshness"
    assert layer(trial, "volume").outcome == "not armed"


def test_without_hold_it_is_detected_and_not_contained(mlchaos: Command) -> None:
    outcome = mlchaos("run", "late-partition", *VIRTUAL, "--hole", "hold", "--out", "run", "--json")
    assert outcome.code == 1
    trial = trial_of(outcome)
    assert saying(trial, "detected")[0] == "passed"
    verdict, says = saying(trial, "contained")
    assert verdict == "failed"
    assert "not armed: hold" in says
    assert trial.faults[0].containment is not None
    assert trial.faults[0].containment.ratio < 0.5
    assert layer(trial, "hold").outcome == "not armed"


def test_layers_that_observe_say_who_would_have_acted_and_when(mlchaos: Command) -> None:
    outcome = mlchaos(
        "run", "late-partition", *VIRTUAL, "--set", "layer.*.mode=observe", "--out", "run", "--json"
    )
    assert outcome.code == 1
    trial = trial_of(outcome)
    assert {result.mode for result in trial.layers} == {"observe"}
    assert {result.first_acted_day for result in trial.layers} == {None}
    would = {result.layer: result.would_have_acted_day for result in trial.layers}
    assert would["volume"] == pytest.approx(4.25, abs=0.05)
    assert would["freshness"] == pytest.approx(5.15, abs=0.1)
    says = saying(trial, "contained")[1]
    assert f"would have acted: volume on day {would['volume']:.2f}" in says
    assert trial.alerts == []
    assert f"would have acted on day {would['freshness']:.2f}" in mlchaos("report", "run").out


def test_slow_features_passes(mlchaos: Command) -> None:
    outcome = mlchaos("run", "slow-features", *VIRTUAL, "--out", "run", "--json")
    assert outcome.code == 0
    trial = trial_of(outcome)
    assert trial.faults[0].detection is not None
    assert trial.faults[0].detection.layer == "fallback"
    harm = {arm: kinds["slow_views"] for arm, kinds in trial.harm.by_arm.items()}  # type: ignore[index]
    assert (harm["undefended"] or 0) > 100 * ((harm["defended"] or 0) + 1)  # type: ignore[index]


def test_a_fault_that_cannot_bite_is_void(mlchaos: Command, tmp_path: Path) -> None:
    """Held for a day from day 3.1, the partition is there again on day 4.1, before it is due on day 4.15."""
    text = LATE.read_text().replace("days: 14d", "days: 7d").replace("held_days: 5d", "held_days: 1d")
    (tmp_path / "toothless.yaml").write_text(text.replace("at: 3.5d", "at: 3.1d"))
    outcome = mlchaos("run", "toothless.yaml", *VIRTUAL, "--out", "run", "--json")
    assert outcome.code == 2
    trial = trial_of(outcome)
    assert trial.verdict == "void"
    verdict, says = saying(trial, "effect")
    assert verdict == "void"
    assert "late_partition" in says
    assert "undefended" in says
    assert trial.faults[0].effective_day is None
    assert "VOID" in mlchaos("report", "run").out


def test_a_fault_that_does_no_harm_proves_nothing(mlchaos: Command, tmp_path: Path) -> None:
    """Two milliseconds are seen by the fault's own probe, and by no shopper."""
    slow = (LATE.parent.parent / "features" / "slow-features.yaml").read_text()
    (tmp_path / "gentle.yaml").write_text(slow.replace("delay_ms: 225ms", "delay_ms: 2ms"))
    outcome = mlchaos("run", "gentle.yaml", *VIRTUAL, "--out", "run", "--json")
    assert outcome.code == 2
    trial = trial_of(outcome)
    assert saying(trial, "effect")[0] == "passed"
    assert saying(trial, "contained")[0] == "void"


def test_a_fault_does_its_harm_while_the_hole_is_open_and_none_outside(mlchaos: Command) -> None:
    outcome = mlchaos("run", "hole-opens-and-closes", *VIRTUAL, "--out", "run", "--json")
    assert outcome.code == 0
    defended, undefended = (
        view_of(read(Path("run", "hole-opens-and-closes-1", f"journal-{arm}.jsonl")))
        for arm in ("defended", "undefended")
    )
    (hole,) = defended.plan.holes
    made = {
        change.id: change.day for change in defended.journal.of(Planned) if change.about not in HOLE_FAULTS
    }
    undone = {change.id: change.day for change in defended.journal.of(Undone) if change.id in made}
    assert (list(made.values()), list(undone.values())) == ([hole.from_day], [hole.until_day])
    assert undefended.plan.holes == []
    inside, outside = defective_days(defended, hole)
    assert len(inside) > 10
    assert outside == []
    # The same fault does the same where no layer stands in its way, whenever it comes.
    inside, outside = defective_days(undefended, hole)
    assert len(inside) > 10
    assert len(outside) > 10


def test_a_partition_that_is_late_within_its_requirement_is_waited_for(mlchaos: Command) -> None:
    outcome = mlchaos("run", "late-within-requirement", *VIRTUAL, "--out", "run", "--json")
    assert outcome.code == 0
    journal = read(Path("run", "late-within-requirement-1", "journal-defended.jsonl"))
    late = [one.day for one in journal.of(Partition) if one.state == "absent"]
    assert len(late) == 3, "it was due and not there"
    assert journal.of(Alert) == []
    made = {version.day // 1: version for version in journal.of(Version)}
    for day in late:
        assert made[day // 1].day > day, "made when it had come"
        assert min(ref.rows for ref in made[day // 1].partitions) > 0


@pytest.mark.parametrize(("held_days", "red_day"), [("1.1d", None), ("1.2d", 4.25)])
def test_beyond_the_requirement_it_is_missing(
    mlchaos: Command, tmp_path: Path, held_days: str, red_day: float | None
) -> None:
    """Held from day 3.1, the partition that is due on day 4.15 comes on day 4.2, or on day 4.3."""
    text = LATE.read_text().replace("days: 14d", "days: 6d").replace("at: 3.5d", "at: 3.1d")
    (tmp_path / "late.yaml").write_text(text.replace("held_days: 5d", f"held_days: {held_days}"))
    mlchaos("run", "late.yaml", *VIRTUAL, "--arms", "defended", "--out", "run", "--json")
    journal = read(Path("run", "late-partition-1", "journal-defended.jsonl"))
    said = [one.day for one in journal.of(Signal) if (one.layer, one.signal) == ("volume", "fired")]
    assert said == ([] if red_day is None else [pytest.approx(red_day, abs=0.01)])


TWO_AT_ONCE = """
scenario: two-at-once
kind: defended
teaches: a source that is unlike itself must not hide a change of unit that has nothing to do with it
source: tests
days: 8d
steady_state: [{probe: good_views, with: {over: 0.5d}, at_least: 0.97}]
faults:
  - fault: unit_change
    with: {link: events, column: dwell, factor: 10.0, where: shard, equals: 0}
    at: 3.5d
    for: 3d
  - fault: poisoned_source
    with: {link: events, where: source, equals: 1, values: [clicked=1, dwell=60], share: 0.7}
    at: 3.5d
    for: 3d
expect:
  detected: {by: [drift], within: 1d}
  contained: {of: defective_views, at_least: 0.9}
"""


def test_a_bad_source_does_not_hide_a_change_of_unit_on_the_same_day(
    mlchaos: Command, tmp_path: Path
) -> None:
    (tmp_path / "two.yaml").write_text(TWO_AT_ONCE)
    outcome = mlchaos("run", "two.yaml", *VIRTUAL, "--out", "run", "--json")
    assert outcome.code == 0
    journal = read(Path("run", "two-at-once-1", "journal-defended.jsonl"))
    said = [one.says for one in journal.of(Signal) if (one.layer, one.signal) == ("drift", "acted")]
    assert any("source 1" in says and "PSI of dwell" in says for says in said), said


PRICE_GATE = """
from typing import ClassVar

import msgspec

from reference_stack.layers.contract import GREEN, Decision, Hook, red
from reference_stack.layers.evidence import Delivery


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    most: float = 0.2


class UsualPrices:
    name: ClassVar[str] = "usual_prices"
    hook: ClassVar[Hook] = Hook.DELIVERY
    Parameters: ClassVar[type[msgspec.Struct]] = Parameters

    def __init__(self, parameters: Parameters) -> None:
        self._most = parameters.most

    def decide(self, evidence: Delivery) -> Decision:
        shift = evidence.shifts.get("price", 0.0)
        return red(f"PSI of price {shift:.2f}") if shift > self._most else GREEN
"""
PRICE_TARGET = """
target: strict
extends: reference-virtual
driver: {stack: {layers: {usual_prices: {use: "strict_gates:UsualPrices"}}}}
layers:
  usual_prices:
    asked_by: [features]
    stages: [detect]
    says: prices as on other days
    parameters:
      most: {type: number, default: 0.2, at_least: 0}
"""


def test_a_quiet_scenario_fails_on_a_gate_that_is_too_strict(
    mlchaos: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The textbook's limit on a column that the recommender moves, in a package that is not the stack's."""
    (tmp_path / "strict_gates.py").write_text(PRICE_GATE)
    (tmp_path / "strict.yaml").write_text(PRICE_TARGET)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", f"{REPOSITORY}{os.pathsep}{tmp_path}")
    arms = ("--arms", "defended,control")
    options = ("--target", "strict.yaml", "--seed", "1", *arms, "--out", "run", "--json")
    outcome = mlchaos("run", "price-change", *options)
    assert outcome.code == 1
    trial = trial_of(outcome)
    verdict, says = saying(trial, "false alarms")
    assert verdict == "failed"
    assert "usual_prices" in says
    blocked = trial.harm.by_arm[Arm.DEFENDED][Harm.FALSE_BLOCK_DAYS]
    assert blocked is not None
    assert blocked >= 1
    assert mlchaos("run", "price-change", *VIRTUAL, *arms, "--out", "calm").code == 0


def test_a_retry_storm_outlasts_its_trigger_where_nothing_breaks_the_circle(mlchaos: Command) -> None:
    """Metastable: the trigger is gone on day 3.5, the clients stay eager until day 9.

    With the budget for retries what has piled up is worked off in the course of day 4.
    """
    outcome = mlchaos("run", "retry-storm", *VIRTUAL, "--out", "run", "--json")
    assert outcome.code == 0
    failed = {arm: errors_by_day("retry-storm", arm, 5, 9) for arm in ("defended", "undefended", "control")}
    assert min(failed["undefended"]) > 100, failed
    assert max(failed["defended"]) < 20, failed
    assert max(failed["control"]) < 20, failed


def errors_by_day(scenario: str, arm: str, first: int, end: int) -> list[int]:
    """Views without an answer on each day from `first` to before `end`."""
    journal = read(Path("run", f"{scenario}-1", f"journal-{arm}.jsonl"))
    found = dict.fromkeys(range(first, end), 0)
    for views in journal.of(Views):
        day = math.floor((views.start_day + views.end_day) / 2)
        if day in found:
            found[day] += sum(row.errors for row in views.rows)
    return list(found.values())


def test_a_page_that_a_raised_threshold_keeps_back_is_sent_without_it(
    mlchaos: Command, tmp_path: Path
) -> None:
    text = (SCENARIOS / "people" / "threshold-raised.yaml").read_text()
    before, latent, rest = text.partition("latent:\n")
    assert latent
    (tmp_path / "as-it-was.yaml").write_text(before + rest[rest.index("faults:") :])
    outcome = mlchaos("run", "as-it-was.yaml", *VIRTUAL, "--out", "run", "--json")
    assert outcome.code == 1
    trial = trial_of(outcome)
    assert saying(trial, "missed by burn")[0] == "failed"
    assert layer(trial, "burn").outcome == "detected"


def defective_days(view: ArmView, hole: PlannedHole) -> tuple[list[float], list[float]]:
    """When views were defective, within a hole's days and outside of them."""
    defects = defects_of(view)
    days = [
        (views.start_day + views.end_day) / 2
        for views in view.journal.of(Views)
        if any(defective_views(views, row, defects) for row in views.rows)
    ]
    closed = math.inf if hole.until_day is None else hole.until_day
    inside = [day for day in days if hole.from_day <= day <= closed]
    return inside, [day for day in days if day not in inside]

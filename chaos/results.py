"""From a run's folder to its results and reports: scores from the journals, nothing re-run."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from chaos.domain.plan import TrialPlan
from chaos.domain.scenario import Arm, Strict
from chaos.domain.verdict import (
    RESULTS_SCHEMA,
    NotRun,
    Reason,
    Results,
    TrialResult,
    Unfinished,
    Verdict,
    combine,
    scenario_verdict,
)
from chaos.domain.wrong import first_of
from chaos.errors import InvalidInput, Problem, UsageError
from chaos.journal import Journal, breaches, read, read_folder, verify
from chaos.reports.charts import rehearse
from chaos.reports.html import write_html
from chaos.reports.incident import Record, incident, record_of
from chaos.reports.json_report import write_json
from chaos.runner.trials import TRIAL, read_trial, trial_folder
from chaos.scoring.picture import picture_of
from chaos.scoring.trial import score_trial
from chaos.whole import write_whole

RUN = "run.json"
RESULTS = "results.json"
VOID_TRY = ".void-"
SET_ASIDE = "void-trial.json"
"""The plan of a void try in whose place the trial was run again."""
INCIDENT = "incident.md"


class RunInfo(Strict):
    """What a run's folder says of the run as a whole."""

    run: str
    mlchaos: str
    target: str
    day_seconds: float
    started_at: str
    not_run: list[NotRun] = []
    options: list[str] = []
    planned: list[Unfinished] = []
    files: dict[str, str] = {}

    def save(self, folder: Path) -> None:
        """Write it into the run's folder. Raises UsageError where another run has just begun there."""
        try:
            with (folder / RUN).open("x", encoding="utf-8") as file:
                file.write(self.model_dump_json(indent=1))
        except FileExistsError as error:
            raise UsageError(f"{folder}: another run has begun here") from error


def read_run(folder: Path) -> RunInfo:
    """What the run's folder says. Raises UsageError for a folder that is no run."""
    path = folder / RUN
    if not path.is_file():
        parts = sorted(run.parent.name for run in folder.glob(f"*/{RUN}"))
        holds = f"; it holds runs of their own: {', '.join(parts)}" if parts else ""
        raise UsageError(f"{folder} is not the folder of a run: it has no {RUN}{holds}")
    try:
        return RunInfo.model_validate_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        says = first_of(error) if isinstance(error, ValidationError) else str(error)
        raise UsageError(f"{path}: is not what a run says of itself: {says}") from error


def score_folder(folder: Path) -> TrialResult:
    """The result of a trial from the journals in its folder; void tries lie in folders beside it.

    One with a journal that does not hold to what journals do has not passed. Raises InvalidInput for what
    cannot be read, for journals of another trial or arm, and for a copy of a trial.
    """
    return _trusted(*_score(folder))


def _read(folder: Path) -> tuple[TrialPlan, dict[Arm, Journal]]:
    """The plan and the journals of a trial in its own folder. Raises InvalidInput."""
    plan, journals = read_trial(folder), read_folder(folder)
    planned = {arm.arm: arm for arm in plan.arms}
    strange = [
        Problem(str(journal.path), 1, "plan", f"is not that of the {arm.value} arm in {TRIAL}")
        for arm, journal in journals.items()
        if journal.plan != planned.get(arm)
    ]
    if (own := trial_folder(folder.parent, plan).name) != folder.name:  # a copy would count twice
        strange.append(Problem(str(folder / TRIAL), 1, "", f"is the plan of {own}, which has another folder"))
    if strange:
        raise InvalidInput(strange)
    return plan, journals


def _score(folder: Path) -> tuple[TrialResult, list[Problem]]:
    """The result of a trial, and what its journals should hold to and do not. Raises InvalidInput."""
    tries = 1 + sum(1 for _ in folder.parent.glob(f"{folder.name}{VOID_TRY}*"))
    plan, journals = _read(folder)
    result = score_trial(plan, journals).model_copy(update={"tries": tries})
    return result, [problem for journal in journals.values() for problem in breaches(journal)]


def compose(folder: Path, trials: list[TrialResult], *, damaged: bool = False) -> Results:
    """The results of a run from its trials' results; `damaged` where others cannot be read any more.

    Raises UsageError for a folder that is no run.
    """
    info = read_run(folder)
    order = {(one.scenario, one.seed): nth for nth, one in enumerate(info.planned)}
    trials = sorted(trials, key=lambda trial: order.get((trial.scenario, trial.seed), len(order)))
    by_scenario: dict[str, list[TrialResult]] = {}
    for trial in trials:
        by_scenario.setdefault(trial.scenario, []).append(trial)
    ended = {(trial.scenario, trial.seed) for trial in trials}
    unfinished = [one for one in info.planned if (one.scenario, one.seed) not in ended]
    verdicts = [scenario_verdict(group) for group in by_scenario.values()]
    if damaged or unfinished or any(trial.interrupted for trial in trials):
        verdicts.append(Verdict.VOID)  # what there is would speak for all
    verdict = combine(verdicts)
    return Results(
        schema=RESULTS_SCHEMA,
        run=info.run,
        mlchaos=info.mlchaos,
        target=info.target,
        day_seconds=info.day_seconds,
        started_at=info.started_at,
        verdict=verdict,
        trials=trials,
        not_run=info.not_run,
        options=info.options,
        unfinished=unfinished,
        files=info.files,
    )


@dataclass(frozen=True)
class Scored:
    """The results of a run's trials, and what is wrong with those that cannot be read any more."""

    trials: list[TrialResult]
    damaged: list[Problem]


def score_run(folder: Path) -> Scored:
    """The results of all trials of a run from the journals in its folder."""
    scored = Scored([], [])
    for path in sorted(folder.glob(f"*/{TRIAL}")):
        try:
            scored.trials.append(score_folder(path.parent))
        except InvalidInput as error:
            scored.damaged.extend(error.problems)
    return scored


def _trusted(trial: TrialResult, problems: Sequence[Problem]) -> TrialResult:
    """A trial's result; one with a journal that does not hold to what journals do has not passed."""
    if not problems or trial.verdict is Verdict.VOID:
        return trial
    reasons = [Reason(about="journal", verdict=Verdict.VOID, says=str(problem)) for problem in problems]
    verdict = combine([trial.verdict, Verdict.VOID])
    return trial.model_copy(update={"verdict": verdict, "reasons": [*reasons, *trial.reasons]})


def write_reports(folder: Path, trials: list[TrialResult] | None = None) -> Results:
    """Write results.json and report.html into a run's folder; scored from the journals, if not given.

    A trial that cannot be read leaves a void run, and `journal_problems` says what is wrong with it.
    """
    scored = score_run(folder) if trials is None else Scored(trials, [])
    results = compose(folder, scored.trials, damaged=bool(scored.damaged))
    write_json(results, folder / RESULTS)
    records = _write_incidents(results, folder)
    write_html(results, folder, folder / "report.html", picture_of, records)
    return results


def read_results(folder: Path) -> Results:
    """What a run's folder holds as its results. Raises UsageError where it has none that can be read."""
    path = folder / RESULTS
    if not path.is_file():
        raise UsageError(f"{folder} has no {RESULTS}: it is not the folder of a run")
    try:
        return Results.model_validate_json(path.read_bytes())
    except ValidationError as error:
        says = f"{path}: is not what this version writes: {first_of(error)}"
        raise UsageError(f"{says}; `mlchaos report {folder}` scores the run again") from error


def rehearse_reports() -> None:
    """Begin, beside other work, with what drawing a report takes: a second, most of it imports."""
    threading.Thread(target=rehearse, daemon=True, name="charts").start()


def _write_incidents(results: Results, folder: Path) -> dict[tuple[str, int], Record]:
    """A record beside the journals of each trial in which something was broken; by scenario and seed."""
    records: dict[tuple[str, int], Record] = {}
    for trial in results.trials:
        journal = next((arm.journal for arm in trial.arms if arm.arm is Arm.DEFENDED), None)
        if not trial.faults or journal is None or not (folder / journal).is_file():
            continue
        place = (folder / journal).parent
        record = record_of(trial, read_trial(place).scenario.latent, read(folder / journal))
        file = place / INCIDENT
        before = file.read_text(encoding="utf-8") if file.is_file() else ""
        write_whole(file, incident(record, before))
        records[trial.scenario, trial.seed] = record
    return records


def journal_problems(folder: Path) -> list[Problem]:
    """What the trials of a run should hold to and do not, such as a plan that is not the one hashed."""
    problems: list[Problem] = []
    for trial in sorted(folder.glob(f"*/{TRIAL}")):
        try:
            _read(trial.parent)
        except InvalidInput as error:
            problems += error.problems
        problems += [problem for path in sorted(trial.parent.glob("*.jsonl")) for problem in verify(path)]
    return list(dict.fromkeys(problems))


def undo_failures(folder: Path) -> list[str]:
    """The ids of undos that failed and were not made good later, from the journals of all tries."""
    from chaos.domain.event import Undone

    failed: list[str] = []
    for path in sorted([*folder.glob(f"*/{TRIAL}"), *folder.glob(f"*/{SET_ASIDE}")]):
        for journal in read_folder(path.parent).values():
            told = journal.of(Undone)
            good = {undone.id for undone in told if undone.outcome != "failed"}
            failed += dict.fromkeys(
                undone.id for undone in told if undone.outcome == "failed" and undone.id not in good
            )
    return failed

"""Every defended scenario again without the layers that decide it: it must fail, else it proves nothing."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from chaos.app import Planned, Wanted, check_can_start, new_run_folder, plan_run, runs_of, version
from chaos.campaign import Watcher
from chaos.catalogue import Catalogue
from chaos.clock import WallClock
from chaos.domain.ablation import Ablation, AblationRow, row_of
from chaos.domain.files import Files
from chaos.domain.layer import Mode
from chaos.domain.plan import TrialPlan
from chaos.domain.scenario import Hole, Kind, Scenario
from chaos.domain.verdict import NotRun, TrialResult
from chaos.errors import UsageError
from chaos.execution import execute, telling_failed_undos
from chaos.reports.ablation import write_ablation
from chaos.runner.overrides import Overrides
from chaos.worker import code_of

COMPLETE = "complete"
SHARED = "arms"


def plan_ablation(wanted: Wanted, files: Files, catalogue: Catalogue) -> tuple[list[Planned], list[str]]:
    """What is to be run: first all layers there, then each scenario's first set of decisive layers off, …

    With it, the defended scenarios that name none. Raises InvalidInput or UsageError.
    """
    chosen = [files.scenario(name)[0] for name in wanted.scenarios]
    defended = [scenario for scenario in chosen if scenario.kind is Kind.DEFENDED]
    decided = [scenario for scenario in defended if scenario.decisive]
    if not decided:
        raise UsageError("none of these scenarios is defended and names its decisive layers")
    names = dict(zip((one.scenario for one in chosen), wanted.scenarios, strict=True))
    complete = plan_run(
        replace(wanted, scenarios=tuple(names[one.scenario] for one in decided)), files, catalogue
    )
    lacking = {missing.scenario for missing in complete.not_run}
    able = [scenario for scenario in decided if scenario.scenario not in lacking]
    rounds = [complete]
    for nth in range(max((len(scenario.decisive) for scenario in able), default=0)):
        trials: list[TrialPlan] = []
        for scenario in able:
            if nth < len(scenario.decisive):
                holes = tuple(Hole(layer=layer, mode=Mode.OFF) for layer in scenario.decisive[nth])
                asked = replace(
                    wanted, scenarios=(names[scenario.scenario],), overrides=Overrides(holes=holes)
                )
                trials += plan_run(asked, files, catalogue).trials
        rounds.append(Planned(complete.spec, trials, []))
    return rounds, [scenario.scenario for scenario in defended if not scenario.decisive]


def ablate(wanted: Wanted, files: Files, catalogue: Catalogue, watcher: Watcher) -> tuple[Ablation, Path]:
    """Run it and write the table. Arms without layers are run once for all rounds. Raises ChaosError."""
    rounds, undecided = plan_ablation(wanted, files, catalogue)
    check_can_start(wanted, rounds[0])
    _, folder = new_run_folder(wanted.out, WallClock())
    try:
        with telling_failed_undos(lambda: runs_of(folder)):
            found = _run(rounds, replace(wanted, shared=folder / SHARED), folder, catalogue, watcher)
    finally:
        shutil.rmtree(folder / SHARED, ignore_errors=True)
    ablation = Ablation(
        mlchaos=version(),
        target=rounds[0].spec.target,
        rows=_rows(_scenarios(rounds), found),
        undecided=undecided,
        not_run=[NotRun(scenario=one.scenario, needs=one.needs) for one in rounds[0].not_run],
    )
    write_ablation(ablation, folder)
    return ablation, folder


def _run(
    rounds: Sequence[Planned], wanted: Wanted, folder: Path, catalogue: Catalogue, watcher: Watcher
) -> list[list[TrialResult]]:
    code = code_of(wanted, rounds[0].spec, watcher.note)  # all rounds run what the first one has imported
    if code is None:
        wanted = replace(wanted, cache=None, shared=None)
    found: list[list[TrialResult]] = []
    for nth, planned in enumerate(rounds):
        watcher.note(_announce(nth, len(rounds), planned))
        asked = replace(wanted, out=folder / (COMPLETE if nth == 0 else f"without-{nth}"))
        results, _ = execute(asked, planned, catalogue, watcher, code)
        found.append(results.trials)
    return found


def _announce(nth: int, of: int, planned: Planned) -> str:
    what = "all layers there" if nth == 0 else f"the scenarios' decisive layers off, set {nth}"
    return f"{nth + 1}/{of}: {what}, {len(planned.trials)} trials"


def _scenarios(rounds: Sequence[Planned]) -> list[Scenario]:
    scenarios = {trial.scenario.scenario: trial.scenario for trial in rounds[0].trials}
    return list(scenarios.values())


def _rows(scenarios: Sequence[Scenario], found: Sequence[Sequence[TrialResult]]) -> list[AblationRow]:
    complete, *without = found
    return [
        row_of(
            scenario.scenario,
            layers,
            [trial for trial in without[nth] if trial.scenario == scenario.scenario],
            [trial for trial in complete if trial.scenario == scenario.scenario],
        )
        for scenario in scenarios
        for nth, layers in enumerate(scenario.decisive)
    ]

"""Commands that run scenarios: run, suite, ablation."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from chaos import app as application
from chaos.cli.options import (
    Allow,
    Arms,
    Blind,
    Holes,
    Jobs,
    Json,
    Junit,
    Keep,
    Kept,
    KeptIfGiven,
    NoCache,
    Out,
    Pace,
    RerunVoid,
    Seed,
    Seeds,
    Sets,
    Target,
    campaign,
    wanted,
)
from chaos.errors import Interrupted, UndoFailed, UsageError

if TYPE_CHECKING:
    from chaos.domain.verdict import Results
    from chaos.reports.screen import Screen

cli = typer.Typer()


@cli.command()
def run(
    scenarios: Annotated[list[str], typer.Argument(help="Scenarios, by name or file.")],
    target: Target = "reference-local",
    seed: Seed = None,
    seeds: Seeds = None,
    arms: Arms = None,
    hole: Holes = None,
    set_: Sets = None,
    day_seconds: Pace = None,
    out: Out = None,
    keep: KeptIfGiven = None,
    junit: Junit = None,
    json_: Json = False,
    allow: Allow = None,
    jobs: Jobs = None,
    rerun_void: RerunVoid = 0,
    no_cache: NoCache = False,
    into: Annotated[str | None, typer.Option("--into", help="Run it in a standing stack, by name.")] = None,
    pause_before: Annotated[
        str | None, typer.Option("--pause-before", help="Wait for Enter, with --into: inject,undo.")
    ] = None,
    blind: Blind = False,
) -> None:
    """Run scenarios against a target and give the verdict."""
    kept = keep or Keep.FAILED
    asked = wanted(scenarios, target, seed, seeds, arms, hole, set_, day_seconds, out, allow, kept)
    asked = replace(asked, junit=junit, blind=blind, **campaign(jobs, rerun_void, no_cache))
    if into is not None:
        if keep is not None:
            raise UsageError(f"--keep has no meaning with --into: {into} keeps its own data")
        _visit(asked, into, pause_before, json_)
    elif pause_before is not None:
        raise UsageError("--pause-before waits in a standing stack; name one with --into")
    else:
        _run(asked, json_)


@cli.command()
def suite(
    names: Annotated[
        list[str] | None, typer.Argument(help="Folders, tags or scenarios; all if none.")
    ] = None,
    target: Target = "reference-local",
    seed: Seed = None,
    seeds: Seeds = None,
    day_seconds: Pace = None,
    out: Out = None,
    keep: Kept = Keep.FAILED,
    junit: Junit = None,
    json_: Json = False,
    allow: Allow = None,
    jobs: Jobs = None,
    rerun_void: RerunVoid = 0,
    no_cache: NoCache = False,
) -> None:
    """Run every scenario, or those of a folder, a tag or a name, into one report."""
    chosen = application.choose(names or [], application.make_files())
    asked = wanted(chosen, target, seed, seeds, None, None, None, day_seconds, out, allow, keep)
    asked = replace(asked, junit=junit, list_not_run=True, by_name=tuple(names or []))
    _run(replace(asked, **campaign(jobs, rerun_void, no_cache)), json_)


@cli.command()
def ablation(
    names: Annotated[
        list[str] | None, typer.Argument(help="Folders, tags or scenarios; all scenarios if none.")
    ] = None,
    target: Target = "reference-virtual",
    seed: Seed = None,
    seeds: Seeds = None,
    out: Out = None,
    keep: Kept = Keep.NEVER,
    json_: Annotated[bool, typer.Option("--json", help="Print ablation.json and nothing else.")] = False,
    allow: Allow = None,
    jobs: Jobs = None,
    rerun_void: RerunVoid = 0,
    no_cache: NoCache = False,
) -> None:
    """Switch off the layers that decide each defended scenario: it must fail then."""
    from chaos.ablation import ablate
    from chaos.reports.ablation import plain
    from chaos.reports.json_report import dumps
    from chaos.reports.screen import Screen

    files, catalogue = application.make_files(), application.make_catalogue()
    chosen = application.choose(names or [], files)
    asked = wanted(chosen, target, seed, seeds, None, None, None, None, out, allow, keep)
    asked = replace(asked, list_not_run=True, by_name=tuple(names or []))
    asked = replace(asked, **campaign(jobs, rerun_void, no_cache))
    found, folder = ablate(asked, files, catalogue, Screen(quiet=json_, fault_names=True))
    if json_:
        sys.stdout.write(dumps(found))
    else:
        for line in plain(found):
            sys.stdout.write(line + "\n")
        sys.stdout.write(f"table  {folder / 'ablation.md'}\n")
    raise typer.Exit(application.ablation_exit_code(found, folder))


def _run(asked: application.Wanted, as_json: bool) -> NoReturn:
    from chaos.execution import execute
    from chaos.reports.screen import Screen

    files, catalogue = application.make_files(), application.make_catalogue()
    planned = application.plan_run(asked, files, catalogue)
    application.check_can_start(asked, planned)
    screen = Screen(quiet=as_json, fault_names=not asked.blind)
    raise typer.Exit(_tell(asked, as_json, screen, *execute(asked, planned, catalogue, screen)))


def _visit(asked: application.Wanted, into: str, pause_before: str | None, as_json: bool) -> NoReturn:
    from chaos.reports.screen import Screen
    from chaos.standing.visit import Facilitator, pauses_of, plan_visit, visit

    pauses = pauses_of(pause_before)
    screen = Screen(quiet=as_json, fault_names=not asked.blind)
    facilitator = Facilitator(screen.ask, sys.stdin)
    if pauses:
        facilitator.attend()
    if asked.target != "reference-local":
        raise UsageError("--target has no meaning with --into: the stack has its own")
    planned, state = plan_visit(asked, into, application.make_files(), application.make_catalogue())
    if not planned.trials:
        lacking = planned.not_run[0]
        raise UsageError(f"{lacking.scenario}: {into} lacks {', '.join(lacking.needs)}")
    screen.note(f"{into}: from day {planned.trials[0].arms[0].start_day:g} on")
    results, folder = visit(planned, state, asked.out, asked.junit, pauses, screen, facilitator)
    code = _tell(asked, as_json, screen, results, folder)
    stopped = any(trial.interrupted for trial in results.trials)
    raise typer.Exit(Interrupted.exit_code if stopped and code != UndoFailed.exit_code else code)


def _tell(asked: application.Wanted, as_json: bool, screen: Screen, results: Results, folder: Path) -> int:
    """Show what came of a run; its exit code."""
    if asked.junit is not None:
        from chaos.reports.junit import write_junit

        write_junit(results, asked.junit)
    if as_json:
        from chaos.reports.json_report import dumps

        sys.stdout.write(dumps(results))
    else:
        screen.results(results, folder)
    return application.exit_code(results, folder)

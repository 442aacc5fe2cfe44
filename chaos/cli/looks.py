"""Commands that start nothing: list, show, catalogue, validate, plan, schema, report, compare, recover."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from chaos.cli.options import Allow, Arms, Holes, Json, Junit, Pace, Seed, Sets, Target, wanted
from chaos.errors import LeftBehind, UsageError

cli = typer.Typer()


@cli.command(name="list")
def list_(
    what: Annotated[
        str, typer.Argument(help="scenarios, faults, layers, probes or targets; all if none.")
    ] = "",
    target: Target = "reference-local",
) -> None:
    """List what can be named."""
    from chaos import inspection

    for line in inspection.listing(what, target):
        sys.stdout.write(line + "\n")


@cli.command()
def show(
    name: Annotated[str, typer.Argument(help="A scenario, fault, layer, probe or target.")],
    target: Target = "reference-local",
) -> None:
    """Explain one thing by name."""
    from chaos import inspection

    sys.stdout.write(inspection.explain(name, target) + "\n")


@cli.command()
def catalogue() -> None:
    """Print the catalogue as a page of documentation: everything built in that can be named."""
    from chaos.catalogue_page import page

    sys.stdout.write(page())


@cli.command()
def validate(
    files: Annotated[list[Path], typer.Argument(help="Scenario or target files.")],
    target: Annotated[str, typer.Option("--target", help="What scenarios are checked against.")] = "k9s",
) -> None:
    """Check files; reads them only, and starts and imports nothing that they name."""
    from chaos.validation import validate as check

    for line in check(files, target):
        sys.stdout.write(line + "\n")


@cli.command()
def plan(
    scenario: Annotated[str, typer.Argument(help="A scenario, by name or file.")],
    target: Target = "reference-local",
    seed: Seed = None,
    arms: Arms = None,
    hole: Holes = None,
    set_: Sets = None,
    day_seconds: Pace = None,
    allow: Allow = None,
) -> None:
    """A dry run: what would be done in each arm, and when."""
    from chaos import inspection

    asked = wanted([scenario], target, seed, None, arms, hole, set_, day_seconds, None, allow)
    asked = replace(asked, list_not_run=True, by_name=(scenario,))
    for line in inspection.dry_run(asked):
        sys.stdout.write(line + "\n")


@cli.command()
def schema(
    what: Annotated[str, typer.Argument(help="scenario, target or results.")] = "scenario",
) -> None:
    """Print a JSON Schema."""
    from chaos import inspection

    sys.stdout.write(json.dumps(inspection.schema(what), indent=1) + "\n")


@cli.command()
def report(
    folder: Annotated[Path, typer.Argument(help="A run's folder.")],
    junit: Junit = None,
    json_: Json = False,
) -> None:
    """Score and render a run again from its journals; nothing is run. Names what is damaged: a trial that
    cannot be read leaves the run void, and one with a journal that does not hold to its rules is void itself.
    """
    from chaos.app import check_junit
    from chaos.reports.screen import Screen
    from chaos.results import journal_problems, write_reports

    check_junit(junit)
    results = write_reports(folder.resolve())
    for problem in journal_problems(folder.resolve()):
        sys.stderr.write(f"mlchaos: {problem}\n")
    if junit is not None:
        from chaos.reports.junit import write_junit

        write_junit(results, junit)
    if json_:
        from chaos.reports.json_report import dumps

        sys.stdout.write(dumps(results))
    else:
        Screen(quiet=False).results(results, folder)


@cli.command()
def compare(
    before: Annotated[Path, typer.Argument(help="A run's folder.")],
    after: Annotated[Path, typer.Argument(help="Another's: without a layer, or of another night.")],
    json_: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Say what differs between two runs, by the scenarios and seeds that both have; nothing is run."""
    from chaos.reports.comparison import compare as compared
    from chaos.reports.screen import Screen
    from chaos.results import read_results

    found = compared(read_results(before), read_results(after))
    if json_:
        from chaos.reports.json_report import dumps

        sys.stdout.write(dumps(found))
    else:
        Screen(quiet=False).comparison(found)


@cli.command()
def recover(
    folder: Annotated[Path, typer.Argument(help="A run's folder, or a folder of runs.")] = Path("runs"),
) -> None:
    """Undo and clean up what an interrupted run left."""
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    from chaos.app import recover_all

    found = recover_all(folder)
    for run_folder, says in found.done.items():
        sys.stdout.write(f"{run_folder}: {says}\n")
    for run_folder, error in found.left.items():
        sys.stdout.write(f"{run_folder}: not recovered: {error}\n")
    if found.left:
        runs = "a run is" if len(found.left) == 1 else f"{len(found.left)} runs are"
        raise LeftBehind(f"{runs} not recovered; try again when what stood in the way is gone")
    if not found.done:
        sys.stdout.write("nothing to recover\n")

"""`mlchaos validate`: a module to itself that imports little, since editors and hooks call it often."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chaos.app import make_catalogue, make_files
from chaos.catalogue import Catalogue
from chaos.domain.files import Files
from chaos.domain.scenario import Scenario
from chaos.domain.source import build, read_source
from chaos.errors import InvalidInput, Problem, nearest
from chaos.runner.plan import Planner, Request


def validate(paths: Sequence[Path], target: str = "k9s") -> list[str]:
    """Check files, scenarios against a target. Raises InvalidInput with every problem of every file."""
    files, catalogue = make_files(), make_catalogue()
    problems: list[Problem] = []
    valid: dict[tuple[str, str], Path] = {}
    for path in paths:
        try:
            kind, name = _validate(path, files, catalogue, target)
            _check_name(path, kind, name, valid.get((kind, name)), files)
            valid[kind, name] = path
        except InvalidInput as error:
            problems += error.problems
    if problems:
        raise InvalidInput(problems)
    return [f"{path}: {kind} {name!r} is valid" for (kind, name), path in valid.items()]


def _validate(path: Path, files: Files, catalogue: Catalogue, target: str) -> tuple[str, str]:
    source = read_source(path)
    if "scenario" in source.value:
        scenario = build(Scenario, source)
        spec, _ = files.target(target)
        Planner(scenario, source, spec, catalogue, Request()).plan(1)
        return "scenario", scenario.scenario
    if "target" in source.value:
        return "target", files.target(str(path))[0].target
    says = "is neither a scenario nor a target: it has neither key"
    near = next((near for key in source.value if (near := nearest(key, ("scenario", "target")))), None)
    raise InvalidInput([Problem(source.file, 1, "", says, near)])


def _check_name(path: Path, kind: str, name: str, other: Path | None, files: Files) -> None:
    """No two files of one name: of those given, and of those where they are looked for by name."""
    if other is not None and other.resolve() != path.resolve():
        raise InvalidInput([read_source(path).problem((kind,), f"the {kind} {name!r} is also in {other}")])
    if files.holds(path):
        _ = files.scenarios() if kind == "scenario" else files.targets()

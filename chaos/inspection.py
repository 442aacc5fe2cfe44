"""Commands that only look: list, show, plan, schema."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel

from chaos.app import Wanted, make_catalogue, make_files, plan_run
from chaos.capabilities import Described
from chaos.catalogue import Catalogue
from chaos.domain.change import describe
from chaos.domain.durations import format_days
from chaos.domain.files import Files, Found
from chaos.domain.plan import ArmPlan
from chaos.domain.scenario import Scenario
from chaos.domain.source import Source
from chaos.domain.target import TargetSpec
from chaos.domain.verdict import Results
from chaos.entries import KINDS, Entry, entries
from chaos.errors import InvalidInput, Problem, UsageError, hint, nearest

WIDTH = 100
MODELS: dict[str, type[BaseModel]] = {"scenario": Scenario, "target": TargetSpec, "results": Results}
_WRITTEN = {"results"}
Read = TypeVar("Read", Scenario, TargetSpec)


def listing(what: str, target: str) -> Iterator[str]:
    """Names with one line each. Raises UsageError for a kind that is not there, and InvalidInput, when all
    others have been listed, for files that cannot be read.
    """
    if what and what not in KINDS:
        raise UsageError(f"there is no list of {what!r}{hint(nearest(what, KINDS), KINDS)}")
    shelves = _Shelves.read(make_files(), target)
    problems: list[Problem] = []
    for kind in [what] if what else KINDS:
        if not what:
            yield f"{kind}:"
        indent = "" if what else "  "
        for entry in shelves.entries(kind):
            yield f"{indent}{entry.name:<26} {_listed(entry)}"
        problems += shelves.problems.get(kind, [])
    if problems:
        raise InvalidInput(problems)


@dataclass(frozen=True)
class _Shelves:
    """Everything that can be named, and what is wrong with files that cannot be read."""

    catalogue: Catalogue
    spec: TargetSpec
    scenarios: list[Scenario]
    targets: list[TargetSpec]
    paths: dict[str, Path]
    problems: dict[str, list[Problem]]
    """By the kind of their files, as in KINDS."""

    @classmethod
    def read(cls, files: Files, target: str) -> _Shelves:
        """Raises InvalidInput or UsageError for the target that is looked at."""
        spec = files.target(target)[0]
        scenarios, targets = files.found("scenario"), files.found("target")
        problems = {"scenarios": scenarios.wrong, "targets": targets.wrong}
        return cls(
            make_catalogue(),
            spec,
            list(_read(scenarios.found, files.scenario, problems["scenarios"])),
            list(_read(targets.found, files.target, problems["targets"])),
            {found.name: found.path for found in [*scenarios.found, *targets.found]},
            problems,
        )

    def entries(self, kind: str) -> Iterator[Entry]:
        return entries(kind, self.catalogue, self.spec, self.scenarios, self.targets)


def _read(
    found: list[Found], read: Callable[[str], tuple[Read, Source]], problems: list[Problem]
) -> Iterator[Read]:
    for one in found:
        try:
            yield read(str(one.path))[0]
        except InvalidInput as error:
            problems += error.problems


def _listed(entry: Entry) -> str:
    kinds = dict(entry.facts)
    first = kinds.get("kind") or kinds.get("for")
    return f"{first}: {_first(entry.sentence)}" if first else _first(entry.sentence)


def explain(name: str, target: str) -> str:
    """Everything about one name, whatever it is. Raises UsageError, or InvalidInput where it may be in a file
    that cannot be read.
    """
    shelves = _Shelves.read(make_files(), target)
    everything = [entry for kind in KINDS for entry in shelves.entries(kind)]
    parts = [_explained(entry, shelves.paths) for entry in everything if entry.name == name]
    if parts:
        return "\n\n".join(parts)
    if problems := [problem for wrong in shelves.problems.values() for problem in wrong]:
        raise InvalidInput(problems)
    known = [entry.name for entry in everything]
    raise UsageError(f"nothing is called {name!r}{hint(nearest(name, known), known)}")


def _explained(entry: Entry, paths: Mapping[str, Path]) -> str:
    lines = [f"{entry.kind} {entry.name}", "", *textwrap.wrap(entry.sentence, WIDTH)]
    if entry.text:
        lines += ["", entry.text]
    if entry.facts:
        lines.append("")
    for name, says in entry.facts:
        lines += textwrap.wrap(f"{name}: {says}", WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    if entry.parameters:
        lines += ["", "parameters:"]
    for one in entry.parameters:
        default = "required" if one.default is None else f"default {one.default}"
        told = ", ".join(part for part in (one.unit, one.range, default) if part)
        lines.append(f"  {one.name:<20} {told}  {one.says}".rstrip())
    if entry.kind in ("scenario", "target"):
        lines += ["", paths[entry.name].read_text(encoding="utf-8").strip()]
    return "\n".join(lines)


def dry_run(wanted: Wanted) -> Iterator[str]:
    """What would be done in each arm, and when."""
    catalogue = make_catalogue()
    planned = plan_run(wanted, make_files(), catalogue)
    for missing in planned.not_run:
        yield f"{missing.scenario}: not run; {missing.why}"
    for trial in planned.trials:
        yield f"{trial.scenario.scenario}, seed {trial.seed}, on {trial.target}: {trial.scenario.teaches}"
        for arm in trial.arms:
            yield from _dry_arm(arm, planned.spec, catalogue)
    for name, link in planned.spec.links.items():
        if link.kind == "data" and link.integrity is None:
            yield f"note: data link {name!r} states no integrity requirement"


def _dry_arm(arm: ArmPlan, spec: TargetSpec, catalogue: Catalogue) -> Iterator[str]:
    modes = sorted({layer.mode.value for layer in arm.layers.values()})
    yield f"  {arm.arm.value}: {format_days(arm.days)}, layers {' and '.join(modes) or 'none'}"
    if arm.arm.has_layers:
        yield from _unusual(arm, spec)
    steps: list[tuple[float, str]] = []
    for hole in arm.holes:
        steps.append((hole.from_day, f"hole: {hole.layer} {hole.key}={hole.value}"))
        if hole.until_day is not None:
            steps.append((hole.until_day, f"hole closes: {hole.layer} {hole.key}"))
    for planned in arm.faults:
        fault = catalogue.faults.make(planned.fault, planned.parameters)
        when = planned.when
        waits = f" (at the first {when.action} of {when.component} from then on)" if when is not None else ""
        steps += [
            (planned.inject_day, f"{planned.key}: {describe(change)}{waits}")
            for change in fault.changes(Described(spec))
        ]
        steps.append((planned.undo_day, f"{planned.key}: undone"))
    for day, says in sorted(steps, key=lambda step: step[0]):
        yield f"    day {day:<6g} {says}"


def _unusual(arm: ArmPlan, spec: TargetSpec) -> Iterator[str]:
    """Layers that are not as the target file has them, for the whole run."""
    for name, layer in arm.layers.items():
        usual = spec.layers[name]
        known = usual.defaults(arm.world)
        told = [layer.mode.value] if layer.mode is not usual.default else []
        told += [f"{key}={value}" for key, value in layer.parameters.items() if value != known.get(key)]
        if told:
            yield f"    layer {name}: {', '.join(told)}"


def schema(what: str) -> dict[str, object]:
    """The JSON Schema of a file. Raises UsageError."""
    if what not in MODELS:
        raise UsageError(f"there is no schema of {what!r}{hint(nearest(what, MODELS), list(MODELS))}")
    # What a reader is given has every field; what a writer gives may leave some out.
    mode: Literal["serialization", "validation"] = "serialization" if what in _WRITTEN else "validation"
    found: dict[str, object] = MODELS[what].model_json_schema(by_alias=True, mode=mode)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def _first(text: str) -> str:
    return text.split(". ", maxsplit=1)[0].rstrip(".") + "."

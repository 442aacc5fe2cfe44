"""The documentation is executed: its files validate, its code runs, and nothing that can be named is missing."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
import typer.main
from pydantic import BaseModel

from chaos import cli
from chaos.app import make_files
from chaos.capabilities import Containers
from chaos.catalogue import Catalogue, Shelf, Shipped
from chaos.domain.event import Effect, Reading, Signal
from chaos.domain.scenario import Alerted, Arm, Expect, Scenario
from chaos.domain.source import build, parse_source
from chaos.domain.target import Alerting, DataLink, LayerSpec, NetworkLink, Parameter, TargetSpec
from chaos.drivers.virtual.driver import VirtualDriver
from chaos.faults import BUILT_IN as FAULTS
from chaos.journal import Journal, read
from chaos.probes import BUILT_IN as PROBES
from chaos.runner.execute import ArmContext, ArmRun
from chaos.runner.overrides import parse_overrides
from chaos.runner.plan import Planner, Request
from chaos.runner.stop import StopSignal
from chaos.validation import validate
from reference_stack.defaults import LAYERS
from reference_stack.layers.contract import Hook
from tests.command import CALM, REPOSITORY, begin, complete

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text() for page in PAGES)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks() -> Iterator[Block]:
    for page in PAGES:
        text = page.read_text()
        for match in re.finditer(r"^```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            yield Block(page, text.count("\n", 0, match.start()) + 1, match[1])


FILES = [one for one in blocks() if one.text.startswith("# mlchaos validate: ")]


def block(page: str, first_line: str) -> str:
    (found,) = [one.text for one in blocks() if one.page.name == page and one.text.startswith(first_line)]
    return found


# --- what is shown works ---------------------------------------------------------------------------------


@pytest.mark.parametrize("shown", FILES, ids=str)
def test_files_in_the_documentation_validate(shown: Block, tmp_path: Path) -> None:
    kind = shown.text.splitlines()[0].removeprefix("# mlchaos validate: ")
    (tmp_path / "shown.yaml").write_text(shown.text)
    (line,) = validate([tmp_path / "shown.yaml"], "k9s")
    assert f": {kind} " in line


def test_scenarios_and_targets_are_shown() -> None:
    assert {one.page.name for one in FILES} >= {"README.md", "scenarios.md", "targets.md", "layers.md"}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """`my_package`, as somebody else would have it."""
    folder = tmp_path / "my_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_package"]:
        del sys.modules[name]


def module(package: Path, name: str, text: str) -> ModuleType:
    (package / f"{name}.py").write_text(text)
    importlib.invalidate_caches()
    return importlib.import_module(f"my_package.{name}")


def live(
    folder: Path, spec: TargetSpec, catalogue: Catalogue, text: str, arm: Arm, *settings: str
) -> Journal:
    """One arm in virtual time, planned as `mlchaos run` does."""
    source = parse_source("scenario.yaml", text.encode())
    request = Request(parse_overrides([], settings), (arm,))
    (plan,) = Planner(build(Scenario, source), source, spec, catalogue, request).plan(1).arms
    (folder / "arm").mkdir()
    journal = folder / "journal.jsonl"
    context = ArmContext(
        run="docs",
        mlchaos="0",
        started_at="",
        folder=folder / "arm",
        journal=journal,
        spec=spec,
        catalogue=catalogue,
        driver=VirtualDriver(),
        stop=StopSignal(),
        show=lambda _event: None,
    )
    ArmRun(plan, context).run()
    return read(journal)


CUT = """
scenario: cut
kind: defended
teaches: a feature store that cannot be reached must be noticed
source: tests
days: 3d
steady_state: [{probe: good_views, at_least: 0.9}]
faults: [{fault: cut, with: {link: serving-features}, at: 1.5d, for: 0.5d}]
expect: {detected: {by: [fallback], within: 1d}}
"""


def test_the_fault_that_is_shown_is_planned_and_bites(package: Path, tmp_path: Path) -> None:
    shown = module(package, "cut", block("faults.md", "# a fault in a package of your own"))
    catalogue = Catalogue(Shelf("fault", [*FAULTS, shown.Cut]), Shelf("probe", PROBES))
    spec, _ = make_files().target("reference-virtual")
    journal = live(tmp_path, spec, catalogue, CUT, Arm.UNDEFENDED)
    effects = journal.of(Effect)
    assert effects
    assert any(effect.seen for effect in effects)
    assert all(effect.fault == "cut" for effect in effects)
    assert not journal.interrupted


def test_the_probe_that_is_shown_reads(package: Path, tmp_path: Path) -> None:
    shown = module(package, "probes", block("probes.md", "# a probe in a package of your own"))
    catalogue = Catalogue(Shelf("fault", FAULTS), Shelf("probe", [*PROBES, shown.VersionsSeen]))
    spec, _ = make_files().target("reference-virtual")
    text = CALM.replace("probe: good_views\n    at_least: 0.9", "probe: versions_seen\n    at_least: 1")
    readings = live(tmp_path, spec, catalogue, text, Arm.BARE).of(Reading)
    assert {reading.probe for reading in readings} == {"versions_seen"}
    assert (readings[-1].value or 0) >= 1


def test_the_layer_that_is_shown_is_loaded_from_outside_and_acts(package: Path, tmp_path: Path) -> None:
    module(package, "gates", block("layers.md", "# a gate in a package of your own"))
    target = tmp_path / "mine.yaml"
    shown = block("layers.md", "# mlchaos validate: target")
    target.write_text(shown.replace("extends: reference-local", "extends: reference-virtual"))
    spec, _ = make_files().target(str(target))
    assert spec.driver.kind == "virtual"
    catalogue = Catalogue(Shelf("fault", FAULTS), Shelf("probe", PROBES))
    setting = "layer.enough_customers.min_customers=1000000"
    journal = live(tmp_path, spec, catalogue, CALM, Arm.DEFENDED, setting)
    said = [signal for signal in journal.of(Signal) if signal.layer == "enough_customers"]
    assert {signal.component for signal in said} == {"features"}
    assert [signal.signal for signal in said if signal.signal != "reached"][:2] == ["fired", "acted"]
    assert any("at least 1000000 expected" in signal.says for signal in said)
    held = [signal for signal in journal.of(Signal) if (signal.layer, signal.signal) == ("hold", "acted")]
    assert held  # a gate that is not the stack's own counts as one
    (tmp_path / "calm").mkdir()
    calm = live(tmp_path / "calm", spec, catalogue, CALM, Arm.CONTROL).of(Signal)
    assert {one.signal for one in calm if one.layer == "enough_customers"} == {"reached"}


def test_the_layer_that_is_shown_in_the_place_of_another_has_its_own_parameters_only(tmp_path: Path) -> None:
    shown = block("layers.md", "# a target with a gate in the place of the stack's own")
    (tmp_path / "ours.yaml").write_text(shown)
    spec, _ = make_files().target(str(tmp_path / "ours.yaml"))
    assert list(spec.layers["freshness"].parameters) == ["allowed_days"]
    assert spec.layers["freshness"].asked_by == ["features"]


def test_the_stack_in_this_process_that_is_shown_comes_to_its_verdicts(tmp_path: Path) -> None:
    stack = block("in-process.md", "# a stack of your own, in one process")
    assert sum(1 for line in stack.splitlines() if line.strip()) <= 60
    (tmp_path / "our_shop.py").write_text(stack)
    for file, first_line in (
        ("targets/our-shop.yaml", "# mlchaos validate: target"),
        ("scenarios/slow-api.yaml", "# for the target our-shop"),
    ):
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).write_text(block("in-process.md", first_line))
    environment = {"PYTHONPATH": f"{REPOSITORY}{os.pathsep}{tmp_path}"}
    words = ("run", "slow-api", "--target", "our-shop", "--jobs", "1", "--no-cache")
    for options, code, says in (
        (("--out", "one"), 0, "passed  contained"),
        (("--out", "two", "--hole", "last_good"), 1, "not armed: last_good"),
    ):
        outcome = complete(begin(*words, *options, folder=tmp_path, environment=environment))
        assert (outcome.code, outcome.err) == (code, "")
        assert says in outcome.out


# --- nothing is missing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "entry"),
    [*(("faults.md", one) for one in FAULTS), *(("probes.md", one) for one in PROBES)],
    ids=lambda one: one if isinstance(one, str) else one.name,
)
def test_every_fault_and_probe_has_a_row_of_its_own_with_its_parameters(page: str, entry: Shipped) -> None:
    text = (REPOSITORY / "docs" / page).read_text()
    (row,) = re.findall(rf"^\| `{entry.name}` \|.*$", text, re.MULTILINE)
    assert entry.load().name == entry.name  # type: ignore[attr-defined]
    shelf: Shelf[object] = Shelf("entry", [entry])
    for parameter in shelf.parameters(entry.name):
        assert f"`{parameter}`" in row, parameter


def test_the_faults_that_need_containers_are_told() -> None:
    text = (REPOSITORY / "docs" / "faults.md").read_text()
    (told,) = re.findall(r"^(`.*) need containers\b", text, re.MULTILINE)
    needing = {one.name for one in FAULTS if Containers in one.load().needs}  # type: ignore[attr-defined]
    assert set(re.findall(r"`(\w+)`", told)) == needing


def test_every_layer_and_its_hook_is_documented() -> None:
    layers = (REPOSITORY / "docs" / "layers.md").read_text()
    for name, use in LAYERS.items():
        module_name, _, attribute = use.partition(":")
        hook = getattr(importlib.import_module(module_name), attribute).hook
        assert f"| `{name}` | `{hook}` |" in layers
    for hook in Hook:
        assert len(re.findall(rf"^\| `{hook}` \|", layers, re.MULTILINE)) == 1


def test_every_world_is_documented() -> None:
    scenarios = (REPOSITORY / "docs" / "scenarios.md").read_text()
    for world in make_files().target("k9s")[0].worlds:
        assert f"`{world}`" in scenarios


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command, with its options."""

    def walk(name: str, command: object) -> Iterator[tuple[str, list[str]]]:
        inner = getattr(command, "commands", None)
        if inner:
            for word, one in inner.items():
                yield from walk(f"{name} {word}", one)
        else:
            options = [option for parameter in command.params for option in parameter.opts]  # type: ignore[attr-defined]
            yield name, [option for option in options if option.startswith("--") and option != "--help"]

    yield from walk("mlchaos", typer.main.get_command(cli.commands()))


@pytest.mark.parametrize(("command", "options"), list(commands()), ids=[name for name, _ in commands()])
def test_every_command_and_option_is_documented(command: str, options: list[str]) -> None:
    page = (REPOSITORY / "docs" / "commands.md").read_text()
    words = command.split()
    named = [command, f"`{words[-1]}`"] if len(words) == 3 else [command]
    assert any(name in page for name in named)
    for option in options:
        assert f"`{option}`" in page, option


@pytest.mark.parametrize(
    ("page", "models"),
    [
        ("scenarios.md", (Scenario, Expect, Alerted)),
        ("targets.md", (TargetSpec, NetworkLink, DataLink, LayerSpec, Parameter, Alerting)),
    ],
)
def test_every_field_is_documented(page: str, models: tuple[type[BaseModel], ...]) -> None:
    text = (REPOSITORY / "docs" / page).read_text()
    definitions = [model.model_json_schema(by_alias=True) for model in models]
    fields = {
        field
        for schema in definitions
        for one in [schema, *schema.get("$defs", {}).values()]
        for field in one.get("properties", {})
    }
    assert len(fields) > 20
    missing = [name for name in sorted(fields) if not re.search(rf"`{name}`|\b{name}: |`{name}:", text)]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not target.startswith(("http://", "https://")):
            path, _, anchor = target.partition("#")
            found = page.parent / path if path else page
            assert found.exists(), target
            if anchor:
                headings = re.findall(r"^#+ (.+)$", found.read_text(), re.MULTILINE)
                slugs = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
                assert anchor in slugs, target


def test_paths_of_the_code_that_are_named_are_there() -> None:
    for path in re.findall(r"`((?:chaos|reference_stack|tests|targets|scenarios)/[\w/.]+)`", TEXT):
        assert (REPOSITORY / path).exists(), path

"""How the command ends where nothing was run, or nobody is there to be told."""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest

from tests.command import CALM, Command, begin, complete, in_process

GREEN = '<?xml version="1.0"?>\n<testsuites errors="0" failures="0"/>\n'


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return in_process(monkeypatch, capsys)


@pytest.mark.parametrize("option", ["--junit={}", "--junit {}"])
@pytest.mark.parametrize("wrong", ["--hole nosuch", "--nosuch"])
def test_an_older_report_is_gone_also_where_nothing_was_started(
    command: Command, tmp_path: Path, option: str, wrong: str
) -> None:
    older = tmp_path / "results.xml"
    older.write_text(GREEN)
    words = f"run late-partition --target reference-virtual {wrong} {option.format(older)}".split()
    assert command(*words).code == 3
    assert not older.exists()


@pytest.mark.parametrize("emptied", [True, False])
def test_an_older_report_that_cannot_be_removed_is_emptied_or_told(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, emptied: bool
) -> None:
    def busy(_path: object, _length: int = 0) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    older = tmp_path / "results.xml"
    older.write_text(GREEN)
    monkeypatch.setattr(Path, "unlink", busy)
    if not emptied:
        monkeypatch.setattr(os, "truncate", busy)
    outcome = command("run", "nosuch", "--junit", older)
    assert outcome.code == 3
    assert older.read_text() == ("" if emptied else GREEN)
    assert ("what is there cannot be removed: Device or resource busy" in outcome.err) is not emptied


def test_where_nothing_may_be_written_is_said_before_anything_starts(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "reports").mkdir()
    sealed = ("out", "reports", "x.xml")
    monkeypatch.setattr(os, "access", lambda place, how: how != os.W_OK or Path(place).name not in sealed)
    words = ("run", "late-partition", "--target", "reference-virtual")
    for option, where in (("--out", "out"), ("--junit", "reports/x.xml")):
        outcome = command(*words, option, where)
        assert outcome.code == 3
        assert f"{where}: you may not write there" in outcome.err
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["out", "reports"]


def test_what_is_no_report_stays_where_it_is(command: Command, tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("keep me")
    assert command("run", "nosuch", "--junit", other).code == 3
    assert other.read_text() == "keep me"


def test_a_reader_that_has_gone_is_no_verdict(tmp_path: Path) -> None:
    process = begin("list", "scenarios", folder=tmp_path)
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate()
    assert (process.returncode, err) == (2, "mlchaos: nobody reads its output any more\n")


FEW = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}
"""A locale of 128 characters."""


def test_where_characters_are_few_the_answer_is_given_in_those(tmp_path: Path) -> None:
    (tmp_path / "calm.yaml").write_text(CALM.replace("source: tests", "source: Hellström"), encoding="utf-8")
    words = ("run", "calm.yaml", "--target", "reference-virtual", "--arms", "defended", "--out", "run")
    run = complete(begin(*words, folder=tmp_path, environment=FEW))
    assert " calm ? seed 1 ? reference-virtual" in run.out
    again = complete(begin("report", "run", folder=tmp_path, environment=FEW))
    assert (again.code, again.err, again.out) == (0, "", run.out[-len(again.out) :])
    shown = complete(begin("show", "slow-features", folder=tmp_path, environment=FEW))
    assert (shown.code, "Hellstr?m" in shown.out) == (0, True)


def test_an_entry_point_that_cannot_be_loaded_is_named(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = metadata.EntryPoint("broken", "nosuch_package.nope:X", "mlchaos.faults")
    monkeypatch.setattr(metadata, "entry_points", lambda group: [broken] if group == broken.group else [])
    outcome = command("list", "faults")
    assert outcome.code == 3
    assert "the entry point 'broken' in mlchaos.faults cannot be loaded" in outcome.err
    assert "No module named 'nosuch_package'" in outcome.err


def test_a_factory_that_is_not_there_is_told_before_anything_is_started(
    command: Command, tmp_path: Path
) -> None:
    target = tmp_path / "mine.yaml"
    target.write_text(
        'target: mine\nextends: reference-virtual\ndriver: {kind: virtual, factory: "our_shp:Shop"}\n'
    )
    outcome = command("run", "late-partition", "--target", target, "--out", tmp_path / "run")
    says = "target 'mine': cannot find the package of its factory 'our_shp:Shop'; is it installed"
    assert (outcome.code, says in outcome.err) == (3, True)
    assert not (tmp_path / "run").exists()


def test_a_reader_that_has_gone_from_both_streams_is_no_verdict(tmp_path: Path) -> None:
    process = begin("list", "scenarios", folder=tmp_path)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stderr.close()
    assert process.wait(60) == 2


def test_a_user_without_a_home_is_told_what_to_name(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    outcome = command("run", "late-partition", "--target", "reference-virtual")
    assert (outcome.code, "by XDG_CACHE_HOME" in outcome.err) == (3, True)


class NoFault:
    name = "no-fault"


@dataclass(frozen=True)
class OddName:
    name = None
    needs = ()

    def changes(self, target: object) -> None: ...
    def effect(self, spec: object) -> None: ...


@dataclass(frozen=True)
class OddNeeds(OddName):
    name = "odd"  # type: ignore[assignment]
    needs = ("network",)  # type: ignore[assignment]


@dataclass(frozen=True)
class OddParameter(OddName):
    name = "odd"  # type: ignore[assignment]
    link: NoSuchType  # type: ignore[name-defined] # noqa: F821


def leaves() -> None:
    """As a script that was meant to be run, and not to be imported."""
    sys.exit(0)


@pytest.mark.parametrize(
    ("attribute", "says"),
    [
        ("NoFault", "lacks needs, changes, effect"),
        ("nosuch", "cannot be loaded: AttributeError"),
        ("OddName", "has the name None, which is no text"),
        ("OddNeeds", "needs ('network',), which are no capabilities"),
        ("OddParameter", "has parameters that cannot be read"),
    ],
)
def test_an_entry_point_that_is_no_fault_is_named(
    command: Command, monkeypatch: pytest.MonkeyPatch, attribute: str, says: str
) -> None:
    point = metadata.EntryPoint("theirs", f"{__name__}:{attribute}", "mlchaos.faults")
    monkeypatch.setitem(sys.modules, __name__, sys.modules[NoFault.__module__])
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point] if group == point.group else [])
    outcome = command("list", "faults")
    assert outcome.code == 3
    assert f"the entry point 'theirs' in mlchaos.faults {says}" in outcome.err


def test_an_entry_point_cannot_end_the_command(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    point = metadata.EntryPoint("theirs", "theirs:X", "mlchaos.faults")
    monkeypatch.setattr(metadata.EntryPoint, "load", lambda _self: leaves())
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point] if group == point.group else [])
    outcome = command("list", "faults")
    assert outcome.code == 3
    assert "the entry point 'theirs' in mlchaos.faults cannot be loaded: SystemExit: 0" in outcome.err


def test_a_broken_draft_hides_no_other_scenario_and_is_told(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "draft.yaml").write_text("scenario: draft\nteaches: [\n")
    monkeypatch.chdir(tmp_path)
    listed = command("list", "scenarios")
    assert (listed.code, "late-partition" in listed.out) == (3, True)
    assert "draft.yaml" in listed.err
    assert command("list", "faults").code == 0
    shown = command("show", "late-partition")
    assert (shown.code, "late_partition" in shown.out) == (0, True)
    assert command("plan", "late-partition").code == 0
    missed = command("show", "draft")
    assert (missed.code, "draft.yaml" in missed.err) == (3, True)
    everything = command("suite", "--target", "reference-virtual")
    assert (everything.code, "draft.yaml" in everything.err) == (3, True)

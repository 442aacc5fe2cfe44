"""`mlchaos ablation`: planned per set of decisive layers, run in virtual time, told as a table."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaos import ablation
from chaos.ablation import plan_ablation
from chaos.app import Wanted, make_catalogue
from chaos.domain.event import Phase, Undone
from chaos.domain.files import Files
from chaos.domain.layer import Mode
from chaos.domain.scenario import Arm
from chaos.errors import Interrupted, UndoFailed, UsageError
from tests.command import CALM, REPOSITORY, Command, in_process
from tests.harness import planned
from tests.journals import write_journal

SLOW = """
scenario: {name}
kind: defended
teaches: a slow feature store must not make a slow shop
source: tests
days: 3d
decisive: {decisive}
steady_state: [{{probe: good_views, at_least: 0.9}}]
faults: [{{fault: latency, with: {{link: serving-features, delay_ms: 225ms}}, at: 1.5d, for: 0.5d}}]
expect:
  contained: {{of: slow_views, at_least: 0.9}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    scenarios = tmp_path / "scenarios"
    scenarios.mkdir()
    (scenarios / "slow.yaml").write_text(SLOW.format(name="slow", decisive="[[fallback], [schema]]"))
    (scenarios / "other.yaml").write_text(SLOW.format(name="other", decisive="[[fallback]]"))
    (scenarios / "vague.yaml").write_text(SLOW.format(name="vague", decisive="[]"))
    (scenarios / "calm.yaml").write_text(CALM)
    return tmp_path


def wanted(folder: Path, *names: str) -> tuple[Wanted, Files]:
    files = Files([folder / "scenarios"], [REPOSITORY / "targets"])
    return Wanted(scenarios=names, target="reference-virtual", seeds=(1, 2)), files


def test_a_round_for_all_layers_and_one_for_each_set(folder: Path) -> None:
    rounds, undecided = plan_ablation(*wanted(folder, "slow", "other", "vague", "calm"), make_catalogue())
    named = [[(trial.scenario.scenario, trial.seed) for trial in one.trials] for one in rounds]
    both = [("slow", 1), ("slow", 2), ("other", 1), ("other", 2)]
    assert named == [both, both, both[:2]]
    assert undecided == ["vague"]
    assert [one.trials[0].not_armed for one in rounds] == [[], ["fallback"], ["schema"]]
    off = {arm.arm: arm.layers["fallback"].mode for arm in rounds[1].trials[0].arms}
    assert off[Arm.DEFENDED] is off[Arm.CONTROL] is Mode.OFF


def test_the_arms_without_layers_are_the_same_in_every_round(folder: Path) -> None:
    rounds, _ = plan_ablation(*wanted(folder, "slow"), make_catalogue())
    prints = [{arm.arm: arm.fingerprint() for arm in one.trials[0].arms} for one in rounds]
    for arm in Arm:
        assert len({one[arm] for one in prints}) == (3 if arm.has_layers else 1), arm


def test_all_rounds_go_by_the_code_that_the_first_began_with(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers of later rounds have it imported already: what is edited between them has no part in what is kept."""
    codes: list[Any] = []

    def run(asked: Wanted, planned: Any, catalogue: Any, watcher: Any, code: Any) -> tuple[Any, Path]:
        codes.append(code)
        assert asked.shared == folder / "out" / "arms"
        return Namespace(trials=[]), folder

    monkeypatch.setattr(ablation, "execute", run)
    asked, files = wanted(folder, "slow")
    watcher: Any = Namespace(note=lambda _says: None)
    ablation.ablate(replace(asked, out=folder / "out"), files, make_catalogue(), watcher)
    assert len(codes) == 3
    assert codes[0] is not None
    assert all(code is codes[0] for code in codes)


def test_an_ablation_that_is_stopped_leaves_no_arms_between_its_rounds(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(asked: Wanted, *_: Any) -> None:
        assert asked.shared is not None
        asked.shared.mkdir()
        raise Interrupted("stopped by the user")

    monkeypatch.setattr(ablation, "execute", run)
    asked, files = wanted(folder, "slow")
    watcher: Any = Namespace(note=lambda _says: None)
    with pytest.raises(Interrupted):
        ablation.ablate(replace(asked, out=folder / "out"), files, make_catalogue(), watcher)
    assert list((folder / "out").iterdir()) == []


def test_an_undo_that_failed_in_an_earlier_round_is_told_however_the_ablation_ends(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(asked: Wanted, *_: Any) -> Any:
        assert asked.out is not None
        if asked.out.name != "complete":
            raise Interrupted("stopped by the user")
        journal = asked.out / "slow-1" / "journal-defended.jsonl"
        journal.parent.mkdir(parents=True)
        (asked.out / "run.json").touch()
        (journal.parent / "trial.json").touch()
        failed = [Undone(2.0, "latency-1", "failed", "no answer"), Phase(3.0, "done")]
        write_journal(journal, planned().arms[0], failed)
        return Namespace(trials=[]), asked.out

    monkeypatch.setattr(ablation, "execute", run)
    asked, files = wanted(folder, "slow")
    watcher: Any = Namespace(note=lambda _says: None)
    with pytest.raises(UndoFailed, match="stopped by the user, and an undo failed: latency-1") as caught:
        ablation.ablate(replace(asked, out=folder / "out"), files, make_catalogue(), watcher)
    assert caught.value.exit_code == 4


def test_a_target_that_cannot_start_is_told_before_anything_is_made(folder: Path) -> None:
    asked, files = wanted(folder, "slow")
    (folder / "theirs.yaml").write_text(
        "target: theirs\nextends: reference-virtual\ndriver: {kind: virtual, factory: 'nobody_s_module:X'}\n"
    )
    asked = replace(asked, target=str(folder / "theirs.yaml"), out=folder / "out")
    with pytest.raises(UsageError, match="cannot find the package of its factory"):
        ablation.ablate(asked, files, make_catalogue(), Namespace())  # type: ignore[arg-type]
    assert not (folder / "out").exists()


def test_nothing_to_ablate_is_said(folder: Path) -> None:
    with pytest.raises(UsageError, match="none of these scenarios is defended and names its decisive layers"):
        plan_ablation(*wanted(folder, "calm", "vague"), make_catalogue())


def test_a_layer_that_does_not_decide_is_found_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    mlchaos: Command = in_process(monkeypatch, capsys)
    outcome = mlchaos("ablation", "slow", "--seed", 1, "--jobs", 1, "--out", "out", "--json")
    assert outcome.code == 1, outcome.err
    table = json.loads(outcome.out)
    told = {tuple(row["without"]): row for row in table["rows"]}
    assert told[("fallback",)]["counts"] == {"passed": 0, "failed": 1, "void": 0}
    assert told[("fallback",)]["fails_on"] == ["contained"]
    assert told[("schema",)]["counts"] == {"passed": 1, "failed": 0, "void": 0}
    assert told[("schema",)]["not_failed"] == [1]
    assert {row["complete"]["passed"] for row in table["rows"]} == {1}
    assert json.loads((folder / "out" / "ablation.json").read_text()) == table
    page = (folder / "out" / "ablation.md").read_text()
    assert "| `slow` | `schema` | 0 of 1 | 1 of 1 passed |  |" in page
    assert "failed: 1 of 2 trials failed without their decisive layers (50.0%)." in page
    # The arms without layers were run once: the other rounds took their journals from the first.
    first = folder / "out" / "complete" / "slow-1" / "journal-undefended.jsonl"
    for nth in (1, 2):
        again = folder / "out" / f"without-{nth}" / "slow-1"
        assert (again / "journal-undefended.jsonl").read_bytes() == first.read_bytes()
        assert not (again / "undefended").exists()

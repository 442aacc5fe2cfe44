"""What the documentation shows to be added to mlchaos itself is added to a copy of it, and works there."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from chaos.domain.event import Signal
from chaos.journal import read
from tests.command import CALM, REPOSITORY, Outcome, begin, complete

PARTS = ("chaos", "reference_stack", "scenarios", "targets")


def shown(page: str, first_line: str) -> str:
    """A fenced block of a page, by its first line, without it."""
    text = (REPOSITORY / "docs" / page).read_text()
    (found,) = re.findall(rf"^```\w+\n# {re.escape(first_line)}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return str(found)


@dataclass(frozen=True)
class Copy:
    """A copy of mlchaos that things can be added to."""

    root: Path

    def add(self, file: str, text: str) -> None:
        assert not (self.root / file).exists()
        (self.root / file).write_text(text)

    def insert(self, file: str, before: str, text: str) -> None:
        path = self.root / file
        whole = path.read_text()
        assert whole.count(before) == 1
        path.write_text(whole.replace(before, text + before))

    def mlchaos(self, *words: object) -> Outcome:
        return complete(
            begin(*words, folder=self.root, environment={"PYTHONPATH": str(self.root)}), seconds=600
        )


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    for part in PARTS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / part, tmp_path / part, ignore=ignored)
    return Copy(tmp_path)


def test_a_fault_is_one_file_one_line_and_one_scenario(copy: Copy) -> None:
    copy.add("chaos/faults/lost_category.py", shown("faults.md", "chaos/faults/lost_category.py"))
    copy.insert("chaos/faults/__init__.py", '    "latency",\n', shown("faults.md", "a line of BUILT_IN"))
    scenario = shown("faults.md", "scenarios/data/lost-category.yaml")
    copy.add("scenarios/data/lost-category.yaml", scenario)
    explained = copy.mlchaos("show", "lost_category")
    assert "Lose the rows of one `category`" in explained.out
    words = ("run", "lost-category", "--target", "reference-virtual", "--seed", "1", "--jobs", "1")
    outcome = copy.mlchaos(*words, "--no-cache", "--out", "run", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    (trial,) = json.loads(outcome.out)["trials"]
    assert trial["verdict"] == "passed"
    assert trial["faults"][0]["detection"]["layer"] == "volume"


def test_a_layer_is_one_file_one_line_and_one_entry(copy: Copy) -> None:
    copy.add("reference_stack/layers/variety.py", shown("layers.md", "reference_stack/layers/variety.py"))
    copy.insert(
        "reference_stack/defaults.py",
        '    "hold": "reference_stack.layers.hold:Hold",\n',
        shown("layers.md", "a line of LAYERS"),
    )
    copy.insert("targets/k9s.yaml", "  hold:\n    asked_by:", shown("layers.md", "an entry of layers"))
    copy.add("calm.yaml", CALM)
    explained = copy.mlchaos("show", "variety")
    assert "so many customers must be in a day" in explained.out
    words = ("run", "calm.yaml", "--target", "reference-virtual", "--seed", "1", "--jobs", "1", "--no-cache")
    options = ("--arms", "defended", "--set", "layer.variety.least=1000", "--out", "run")
    assert copy.mlchaos(*words, *options).code == 1  # it cries though nothing happens
    journal = read(copy.root / "run" / "calm-1" / "journal-defended.jsonl")
    said = [signal for signal in journal.of(Signal) if signal.layer == "variety"]
    assert {signal.component for signal in said} == {"features"}
    assert [signal.signal for signal in said if signal.signal != "reached"][:2] == ["fired", "acted"]
    assert any("at least 1000 expected" in signal.says for signal in said)

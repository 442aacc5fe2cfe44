"""What somebody else's factory does to the command: it breaks, prints, hangs, or cannot be taken down."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from chaos.domain.verdict import Results
from tests.command import CALM, REPOSITORY, Outcome, begin, complete, until

LOUD = """
print("imported")
from reference_stack.virtual import factory as real

def factory(**given):
    print("made")
    return real(**given)
"""
UNCLOSABLE = """
from reference_stack.virtual import VirtualStack, factory as real

class Stuck(VirtualStack):
    def close(self):
        super().close()
        raise RuntimeError("the engine is gone")

def factory(**given):
    made = real(**given)
    made.__class__ = Stuck
    return made
"""
HANGING = """
import time
from pathlib import Path
from reference_stack.virtual import VirtualStack, factory as real

class Hung(VirtualStack):
    def advance(self, *given):
        Path("hangs").touch()
        while True:
            time.sleep(0.1)

def factory(**given):
    made = real(**given)
    made.__class__ = Hung
    return made
"""


def run(folder: Path, code: str, *options: str) -> subprocess.Popen[str]:
    """`calm` on the reference stack, by a factory of its own."""
    (folder / "their_shop.py").write_text(code)
    (folder / "calm.yaml").write_text(CALM)
    (folder / "theirs.yaml").write_text(
        'target: theirs\nextends: reference-virtual\ndriver: {kind: virtual, factory: "their_shop:factory"}\n'
    )
    path = os.pathsep.join([str(REPOSITORY), str(folder)])
    words = ("run", "calm.yaml", "--target", "theirs.yaml", "--no-cache", "--out", "run", *options)
    return begin(*words, folder=folder, environment={**os.environ, "PYTHONPATH": path})


def reasons(folder: Path) -> str:
    results = Results.model_validate_json((folder / "run" / "results.json").read_text())
    return "; ".join(reason.says for trial in results.trials for reason in trial.reasons)


@pytest.mark.parametrize(
    ("code", "says"),
    [("def factory(:", "SyntaxError"), ("nosuch", "NameError"), ("raise SystemExit(0)", "SystemExit")],
)
def test_a_factory_that_breaks_as_it_is_imported_is_void_and_named(
    tmp_path: Path, code: str, says: str
) -> None:
    outcome = complete(run(tmp_path, code))
    assert outcome.code == 2, outcome
    assert "Traceback" not in outcome.err
    assert f"cannot load factory 'their_shop:factory': {says}" in reasons(tmp_path)


def test_what_a_factory_prints_is_not_among_the_results(tmp_path: Path) -> None:
    outcome = complete(run(tmp_path, LOUD, "--json"))
    assert outcome.code == 0, outcome
    assert json.loads(outcome.out)["trials"]
    assert "imported" in outcome.err
    assert "made" in outcome.err


def test_a_target_that_cannot_be_taken_down_says_why(tmp_path: Path) -> None:
    outcome = complete(run(tmp_path, UNCLOSABLE))
    assert outcome.code == 2, outcome
    assert "it could not be taken down" in reasons(tmp_path)
    assert "the engine is gone" in reasons(tmp_path)


def test_ctrl_c_ends_a_run_whose_target_hangs(tmp_path: Path) -> None:
    process = run(tmp_path, HANGING)
    try:
        assert until((tmp_path / "hangs").exists, 60)
        process.send_signal(signal.SIGINT)
        outcome: Outcome = complete(process, seconds=60)
    finally:
        process.kill()
    assert outcome.code == 130, outcome

"""Whose code an arm is run by: the one that was found and hashed, and nothing that lies about."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.domain.verdict import Verdict
from chaos.drivers.virtual.driver import VirtualDriver, home_of
from chaos.errors import ArmFailed
from chaos.runner.guardian import Guardian
from tests.command import complete
from tests.harness import TARGET, planned, target_of
from tests.shops import forking, kept, reasons, run, trials, write_shop


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder on PYTHONPATH that is not the working directory."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def test_a_module_of_that_name_in_the_working_directory_is_not_run(tmp_path: Path, elsewhere: Path) -> None:
    seen = "import os\nassert 'PYTHONSAFEPATH' not in os.environ\nassert os.environ['PYTHONPATH'].endswith('elsewhere')"
    write_shop(tmp_path, code=elsewhere, before=seen)
    (tmp_path / "our_shop.py").write_text("raise SystemExit('another one')\n")
    for name in ("queue", "chaos"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not ours')\n")
    as_a_script = "import sys; sys.path.remove('')"
    outcome = complete(run(tmp_path, "--no-cache", code=elsewhere, prelude=as_a_script))
    assert outcome.code == 0, (outcome, reasons(tmp_path))


def test_a_guardian_is_ours_whatever_lies_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "chaos").mkdir()
    (tmp_path / "chaos" / "__init__.py").write_text("raise SystemExit('not ours')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    Guardian(tmp_path).close()


def test_a_factory_that_comes_from_elsewhere_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"shop_{tmp_path.name}"
    spec = target_of(TARGET.replace("{kind: fake}", f"{{kind: virtual, factory: '{name}:Shop'}}"))
    (tmp_path / f"{name}.py").write_text("class Shop: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert home_of(f"{name}:Shop") == str((tmp_path / f"{name}.py").resolve())
    with pytest.raises(ArmFailed, match=rf"was loaded from .*{name}\.py, and found in /another\.py"):
        VirtualDriver("/another.py").start(planned().arms[0], spec, tmp_path, lambda _event: None)


EDITS = """
import pathlib
pathlib.Path(__file__).with_name("our_rates").joinpath("rates.py").write_text("RATE = 2")
"""


@pytest.mark.parametrize(("edits", "forks", "entries"), [("", True, 2), (EDITS, True, 0), (EDITS, False, 0)])
def test_an_edit_while_it_runs_keeps_nothing_for_later(
    tmp_path: Path, edits: str, forks: bool, entries: int
) -> None:
    (tmp_path / "our_rates").mkdir()
    (tmp_path / "our_rates" / "rates.py").write_text("RATE = 1")
    write_shop(tmp_path, after=edits)
    if forks:
        forking(tmp_path)
    outcome = complete(run(tmp_path))
    assert (outcome.code, outcome.err) == (0, "")
    assert kept(tmp_path) == entries
    assert ("has changed since the start: nothing more was kept" in outcome.out) == (entries == 0)


def test_code_that_cannot_be_known_is_said_once_and_run_without_the_cache(tmp_path: Path) -> None:
    write_shop(tmp_path)
    few = "from chaos.runner import cache; cache.MOST_FILES = 1"
    outcome = complete(run(tmp_path, "--seeds", "1..2", prelude=few))
    assert outcome.code == 0
    assert outcome.err.count("no arms are kept: ") + outcome.out.count("no arms are kept: ") == 1
    assert kept(tmp_path) == 0
    (tmp_path / "run").rename(tmp_path / "first")
    outcome = complete(run(tmp_path, "--no-cache", prelude=few))
    assert outcome.code == 0
    assert "no arms are kept" not in outcome.err + outcome.out


NO_DAY = """
class Shop(Shop):
    def __init__(self, *, seed, **given):
        super().__init__(seed=seed, **given)
        right = self.day
        self.day = lambda: float("nan") if seed == 1 and right() > 1 else right()
"""
LEAVES = """
class Shop(Shop):
    def __init__(self, *, seed, **given):
        super().__init__(seed=seed, **given)
        self.seed = seed

    def advance(self, until_day, wake):
        if self.seed == 1 and self.day() > 1:
            raise SystemExit("no licence")
        super().advance(until_day, wake)
"""


@pytest.mark.parametrize("forks", [True, False])
@pytest.mark.parametrize(
    ("code", "says"),
    [
        (NO_DAY, "our_shop:Shop: day: it is nan, which is no day"),
        (LEAVES, "our_shop:Shop: advance: SystemExit: no licence (our_shop.py, line "),
    ],
)
def test_what_breaks_is_the_failure_of_its_own_arms(
    tmp_path: Path, code: str, says: str, forks: bool
) -> None:
    write_shop(tmp_path, after=code)
    if forks:
        forking(tmp_path)
    outcome = complete(run(tmp_path, "--seeds", "1..2", "--jobs", 1, "--no-cache"))
    assert [trial.verdict for trial in trials(tmp_path)] == [Verdict.VOID, Verdict.PASSED], outcome
    assert says in reasons(tmp_path)


THREAD = """
import threading
class Shop(Shop):
    def __init__(self, **given):
        super().__init__(**given)
        threading.Thread(target=threading.Event().wait).start()
"""


def test_a_thread_that_does_not_end_does_not_keep_the_run(tmp_path: Path) -> None:
    write_shop(tmp_path, after=THREAD)
    short = "import chaos.parallel; chaos.parallel.PATIENCE_SECONDS = 0.2"
    outcome = complete(run(tmp_path, "--no-cache", "--jobs", 1, prelude=short), seconds=60)
    assert outcome.code == 0, outcome
    assert "all is measured; workers that did not end were killed (1): the target has left" in outcome.out


DEAF = """
import signal
class Shop(Shop):
    def __init__(self, **given):
        super().__init__(**given)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
"""


def test_a_target_that_takes_a_workers_signal_does_not_end_the_run(tmp_path: Path) -> None:
    write_shop(tmp_path, after=DEAF)
    outcome = complete(run(tmp_path, "--no-cache", "--jobs", 1))
    assert outcome.code == 0, outcome

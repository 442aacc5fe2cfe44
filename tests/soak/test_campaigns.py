"""Long runs that give the documentation its figures: `make campaigns`, or `pytest -m soak -s tests/soak`.

MLCHAOS_SOAK_LIVE_SEEDS (1..20), MLCHAOS_SOAK_SEEDS (1..100) and MLCHAOS_SOAK_COMPARED (1..5) say which seeds.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import paces
from benchmarks.comparison import HEAD, SCENARIOS, run, run_virtual, table
from chaos.domain.event import Alert, Signal
from chaos.domain.interval import share_interval
from chaos.domain.layer import SignalKind
from chaos.domain.scenario import Arm, Harm
from chaos.domain.verdict import Results, TrialResult, Verdict
from chaos.journal import read
from tests.command import REPOSITORY

pytestmark = pytest.mark.soak

LIVE_SEEDS = os.environ.get("MLCHAOS_SOAK_LIVE_SEEDS", "1..20")
SEEDS = os.environ.get("MLCHAOS_SOAK_SEEDS", "1..100")
COMPARED = os.environ.get("MLCHAOS_SOAK_COMPARED", "1..5")
PROCESS_TESTS = int(os.environ.get("MLCHAOS_SOAK_REPEATS", "10"))
MONTH = """
scenario: month
kind: quiet
teaches: a month without faults passes without a page and without a model that is held for nothing
source: tests
days: 28d
steady_state:
  - probe: good_views
    with: {over: 0.5d}
    at_least: 0.97
expect:
  false_alarms: 0
"""


def counted(trials: list[TrialResult]) -> Counter[str]:
    """Verdicts, printed with the interval of the share that passes."""
    counts = Counter(trial.verdict.value for trial in trials)
    told = len(trials) - counts["void"]
    low, high = share_interval(counts["passed"], told)
    print(f"\n{dict(counts)}; share that passes {low:.3f} to {high:.3f} (95% interval, void left out)")
    for trial in trials:
        if trial.verdict is not Verdict.PASSED:
            says = "; ".join(r.says for r in trial.reasons if r.verdict is trial.verdict)
            print(f"  {trial.scenario}, seed {trial.seed}: {trial.verdict.value}: {says}")
    return counts


def delays(trials: list[TrialResult]) -> None:
    """Detecting layers and delays, printed."""
    found = [fault.detection for trial in trials for fault in trial.faults if fault.detection is not None]
    layers = Counter(detection.layer for detection in found)
    days = sorted(detection.delay_days for detection in found)
    print(
        f"first detection by {dict(layers)}; delay {statistics.median(days):.2f} d, at most {days[-1]:.2f} d"
    )


def test_late_partition_on_real_processes_seed_by_seed(tmp_path: Path) -> None:
    trials = run("reference-local", LIVE_SEEDS, ["late-partition"], tmp_path / "run").trials
    counts = counted(trials)
    delays(trials)
    assert counts["passed"] == len(trials)
    assert {fault.detection.layer for trial in trials for fault in trial.faults if fault.detection} <= {
        "volume",
        "freshness",
    }


def test_live_and_virtual_agree(tmp_path: Path) -> None:
    live = run("reference-local", COMPARED, SCENARIOS, tmp_path / "live", "--rerun-void", "2")
    virtual = run_virtual(live, COMPARED, SCENARIOS, tmp_path / "virtual")
    rows = table(live.trials, virtual.trials)
    print("\n" + "\n".join([HEAD, *map(str, rows)]))
    assert rows
    assert [str(row) for row in rows if row.agrees is False] == []


def test_verdicts_rest_on_no_pace(tmp_path: Path) -> None:
    by_pace = paces.measure(paces.default_scenarios(), paces.PACES, "1..1", tmp_path)
    rows = paces.table(by_pace)
    print("\n" + "\n".join([paces.head(paces.PACES), *map(str, rows)]))
    assert len(rows) > 30
    assert [str(row) for row in rows if not row.agrees] == []


def test_late_partition_in_virtual_time(tmp_path: Path) -> None:
    trials = run("reference-virtual", SEEDS, ["late-partition"], tmp_path / "run", "--keep", "never").trials
    counts = counted(trials)
    delays(trials)
    assert counts["passed"] >= 0.99 * len(trials)


def test_a_month_without_faults_in_virtual_time(tmp_path: Path) -> None:
    (tmp_path / "month.yaml").write_text(MONTH)
    options = ("--arms", "defended", "--keep", "never")
    results: Results = run(
        "reference-virtual", SEEDS, [str(tmp_path / "month.yaml")], tmp_path / "run", *options
    )
    counted(results.trials)
    pages: list[str] = []
    held: list[float] = []
    blocked_days = 0.0
    for trial in results.trials:
        blocked = trial.harm.by_arm[Arm.DEFENDED][Harm.FALSE_BLOCK_DAYS]
        assert blocked is not None, f"not measured with seed {trial.seed}"
        blocked_days += blocked
        journal = read(tmp_path / "run" / next(arm.journal for arm in trial.arms if arm.arm is Arm.DEFENDED))
        pages += [
            alert.name for alert in journal.of(Alert) if alert.severity == "page" and alert.state == "firing"
        ]
        held += [s.day for s in journal.of(Signal) if (s.layer, s.signal) == ("hold", SignalKind.ACTED)]
    months, days = len(results.trials), sum(trial.days for trial in results.trials)
    print(
        f"{len(pages)} false pages in {months} months: {json.dumps(Counter(pages))}; {len(held)} retrains held"
    )
    print(f"something kept back on {blocked_days:.2f} of {days:g} days: {blocked_days / days:.2%}")
    assert len(pages) <= months / 3
    assert blocked_days <= 0.01 * days
    assert held == []


def test_a_week_after_a_slow_site_the_model_is_not_back(tmp_path: Path) -> None:
    trials = run("reference-virtual", COMPARED, ["slow-site"], tmp_path / "run", "--keep", "never").trials
    counted(trials)
    found = [trial.loop.quality_week_after for trial in trials if trial.loop is not None]
    after = [quality for quality in found if quality is not None]
    print(f"quality a week after, of that without the slow weeks: {', '.join(f'{one:.2f}' for one in after)}")
    assert len(after) == len(trials)
    assert statistics.fmean(after) <= 0.95


def test_the_tests_on_real_processes_pass_again_and_again() -> None:
    for number in range(1, PROCESS_TESTS + 1):
        command = [sys.executable, "-m", "pytest", "-q", "-m", "processes and not soak"]
        done = subprocess.run(command, cwd=REPOSITORY, check=False, capture_output=True, text=True)
        print(f"\n{number} of {PROCESS_TESTS}: {done.stdout.strip().splitlines()[-1]}")
        assert done.returncode == 0, done.stdout

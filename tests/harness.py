"""Small scenarios and targets for tests of the harness."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml

from chaos.app import make_catalogue
from chaos.catalogue import Catalogue
from chaos.domain.event import Event, ViewRow, Views
from chaos.domain.plan import TrialPlan
from chaos.domain.scenario import Scenario
from chaos.domain.source import Source, build, parse_source
from chaos.domain.target import TargetSpec
from chaos.drivers.fake import FakeDriver, FakeTarget
from chaos.runner.execute import ArmContext, ArmRun, Pause, no_pause
from chaos.runner.plan import Planner, Request
from chaos.runner.stop import StopSignal

SCENARIO = """
scenario: small
kind: defended
teaches: nothing but how the runner works
source: tests
days: 6d
steady_state:
  - probe: good_views
    at_least: 0.9
faults:
  - fault: late_partition
    with: {link: events, held_days: 2d}
    at: 2d
expect:
  detected: {by: [freshness], within: 1d}
"""

TARGET = """
target: fake
says: a target in memory
driver: {kind: fake}
capabilities: [network, data, layers, arms, truth]
components:
  writer: {role: writes}
  reader: {role: reads}
links:
  events: {kind: data, from: [writer], to: reader, due: 0.15d}
  wire: {kind: network, from: [reader], to: writer}
layers:
  freshness:
    asked_by: [reader]
    stages: [detect]
    says: how late the newest partition is
    parameters:
      warn_days: {type: days, default: 0.5, at_least: 0}
  hold:
    asked_by: [reader]
    stages: [contain]
    says: keeps the last good model
"""


def scenario_of(text: str = SCENARIO) -> tuple[Scenario, Source]:
    source = parse_source("small.yaml", text.encode())
    return build(Scenario, source), source


def target_of(text: str = TARGET) -> TargetSpec:
    return build(TargetSpec, parse_source("fake.yaml", text.encode()))


def planned(
    text: str = SCENARIO,
    request: Request | None = None,
    target: str = TARGET,
    catalogue: Catalogue | None = None,
) -> TrialPlan:
    scenario, source = scenario_of(text)
    planner = Planner(
        scenario, source, target_of(target), catalogue or make_catalogue(), request or Request()
    )
    return planner.plan(1)


def edited(text: str = SCENARIO, **changes: object) -> str:
    """A scenario's text with top-level keys replaced."""
    return yaml.safe_dump({**yaml.safe_load(text), **changes})


def shoppers(target: FakeTarget) -> list[Event]:
    """Ten good views in each step."""
    row = ViewRow(1, "b", "r", 0, 10, 2, 0, 0, 0, 0, 10.0, 15.0)
    return [Views(target.day(), "shop", target.day() - 1 / 24, target.day(), [row])]


def run_arm(
    folder: Path,
    plan: TrialPlan,
    driver: FakeDriver,
    *,
    arm: int = 0,
    stop: StopSignal | None = None,
    show: Callable[[Event], None] = lambda _event: None,
    pause: Pause = no_pause,
) -> Path:
    """Run one arm of a plan against a fake target; the journal's path."""
    journal = folder / "journal.jsonl"
    context = ArmContext(
        run="test",
        mlchaos="0",
        started_at="2026-01-01T00:00:00+00:00",
        folder=folder,
        journal=journal,
        spec=target_of(),
        catalogue=make_catalogue(),
        driver=driver,
        stop=stop or StopSignal(),
        show=show,
        pause=pause,
    )
    ArmRun(plan.arms[arm], context).run()
    return journal

"""Journals made up for tests: a 14-day late partition in four arms, to be told differently where a test wants it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from chaos.domain.change import AddDataToxic, RemoveDataToxic
from chaos.domain.event import (
    SCHEMA,
    Alert,
    Alias,
    Applied,
    Effect,
    Event,
    Header,
    Partition,
    PartitionRef,
    Phase,
    Planned,
    Prepared,
    Reading,
    Signal,
    Snapshot,
    Undone,
    Version,
    ViewRow,
    Views,
)
from chaos.domain.layer import Mode, SignalKind, Stage
from chaos.domain.plan import ArmPlan, PlannedFault, PlannedLayer, TrialPlan
from chaos.domain.scenario import Arm, Kind, Scenario
from chaos.domain.verdict import RESULTS_SCHEMA, Results, TrialResult, combine
from chaos.journal import Journal, JournalWriter, journal_name
from chaos.scoring.trial import score_trial

INJECT, UNDO, DAYS = 3.5, 8.5, 14.0
FAULT = "late_partition"
VIEWS_A_TICK = 25
DETECT, CONTAIN = Stage.DETECT, Stage.CONTAIN
LAYERS = {
    "schema": [DETECT, CONTAIN],
    "volume": [DETECT],
    "freshness": [DETECT],
    "hold": [CONTAIN],
    "evaluation": [DETECT, CONTAIN],
    "fallback": [CONTAIN],
    "burn": [DETECT],
    "meta": [DETECT],
    "people": [DETECT],
}
SPOKEN = ("schema", "volume", "freshness", "hold", "evaluation", "burn", "meta")
EXPECT: dict[str, Any] = {
    "detected": {"by": ["volume", "freshness"], "within": "1d"},
    "contained": {"of": "defective_views", "at_least": 0.9},
    "budgets": {"error_views": 60, "slow_views": 120, "stale_days": 30, "lost_events": 0},
    "recovered": {"within": "2d"},
    "false_alarms": 0,
}


@dataclass(frozen=True)
class Told:
    """How the story goes. `modes` are the layers' modes in the arms that have layers."""

    kind: Kind = Kind.DEFENDED
    expect: dict[str, Any] = field(default_factory=lambda: dict(EXPECT))
    modes: dict[str, Mode] = field(default_factory=dict)
    not_armed: tuple[str, ...] = ()
    arms: tuple[Arm, ...] = tuple(Arm)
    faults: bool = True
    bites: bool | None = True
    seed: int = 7
    scenario: str = "late-partition"

    def mode(self, layer: str) -> Mode:
        return self.modes.get(layer, Mode.OFF if layer in self.not_armed else Mode.ENFORCE)


class Story:
    """A trial's plan and the events of its arms, which a test may add to, change and drop."""

    def __init__(self, told: Told | None = None) -> None:
        self.told = told or Told()
        self.plan = _trial(self.told)
        self.events: dict[Arm, list[Event]] = {arm.arm: _arm(self.told, arm) for arm in self.plan.arms}

    def add(self, arm: Arm, *events: Event) -> Story:
        self.events[arm] = sorted([*self.events[arm], *events], key=lambda event: event.day)
        return self

    def drop(self, arm: Arm, unwanted: Callable[[Event], bool]) -> Story:
        self.events[arm] = [event for event in self.events[arm] if not unwanted(event)]
        return self

    def change(self, arm: Arm, change: Callable[[Event], Event]) -> Story:
        self.events[arm] = [change(event) for event in self.events[arm]]
        return self

    def cut(self, arm: Arm, day: float) -> Story:
        """The writer was killed on `day`."""
        return self.drop(arm, lambda event: event.day > day)

    def journals(self) -> dict[Arm, Journal]:
        folder = Path(f"{self.told.scenario}-{self.told.seed}")
        return {
            plan.arm: Journal(folder / journal_name(plan.arm), header(plan), tuple(self.events[plan.arm]))
            for plan in self.plan.arms
            if plan.arm in self.events
        }

    def score(self) -> TrialResult:
        return score_trial(self.plan, self.journals())

    def write(self, run_folder: Path) -> Path:
        """Write the journals as files; returns the trial's folder."""
        folder = run_folder / f"{self.told.scenario}-{self.told.seed}"
        for plan in self.plan.arms:
            write_journal(folder / journal_name(plan.arm), plan, self.events[plan.arm])
        return folder


def late(event: Event) -> Event:
    """An injection or undo as real processes have it: a moment after its time."""
    made = isinstance(event, Phase | Planned | Prepared | Applied | Undone) and event.day in (INJECT, UNDO)
    return msgspec.structs.replace(event, day=event.day + 0.004) if made else event


def rows(change: Callable[[ViewRow], ViewRow], start: float, end: float) -> Callable[[Event], Event]:
    """Change the rows of the views from `start` to `end`."""

    def apply(event: Event) -> Event:
        if not isinstance(event, Views) or not start <= event.start_day < end:
            return event
        return msgspec.structs.replace(event, rows=[change(row) for row in event.rows])

    return apply


def readings(ok: bool | None, *days: float) -> Callable[[Event], Event]:
    """What `good_views` reads on these days."""

    def apply(event: Event) -> Event:
        mine = isinstance(event, Reading) and event.probe == "good_views" and event.day in days
        return msgspec.structs.replace(event, ok=ok, value=None) if mine else event

    return apply


def header(plan: ArmPlan) -> Header:
    return Header(
        day=0.0,
        schema=SCHEMA,
        mlchaos="0.1.0",
        run="20260101-000000-run-1",
        seed=plan.seed,
        target=plan.target,
        arm=plan.arm.value,
        day_seconds=plan.day_seconds,
        started_at="2026-01-01T00:00:00+00:00",
        plan_hash=plan.fingerprint(),
        plan=msgspec.Raw(plan.model_dump_json(by_alias=True).encode()),
        sealed=True,
    )


def write_journal(path: Path, plan: ArmPlan, events: Iterable[Event]) -> Path:
    with JournalWriter(path, header(plan)) as journal:
        for event in events:
            journal.write(event)
    return path


def results_of(*trials: TrialResult) -> Results:
    return Results(
        schema=RESULTS_SCHEMA,
        run="20260101-000000-run-1",
        mlchaos="0.1.0",
        target="reference-local",
        day_seconds=1.0,
        started_at="2026-01-01T00:00:00+00:00",
        verdict=combine(trial.verdict for trial in trials),
        trials=list(trials),
    )


def signal(
    layer: str, kind: str, day: float, mode: Mode = Mode.ENFORCE, says: str = "", about: str = ""
) -> Signal:
    return Signal(
        day=day, component="features", layer=layer, signal=SignalKind(kind), mode=mode, says=says, about=about
    )


# --- plans -----------------------------------------------------------------------------------------------


def _trial(told: Told) -> TrialPlan:
    scenario = Scenario.model_validate(
        {
            "scenario": told.scenario,
            "kind": told.kind.value,
            "teaches": "late events must not train a model",
            "source": "tests",
            "days": "14d",
            "steady_state": [
                {"probe": "good_views", "at_least": 0.97},
                {"probe": "model_age", "at_most": 1.6},
            ],
            "faults": [
                {"fault": FAULT, "with": {"link": "events", "held_days": "5d"}, "at": "3.5d", "for": "5d"}
            ]
            if told.faults
            else [],
            "expect": told.expect,
        }
    )
    return TrialPlan(
        scenario=scenario,
        target="reference-local",
        seed=told.seed,
        expect=scenario.expect,
        arms=[_plan(told, scenario, arm) for arm in told.arms],
        not_armed=sorted(told.not_armed),
    )


def _plan(told: Told, scenario: Scenario, arm: Arm) -> ArmPlan:
    parameters = {"link": "events", "held_days": "5d"}
    faults = [PlannedFault(key=FAULT, fault=FAULT, parameters=parameters, inject_day=INJECT, undo_day=UNDO)]
    faults = faults if told.faults else []
    return ArmPlan(
        scenario=scenario.scenario,
        kind=told.kind,
        arm=arm,
        target="reference-local",
        world="default",
        seed=told.seed,
        days=DAYS,
        day_seconds=1.0,
        layers={
            name: PlannedLayer(mode=told.mode(name) if arm.has_layers else Mode.OFF, stages=stages)
            for name, stages in LAYERS.items()
        },
        holes=[],
        faults=faults if arm.has_fault else [],
        effect_watch=[] if arm.has_fault else faults,
        steady_state=scenario.steady_state,
        abort_if=[],
    )


# --- events ----------------------------------------------------------------------------------------------


def _arm(told: Told, plan: ArmPlan) -> list[Event]:
    arm = plan.arm
    faulty = arm.has_fault and told.faults
    late = faulty and bool(told.bites)
    alarmed = (
        late and arm.has_layers and any(told.mode(one) is not Mode.OFF for one in ("volume", "freshness"))
    )
    gates = [one for one in ("volume", "freshness") if told.mode(one) is Mode.ENFORCE]
    held = alarmed and bool(gates) and told.mode("hold") is Mode.ENFORCE
    events: list[Event] = [Phase(day=0.0, phase="provision"), Phase(day=0.0, phase="steady_before")]
    events += _data(late, held)
    events += _views(events, quality_loss=0.12 if late and not held else 0.06 if late else 0.0)
    events += _readings(events)
    if told.faults:
        events += _effects(faulty, told.bites)
    if faulty:
        events += _changes()
    if arm.has_layers:
        events += _layers(told, alarmed, held)
    events += [Phase(day=DAYS, phase=phase) for phase in ("drain", "teardown", "done")]
    return sorted(events, key=lambda event: event.day)


def _data(late: bool, held: bool) -> list[Event]:
    events: list[Event] = []
    arrived: list[int] = list(range(-6, 0))
    waiting: list[int] = []
    for day in range(int(DAYS)):
        if day > 0:
            waiting.append(day - 1)
            events.append(_partition(day + 0.01, "collector", day - 1, "written"))
        if not (late and INJECT <= day + 0.05 < UNDO):
            at = day + 0.05
            if late and waiting[:1] == [3] and day == 9:
                at = UNDO + 0.05
            events += [_partition(at, "features", one, "delivered") for one in waiting]
            arrived, waiting = [*arrived, *waiting], []
        elif waiting:
            events.append(_partition(day + 0.15, "features", day - 1, "absent"))
        if held and 4 <= day <= 8:
            continue
        refs = [
            PartitionRef(one, 4500 if one in arrived else 0, f"sha{one}" if one in arrived else "")
            for one in range(day - 6, day)
        ]
        due = list(range(day - 6, day))
        watermark = max(arrived)
        events += [
            Snapshot(day + 0.16, "features", f"s{day}", watermark, refs, due),
            Version(day + 0.2, "trainer", 20 + day, f"run{day}", f"s{day}", day + 0.2, refs, due),
            Alias(day + 0.45, "orchestrator", "champion", 20 + day, 19 + day, "canary"),
        ]
    return events


def _partition(day: float, component: str, of: int, state: str) -> Partition:
    rows = 0 if state == "absent" else 4500
    return Partition(day, component, of, rows, f"sha{of}" if rows else "", state)  # type: ignore[arg-type]


def _views(events: list[Event], quality_loss: float) -> list[Event]:
    flips = sorted((event.day, event.version or 0) for event in events if isinstance(event, Alias))
    found: list[Event] = []
    for tick in range(int(DAYS) * 24):
        start, end = tick / 24, (tick + 1) / 24
        version = next((number for day, number in reversed(flips) if day <= start), 19)
        loss = quality_loss if INJECT + 1 <= start < UNDO + 1 else 0.0
        rows = [
            ViewRow(
                version=version,
                build="b1",
                replica="serving-a",
                segment=segment,
                n=VIEWS_A_TICK // 5,
                abandoned=1,
                errors=0,
                slow=0,
                fallback=0,
                defaulted=0,
                served_value=5 * 0.62 * (1 - loss),
                best_value=5.0,
            )
            for segment in range(5)
        ]
        found.append(Views(end, "shop", start, end, rows))
    return found


def _readings(events: list[Event]) -> list[Event]:
    flips = sorted((event.day, event.day - 0.25) for event in events if isinstance(event, Alias))
    readings: list[Event] = []
    for quarter in range(1, int(DAYS) * 4 + 1):
        day = quarter / 4
        trained = next((made for flip, made in reversed(flips) if flip <= day), -0.8)
        age = day - trained
        readings.append(Reading(day, "good_views", 1.0, True))
        readings.append(Reading(day, "model_age", age, age <= 1.6))
    return readings


def _effects(faulty: bool, bites: bool | None) -> list[Event]:
    effects: list[Event] = []
    for tick in range(1, 51):
        day = INJECT + tick / 10
        seen = None if bites is None else faulty and bites and day >= 4.2
        effects.append(Effect(day, FAULT, seen, None if seen is None else float(seen)))
    return effects


def _changes() -> list[Event]:
    id = f"{FAULT}-1"
    change = AddDataToxic("events", "mlchaos_late", "late", {"held_days": 5.0})
    return [
        Phase(INJECT, "inject", FAULT),
        Planned(INJECT, id, FAULT, change),
        Prepared(INJECT, id, RemoveDataToxic("events", "mlchaos_late")),
        Applied(INJECT, id),
        Phase(INJECT, "observe", FAULT),
        Phase(UNDO, "undo", FAULT),
        Undone(UNDO, id, "undone"),
        Phase(UNDO, "steady_after", FAULT),
    ]


def _layers(told: Told, alarmed: bool, held: bool) -> list[Event]:
    events: list[Event] = [
        signal(layer, "reached", day + 0.15, told.mode(layer))
        for layer in SPOKEN
        if told.mode(layer) is not Mode.OFF
        for day in range(int(DAYS))
    ]
    if not alarmed:
        return events
    for layer, day, says in (
        ("volume", 4.17, "0 rows delivered, 4,500 acknowledged"),
        ("freshness", 4.68, "newest partition is 0.5 d late"),
    ):
        mode = told.mode(layer)
        if mode is Mode.OFF:
            continue
        acted = "acted" if mode is Mode.ENFORCE else "would_have_acted"
        events += [signal(layer, "fired", day, mode, says), signal(layer, acted, day, mode, says)]
        events += [signal(layer, "cleared", 9.06, mode)]
    hold = told.mode("hold")
    if hold is not Mode.OFF:
        acted = "acted" if held else "would_have_acted"
        events += [
            signal("hold", "fired", 4.2, hold, "last good model held: volume red"),
            signal("hold", acted, 4.2, hold, "last good model held: volume red"),
            signal("hold", "cleared", 9.1, hold),
        ]
    if told.mode("volume") is Mode.ENFORCE:
        events += _alert("VolumeRed", 4.2, 4.45, 9.1)
    return events


def _alert(name: str, sent: float, acknowledged: float, resolved: float) -> list[Event]:
    first = Alert(
        sent, "monitor", name, name, "ML system", "page", "data team", "firing", sent, None, "volume"
    )
    return [
        first,
        msgspec.structs.replace(first, day=acknowledged, acknowledged_day=acknowledged),
        msgspec.structs.replace(first, day=resolved, state="resolved", acknowledged_day=acknowledged),
    ]


def quiet(**expect: Any) -> Told:
    """A run without a fault."""
    return Told(kind=Kind.QUIET, faults=False, expect=expect or {"false_alarms": 0}, scenario="quiet")


def without(told: Told, *layers: str) -> Told:
    """The same story with these layers off."""
    return replace(told, not_armed=layers)

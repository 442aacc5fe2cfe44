"""The live timeline: one line for each thing worth knowing while a run goes on."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

from chaos.domain.event import (
    WAIT_LIMIT_MS,
    Action,
    Alert,
    Alias,
    Applied,
    Contention,
    Effect,
    Event,
    Exit,
    Lag,
    Phase,
    Planned,
    Refused,
    Saturation,
    Signal,
    Stall,
    Undone,
    Waiting,
)
from chaos.domain.layer import Mode, SignalKind

if TYPE_CHECKING:
    from rich.console import Console

STYLE = {"fault": "bold red", "well": "green", "layer": "yellow", "alert": "magenta", "": "", "dim": "dim"}
STARTS = ("provision", "teardown", "void", "aborted", "interrupted", "paused")
DAILY_DAYS = 1.6
AGAIN_DAYS = 0.25
"""What a layer says again and again, but for its figures, is told so often, until it has cleared."""
FIGURES = re.compile(r"\d[\d.,]*")
CROWD_DAYS = 1.0
"""Who takes or wants too much of the processors is told once a day, though it is looked at more often."""
WORDS = {
    SignalKind.FIRED: "fired",
    SignalKind.ACTED: "acted",
    SignalKind.WOULD_HAVE_ACTED: "would have acted",
    SignalKind.CLEARED: "cleared",
}


class Timeline:
    """Turns events into lines. What is said every day, and what only a machine reads, is left out."""

    def __init__(self, console: Console, *, fault_names: bool = True) -> None:
        self._console = console
        self._fault_names = fault_names
        self._changes: dict[tuple[str, str], str] = {}
        self._bites: dict[tuple[str, str], bool] = {}
        self._alerts: dict[tuple[str, str], str] = {}
        self._crowds: dict[tuple[str, str], float] = {}
        self._said: dict[tuple[str, str, str], str] = {}
        self._told: dict[tuple[str, str, str, str], dict[str, float]] = {}
        self._flips: dict[tuple[str, str], float] = {}
        self._lives: Counter[tuple[str, str]] = Counter()
        self._since: dict[str, float] = {}

    def show(self, event: Event, arm: str, trial: str = "", *, watchdog: str = "") -> None:
        """Print a line about an event, if there is something to say about it. `watchdog` is the alert that
        always fires.
        """
        if isinstance(event, Phase) and event.phase == "provision":  # an arm may be lived through again
            self._lives[trial, arm] += 1
        key = f"{trial}/{arm}/{self._lives[trial, arm]}"
        self._since.setdefault(key, event.day)
        if isinstance(event, Alert) and event.is_watchdog(watchdog):
            line = self._watched(event, key)
        else:
            line = self._line(event, key)
        if line is None:
            return
        kind, who, says = line
        from rich.text import Text

        head = f"{'day':>4} {event.day:6.2f}  {arm:<10}  "
        text = Text.assemble(
            (head, "dim"), (f"{who:<12} ", STYLE[kind]), (says, "" if kind != "dim" else "dim")
        )
        self._console.print(text, soft_wrap=True, highlight=False)

    def _line(self, event: Event, key: str) -> tuple[str, str, str] | None:
        """(kind, who, what), or None for silence."""
        match event:
            case Phase():
                return _phase(event)
            case Signal():
                return self._signal(event, key)
            case Alert():
                return self._alert(event, key)
            case Effect():
                return self._effect(event, key)
            case Planned() | Applied() | Refused() | Undone():
                return self._change(event, key)
            case Alias():
                return self._alias(event, key)
            case Action(by=by, says=says, action=action):
                return "well", by, says or action
            case Exit(component=component, code=code, expected=False):
                return "fault", component, f"ended by itself with code {code}"
            case Lag() | Waiting() | Stall():
                return _busy(event)
            case Contention(taken_share=share):
                says = f"took {share:.0%} of the processors: the machine is busy"
                return self._crowded(event, key, "others", says)
            case Saturation(process=process, wanted_share=share):
                says = f"had work for {min(share, 1.0):.0%} of the time: the machine is too slow for the load"
                return self._crowded(event, key, process, says)
            case _:
                return None

    def _signal(self, signal: Signal, key: str) -> tuple[str, str, str] | None:
        if signal.signal is SignalKind.REACHED:
            return None
        word = WORDS[signal.signal]
        if signal.mode is Mode.OBSERVE and signal.signal is SignalKind.FIRED:
            word += " (observes)"
        told = self._told.setdefault((key, signal.layer, signal.component, signal.about), {})
        words = f"{word} {FIGURES.sub('', signal.says)}"
        if signal.signal is SignalKind.CLEARED:
            told.clear()
        elif signal.day - told.get(words, -math.inf) < AGAIN_DAYS:
            return None
        told[words] = signal.day
        # A layer that acts at once gives the reason that it has just given.
        repeats = self._said.get((key, signal.layer, signal.about)) == signal.says
        self._said[key, signal.layer, signal.about] = signal.says
        says = f"{word}: {signal.says}" if signal.says and not repeats else word
        return ("well" if signal.signal is SignalKind.CLEARED else "layer"), signal.layer, says

    def _alert(self, alert: Alert, key: str) -> tuple[str, str, str] | None:
        # An alert is told again whenever something about it changes.
        state = "acknowledged" if alert.acknowledged_day is not None else alert.state
        state = "resolved" if alert.state == "resolved" else state
        if self._alerts.get((key, alert.id)) == state:
            return None
        self._alerts[key, alert.id] = state
        name = alert_name(alert.name, alert.about)
        if state == "firing":
            return "alert", "alert", f"{name}{alert.filed} to {alert.routed_to}"
        return "dim", "alert", f"{name} {state}"

    def _watched(self, alert: Alert, key: str) -> tuple[str, str, str] | None:
        if self._alerts.get((key, alert.id)) == alert.state:
            return None
        self._alerts[key, alert.id] = alert.state
        if alert.state == "firing":
            return "dim", "alerts", f"are heard: {alert.name}, which always fires"
        return "fault", "alerts", f"may be lost: {alert.name}, which always fires, is resolved"

    def _alias(self, alias: Alias, key: str) -> tuple[str, str, str] | None:
        # A newer version each day is what should happen; going back, or on after a pause, is worth a line.
        last = self._flips.get((key, alias.alias), self._since[key])
        self._flips[key, alias.alias] = alias.day
        if alias.version is None:
            return "fault", "registry", f"{alias.alias} is taken away, by {alias.by}"
        says = f"{alias.alias} is version {alias.version} now, by {alias.by}"
        if alias.previous is not None and alias.version < alias.previous:
            return "layer", "registry", f"{says}: back from version {alias.previous}"
        if alias.day - last > DAILY_DAYS:
            return "well", "registry", f"{says}: the first for {alias.day - last:.1f} d"
        return None

    def _crowded(
        self, span: Contention | Saturation, key: str, who: str, says: str
    ) -> tuple[str, str, str] | None:
        if span.day - self._crowds.get((key, who), -math.inf) < CROWD_DAYS:
            return None
        self._crowds[key, who] = span.day
        return "fault", who, says

    def _effect(self, effect: Effect, key: str) -> tuple[str, str, str] | None:
        seen = bool(effect.seen)
        if self._bites.get((key, effect.fault), False) == seen:
            return None
        self._bites[key, effect.fault] = seen
        name = effect.fault if self._fault_names else "fault"
        return ("fault", name, "takes effect") if seen else ("well", name, "its effect is over")

    def _change(self, event: Planned | Applied | Refused | Undone, key: str) -> tuple[str, str, str] | None:
        if isinstance(event, Planned):
            self._changes[key, event.id] = event.about
            return None
        about = self._changes.get((key, event.id), event.id)
        name = about if self._fault_names else "fault"
        if isinstance(event, Applied):
            return "fault", name, "injected" if not about.startswith("hole_") else "opened"
        if isinstance(event, Refused):
            return "well", event.by, f"refuses {name}: {event.says}"
        if event.outcome == "failed":
            return "fault", name, f"UNDO FAILED: {event.says}"
        return "well", name, "undone" if event.outcome == "undone" else f"left as it is: {event.says}"


def alert_name(name: str, about: str) -> str:
    """An alert with what it is about: replicas raise the same one."""
    return f"{name} about {about}" if about else name


def _busy(event: Lag | Waiting | Stall) -> tuple[str, str, str] | None:
    match event:
        case Lag(component=component, lag_days=late, over_days=over) if over > 0:
            return "fault", component, f"is {late:.2f} d late, for {over:.2f} d now: the machine is busy"
        case Waiting(process=process, wait_ms=wait_ms) if wait_ms > WAIT_LIMIT_MS:
            return "fault", process, f"waits {wait_ms:.1f} ms a turn for a processor: the machine is busy"
        case Stall(process=process, stalled_ms=stalled_ms):
            return "fault", process, f"stood still for {stalled_ms:.0f} ms: the machine is busy"
        case _:
            return None


def _phase(phase: Phase) -> tuple[str, str, str] | None:
    if phase.phase not in STARTS:
        return None
    says = {"provision": "comes up", "teardown": "is taken down"}.get(phase.phase, phase.phase)
    text = f"{says}: {phase.says}" if phase.says else says
    return ("fault" if phase.phase in ("void", "aborted", "interrupted") else "dim"), "arm", text

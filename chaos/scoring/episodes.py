"""Signals and alerts, joined up: when a layer fired, acted and let go, and when an alert was answered."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from chaos.domain.event import Alert, Phase, Signal
from chaos.domain.layer import Mode, SignalKind
from chaos.journal import Journal

E = TypeVar("E", Signal, Alert)

SAME_TIME_DAYS = 0.5
"""A firing of the same layer in the control arm this close to one in the defended arm explains it."""


@dataclass(frozen=True)
class Episode:
    """From a layer's first objection to its `cleared`, about one thing; days are None where it did not."""

    component: str
    layer: str
    about: str
    mode: Mode
    fired_day: float | None = None
    acted_day: float | None = None
    would_have_acted_day: float | None = None
    cleared_day: float | None = None
    says: str = ""

    @property
    def start(self) -> float:
        """When it began."""
        days = (self.fired_day, self.acted_day, self.would_have_acted_day)
        return min(day for day in days if day is not None)

    @property
    def end(self) -> float:
        """When it was over; infinity where it never was."""
        return math.inf if self.cleared_day is None else self.cleared_day


@dataclass(frozen=True)
class Firing:
    """A layer objects from `day` until `until`; `alert` where only an alert tells so."""

    layer: str
    day: float
    until: float
    says: str
    observes: bool = False
    alert: bool = False


@dataclass(frozen=True)
class AlertStory:
    """One alert from sending to its end; days are None for what did not happen."""

    first: Alert
    acknowledged_day: float | None
    resolved_day: float | None


def episodes_of(journal: Journal) -> tuple[Episode, ...]:
    """The episodes of an arm by their start."""
    signals = in_its_days(journal, Signal)
    return tuple(sorted(_episodes(signals), key=lambda one: (one.start, one.layer, one.about)))


def in_its_days(journal: Journal, kind: type[E]) -> Iterator[E]:
    """What was said while the stack lived: as it is drained its components end one after the other, and those
    that are left miss the others.

    Told by the order in the journal and the day, as the newest words may be read after the drain has begun.
    """
    ended = math.inf
    for event in journal.events:
        if isinstance(event, Phase) and event.phase == "drain":
            ended = event.day
        elif isinstance(event, kind) and event.day < ended:
            yield event


def _episodes(signals: Iterable[Signal]) -> Iterator[Episode]:
    current: dict[tuple[str, str, str], Episode] = {}
    for signal in signals:
        key = (signal.component, signal.layer, signal.about)
        running = current.get(key)
        if signal.signal is SignalKind.CLEARED:
            if running is not None:
                yield replace(current.pop(key), cleared_day=signal.day)
            continue
        if signal.signal is SignalKind.REACHED:
            continue
        if running is not None and (_said(running, signal.signal) or running.mode is not signal.mode):
            # It says again what it had said: what it said before ended without a word, as when it was
            # switched or its component started anew.
            yield replace(current.pop(key), cleared_day=signal.day)
            running = None
        if running is None:
            running = Episode(signal.component, signal.layer, signal.about, signal.mode, says=signal.says)
        current[key] = _add(running, signal)
    yield from current.values()


def _said(episode: Episode, kind: SignalKind) -> bool:
    day = {
        SignalKind.FIRED: episode.fired_day,
        SignalKind.ACTED: episode.acted_day,
        SignalKind.WOULD_HAVE_ACTED: episode.would_have_acted_day,
    }[kind]
    return day is not None


def _add(episode: Episode, signal: Signal) -> Episode:
    says = episode.says or signal.says
    if signal.signal is SignalKind.FIRED:
        return replace(episode, fired_day=signal.day, says=says)
    if signal.signal is SignalKind.ACTED:
        return replace(episode, acted_day=signal.day, says=says)
    return replace(episode, would_have_acted_day=signal.day, says=says)


def firings_of(journal: Journal, episodes: Iterable[Episode]) -> tuple[Firing, ...]:
    """What objected in an arm, by day and then as it was said; alerts stand for layers that give no signals
    of their own.
    """
    fired = [
        Firing(one.layer, one.fired_day, one.end, one.says, observes=one.mode is Mode.OBSERVE)
        for one in episodes
        if one.fired_day is not None
    ]
    speaking = {signal.layer for signal in journal.of(Signal)}
    for alert in alerts_of(journal):
        if alert.first.layer and alert.first.layer not in speaking:
            until = math.inf if alert.resolved_day is None else alert.resolved_day
            fired.append(Firing(alert.first.layer, alert.first.sent_day, until, alert.first.name, alert=True))
    said: dict[tuple[str, float], int] = {}
    for place, signal in enumerate(journal.of(Signal)):
        said.setdefault((signal.layer, signal.day), place)
    return tuple(
        sorted(fired, key=lambda one: (one.day, said.get((one.layer, one.day), math.inf), one.layer))
    )


def also_fired(firings: Iterable[Firing], layer: str, day: float) -> bool:
    """Whether a layer was firing within half a day of `day`."""
    return any(
        firing.layer == layer and firing.day - SAME_TIME_DAYS <= day <= firing.until + SAME_TIME_DAYS
        for firing in firings
    )


def alerts_of(journal: Journal) -> tuple[AlertStory, ...]:
    """Alerts in the order in which they were sent; a later event of one alert adds to the earlier ones.

    One resolved with a `sent_day` of its own ends the newest of its id: nobody was told anew. The watchdog,
    which always fires, tells nobody anything and is none.
    """
    stories: dict[tuple[str, float], AlertStory] = {}
    newest: dict[str, tuple[str, float]] = {}
    for alert in in_its_days(journal, Alert):
        if alert.is_watchdog(journal.plan.watchdog):
            continue
        key = (alert.id, round(alert.sent_day, 3))
        if alert.state == "resolved" and key not in stories:
            key = newest.get(alert.id, key)
        newest[alert.id] = key
        story = stories.get(key) or AlertStory(alert, None, None)
        acknowledged = story.acknowledged_day
        if acknowledged is None:
            acknowledged = alert.acknowledged_day
        resolved = alert.day if alert.state == "resolved" else None
        stories[key] = AlertStory(story.first, acknowledged, resolved)
    return tuple(sorted(stories.values(), key=lambda story: (story.first.sent_day, story.first.name)))

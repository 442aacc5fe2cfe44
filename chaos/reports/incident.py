"""The incident record: what the journals know of a trial, and headings for what only people can say."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console

from chaos.domain.event import Action, Event
from chaos.domain.layer import Outcome
from chaos.domain.scenario import Arm, Hole
from chaos.domain.verdict import AlertResult, Contamination, TrialResult
from chaos.journal import Journal
from chaos.reports.timeline import Timeline, alert_name

FOR_PEOPLE = ("Root cause", "Communication", "Action items")
"""Headings that are never filled from a journal."""
TO_FILL = "To be written by whoever held the incident."
SILENT = (Outcome.NOT_REACHED, Outcome.MISSED)
"""Not told of a layer that nobody expected anything of: it was not asked, or objected to nothing."""
NOBODY = "No layer objected."
ROUTINE = ("save",)
"""Actions of the daily cycle, which nobody took because of the incident."""


@dataclass(frozen=True)
class Record:
    """What the defended arm's journal knows of an incident, as the page and the Markdown file tell it."""

    trial: TrialResult
    timeline: tuple[str, ...]
    triage: tuple[AlertResult, ...]
    layers: tuple[str, ...]
    contaminated: tuple[str, ...]
    actions: tuple[Action, ...]


def record_of(trial: TrialResult, holes: Sequence[Hole], defended: Journal) -> Record:
    """The record of one trial, with the holes that its scenario has."""
    return Record(
        trial=trial,
        timeline=tuple(timeline(defended.events, defended.plan.watchdog)),
        triage=tuple(alert for alert in trial.alerts if alert.arm is Arm.DEFENDED),
        layers=tuple(_layers(trial, holes)),
        contaminated=tuple(_contaminated(trial)),
        actions=tuple(one for one in defended.of(Action) if one.action not in ROUTINE),
    )


def incident(record: Record, before: str = "") -> str:
    """A record as Markdown; what people wrote into it `before`, from their first heading on, stays."""
    begin = f"\n## {FOR_PEOPLE[0]}"
    told, _, to_fill = ("\n".join(_lines(record)) + "\n").partition(begin)
    _, _, filled = before.partition(begin)  # the heading may have been added to
    return f"{told}{begin}{filled or to_fill}"


def _lines(record: Record) -> Iterator[str]:
    trial = record.trial
    yield f"# Incident record: {trial.scenario}, seed {trial.seed}"
    yield ""
    yield f"{trial.teaches}"
    yield ""
    yield f"Verdict: **{trial.verdict.value}**. Days are calendar days since the scenario's start."
    yield from ("", "## Timeline", "", "```")
    yield from record.timeline
    yield from ("```", "", "## Triage", "")
    yield from _triage(record.triage)
    yield from ("", "## Layers and holes", "")
    yield from (f"- {says}" for says in record.layers)
    if not record.layers:
        yield NOBODY
    if record.contaminated:
        yield from ("", "## What altered and missing data got into", "")
        yield from (f"- {says}" for says in record.contaminated)
    yield from ("", "## Actions taken", "")
    yield from _actions(record.actions)
    for heading in FOR_PEOPLE:
        yield from ("", f"## {heading}", "", f"_{TO_FILL}_")


def timeline(events: Sequence[Event], watchdog: str = "") -> list[str]:
    """What happened, as the live timeline tells it; `watchdog` is the alert that always fires."""
    text = io.StringIO()
    shown = Timeline(Console(file=text, width=200, no_color=True, highlight=False))
    for event in events:
        shown.show(event, Arm.DEFENDED, watchdog=watchdog)
    return [line.rstrip() for line in text.getvalue().splitlines()]


def _triage(alerts: Sequence[AlertResult]) -> Iterator[str]:
    if not alerts:
        yield "No alert was sent."
        return
    yield "| alert | category | severity | told | sent, day | acknowledged, day |"
    yield "|---|---|---|---|---|---|"
    for alert in alerts:
        nobody = "nobody" if alert.answer_told else "not told"
        answered = nobody if alert.acknowledged_day is None else f"{alert.acknowledged_day:.2f}"
        cells = (
            alert_name(alert.name, alert.about),
            alert.category,
            alert.severity,
            alert.routed_to,
            f"{alert.sent_day:.2f}",
            answered,
        )
        yield f"| {' | '.join(cells)} |"


def _layers(trial: TrialResult, holes: Sequence[Hole]) -> Iterator[str]:
    for row in trial.layers:
        # What it achieved is not known on a stack that stands, and it may have spoken all the same.
        told = [] if row.outcome is None else [row.outcome.value]
        told += [] if row.first_fired_day is None else [f"fired on day {row.first_fired_day:.2f}"]
        told += [] if row.first_acted_day is None else [f"acted on day {row.first_acted_day:.2f}"]
        if row.expected or (told and row.outcome not in SILENT):
            yield f"{row.layer}: {', '.join(told) or 'said nothing'}"
    for hole in holes:
        what = [hole.mode.value] if hole.mode is not None else []
        what += [f"{key} = {value}" for key, value in hole.set_.items()]
        span = "" if hole.from_ is None else f" from day {hole.from_:g}"
        span += "" if hole.until is None else f" until day {hole.until:g}"
        by = f", by {hole.by}" if hole.by else ""
        why = f": {hole.why}" if hole.why else ""
        yield f"hole in {hole.layer}: {', '.join(what)}{span}{by}{why}"
    named = {hole.layer for hole in holes}
    for name in [name for name in trial.not_armed if name not in named]:
        yield f"hole in {name}: not armed"


def _contaminated(trial: TrialResult) -> Iterator[str]:
    """By arm, where something was made of partitions that came altered, or without some that were due."""
    for arm in Arm:
        found = trial.contamination.get(arm)
        if found is not None and (found.partitions or found.snapshots or found.versions):
            yield f"{arm.value}: {_spread(found)}; {_cleared(found)}"


def _spread(found: Contamination) -> str:
    partitions = ", ".join(
        f"{day} ({'of ' + ', '.join(sources) if sources else 'of unknown sources'})"
        for day, sources in found.partitions.items()
    )
    came = [f"partitions of day {partitions} came altered"] if found.partitions else []
    if found.absent:
        came.append(f"those of day {', '.join(map(str, found.absent))} were absent when they were due")
    return (
        f"{', '.join(came)}; {len(found.snapshots)} snapshots and {len(found.versions)} versions were made "
        f"of or without them, which gave {found.views:,} recommendations"
    )


def _cleared(found: Contamination) -> str:
    if found.cleared_day is None:
        return "nothing was purged"
    after = found.left or "none of it was in service"
    return f"{found.put_aside} by day {found.cleared_day:.2f}, and {after} after it"


def _actions(actions: Sequence[Action]) -> Iterator[str]:
    if not actions:
        yield "None."
        return
    yield "| day | by | action | |"
    yield "|---|---|---|---|"
    for one in actions:
        yield f"| {one.day:.2f} | {one.by} | {one.action} | {one.says} |"

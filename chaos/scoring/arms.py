"""One arm as scoring sees it: its plan, the span of each fault, and whether its word counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chaos.domain.change import Change, SetLayer
from chaos.domain.event import Applied, Exit, Phase, Planned, Refused, Signal, Undone
from chaos.domain.layer import Mode, SignalKind
from chaos.domain.plan import ArmPlan, PlannedFault, TrialPlan
from chaos.domain.scenario import Arm
from chaos.journal import Journal
from chaos.scoring.episodes import Episode, Firing, episodes_of, firings_of
from chaos.scoring.watchdog import deaf


@dataclass(frozen=True)
class FaultSpan:
    """From a fault's injection to its undo, in one arm; an arm without faults has the planned days only.

    `undone_day` None: not undone, as also where an undo failed and was not made good later.
    """

    key: str
    planned: PlannedFault
    injected_day: float | None = None
    undone_day: float | None = None
    refused: tuple[Refused, ...] = ()
    undo_failed: str = ""
    components: tuple[str, ...] = ()

    @property
    def start(self) -> float:
        """The injection; where there was none, the day it is planned for."""
        return self.planned.inject_day if self.injected_day is None else self.injected_day

    @property
    def end(self) -> float:
        """The undo; where there was none, the day it is planned for."""
        return self.planned.undo_day if self.undone_day is None else self.undone_day


@dataclass(frozen=True)
class ArmView:
    """An arm's journal, read once. `trouble` is why its word does not count, empty where it does."""

    arm: Arm
    journal: Journal
    plan: ArmPlan
    spans: tuple[FaultSpan, ...]
    episodes: tuple[Episode, ...]
    firings: tuple[Firing, ...]
    trouble: str

    @property
    def first_injection(self) -> float:
        """When the first fault begins, or would; without any, the day that splits a quiet arm."""
        return min((span.start for span in self.spans), default=self.plan.quiet_day)

    @property
    def last_undo(self) -> float:
        """When the last fault ends, or would; without any, the day that splits a quiet arm."""
        return max((span.end for span in self.spans), default=self.first_injection)

    @property
    def last_day(self) -> float:
        """When the arm's days are over: as planned, or as much later as somebody was waited for."""
        told = self.journal.of(Phase)
        if not any(phase.phase == "paused" for phase in told):
            return self.plan.days
        return max((phase.day for phase in told if phase.phase == "drain"), default=self.plan.days)

    @property
    def failed_undos(self) -> dict[str, str]:
        """Why faults and holes could not be undone when they were to be, by their keys."""
        failed = [undone for undone in self.journal.of(Undone) if undone.outcome == "failed"]
        return {undone.id.rpartition("-")[0]: undone.says or undone.id for undone in reversed(failed)}

    @property
    def lost_holes(self) -> list[str]:
        """Layers whose hole was no longer there when it was to be closed: something else has closed it.

        One that is open to the end is closed as the components end, or after that.
        """
        timed = [hole for hole in self.plan.holes if hole.until_day is not None]
        left = [undone.id for undone in self.journal.of(Undone) if undone.outcome == "left"]
        return list(
            dict.fromkeys(hole.layer for hole in timed if any(id.startswith(hole.stem) for id in left))
        )

    @property
    def cut_short(self) -> bool:
        """Whether the arm did not live through its days, so that its sums mean nothing."""
        return self.journal.interrupted or self.journal.ended is not None

    def span(self, key: str) -> FaultSpan | None:
        """The span of one fault."""
        return next((span for span in self.spans if span.key == key), None)


def named(view: ArmView) -> set[str]:
    """Components that a fault names: it may keep them from running, or from speaking, on purpose."""
    return {component for span in view.spans for component in span.components}


def view_of(journal: Journal) -> ArmView:
    """Read an arm's journal. Raises InvalidInput where its plan cannot be read."""
    plan = journal.plan
    episodes = episodes_of(journal)
    return ArmView(
        arm=journal.arm,
        journal=journal,
        plan=plan,
        spans=tuple(_span(journal, planned) for planned in plan.faults or plan.effect_watch),
        episodes=episodes,
        firings=firings_of(journal, episodes),
        trouble=_trouble(journal),
    )


def views_of(journals: Mapping[Arm, Journal]) -> dict[Arm, ArmView]:
    """The arms that were run, in the order of `Arm`."""
    return {arm: view_of(journals[arm]) for arm in Arm if arm in journals}


def cut_off(plan: TrialPlan, views: Iterable[ArmView]) -> bool:
    """Whether a trial was stopped: an arm lacks its end, or is missing though none before it failed."""
    found = list(views)
    failed = any(view.journal.ended is not None and view.journal.ended.phase == "void" for view in found)
    missing = {arm.arm for arm in plan.arms} - {view.arm for view in found}
    return any(view.journal.interrupted for view in found) or (bool(missing) and not failed)


def _span(journal: Journal, planned: PlannedFault) -> FaultSpan:
    mine = [change for change in journal.of(Planned) if change.about == planned.key]
    ids = {change.id for change in mine}
    applied = {event.id for event in journal.of(Applied)} & ids
    refused = tuple(event for event in journal.of(Refused) if event.id in ids)
    undone = [event for event in journal.of(Undone) if event.id in ids]
    # From when it was asked for: a door answers later, and what looks at the request speaks before it does.
    made = applied or {event.id for event in refused}
    asked = [change.day for change in mine if change.id in made]
    injected = asked or _phase_days(journal, "inject", planned.key)
    failed = [event for event in undone if event.outcome == "failed"]
    good = {event.id for event in undone if event.outcome != "failed"}
    left = any(event.id not in good for event in failed)
    ended = [event.day for event in undone if event.id in applied & good] or _phase_days(
        journal, "undo", planned.key
    )
    components = [name for change in mine for name in touched(change.change)]
    return FaultSpan(
        key=planned.key,
        planned=planned,
        injected_day=min(injected, default=None),
        undone_day=None if left else max(ended, default=None),
        refused=() if applied else refused,
        undo_failed=next((event.says or event.id for event in failed), ""),
        components=tuple(components),
    )


def touched(change: Change) -> list[str]:
    """The components that a change names."""
    one = getattr(change, "component", None)
    return [one] if isinstance(one, str) else list(getattr(change, "components", ()))


def _phase_days(journal: Journal, phase: str, says: str) -> list[float]:
    return [event.day for event in journal.of(Phase) if event.phase == phase and event.says == says]


def _trouble(journal: Journal) -> str:
    ended = journal.ended
    if ended is not None:
        because = f": {ended.says}" if ended.says else ""
        word = {"void": "could not go on", "aborted": "was aborted", "interrupted": "was interrupted"}
        return f"{word[ended.phase]} on day {ended.day:.2f}{because}"
    exits = [event for event in journal.of(Exit) if not event.expected]
    if exits:
        first = exits[0]
        why = f": {first.says}" if first.says else ""
        return (
            f"lost {first.component} on day {first.day:.2f} (it ended by itself with code {first.code}{why})"
        )
    if journal.interrupted:
        return f"was interrupted: its journal ends on day {journal.last_day:.2f}"
    if (spoke := _spoke_though_off(journal)) is not None:
        return f"was to be without layer {spoke.layer!r}, which {spoke.signal.value} on day {spoke.day:.2f}"
    return deaf(journal)


def _spoke_though_off(journal: Journal) -> Signal | None:
    """The first word of a layer that is off from beginning to end: its target has not switched it off.

    A stack that stands may have been told otherwise by hand.
    """
    plan = journal.plan
    if plan.start_day:
        return None
    set_later = {hole.layer for hole in plan.holes}
    set_later |= {told.change.layer for told in journal.of(Planned) if isinstance(told.change, SetLayer)}
    off = {name for name, layer in plan.layers.items() if layer.mode is Mode.OFF} - set_later
    spoken = (SignalKind.FIRED, SignalKind.WOULD_HAVE_ACTED, SignalKind.ACTED)
    return next((told for told in journal.of(Signal) if told.layer in off and told.signal in spoken), None)

"""Asks the DELIVERY layers about each day of the window, and remembers what they objected to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from reference_stack.features.diary import Notebook
from reference_stack.features.distributions import shifts, shifts_by_source
from reference_stack.features.figures import passed_over, reference, statistics, trailing
from reference_stack.features.shelf import Shelf
from reference_stack.layers.contract import Mode
from reference_stack.layers.evidence import Delivery
from reference_stack.layers.host import LayerHost

_KEPT_STATISTICS = 64


@dataclass(frozen=True)
class Moment:
    """When the layers are asked, and what is the same for all days of the window."""

    now_day: float
    window: Sequence[int]
    watermark_day: int
    due_day: Callable[[int], float]
    missing_day: Callable[[int], float]
    acknowledged: Mapping[int, int | None]


class Gates:
    """The data gates of the features job.

    What is in a partition is shown once it has come, while it is of the latest day, and of days that a layer
    acts on: what was unusual about a day is said once, and what is wrong with one stays wrong while it is in
    the window.
    """

    def __init__(self, hosts: Sequence[LayerHost], shelf: Shelf, notes: Notebook, window_days: int) -> None:
        self._hosts = hosts
        self._shelf = shelf
        self._notes = notes
        self._window_days = window_days
        self._asked: dict[int, tuple[object, ...]] = {}
        self._statistics: dict[tuple[str, ...], dict[str, float]] = {}

    def ask(self, moment: Moment, *, changed_only: bool) -> list[tuple[str, str]]:
        """(layer, what it says) for each layer that makes a day red, oldest day first.

        With `changed_only`, days are passed over that are there and were asked about just as they are.
        """
        red: list[tuple[str, str]] = []
        modes = tuple(host.mode for host in self._hosts)
        for day in moment.window:
            check, there = self._shelf.check(day), self._shelf.has(day)
            latest, unjudged = day == moment.window[-1], day in self._notes.diary.unjudged
            seen = (moment.acknowledged[day], check.sha256, latest, day in self._notes.diary.red, modes)
            if changed_only and there and not unjudged and self._asked.get(day) == seen:
                continue
            self._asked[day] = seen
            red += self._ask(day, moment, there and (latest or unjudged or day in self._notes.diary.red))
        known = sorted({*self._asked, *self._notes.diary.red})
        for left in [day for day in known if moment.window and day < moment.window[0]]:
            self.forget(left, "has left the window")
        return red

    def learn(self, today: int) -> None:
        """Work out what the next day will be compared with; later it is at hand."""
        diary = self._notes.diary
        for flagged in (diary.flagged, diary.flagged | diary.doubted):
            for day in trailing(today, flagged, lambda other: self._shelf.figures(other) is not None):
                self._statistics_of(day)

    def look_back(self, moment: Moment) -> None:
        """Show every day of the window whole, as a person would who asks since when it has been so."""
        for day in moment.window:
            if self._shelf.has(day):
                self._ask(day, moment, shown=True)

    def forget(self, day: int, why: str) -> None:
        """A day is no business of the layers any more."""
        self._asked.pop(day, None)
        for gate in self._hosts:
            gate.release(_about(day), f"day {day} {why}")
        diary = self._notes.diary
        if day in diary.red:
            self._notes.write(red=diary.red - {day}, held=diary.held - {day})

    def _evidence(self, day: int, moment: Moment, shown: bool, flagged: frozenset[int]) -> Delivery:
        check = self._shelf.check(day)
        evidence = Delivery(
            day=moment.now_day,
            partition_day=day,
            due_day=moment.due_day(day),
            missing_day=moment.missing_day(day),
            present=self._shelf.has(day),
            rows=check.rows,
            acknowledged=moment.acknowledged[day],
            watermark_day=moment.watermark_day,
            statistics={},
            reference={},
            damage=self._shelf.damage(day),
        )
        figures = self._shelf.figures(day) if shown else None
        if figures is None:
            return evidence

        def there(other: int) -> bool:
            return self._shelf.figures(other) is not None

        days = trailing(day, flagged, there)
        others = [other.distributions for other in map(self._shelf.figures, days) if other is not None]
        return Delivery(
            **{name: getattr(evidence, name) for name in evidence.__struct_fields__ if name not in _SHOWN},
            statistics=self._statistics_of(day) or {},
            reference=reference([found for found in map(self._statistics_of, days) if found is not None]),
            contents=figures.contents,
            shifts=shifts(figures.distributions, others),
            shifts_by_source=shifts_by_source(figures.distributions, others),
            shifts_without=partial(shifts, figures.distributions, others),
            objected_days=0 if days else passed_over(day, flagged, there),
        )

    def _ask(self, day: int, moment: Moment, shown: bool) -> list[tuple[str, str]]:
        diary, about = self._notes.diary, _about(day)
        evidence = self._evidence(day, moment, shown, diary.flagged)
        # Who only observes compares as if its objections counted, and changes nothing for the others.
        observed = evidence
        if diary.doubted - diary.flagged:
            observed = self._evidence(day, moment, shown, diary.flagged | diary.doubted)
        asked = [(gate, observed if gate.mode is Mode.OBSERVE else evidence) for gate in self._hosts]
        decisions = [(gate, gate.ask(what, day=moment.now_day, about=about)) for gate, what in asked]
        acting = [(gate.name, decision) for gate, decision in decisions if decision.acts]
        changes: dict[str, object] = {}
        if shown and day in diary.unjudged:
            changes["unjudged"] = diary.unjudged - {day}
        for name, mode in (("flagged", Mode.ENFORCE), ("doubted", Mode.OBSERVE)):
            objected: frozenset[int] = getattr(diary, name)
            fired = any(gate.mode is mode and said.fired and said.judged for gate, said in decisions)
            if shown and fired != (day in objected):
                changes[name] = objected | {day} if fired else objected - {day}
        whole = [(name, decision.says) for name, decision in acting if not decision.sources]
        for name, holds in (("red", acting), ("held", whole)):
            known: frozenset[int] = getattr(diary, name)
            if bool(holds) != (day in known):
                changes[name] = known | {day} if holds else known - {day}
        sources = sorted({source for _, decision in acting for source in decision.sources})
        if shown and sources != diary.left_out.get(str(day), []):
            others = {other: found for other, found in diary.left_out.items() if other != str(day)}
            changes["left_out"] = {**others, str(day): sources} if sources else others
        if changes:
            self._notes.write(**changes)
        return whole

    def _statistics_of(self, day: int) -> dict[str, float] | None:
        figures = self._shelf.figures(day)
        if figures is None:
            return None
        before = range(day - self._window_days, day)
        key = tuple(map(self._shelf.fingerprint, (day, *before)))
        if key not in self._statistics:
            if len(self._statistics) >= _KEPT_STATISTICS:
                self._statistics.clear()
            known = [other for other in map(self._shelf.figures, before) if other is not None]
            self._statistics[key] = statistics(figures, known)
        return self._statistics[key]


_SHOWN = (
    "statistics",
    "reference",
    "contents",
    "shifts",
    "shifts_by_source",
    "shifts_without",
    "objected_days",
)


def _about(day: int) -> str:
    return f"day={day}"

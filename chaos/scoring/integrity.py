"""Which integrity requirements of data links one arm broke, and which layers objected, by the journal alone.

Source: Papasian & Underwood, OpML 2020: what a reader needs of its data is to be said, and looked after.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chaos.domain.event import Partition, Signal
from chaos.domain.layer import SignalKind
from chaos.domain.target import DataLink, Integrity
from chaos.domain.verdict import BrokenRequirement, Requirement
from chaos.scoring.arms import ArmView
from chaos.scoring.lineage import written_partitions

_ABOUT_DAY = re.compile(r"\bday=(-?\d+)\b")
_OBJECTING = (SignalKind.FIRED, SignalKind.ACTED)


@dataclass(frozen=True)
class _Arrival:
    """A partition at its reader's end.

    `after_days`: from when it was due to its first delivery; to the arm's end where there was none.
    `share`: rows that lay there at the end of what is allowed, or came first after it, of those written; None
    where it never came, or nobody wrote it.
    """

    partition_day: int
    came_day: float | None
    after_days: float
    share: float | None


def broken_requirements(view: ArmView) -> list[BrokenRequirement] | None:
    """By link and requirement; None where no link states one, or the arm was cut short."""
    stated = [(name, one, one.integrity) for name, one in view.plan.data_links.items() if one.integrity]
    if not stated or view.cut_short:
        return None
    return [broken for name, link, wanted in stated for broken in _of_link(view, name, link, wanted)]


def _of_link(view: ArmView, name: str, link: DataLink, wanted: Integrity) -> Iterator[BrokenRequirement]:
    found = list(_arrivals(view, link, wanted.max_late or 0.0))
    if wanted.max_late is not None:
        late = {one.partition_day: one.after_days for one in found if one.after_days > wanted.max_late}
        yield from _broken(view, name, "max_late", wanted.max_late, late)
    shares = {one.partition_day: one.share for one in found if one.share is not None}
    if wanted.max_loss is not None:
        lost = {day: 1.0 - share for day, share in shares.items() if 1.0 - share > wanted.max_loss}
        yield from _broken(view, name, "max_loss", wanted.max_loss, lost)
    if wanted.duplicates is False:
        more = {day: share - 1.0 for day, share in shares.items() if share > 1.0}
        yield from _broken(view, name, "duplicates", 0.0, more)
    if wanted.ordered:
        yield from _broken(view, name, "ordered", 0.0, dict(_overtaken(found)))


def _arrivals(view: ArmView, link: DataLink, allowed_days: float) -> Iterator[_Arrival]:
    told = view.journal.of(Partition)
    missed = {one.partition_day for one in told if one.state == "absent" and one.component == link.to}
    written = {
        day: one.rows
        for day, made in written_partitions(view).items()
        for one in made
        if one.component in link.from_
    }
    for day in sorted({*written, *missed}):
        due_day = day + 1 + link.due
        came = [
            one
            for one in told
            if one.partition_day == day and one.component == link.to and one.state == "delivered"
        ]
        if not came:
            if view.last_day > due_day:
                yield _Arrival(day, None, view.last_day - due_day, None)
            continue
        in_time = [one for one in came if one.day <= due_day + allowed_days]
        counted = (in_time[-1] if in_time else came[0]).rows
        rows = written.get(day)
        yield _Arrival(day, came[0].day, came[0].day - due_day, counted / rows if rows else None)


def _overtaken(found: Sequence[_Arrival]) -> Iterator[tuple[int, float]]:
    """Partitions that came after later ones, each with how many those are."""
    came = [(one.partition_day, one.came_day) for one in found if one.came_day is not None]
    for partition_day, day in came:
        if before := sum(other > partition_day and sooner < day for other, sooner in came):
            yield partition_day, float(before)


def _broken(
    view: ArmView, link: str, requirement: Requirement, allowed: float, by_day: dict[int, float]
) -> Iterator[BrokenRequirement]:
    if by_day:
        yield BrokenRequirement(
            link=link,
            requirement=requirement,
            allowed=allowed,
            worst=max(by_day.values()),
            partition_days=sorted(by_day),
            objected=_objected(view, by_day),
        )


def _objected(view: ArmView, days: dict[int, float]) -> list[str]:
    """Layers that objected to one of these partitions, whose day is in what they said it was about."""
    return list(
        dict.fromkeys(
            signal.layer
            for signal in view.journal.of(Signal)
            if signal.signal in _OBJECTING
            and any(int(day) in days for day in _ABOUT_DAY.findall(signal.about))
        )
    )

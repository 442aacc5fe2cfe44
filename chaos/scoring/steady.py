"""Whether the steady state held: before the fault, and again after it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chaos.domain.event import Reading
from chaos.scoring.arms import ArmView

WINDOWS = 3
"""So many readings in a row decide: below it, a probe's noise would."""


@dataclass(frozen=True)
class Moment:
    """The readings of all steady-state probes at one time; `bad` and `silent` name those that say so."""

    day: float
    bad: tuple[str, ...]
    silent: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every probe gave data and was in its band."""
        return not self.bad and not self.silent


@dataclass(frozen=True)
class Held:
    """Whether the steady state held; None where there was no data to tell."""

    ok: bool | None
    says: str
    since_day: float | None = None


def moments_of(view: ArmView) -> tuple[Moment, ...]:
    """The times at which the probes were read. A probe without any reading at a time is silent then.

    Readings before and after the first injection are of two times, however near.
    """
    injected = [span.injected_day for span in view.spans if span.injected_day is not None]
    split = min(injected, default=math.inf)
    uses = Counter(steady.probe for steady in view.plan.steady_state)
    gap = view.plan.probe_every_days / 4
    groups: list[list[Reading]] = []
    for reading in view.journal.of(Reading):
        if reading.probe not in uses:
            continue
        begun = groups[-1][0].day if groups else -math.inf
        if abs(reading.day - begun) <= gap and not begun <= split < reading.day:
            groups[-1].append(reading)
        else:
            groups.append([reading])
    return tuple(_moment(group, uses) for group in groups)


def _moment(group: list[Reading], uses: Mapping[str, int]) -> Moment:
    read = {name: [reading.ok for reading in group if reading.probe == name] for name in sorted(uses)}
    bad = tuple(name for name, found in read.items() if False in found)
    silent = tuple(name for name, found in read.items() if name not in bad and _silent(found, uses[name]))
    return Moment(group[0].day, bad, silent)


def _silent(found: Sequence[bool | None], uses: int) -> bool:
    """Whether a probe gave no data; of one that is used more than once, any of its uses."""
    return True not in found if uses == 1 else None in found or len(found) < uses


def steady_before(view: ArmView) -> Held:
    """The newest readings before the first injection decide."""
    start = view.first_injection
    injected = any(span.injected_day is not None for span in view.spans)
    last = start if injected else start + 0.01
    before = [moment for moment in moments_of(view) if moment.day <= last]
    if not before:
        return Held(None, f"no reading of the steady state before day {start:.2f}")
    return _held(before[-1])


def _held(moment: Moment) -> Held:
    if moment.bad:
        return Held(False, f"{_names(moment.bad)} out of band on day {moment.day:.2f}")
    if moment.silent:
        return Held(None, f"no data from {_names(moment.silent)} on day {moment.day:.2f}")
    return Held(True, "", moment.day)


def steady_after(view: ArmView, after_day: float, until_day: float | None = None) -> Held:
    """Whether it holds at the end of the time from `after_day` on, and since when.

    It is gained by `WINDOWS` good moments in a row and lost by as many bad ones, so that a single reading
    decides nothing. `since_day` is the first of the good moments that gained it.
    """
    moments = [
        moment
        for moment in moments_of(view)
        if moment.day > after_day + 0.01 and (until_day is None or moment.day < until_day)
    ]
    if len(moments) < WINDOWS:
        return Held(None, f"only {len(moments)} readings of the steady state after day {after_day:.2f}")
    since: float | None = None
    run: list[Moment] = []
    for moment in moments:
        if run and run[-1].ok is not moment.ok:
            run = []
        run.append(moment)
        if len(run) >= WINDOWS:
            since = (since if since is not None else run[0].day) if moment.ok else None
    if since is not None:
        return Held(True, f"in band since day {since:.2f}", since)
    last = next(moment for moment in reversed(moments) if not moment.ok)
    if last.silent and not last.bad:
        return Held(None, f"no data from {_names(last.silent)} on day {last.day:.2f}")
    return Held(False, f"{_names(last.bad)} out of band as late as day {last.day:.2f}")


def _names(names: tuple[str, ...]) -> str:
    return " and ".join(names)

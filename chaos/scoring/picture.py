"""What there is to draw of a trial: swim lanes of one arm, and harm by day and arm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from chaos.domain.event import Views
from chaos.domain.layer import Mode
from chaos.domain.picture import Bar, HarmSeries, Lanes, Mark, Picture
from chaos.domain.scenario import Arm, Harm
from chaos.journal import Journal
from chaos.scoring.arms import ArmView, views_of
from chaos.scoring.effect import readings_of
from chaos.scoring.episodes import Episode, alerts_of
from chaos.scoring.harm import NORMAL_AGE_DAYS, ages_of, defective_views, defects_of, served_share
from chaos.scoring.lineage import defective_from, why_defective

QUALITY_DAY_SD = 4.5
"""Per cent: standard deviation of one day's paired difference in quality without a fault (calibration)."""

TURN_DAYS = 0.2
"""Two versions that share the views take turns of less than this in answering most of them."""
ALERT_LANES = 6


def picture_of(journals: Mapping[Arm, Journal]) -> Picture:
    """What there is to draw of a trial; the lanes are the defended arm's, or those of the first that was run.

    Raises InvalidInput where a journal's plan cannot be read.
    """
    views = views_of(journals)
    if not views:
        return Picture(None, None, ())
    main = views.get(Arm.DEFENDED) or next(iter(views.values()))
    other = views.get(Arm.UNDEFENDED)
    lanes = lanes_of(main, other if other is not main else None)
    to_day = max(view.last_day for view in views.values())
    harms = tuple(harm_series(views))
    return Picture(main.arm, lanes if lanes.bars else None, harms, main.plan.start_day, to_day)


def lanes_of(view: ArmView, undefended: ArmView | None) -> Lanes:
    """The defended arm, layer by layer; below it, which models answered, with layers and without."""
    start, days = view.plan.start_day, view.last_day
    bars: list[Bar] = [*_faults(view), *_layers(view), *_alerts(view), *_models(view, "model")]
    if undefended is not None:
        bars += _models(undefended, "model, no layers")
    marks = [mark for mark in (*_effect_marks(view), *_acknowledged(view)) if mark.day >= start]
    bars = [replace(bar, start=max(bar.start, start)) for bar in bars if bar.end > start]
    lanes = tuple(dict.fromkeys(bar.lane for bar in bars))
    spans = tuple((span.start, span.end) for span in view.spans if span.injected_day is not None)
    return Lanes(days, lanes, tuple(bars), tuple(marks), spans, start)


def _end(view: ArmView) -> float:
    """How far the arm is known."""
    return min(view.plan.days, view.journal.last_day) if view.cut_short else view.last_day


def _faults(view: ArmView) -> Iterator[Bar]:
    for span in view.spans:
        if span.injected_day is None:
            continue
        lane = f"fault {span.key}"
        says = f"{span.key} injected on day {span.start:.2f}, "
        says += "not undone" if span.undone_day is None else f"undone on day {span.undone_day:.2f}"
        until = _end(view) if span.undone_day is None else min(span.end, _end(view))
        yield Bar(lane, "fault", span.start, until, says)
        seen = [reading.day for reading in readings_of(view, span) if reading.seen]
        if seen:
            end = min(max(seen) + 0.1, max(span.end, *seen), max(_end(view), *seen))
            yield Bar(
                lane, "effect", seen[0], end, f"effect seen from day {seen[0]:.2f} to day {max(seen):.2f}"
            )


def _effect_marks(view: ArmView) -> Iterator[Mark]:
    for span in view.spans:
        for refused in span.refused:
            yield Mark(f"fault {span.key}", "refused", refused.day, f"{refused.by} refused: {refused.says}")


def _layers(view: ArmView) -> Iterator[Bar]:
    days = _end(view)
    for layer in view.plan.layers:
        for one in (one for one in view.episodes if one.layer == layer):
            end = max(min(one.end, days), one.start + 0.06)
            if one.fired_day is not None:
                observes = one.mode is Mode.OBSERVE
                yield Bar(
                    layer, "observed" if observes else "fired", one.fired_day, end, _says(one, one.fired_day)
                )
            if one.acted_day is not None:
                yield Bar(layer, "acted", one.acted_day, max(end, one.acted_day + 0.06), _acted(one))


def _says(one: Episode, day: float) -> str:
    says = f": {one.says}" if one.says else ""
    about = f" about {one.about}" if one.about else ""
    until = "" if one.cleared_day is None else f", cleared on day {one.cleared_day:.2f}"
    return f"{one.layer} fired{about} on day {day:.2f}{until}{says}"


def _acted(one: Episode) -> str:
    until = "" if one.cleared_day is None else f", until day {one.cleared_day:.2f}"
    return f"{one.layer} acted on day {one.acted_day:.2f}{until}"


def _alerts(view: ArmView) -> Iterator[Bar]:
    for story in alerts_of(view.journal):
        first = story.first
        lane = _alert_lane(view, first.name)
        until = _end(view) if story.resolved_day is None else story.resolved_day
        says = f"{first.name} to {first.routed_to} on day {first.sent_day:.2f}"
        if story.acknowledged_day is not None:
            says += f", acknowledged on day {story.acknowledged_day:.2f}"
        elif view.plan.answers_told:
            says += ", nobody answered"
        yield Bar(lane, "alert", first.sent_day, max(until, first.sent_day + 0.06), says)


def _alert_lane(view: ArmView, name: str) -> str:
    """A lane for each alert, or one for all where there are many."""
    names = {story.first.name for story in alerts_of(view.journal)}
    return f"alert {name}" if len(names) <= ALERT_LANES else "alerts"


def _acknowledged(view: ArmView) -> Iterator[Mark]:
    for story in alerts_of(view.journal):
        if story.acknowledged_day is not None:
            says = f"{story.first.name} acknowledged on day {story.acknowledged_day:.2f}"
            yield Mark(_alert_lane(view, story.first.name), "acknowledged", story.acknowledged_day, says)


@dataclass
class _Reign:
    """A version that answered most views for a while; None before any did."""

    what: tuple[int, str] | None
    start: float
    end: float

    @property
    def brief(self) -> bool:
        """Whether it is one of the turns that two versions take while one is the other's canary."""
        return self.end - self.start < TURN_DAYS and (self.what is None or self.what[1] != "defective")


def _models(view: ArmView, lane: str) -> Iterator[Bar]:
    """The version that answered most views, through time: clean, stale or defective."""
    defective = defective_from(view)
    turns: list[_Reign] = []
    for age in ages_of(view):
        role = "stale" if (age.model_days or 0.0) > NORMAL_AGE_DAYS else "clean"
        if age.version is not None and age.end_day > defective.get(age.version, age.end_day):
            role = "defective"
        what = None if age.version is None else (age.version, role)
        if turns and turns[-1].what == what:
            turns[-1].end = age.end_day
        else:
            turns.append(_Reign(what, age.start_day, age.end_day))
    reigns: list[_Reign] = []
    for turn in turns:
        if reigns and (turn.brief or reigns[-1].what == turn.what):
            reigns[-1].end = turn.end
        else:
            reigns.append(turn)
    for reign in reigns:
        if reign.what is not None:
            yield _model(view, lane, reign.what, reign.start, reign.end)


def _model(view: ArmView, lane: str, what: tuple[int, str], start: float, end: float) -> Bar:
    version, role = what
    why = why_defective(view, version) if role == "defective" else ""
    says = f"version {version} answered from day {start:.2f} to day {end:.2f}"
    says += f": {why}" if why else ": older than normal" if role == "stale" else ""
    return Bar(lane, role, start, end, says, label=f"v{version}" if end - start >= 0.5 else "")


# --- harm ------------------------------------------------------------------------------------------------


def harm_series(views: Mapping[Arm, ArmView]) -> list[HarmSeries]:
    """The kinds that happened at all, in the order of `Harm`; quality always, where it was measured."""
    whole = {arm: view for arm, view in views.items() if not view.cut_short}
    series: list[HarmSeries] = []
    kinds = (Harm.DEFECTIVE_VIEWS, Harm.ERROR_VIEWS, Harm.SLOW_VIEWS)
    for kind in kinds:
        points = {arm: _by_day(view, kind) for arm, view in whole.items()}
        if any(value > 0 for line in points.values() for _, value in line):
            series.append(HarmSeries(kind, "views a day", points))
    control = whole.get(Arm.CONTROL)
    if control is not None and control.plan.truth:
        quality = {arm: _quality(view, control) for arm, view in whole.items()}
        if any(quality.values()):
            band = 2 * QUALITY_DAY_SD
            series.append(HarmSeries(Harm.QUALITY_PCT_DAYS, "% lost against control", quality, band))
    return series


def _by_day(view: ArmView, kind: Harm) -> list[tuple[float, float]]:
    defects = defects_of(view)
    totals = [0.0] * max(1, round(view.last_day + 0.499))
    for views in view.journal.of(Views):
        index = int((views.start_day + views.end_day) / 2 // 1)
        if not 0 <= index < len(totals):
            continue
        for row in views.rows:
            if kind is Harm.ERROR_VIEWS:
                totals[index] += row.errors
            elif kind is Harm.SLOW_VIEWS:
                totals[index] += row.slow
            else:
                totals[index] += defective_views(views, row, defects)
    return [(day + 0.5, total) for day, total in enumerate(totals) if day + 1 > view.plan.start_day]


def _quality(view: ArmView, control: ArmView) -> list[tuple[float, float]]:
    days = int(view.plan.days)
    mine, theirs = served_share(view, 0.0, days), served_share(control, 0.0, days)
    return [
        (day + 0.5, 100 * (1 - a / b))
        for day, (a, b) in enumerate(zip(mine, theirs, strict=True))
        if a is not None and b
    ]

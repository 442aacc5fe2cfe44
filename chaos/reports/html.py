"""report.html: one file that opens without a network, in light and dark, and prints."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from chaos.domain.picture import Picture
from chaos.domain.scenario import QUALITY_NOISE, Arm, Harm
from chaos.domain.verdict import Results, TrialResult, Verdict
from chaos.journal import Journal, read_folder
from chaos.reports.charts import harm_svg, lanes_svg
from chaos.reports.incident import FOR_PEOPLE, NOBODY, TO_FILL, Record
from chaos.reports.pieces import amount, detection_measured, not_recovered
from chaos.reports.price import prices
from chaos.reports.slices import MARKS, slices
from chaos.reports.timeline import alert_name
from chaos.whole import write_whole

DRAWN_TRIALS = 12
"""Charts are drawn for so many trials, those that did not pass first; tables are there for all."""

LEGEND = (
    ("fault", "fault injected"),
    ("effect", "its effect, by its probe"),
    ("fired", "layer fired"),
    ("acted", "layer acted"),
    ("observed", "fired, observing only"),
    ("alert", "alert open"),
    ("acknowledged", "acknowledged"),
    ("clean", "model in service"),
    ("stale", "older than normal"),
    ("defective", "defective"),
)
UNITS = {
    Harm.DEFECTIVE_VIEWS: "views answered by a defective version, or with replaced features",
    Harm.ERROR_VIEWS: "views that failed",
    Harm.SLOW_VIEWS: "views slower than 2.5 s, as felt",
    Harm.ABANDONED_VIEWS: "views left before the answer",
    Harm.STALE_DAYS: "age of model or features beyond normal, summed over time",
    Harm.LOST_EVENTS: "acknowledged rows that never arrived",
    Harm.UNDETECTED_DAYS: "days of effect before the first detection",
    Harm.FALSE_BLOCK_DAYS: "days blocked with no fault to blame",
    Harm.QUALITY_PCT_DAYS: (
        f"% of true quality lost against control, over a week; noise ± {QUALITY_NOISE:g} on one seed"
    ),
}


@dataclass(frozen=True)
class Drawing:
    """A trial's charts as SVG, and what could not be drawn."""

    lanes: str = ""
    harms: tuple[tuple[Harm, str, str], ...] = ()
    says: str = ""
    roles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Page:
    """A trial with its charts and the files that lie beside the report."""

    trial: TrialResult
    drawing: Drawing
    logs: Mapping[Arm, str]
    anchor: str
    kinds: tuple[Harm, ...]
    record: Record | None


Records = Mapping[tuple[str, int], Record]
"""Incident records by scenario and seed."""
Drawn = Callable[[Mapping[Arm, Journal]], Picture]
"""What there is to draw of a trial's journals: measured by scoring, which reports do not know."""


def write_html(
    results: Results, folder: Path, path: Path, picture_of: Drawn, records: Records | None = None
) -> None:
    """Write the report of a run whose journals lie in `folder`. Raises InvalidInput for a broken journal."""
    base = os.path.relpath(folder, path.parent)
    write_whole(path, render(results, folder, picture_of, records or {}, base))


def render(results: Results, folder: Path, picture_of: Drawn, records: Records, base: str = ".") -> str:
    """The page; links to journals and logs begin with `base`."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("chaos.reports", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["day"] = lambda day: "–" if day is None else f"{day:.2f}"
    environment.filters["amount"] = amount
    return environment.get_template("report.html.j2").render(
        results=results,
        prices=prices(results.trials),
        slices=slices(results.trials),
        marks={one.value: mark for one, mark in MARKS.items()},
        pages=_pages(results, folder, picture_of, records),
        for_people=FOR_PEOPLE,
        to_fill=TO_FILL,
        no_layer=NOBODY,
        legend=LEGEND,
        units=UNITS,
        detection_measured=detection_measured,
        alert_name=alert_name,
        not_recovered=not_recovered,
        base="" if base == "." else f"{base}/",
        Verdict=Verdict,
        Harm=Harm,
        Arm=Arm,
    )


def _pages(results: Results, folder: Path, picture_of: Drawn, records: Records) -> list[Page]:
    first = sorted(results.trials, key=lambda trial: trial.verdict is Verdict.PASSED)[:DRAWN_TRIALS]
    pages: list[Page] = []
    for index, trial in enumerate(results.trials):
        drawing = Drawing(says=f"Charts are drawn for {DRAWN_TRIALS} trials only.")
        if trial in first:
            drawing = draw(picture_of(_journals(trial, folder)), f"t{index}")
        kinds = tuple(k for k in Harm if any(k in kinds for kinds in trial.harm.by_arm.values()))
        record = records.get((trial.scenario, trial.seed))
        pages.append(Page(trial, drawing, _logs(trial, folder), f"trial-{index}", kinds, record))
    return pages


def _journals(trial: TrialResult, folder: Path) -> dict[Arm, Journal]:
    """The journals that a trial's arms name; one that is gone is left out."""
    folders = {(folder / arm.journal).parent for arm in trial.arms}
    found: dict[Arm, Journal] = {}
    for one in sorted(folders):
        found |= read_folder(one)
    return {arm.arm: found[arm.arm] for arm in trial.arms if arm.arm in found}


def _logs(trial: TrialResult, folder: Path) -> dict[Arm, str]:
    """Where each arm's component logs lie, relative to the run's folder."""
    logs: dict[Arm, str] = {}
    for arm in trial.arms:
        beside = (folder / arm.journal).parent / arm.arm.value
        place = next(
            (one for one in (beside / "stack" / "logs", beside / "logs", beside) if one.is_dir()), None
        )
        if place is not None:
            logs[arm.arm] = place.relative_to(folder).as_posix()
    return logs


def draw(picture: Picture, name: str) -> Drawing:
    """A trial's charts."""
    if picture.arm is None:
        return Drawing(says="The journals of this trial are not there, so nothing can be drawn.")
    arm, lanes, days = picture.arm, picture.lanes, (picture.from_day, picture.to_day)
    return Drawing(
        lanes="" if lanes is None else lanes_svg(lanes, f"{name}-lanes"),
        harms=tuple(
            (series.kind, harm_svg(series, days, f"{name}-{series.kind.value}"), series.unit)
            for series in picture.harms
        ),
        says="" if arm is Arm.DEFENDED else f"The defended arm was not run; this is the {arm.value} arm.",
        roles=() if lanes is None else lanes.roles,
    )

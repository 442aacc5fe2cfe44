"""Charts of the HTML report, drawn by altair and turned into SVG that takes its colours from the page."""

from __future__ import annotations

import html
import math
import re
from dataclasses import asdict
from typing import Any

from chaos.domain.picture import HarmSeries, Lanes
from chaos.domain.scenario import Arm

# Colours that stand for the page's own, which follow the reader's light or dark theme.
PAGE = {
    "ink": "#010203",
    "muted": "#010204",
    "grid": "#010205",
    "paper": "#010206",
    "fault": "#010301",
    "effect": "#010302",
    "fired": "#010303",
    "acted": "#010304",
    "observed": "#010305",
    "alert": "#010306",
    "clean": "#010307",
    "stale": "#010308",
    "defective": "#010309",
    "refused": "#01030a",
    "acknowledged": "#01030b",
    "defended": "#010401",
    "control": "#010402",
    "undefended": "#010403",
    "bare": "#010404",
}
DASHES = {Arm.DEFENDED: [1, 0], Arm.UNDEFENDED: [1, 0], Arm.CONTROL: [6, 4], Arm.BARE: [2, 3]}
# The undefended line is the widest, so that it shows beneath the defended one where both run together.
WIDTHS = {Arm.DEFENDED: 2.2, Arm.UNDEFENDED: 4.5, Arm.CONTROL: 1.8, Arm.BARE: 1.8}
LANE_HEIGHT = 26
WIDTH = 880


def rehearse() -> None:
    """Draw a chart for nobody: the first one of a process imports what it takes a second to import."""
    alt = _altair()
    data = alt.Data(values=[{"day": 0, "value": 0}])
    _svg(alt.layer(alt.Chart(data).mark_line().encode(x="day:Q", y="value:Q")), "rehearsal", "")


def lanes_svg(lanes: Lanes, name: str) -> str:
    """The swim lanes as an SVG element."""
    with _altair().utils.schemapi.debug_mode(False):  # its checks of every value cost more than drawing
        return _lanes_svg(lanes, name)


def _lanes_svg(lanes: Lanes, name: str) -> str:
    alt = _altair()
    days = lanes.from_day, lanes.days
    x = alt.X("start:Q", title="day", scale=_days(alt, days), axis=_ticks(alt, days, 30))
    y = alt.Y("lane:N", sort=list(lanes.lanes), title=None, scale=alt.Scale(paddingInner=0.35))
    colour = _colours(alt, "role:N")
    bars = [asdict(bar) for bar in lanes.bars]
    thin = [bar for bar in bars if bar["role"] in ("acted", "effect")]
    thick = [bar for bar in bars if bar["role"] not in ("acted", "effect")]
    labels = [{**bar, "middle": (bar["start"] + bar["end"]) / 2} for bar in bars if bar["label"]]
    layers: list[Any] = [
        alt.Chart(alt.Data(values=[{"start": start, "end": end} for start, end in lanes.spans]))
        .mark_rect(opacity=0.1, color=PAGE["fault"])
        .encode(x=x, x2="end:Q"),
        alt.Chart(alt.Data(values=thick))
        .mark_bar(cornerRadius=2)
        .encode(x=x, x2="end:Q", y=y, color=colour, description="says:N"),
        alt.Chart(alt.Data(values=thin))
        .mark_bar(cornerRadius=2, height=alt.RelativeBandSize(0.5))
        .encode(x=x, x2="end:Q", y=y, color=colour, description="says:N"),
        alt.Chart(alt.Data(values=labels))
        .mark_text(color=PAGE["paper"], fontSize=11)
        .encode(x=alt.X("middle:Q"), y=y, text="label:N"),
        alt.Chart(alt.Data(values=[asdict(mark) for mark in lanes.marks]))
        .mark_point(shape="diamond", size=60, filled=True, opacity=1, stroke=PAGE["paper"])
        .encode(x=alt.X("day:Q"), y=y, color=colour, description="says:N"),
    ]
    chart = alt.layer(*layers).properties(width=WIDTH, height=LANE_HEIGHT * max(1, len(lanes.lanes)))
    return _svg(chart, name, "timeline of faults, layers, alerts and models")


def harm_svg(series: HarmSeries, days: tuple[float, float], name: str) -> str:
    """One kind of harm by day, from the first of `days` to the last, a line for each arm, as SVG."""
    with _altair().utils.schemapi.debug_mode(False):
        return _harm_svg(series, days, name)


def _harm_svg(series: HarmSeries, days: tuple[float, float], name: str) -> str:
    alt = _altair()
    x = alt.X("day:Q", title="day", scale=_days(alt, days), axis=_ticks(alt, days, 15))
    y = alt.Y("value:Q", title=None, axis=alt.Axis(tickCount=4))
    layers: list[Any] = []
    if series.band is not None:
        band = [{"low": -series.band, "high": series.band, "from": days[0], "to": days[1]}]
        layers.append(
            alt.Chart(alt.Data(values=band))
            .mark_rect(color=PAGE["muted"], opacity=0.16)
            .encode(x="from:Q", x2="to:Q", y="low:Q", y2="high:Q")
        )
    order = (Arm.BARE, Arm.CONTROL, Arm.UNDEFENDED, Arm.DEFENDED)
    for arm in (arm for arm in order if arm in series.points):
        points = [
            {"day": day, "value": value, "says": f"{arm.value}, day {day:g}: {value:,.1f} {series.unit}"}
            for day, value in series.points[arm]
        ]
        line = alt.Chart(alt.Data(values=points)).encode(x=x, y=y)
        width = WIDTHS[arm]
        layers.append(line.mark_line(color=PAGE[arm.value], strokeDash=DASHES[arm], strokeWidth=width))
        layers.append(
            line.mark_point(color=PAGE[arm.value], filled=True, size=26 if arm.has_fault else 8).encode(
                description="says:N"
            )
        )
    says = f"{series.kind.value} by day, {series.unit}"
    return _svg(alt.layer(*layers).properties(width=380, height=150), name, says)


def _colours(alt: Any, field: str) -> Any:
    return alt.Color(field, scale=alt.Scale(domain=list(PAGE), range=list(PAGE.values())), legend=None)


def _days(alt: Any, days: tuple[float, float]) -> Any:
    return alt.Scale(domain=list(days), nice=False)


def _ticks(alt: Any, days: tuple[float, float], most: int) -> Any:
    first, last = days
    step = max(1, math.ceil((last - first) / most))
    return alt.Axis(values=list(range(math.ceil(first), math.floor(last) + 1, step)), format="d")


def _altair() -> Any:
    import altair

    return altair


def _svg(chart: Any, name: str, says: str) -> str:
    import vl_convert

    axis = {
        "labelColor": PAGE["muted"],
        "titleColor": PAGE["muted"],
        "gridColor": PAGE["grid"],
        "domainColor": PAGE["grid"],
        "tickColor": PAGE["grid"],
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelLimit": 240,
    }
    plain = chart.configure(background="transparent", view={"stroke": None}, axis=axis)
    svg: str = vl_convert.vegalite_to_svg(plain.to_dict(validate=False))
    return themed(svg, name, says)


def themed(svg: str, name: str, says: str) -> str:
    """SVG in the page's colours, with ids of its own and what a mark says as its tooltip."""
    for role, colour in PAGE.items():
        svg = svg.replace(f'"{colour}"', f'"var(--{role})"')
    svg = re.sub(r' font-family="[^"]*"', "", svg)
    svg = re.sub(r'id="(\w+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r"url\(#(\w+)\)", rf"url(#{name}-\1)", svg)
    svg = svg.replace(' class="marks"', f' class="marks" id="{name}" aria-label="{html.escape(says)}"', 1)
    return re.sub(
        r'<path aria-label="([^"]+)" role="graphics-symbol"([^>]*)/>',
        r'<path aria-label="\1" role="graphics-symbol"\2><title>\1</title></path>',
        svg,
    )

"""The alert rules: what is looked for, what it is called, and who is to care.

A rule reads the board only. It alerts once it has found the same thing for `for_days` without a break.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from reference_stack.alerting import INFRASTRUCTURE, ML_SYSTEM, MODEL, PAGE, SOFTWARE, TICKET
from reference_stack.monitor.board import Board, Counter
from reference_stack.settings import REPLICAS

VIEWS: Counter = ("shop", "views_total")
BAD_VIEWS: Counter = ("shop", "views_bad_total")
ACCEPTED: Counter = ("collector", "collector_accepted_rows_total")
CLICKS: Counter = ("collector", "collector_clicks_total")
QUARANTINED: Counter = ("collector", "collector_quarantined_rows_total")
ANSWERS = "answers_total"
FALLBACKS = "answers_fallback_total"
DEFAULTED = "answers_defaulted_total"

COUNTERS: tuple[Counter, ...] = (
    VIEWS,
    BAD_VIEWS,
    ACCEPTED,
    CLICKS,
    QUARANTINED,
    *((replica, metric) for replica in REPLICAS for metric in (ANSWERS, FALLBACKS, DEFAULTED)),
)

_SHARE_WINDOW_DAYS = 0.25
_MIN_COUNT = 20
_ENGAGEMENT_DAYS, _REFERENCE_DAYS = 0.5, 3.0
_MIN_CLICKS = 100


@dataclass(frozen=True)
class Limits:
    """The numbers that rules compare with, from the settings."""

    fallback_share: float
    quarantine_share: float
    engagement_ratio: float


@dataclass(frozen=True)
class Finding:
    """One thing that a rule has found: at which component, and by which layer if one said so."""

    about: str
    says: str
    layer: str = ""


@dataclass(frozen=True)
class Rule:
    """`name` is the alert's name; `for_days` how long a finding must last before it alerts."""

    name: str
    category: str
    severity: str
    for_days: float
    find: Callable[[Board, Limits, float], Iterator[Finding]]
    settles_days: float = 0.25
    """So long after a start the monitor has seen what the rule looks back on, and an alert may be over."""


def layer_fired(layer: str) -> Callable[[Board, Limits, float], Iterator[Finding]]:
    """Finds the components at which a layer objects now."""

    def find(board: Board, _limits: Limits, _day: float) -> Iterator[Finding]:
        for component, name in _objecting(board):
            if name == layer:
                yield Finding(component, f"layer {layer} objects at {component}", layer)

    return find


def other_layer_fired(board: Board, _limits: Limits, _day: float) -> Iterator[Finding]:
    """A layer without a rule of its own, such as a team's own gate, objects."""
    for component, name in _objecting(board):
        if name not in _WITH_A_RULE:
            yield Finding(component, f"layer {name} objects at {component}", name)


def _objecting(board: Board) -> Iterator[tuple[str, str]]:
    # The layers of on-call itself answer alerts, or page by themselves: they are no reason for another alert.
    for component, layer, value in board.labelled("layer_fired", "layer"):
        if value > 0.0 and component != "oncall":
            yield component, layer


def silent(board: Board, _limits: Limits, _day: float) -> Iterator[Finding]:
    """The monitor's heartbeat layers act on something that gives no sign of life, or one of another day."""
    for _, about, value in board.labelled("silent", "about"):
        if value > 0.0:
            yield Finding(about, f"no good sign of life from {about}", "meta")


def burning(board: Board, _limits: Limits, _day: float) -> Iterator[Finding]:
    """The error budget of the shop's views burns too fast."""
    if any(layer == "burn" for _, layer in _objecting(board)):
        yield Finding("shop", "the error budget of the views burns too fast", "burn")


def hold_overdue(board: Board, _limits: Limits, _day: float) -> Iterator[Finding]:
    """Retraining has been held for more cycles than it should."""
    if board.value("orchestrator", "hold_overdue"):
        held = board.value("orchestrator", "held_cycles") or 0.0
        yield Finding("orchestrator", f"retraining held for {held:.0f} cycles", "hold")


def cycle_failed(board: Board, _limits: Limits, _day: float) -> Iterator[Finding]:
    """A step of the daily cycle was given up for now, or is refused."""
    if board.value("orchestrator", "cycle_failed"):
        yield Finding("orchestrator", "a step of the daily cycle fails")


def fallback_share(board: Board, limits: Limits, day: float) -> Iterator[Finding]:
    """A replica answers too often without its features or its model."""
    for replica in REPLICAS:
        answers = board.trail(replica, ANSWERS).grown(_SHARE_WINDOW_DAYS, day)
        fallbacks = board.trail(replica, FALLBACKS).grown(_SHARE_WINDOW_DAYS, day)
        if answers >= _MIN_COUNT and fallbacks > limits.fallback_share * answers:
            yield Finding(replica, f"{fallbacks / answers:.1%} of the answers are fallbacks", "fallback")


def quarantine_share(board: Board, limits: Limits, day: float) -> Iterator[Finding]:
    """Too many rows go to quarantine."""
    bad = board.trail(*QUARANTINED).grown(_SHARE_WINDOW_DAYS, day)
    rows = bad + board.trail(*ACCEPTED).grown(_SHARE_WINDOW_DAYS, day)
    if rows >= _MIN_COUNT and bad > limits.quarantine_share * rows:
        yield Finding("collector", f"{bad / rows:.1%} of the rows go to quarantine", "schema")


def engagement(board: Board, limits: Limits, day: float) -> Iterator[Finding]:
    """Shoppers click far less on what they are shown than in the days before."""
    clicks, rows = board.trail(*CLICKS), board.trail(*ACCEPTED)
    new_clicks, new_rows = clicks.grown(_ENGAGEMENT_DAYS, day), rows.grown(_ENGAGEMENT_DAYS, day)
    old_clicks = clicks.grown(_REFERENCE_DAYS, day) - new_clicks
    old_rows = rows.grown(_REFERENCE_DAYS, day) - new_rows
    if old_clicks < _MIN_CLICKS or new_rows <= 0:
        return
    ratio = (new_clicks / new_rows) / (old_clicks / old_rows)
    expected = new_rows * old_clicks / old_rows
    if expected >= _MIN_CLICKS and ratio < limits.engagement_ratio:
        yield Finding("serving", f"clicks for a row shown are {ratio:.0%} of what they were")


RULES: tuple[Rule, ...] = (
    Rule("schema", ML_SYSTEM, TICKET, 0.0, layer_fired("schema")),
    Rule("volume", ML_SYSTEM, PAGE, 0.0, layer_fired("volume")),
    Rule("backlog", ML_SYSTEM, PAGE, 0.0, layer_fired("backlog")),
    Rule("freshness", ML_SYSTEM, PAGE, 0.0, layer_fired("freshness")),
    Rule("hold", ML_SYSTEM, TICKET, 0.0, layer_fired("hold")),
    Rule("hold_overdue", ML_SYSTEM, PAGE, 0.0, hold_overdue),
    Rule("evaluation", MODEL, PAGE, 0.0, layer_fired("evaluation")),
    Rule("admission", MODEL, PAGE, 0.0, layer_fired("admission")),
    Rule("canary", MODEL, PAGE, 0.0, layer_fired("canary")),
    Rule("config", SOFTWARE, TICKET, 0.0, layer_fired("config")),
    Rule("skew", ML_SYSTEM, PAGE, 0.0, layer_fired("skew")),
    Rule("version", SOFTWARE, PAGE, 0.0, layer_fired("version")),
    Rule("fallback", SOFTWARE, PAGE, 0.0, layer_fired("fallback")),
    Rule("shed", SOFTWARE, PAGE, 0.0, layer_fired("shed")),
    Rule("breaker", SOFTWARE, PAGE, 0.0, layer_fired("breaker")),
    Rule("retry", SOFTWARE, TICKET, 0.0, layer_fired("retry")),
    Rule("fallback_share", SOFTWARE, PAGE, 0.05, fallback_share),
    Rule("quarantine_share", ML_SYSTEM, PAGE, 0.05, quarantine_share),
    Rule("engagement", MODEL, PAGE, 0.0, engagement, settles_days=_ENGAGEMENT_DAYS + _REFERENCE_DAYS),
    Rule("burn", SOFTWARE, PAGE, 0.0, burning),
    Rule("meta", INFRASTRUCTURE, PAGE, 0.0, silent),
    Rule("cycle_failed", INFRASTRUCTURE, TICKET, 0.0, cycle_failed),
    Rule("layer", ML_SYSTEM, TICKET, 0.0, other_layer_fired),
)

_WITH_A_RULE = frozenset(rule.name for rule in RULES)


@dataclass(frozen=True)
class Sign:
    """A sign of life besides being scraped, due each `every_days`: a gauge that holds the day of the last
    one, or a counter that grows.
    """

    about: str
    component: str
    metric: str
    every_days: float
    counter: bool


SIGNS: tuple[Sign, ...] = (
    Sign("daily cycle", "orchestrator", "cycle_alive_day", 1.0, counter=False),
    Sign("views", *VIEWS, 1 / 24, counter=True),
)

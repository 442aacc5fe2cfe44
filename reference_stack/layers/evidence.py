"""What each hook shows to its layers: only what a real layer at that place would see."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from reference_stack.messages import ViewEvents


class Rows(msgspec.Struct, frozen=True):
    """Hook ROW: the impressions of one view, whether an event id was seen before, and the day it is now.

    `first` says that nothing of this view was seen before, so that `seen` need not be asked.
    """

    events: ViewEvents
    seen: Callable[[str], bool]
    day: float
    first: bool = False


class Delivery(msgspec.Struct, frozen=True):
    """Hook DELIVERY: the state of the partition due, at a moment of the calendar.

    `rows` is 0 where the partition is absent; `acknowledged` is what the collector says it took for that day
    (None: it cannot be asked, or does not know); `statistics` are the partition's own figures (rows,
    distinct_customers, null_share, join_hit, ctr), `reference` the medians of the trailing 7 unflagged days.
    """

    day: float
    partition_day: int
    due_day: float
    present: bool
    rows: int
    acknowledged: int | None
    watermark_day: int | None
    statistics: Mapping[str, float]
    reference: Mapping[str, float]


class Retrain(msgspec.Struct, frozen=True):
    """Hook RETRAIN: the data gates that are red now, and for how many cycles retraining has been held."""

    day: float
    red: Mapping[str, str]
    held_cycles: int


class Challenger(msgspec.Struct, frozen=True):
    """Hook CHALLENGER: a fitted model judged on the day it has not seen, paired by view.

    `z_*` is the mean paired difference of NDCG (challenger − other) over its standard error; the champion's
    figures are None where there is no champion.
    """

    views: int
    ndcg: float
    ndcg_popularity: float
    ndcg_champion: float | None
    z_popularity: float
    z_champion: float | None
    auc: float
    finite: bool


class Lack(msgspec.Struct, frozen=True):
    """Hook REQUEST: serving has no good answer of its own; `cause` is the error's name.

    `dependency` is `features` or `model`; `last_good` says whether an earlier value is at hand; `share` is
    the share of such answers in the last reporting tick. At the end of each tick of an episode the layer is
    asked once more, with no `cause` and the tick's share.
    """

    dependency: str
    cause: str
    last_good: bool
    share: float = 0.0


class ServiceLevel(msgspec.Struct, frozen=True):
    """Hook SERVICE_LEVEL: views and good views counted over trailing windows, by their length in days."""

    day: float
    views: Mapping[float, int]
    good: Mapping[float, int]


class Heartbeat(msgspec.Struct, frozen=True):
    """Hook HEARTBEAT: when a component or job gave its last sign of life, in days (None: never)."""

    day: float
    about: str
    last_seen_day: float | None
    every_days: float


class Page(msgspec.Struct, frozen=True):
    """Hook PAGE: an alert that has reached on-call."""

    day: float
    name: str
    category: str
    severity: str
    layer: str
    about: str

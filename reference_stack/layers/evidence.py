"""What each hook shows to its layers: only what a real layer at that place would see."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from reference_stack.messages import ViewEvents


class Rows(msgspec.Struct, frozen=True, gc=False):
    """Hook ROW: the impressions of one view, whether an event id was seen before, and the day it is now.

    `first` says that nothing of this view was seen before, so that `seen` need not be asked.
    """

    events: ViewEvents
    seen: Callable[[str], bool]
    day: float
    first: bool = False


class ColumnContent(msgspec.Struct, frozen=True):
    """A column: rows that are null, and the ends of the others (NaN where there is none, and of text)."""

    nulls: int
    low: float = math.nan
    high: float = math.nan


class Contents(msgspec.Struct, frozen=True):
    """A partition by columns. `contradictions`: rows with a dwell and no click, or a click and no dwell;
    `duplicates`: rows whose event id stands in another row too.
    """

    columns: Mapping[str, ColumnContent]
    contradictions: int
    duplicates: int


class Delivery(msgspec.Struct, frozen=True):
    """Hook DELIVERY: the state of the partition due, at a moment of the calendar.

    An absent one is late from `due_day` on, as the link's integrity requirement allows, and missing from
    `missing_day` on. `rows` is 0 where the partition is absent; `acknowledged` is what the collector says it
    took for that day (None: it cannot be asked, or does not know); `statistics` are the partition's own
    figures (rows, distinct_customers, null_share, join_hit, ctr), `reference` the medians of the trailing 7
    unflagged days.
    `contents` is what is in it; `shifts` how far columns that shoppers bring, and price, are from those days
    (PSI), and `shifts_without` the same when some sources' rows are left out of all days; `shifts_by_source`
    the like of each source's own rows: rows, dwell (PSI), ctr (ratio).
    `damage` says why what came for the day could not be read, so that it counts as absent.
    `objected_days`: how many days there were to compare with, where layers have objected to each of them, so
    that there is no reference; else 0.
    """

    day: float
    partition_day: int
    due_day: float
    missing_day: float
    present: bool
    rows: int
    acknowledged: int | None
    watermark_day: int | None
    statistics: Mapping[str, float]
    reference: Mapping[str, float]
    contents: Contents | None = None
    shifts: Mapping[str, float] = {}
    shifts_by_source: Mapping[int, Mapping[str, float]] = {}
    shifts_without: Callable[[Collection[int]], Mapping[str, float]] | None = None
    damage: str = ""
    objected_days: int = 0


class Queue(msgspec.Struct, frozen=True):
    """Hook QUEUE: partitions that came and were not looked at yet; the first has waited `waited_days`."""

    day: float
    waiting: int
    waited_days: float


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


class Candidate(msgspec.Struct, frozen=True):
    """Hook ADMISSION: a registered version that asks to enter service, as its artifact and tags show it.

    `damage` says why the artifact cannot be read (then nothing else is known of the model), `smoke` what went
    wrong when a slate was asked of it; `lacks` are the tags of its lineage that are not there. `age_days`
    since its training (NaN: unknown); `known_good` says that it is champion or was the one before.
    """

    version: int
    size_bytes: int
    checksum_fits: bool
    age_days: float
    known_good: bool
    lacks: tuple[str, ...] = ()
    damage: str = ""
    products: int = 0
    finite: bool = True
    space_fits: bool = True
    smoke: str = ""


class Outcomes(msgspec.Struct, frozen=True):
    """What became of the views of one version in a canary: `late` of `asked` were answered late, and of
    `clicked` views there was a click. A view that failed is asked and never clicked."""

    asked: int = 0
    late: int = 0
    clicked: int = 0


class CanaryStage(msgspec.Struct, frozen=True):
    """Hook CANARY: two versions side by side on the same traffic, `elapsed_days` after the stage began."""

    elapsed_days: float
    challenger: Outcomes
    champion: Outcomes


class PushedValue(msgspec.Struct, frozen=True):
    """Hook PUSH: a value that is to be set. `previous` is what is in force at the first component.

    `stage` is `asked` before anything is set, `staged` once the first component has worked with it for a
    while, with the answers that it has given since and how many of them failed; `heard` says whether it
    can be asked at all.
    """

    key: str
    value: object
    previous: object
    by: str
    approved_by: str
    stage: str = "asked"
    answers: int = 0
    failed: int = 0
    heard: bool = True


class Census(msgspec.Struct, frozen=True):
    """Hook CENSUS: what runs where, by component; `about` is `build`, `configuration` or `model`.

    `differing_days` is for how long they have not all been the same; 0 where they are.
    """

    about: str
    running: Mapping[str, str]
    differing_days: float


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


class Arrival(msgspec.Struct, frozen=True):
    """Hook ARRIVAL: a request comes while `in_flight` others wait or are at a worker.

    `limit` is what the layer's detail said last (None: nothing yet). At the first arrival after each window
    `sample_ms` is the mean time in it from a request's arrival to the end of its service, and `least_ms` the
    mean at a worker, which is what a request takes that need not wait; else both are 0. `shares` are those
    of the arrivals that were refused in the last reporting ticks, the newest last.
    """

    in_flight: int
    limit: float | None
    sample_ms: float = 0.0
    least_ms: float = 0.0
    shares: tuple[float, ...] = ()


class Calls(msgspec.Struct, frozen=True):
    """Hook CALL: whether each of the last calls to a dependency failed, oldest first.

    `open_for_ms`: since a call failed that was made to try an open breaker, or since it opened; None where
    it is closed. `opens` counts the openings without a success in between.
    """

    dependency: str
    failed: Sequence[bool]
    open_for_ms: float | None = None
    opens: int = 0


class Retrying(msgspec.Struct, frozen=True):
    """Hook ATTEMPT: what is about to be the `attempt`-th attempt of a view, after the error `cause`.

    `requests` (first attempts) and `retries` of all clients in the last second or two.
    """

    attempt: int
    cause: str
    requests: int
    retries: int


class ServiceLevel(msgspec.Struct, frozen=True):
    """Hook SERVICE_LEVEL: views and good views counted over trailing windows, by their length in days."""

    day: float
    views: Mapping[float, int]
    good: Mapping[float, int]


class Heartbeat(msgspec.Struct, frozen=True):
    """Hook HEARTBEAT: when a component or job gave its last sign of life, in days (None: never).

    `ahead_days`: by how much the day that it told then was later than that of who heard it.
    """

    day: float
    about: str
    last_seen_day: float | None
    every_days: float
    ahead_days: float = 0.0


class Served(msgspec.Struct, frozen=True):
    """Hook SERVED: what features a replica has answered with of late.

    `differences`: of each row in a sample, the largest difference of a value from the stored snapshot,
    relative to the larger of the two (infinite where the row has another shape). `answers` of the last
    quarter of a day, and how many rest on defaults; `age_days` of the features on average, in the
    replica's last reporting tick (None: none yet).
    """

    day: float
    replica: str
    differences: Sequence[float]
    answers: int = 0
    defaulted: int = 0
    age_days: float | None = None


class Page(msgspec.Struct, frozen=True):
    """Hook PAGE: an alert that has reached on-call."""

    day: float
    name: str
    category: str
    severity: str
    layer: str
    about: str

"""The messages between components and the operations that carry them.

`day` is calendar days since the scenario's start; `_ms` is operational milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from reference_stack.ports import Operation


class Empty(msgspec.Struct, frozen=True, gc=False):
    """Nothing to say."""


# --- every component -------------------------------------------------------------------------------------


class HealthReply(msgspec.Struct, frozen=True):
    """Whether a component is ready to work."""

    ready: bool
    component: str
    build: str


class ScrapeReply(msgspec.Struct, frozen=True):
    """A component's metrics: `name{label="value",…}` → value, as the text of /metrics gives them."""

    day: float
    samples: dict[str, float]


class ConfigureRequest(msgspec.Struct, frozen=True):
    """Set one setting of a component at run time: `key` is dotted, `value` is JSON.

    With `by` it is written down who overrode what and `why`; with `until_day` too, it is taken back then.
    """

    key: str
    value: msgspec.Raw
    by: str = ""
    why: str = ""
    until_day: float | None = None


class TallyRequest(msgspec.Struct, frozen=True):
    """Ask what became of the views of one version, counted since the process began."""

    version: int


class TallyReply(msgspec.Struct, frozen=True):
    """Counts by name: serving tells `asked` and `late`, the collector `clicked.REPLICA` (of views), by who
    recommended. Both tell `began`, which is another number in each life of a process.
    """

    counts: dict[str, int]


class ConfigureReply(msgspec.Struct, frozen=True):
    """The value that stood before."""

    previous: msgspec.Raw


class SettingRequest(msgspec.Struct, frozen=True):
    """Ask for one setting."""

    key: str


class SettingReply(msgspec.Struct, frozen=True):
    """The value in force."""

    value: msgspec.Raw


HEALTH = Operation("health", Empty, HealthReply)
SCRAPE = Operation("scrape", Empty, ScrapeReply)
CONFIGURE = Operation("configure", ConfigureRequest, ConfigureReply)
TALLY = Operation("tally", TallyRequest, TallyReply)
SETTING = Operation("setting", SettingRequest, SettingReply)

# --- serving ---------------------------------------------------------------------------------------------


class RecommendRequest(msgspec.Struct, frozen=True, gc=False):
    """One page view that wants a slate. `segment` is what the shop's session knows of the customer."""

    view: str
    customer: int
    segment: int
    attempt: int = 1


class RecommendReply(msgspec.Struct, frozen=True, gc=False):
    """Ten products, best first, and where they come from.

    `fallback` is empty, `last_good` or `popularity`; `defaulted` says that feature values were replaced by
    defaults; `explored` holds the slots (from 0) filled at random, `explore_share` their probability.
    """

    recommendation: str
    slate: list[int]
    version: int
    build: str
    replica: str
    fallback: str = ""
    defaulted: bool = False
    explored: list[int] = []
    explore_share: float = 0.0


class ExplainRequest(msgspec.Struct, frozen=True):
    """Why did a customer see this?"""

    recommendation: str


class Reason(msgspec.Struct, frozen=True):
    """Why one product stood in one slot: the ranker's terms, summing to `score`."""

    product: int
    slot: int
    score: float
    terms: dict[str, float]
    explored: bool = False


class ExplainReply(msgspec.Struct, frozen=True):
    """The lineage of one recommendation, kept for as long as its log."""

    recommendation: str
    day: float
    customer: int
    version: int
    run: str
    snapshot: str
    feature_snapshot: str
    partitions: dict[str, str]
    build: str
    replica: str
    configuration: str
    fallback: str
    slate: list[int]
    reasons: list[Reason]


RECOMMEND = Operation("recommend", RecommendRequest, RecommendReply)
EXPLAIN = Operation("explain", ExplainRequest, ExplainReply)

# --- collector -------------------------------------------------------------------------------------------


Scalar = int | float | str | bool | None
"""Whatever a device may write into a field: the schema layer judges it, not the decoder."""


class ViewEvents(msgspec.Struct, frozen=True, gc=False):
    """The impressions of one page view, in columns of one length (ten).

    Loosely typed on purpose where shoppers' devices write: the schema layer judges the values. What they
    should be is in docs/data-contract.md: whole numbers but for day, prices and ages_days (days) and
    dwell_s (seconds); null only in prices, and in dwell_s without a click.
    """

    view: str
    recommendation: str
    customer: Scalar
    segment: Scalar
    shard: Scalar
    day: Scalar
    version: Scalar
    fallback: str
    products: Sequence[Scalar]
    positions: Sequence[Scalar]
    clicked: Sequence[Scalar]
    dwell_s: Sequence[Scalar]
    prices: Sequence[Scalar]
    categories: Sequence[Scalar]
    sources: Sequence[Scalar]
    ages_days: Sequence[Scalar]


class CollectReply(msgspec.Struct, frozen=True, gc=False):
    """What became of the rows: what is accepted or quarantined is durable."""

    accepted: int
    quarantined: int


class AcknowledgedRequest(msgspec.Struct, frozen=True):
    """How many rows did the collector acknowledge for a day?"""

    partition_day: int


class AcknowledgedReply(msgspec.Struct, frozen=True):
    """Rows acknowledged as accepted for that day; None where the collector knows nothing of it."""

    rows: int | None


COLLECT = Operation("collect", ViewEvents, CollectReply)
ACKNOWLEDGED = Operation("acknowledged", AcknowledgedRequest, AcknowledgedReply)

# --- features --------------------------------------------------------------------------------------------


class LookupRequest(msgspec.Struct, frozen=True, gc=False):
    """The online features of one customer."""

    customer: int


class LookupReply(msgspec.Struct, frozen=True, gc=False):
    """A customer's row of the snapshot: sparse, `products[i]` has `values[i]`; defaulted if unknown."""

    snapshot: str
    built_day: float
    products: list[int]
    values: list[float]
    affinities: list[float]
    defaulted: bool = False


class PartitionCheck(msgspec.Struct, frozen=True):
    """One partition as the job found it; `rows` is 0 and `sha256` empty where it is absent.

    `sources` holds a fingerprint of the rows of each source (-1: of none), `left_out` those not used.
    """

    partition_day: int
    rows: int
    sha256: str
    sources: dict[str, str] = {}
    left_out: list[int] = []


class DeliverRequest(msgspec.Struct, frozen=True):
    """Take in what has arrived, in order, late ones too."""

    day: int


class DeliverReply(msgspec.Struct, frozen=True):
    """Whether the partition of day − 1 is there, and all that the window holds."""

    present: bool
    window: list[PartitionCheck]


class CheckReply(msgspec.Struct, frozen=True):
    """The data gates that are red (layers that acted), with what they say."""

    red: dict[str, str]


class BuildReply(msgspec.Struct, frozen=True):
    """A snapshot with its lineage."""

    snapshot: str
    watermark_day: int
    window: list[PartitionCheck]


class QuarantineRequest(msgspec.Struct, frozen=True):
    """Leave out what a source of products says from a day on, or, with `release`, trust it again from one on.

    No `sources`: those that a layer leaves out of a day of the window, or for a release those that `by` has
    put aside. No `from_day`: the layers are asked about every day of the window, and it is the first that
    they object to (for a release: the newest day).
    """

    by: str
    from_day: int | None = None
    sources: list[int] = []
    release: bool = False


class QuarantineReply(msgspec.Struct, frozen=True):
    """The sources put aside now, with the first day of each."""

    quarantined: dict[int, int]


class PurgeRequest(msgspec.Struct, frozen=True):
    """Put days aside, so that nothing is built of them.

    No `days`: those that a layer acts on now, if a snapshot was built with one of them, or where `kept_out`
    also those of which nothing was built. `again`: it was asked for before, and nobody heard the answer; what
    is aside by now is meant too.
    """

    by: str
    days: list[int] = []
    kept_out: bool = False
    again: bool = False


class PurgeReply(msgspec.Struct, frozen=True):
    """The partitions that were put aside by this request."""

    purged: list[PartitionCheck]


LOOKUP = Operation("lookup", LookupRequest, LookupReply)
DELIVER = Operation("deliver", DeliverRequest, DeliverReply)
CHECK = Operation("check", DeliverRequest, CheckReply)
BUILD = Operation("build", DeliverRequest, BuildReply)
QUARANTINE = Operation("quarantine", QuarantineRequest, QuarantineReply)
PURGE = Operation("purge", PurgeRequest, PurgeReply)

# --- trainer ---------------------------------------------------------------------------------------------


class TrainRequest(msgspec.Struct, frozen=True):
    """Fit, judge, refit and register the model of a day from a snapshot; doing it twice gives one version."""

    day: int
    snapshot: str


class TrainReply(msgspec.Struct, frozen=True):
    """The new version, or none where a gate blocked it; `red` holds the gates that acted."""

    version: int | None
    metrics: dict[str, float]
    red: dict[str, str]


TRAIN = Operation("train", TrainRequest, TrainReply)

# --- orchestrator ----------------------------------------------------------------------------------------


class PromoteRequest(msgspec.Struct, frozen=True):
    """Ask for a version to become champion."""

    version: int
    by: str


class PromoteReply(msgspec.Struct, frozen=True):
    """What the door said; `refused_by` is empty where the alias was flipped, or need not be any more."""

    refused_by: str
    says: str
    previous: int | None


class RollBackRequest(msgspec.Struct, frozen=True):
    """Ask for the version that served before to serve again."""

    by: str


class PushRequest(msgspec.Struct, frozen=True):
    """Ask for a configuration value on some components, or on all that have it (`components` empty).

    `approved_by` is the second person who has read it.
    """

    key: str
    value: msgspec.Raw
    by: str
    components: list[str] = []
    approved_by: str = ""


class PushReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the door said. `unsure`: who refused it did not answer, or others have taken it before, so that
    some may have the value.
    """

    refused_by: str
    says: str
    unsure: bool = False


class StatusReply(msgspec.Struct, frozen=True):
    """Where the daily cycle stands."""

    day: float
    cycle: int
    step: str
    held_cycles: int


PROMOTE = Operation("promote", PromoteRequest, PromoteReply)
ROLL_BACK = Operation("roll_back", RollBackRequest, PromoteReply)
PUSH = Operation("push", PushRequest, PushReply)
STATUS = Operation("status", Empty, StatusReply)

# --- monitor and on-call ---------------------------------------------------------------------------------


class AlertItem(msgspec.Struct, frozen=True):
    """One alert in Alertmanager's webhook format: labels: alertname, severity, category, about, layer."""

    status: str
    labels: dict[str, str]
    annotations: dict[str, str]
    startsAt: str  # noqa: N815 (the format's own name)
    fingerprint: str
    endsAt: str = ""  # noqa: N815
    generatorURL: str = ""  # noqa: N815


class Webhook(msgspec.Struct, frozen=True):
    """Alertmanager's webhook message, version 4."""

    version: str
    groupKey: str  # noqa: N815
    status: str
    receiver: str
    groupLabels: dict[str, str]  # noqa: N815
    commonLabels: dict[str, str]  # noqa: N815
    commonAnnotations: dict[str, str]  # noqa: N815
    externalURL: str  # noqa: N815
    alerts: list[AlertItem]
    truncatedAlerts: int = 0  # noqa: N815


class HeartbeatRequest(msgspec.Struct, frozen=True):
    """A component or job says that it is alive."""

    component: str
    day: float


PAGE = Operation("page", Webhook, Empty)
HEARTBEAT = Operation("heartbeat", HeartbeatRequest, Empty)

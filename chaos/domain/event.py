"""The journal's events: one JSON object a line, each with the day it belongs to.

`day` is calendar days since the scenario's start. Events from the stack carry the day the stack stamped.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from chaos.domain.change import Change
from chaos.domain.layer import Mode, SignalKind

SCHEMA = 1


class _Event(msgspec.Struct, frozen=True, tag_field="event"):
    day: float


class Header(_Event, frozen=True, tag="header"):
    """First line of a journal. `plan` is the arm's plan as JSON (`chaos.domain.plan.ArmPlan`); `sealed` says
    that its end holds a seal, which those of earlier versions lack."""

    schema: int
    mlchaos: str
    run: str
    seed: int
    target: str
    arm: str
    day_seconds: float
    started_at: str
    plan_hash: str
    plan: msgspec.Raw
    versions: dict[str, str] = {}
    sealed: bool = False


class Phase(_Event, frozen=True, tag="phase"):
    """The runner enters a phase of the arm: provision, steady_before, inject, observe, undo, steady_after,
    drain, teardown, done; or void / interrupted / aborted, with the reason. `seal`, of `done` alone, is the
    SHA-256 of all lines before it."""

    phase: str
    says: str = ""
    seal: str = ""


class Planned(_Event, frozen=True, tag="change"):
    """A change that a fault or a hole is about to make; `id` names it in what follows."""

    id: str
    about: str
    change: Change


class Prepared(_Event, frozen=True, tag="prepared"):
    """The undo, on disk before the change is applied; None where nothing needs undoing."""

    id: str
    undo: Change | None


class Applied(_Event, frozen=True, tag="applied"):
    """The change is made."""

    id: str


class Refused(_Event, frozen=True, tag="refused"):
    """The target's own door said no."""

    id: str
    by: str
    says: str


class Undone(_Event, frozen=True, tag="undone"):
    """An undo was played: `undone`, `left` (the value was no longer the fault's) or `failed`."""

    id: str
    outcome: Literal["undone", "left", "failed"]
    says: str = ""


class Effect(_Event, frozen=True, tag="effect"):
    """A reading of a fault's own effect probe; `seen` None means no data."""

    fault: str
    seen: bool | None
    value: float | None
    says: str = ""


class Reading(_Event, frozen=True, tag="probe"):
    """A reading of a steady-state probe; `ok` None means no data."""

    probe: str
    value: float | None
    ok: bool | None
    says: str = ""


class Signal(_Event, frozen=True, tag="signal"):
    """A defensive layer speaks."""

    component: str
    layer: str
    signal: SignalKind
    mode: Mode
    says: str = ""
    about: str = ""


class Alert(_Event, frozen=True, tag="alert"):
    """An alert was sent, acknowledged or resolved; later events of one id replace earlier ones."""

    component: str
    id: str
    name: str
    category: str
    severity: str
    routed_to: str
    state: Literal["firing", "resolved"]
    sent_day: float
    acknowledged_day: float | None = None
    layer: str = ""
    about: str = ""

    def is_watchdog(self, name: str) -> bool:
        """Whether it is the target's alert that always fires, which has this name; empty: there is none."""
        return bool(name) and self.name == name

    @property
    def filed(self) -> str:
        """What follows its name: ` (page, ML system)`, or nothing of one without severity and category."""
        under = ", ".join(word for word in (self.severity, self.category) if word)
        return f" ({under})" if under else ""


class Action(_Event, frozen=True, tag="action"):
    """On-call or a layer did something."""

    component: str
    by: str
    action: str
    says: str = ""


class ViewRow(msgspec.Struct, frozen=True):
    """Page views of one kind in one interval; `version` 0 where no recommendation came.

    `served_value` and `best_value` sum expected clicks by true preference (shoppers' truth, not the stack's),
    of targets that know it.
    """

    version: int
    build: str
    replica: str
    segment: int
    n: int
    abandoned: int
    errors: int
    slow: int
    fallback: int
    defaulted: int
    served_value: float = 0.0
    best_value: float = 0.0


class Views(_Event, frozen=True, tag="views"):
    """Tallies of the page views of 1/24 day."""

    component: str
    start_day: float
    end_day: float
    rows: list[ViewRow]


class PartitionRef(msgspec.Struct, frozen=True):
    """A partition by content; rows 0 and an empty hash where it was absent.

    `sources` are fingerprints of the rows of each source, `left_out` the sources whose rows were not used.
    """

    partition_day: int
    rows: int
    sha256: str
    sources: dict[str, str] = {}
    left_out: list[int] = []


class Partition(_Event, frozen=True, tag="partition"):
    """A partition was written at the source, taken in or put aside at the sink, or absent when due.

    `quarantined`: could not be read; `purged`: thrown out later. `sources`: fingerprints of each one's rows.
    """

    component: str
    partition_day: int
    rows: int
    sha256: str
    state: Literal["written", "delivered", "quarantined", "purged", "absent"]
    sources: dict[str, str] = {}


class Source(_Event, frozen=True, tag="source"):
    """From a partition day on, a source's rows are left out by hand (a quarantine), or trusted again."""

    component: str
    source: int
    from_day: int
    state: Literal["left_out", "trusted"]


class Snapshot(_Event, frozen=True, tag="snapshot"):
    """A feature snapshot with its lineage, in service until the next.

    `due` are the partition days that were due when it was built.
    """

    component: str
    snapshot: str
    watermark_day: int
    partitions: list[PartitionRef]
    due: list[int]


class Version(_Event, frozen=True, tag="version"):
    """A model version was registered."""

    component: str
    version: int
    run: str
    snapshot: str
    trained_day: float
    partitions: list[PartitionRef]
    due: list[int]
    metrics: dict[str, float] = {}


class Alias(_Event, frozen=True, tag="alias"):
    """An alias was flipped."""

    component: str
    alias: str
    version: int | None
    previous: int | None
    by: str


class Exit(_Event, frozen=True, tag="exit"):
    """A component's process ended; `expected` when the harness did it or asked for it.

    `says`: the last error of one that has ended by itself.
    """

    component: str
    code: int
    expected: bool
    says: str = ""


LATE_DAYS = 0.1
SPELL_DAYS = 0.25
"""Timers that are later than the one for longer than the other make a trial void."""


class Lag(_Event, frozen=True, tag="lag"):
    """A component's timers (or the harness's ticker) were late by `lag_days` for `over_days`."""

    component: str
    lag_days: float
    over_days: float


WAIT_LIMIT_MS = 5.0
"""Above this average wait for a processor, views are slow because of the machine.

A view passes about eight processes (shop, proxies, serving, features, and back), and is slow from 75 ms
beyond normal on. If each wait is exponential with this mean, 1.8% of views are slow (the tail of Erlang's
distribution of eight stages): more than the error budget of 1% that `burn` defends.
"""


class Waiting(_Event, frozen=True, tag="waiting"):
    """A component's process waited for a processor `wait_ms` a turn, on average over `over_days`."""

    process: str
    wait_ms: float
    over_days: float


STALL_LIMIT_MS = 20.0
"""A process kept from a processor for longer than this, in one go, may be what a failure comes from.

A view is slow from 75 ms beyond normal on, and features are waited for 50 ms. Such waits are told by what
they are at least, which is up to one look (20 ms) less than they are; a machine with processors to spare
showed none above 10 ms (`docs/verdict.md`).
"""


class Stall(_Event, frozen=True, tag="stall"):
    """A process was ready and got no processor, in one go, for `stalled_ms` or more."""

    process: str
    stalled_ms: float


class Contention(_Event, frozen=True, tag="contention"):
    """Others took `taken_share` of the machine's processors' time for `over_days`, and left none idle."""

    taken_share: float
    over_days: float


WANTED_LIMIT_SHARE = 0.9
"""A process that wants more of a processor's time than this has work waiting for it, which comes late.

Locust warns of its own results from 90% of a processor on (docs.locust.io, "High CPU usage").
"""


class Saturation(_Event, frozen=True, tag="saturation"):
    """A process that sends or passes on every view ran, or was ready to, for `wanted_share` of `over_days`.

    It is a single thread: what it still had to do waited for it, and views were late that the site had
    answered.
    """

    process: str
    wanted_share: float
    over_days: float


Event = (
    Header
    | Phase
    | Planned
    | Prepared
    | Applied
    | Refused
    | Undone
    | Effect
    | Reading
    | Signal
    | Alert
    | Action
    | Views
    | Partition
    | Source
    | Snapshot
    | Version
    | Alias
    | Exit
    | Lag
    | Waiting
    | Stall
    | Contention
    | Saturation
)

# What a target's own log may say; the rest of the events are the harness's.
Observed = Signal | Alert | Action | Views | Partition | Source | Snapshot | Version | Alias | Lag

"""Typed configuration of the stack, read from one YAML or JSON file that refuses unknown fields.

Lengths of time carry their clock in their names: `_days` of calendar, `_ms` operational.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec

from reference_stack.costs import Costs
from reference_stack.layers.contract import Mode

T = TypeVar("T")

Period = Annotated[float, msgspec.Meta(ge=0.0001)]
"""How often something is done, in days. With 0 or less it would be done without end, and in virtual time
nobody would come to anything else."""


class SettingsError(ValueError):
    """A setting that cannot be used; the message names it."""


class LayerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A defensive layer: where its class is, whether it counts, and its parameters."""

    use: str
    mode: Mode = Mode.ENFORCE
    parameters: dict[str, object] = {}


class ShellSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The server in front of a component: a worker is held for the service time only.

    `service_ms` is the mean of a gamma distribution with shape `service_shape`; 0 means no worker is held.
    """

    workers: int = 8
    queue: int = 64
    service_ms: float = 0.0
    service_shape: float = 8.0


class CollectorSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`close_days`: how long after midnight a day's partition is closed and written."""

    close_days: float = 0.005


class FeaturesSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`window_days`: partitions in a snapshot; `due_days`: a partition is due so long after midnight.

    `max_late_days`: what the link's integrity requirement allows beyond that. The day's cycle waits so long,
    and then what is absent is missing. `take_ms`: how long one partition is worked on, besides what it costs
    here.
    """

    window_days: int = 7
    due_days: float = 0.15
    max_late_days: float = 0.1
    poll_days: Period = 0.01
    take_ms: float = 4.0

    @property
    def missing_days(self) -> float:
        """So long after midnight an absent partition is missing."""
        return self.due_days + self.max_late_days


class TrainerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The model's hyperparameters, as `reference_stack.trainer.model` explains them, and its export.

    `schemas`: in how many database schemas the product query finds its table; what stands in two comes twice.
    `export_scale`: steps to a unit when weights are exported as whole numbers of one byte (0: as they are).
    `learning_rate`: how much of each of Newton's steps is taken (0: as much as lets the loss fall).
    `inference_ms`: how long the exported model is waited for with each answer, as if it ran elsewhere.
    """

    window_days: int = 7
    rank: int = 8
    ridge: float = 4.0
    damping: float = 1.0
    learning_rate: float = 0.0
    schemas: int = 1
    export_scale: float = 0.0
    inference_ms: float = 0.0


class ServingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`placements` says which places on the site there are and how many products each shows, as in
    `home=10 basket=4`; views are of `home`. A version with more than `max_products` does not fit in. `promo`
    means what the replica's build makes of it (`reference_stack.serving.builds`).

    A view waits for features; past `features_timeout_ms` the fallback layer, if armed, answers.

    `give_up_ms` is when a lookup without that layer fails the view; `default_after_ms` (0: never), if it is
    shorter, is when the client of the feature store puts zeros in the place of features that are slow. While
    `canary` is on, `canary_share` of the customers is served by the version that the alias `challenger`
    names, if there is one; an answer that takes longer than `late_ms` counts as late there.
    """

    placements: str = "home=10"
    max_products: int = 160
    promo: bool = False
    explore_share: float = 0.02
    features_timeout_ms: float = 50.0
    give_up_ms: float = 2000.0
    default_after_ms: float = 0.0
    refresh_days: Period = 0.05
    canary: bool = False
    canary_share: float = 0.5
    late_ms: float = 75.0
    rules: bool = False
    report_days: Period = 1 / 24


class OrchestratorSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The daily cycle starts `start_days` after midnight; a lease ends by itself after `lease_days`.

    A step is tried `attempts` times, `retry_days` apart; a cycle that is held or has failed is tried again
    each `recheck_days` until the next one starts. A canary is looked at each `canary_look_days`; a push
    stands on its first component for `push_stage_days`; each `audit_days` the champion is held against the
    version that was last promoted. While `paused`, a person holds retraining.
    """

    start_days: float = 0.02
    lease_days: Period = 0.5
    attempts: int = 3
    retry_days: float = 0.02
    recheck_days: Period = 0.1
    step_timeout_days: float = 0.2
    train_timeout_days: float = 0.5
    canary_look_days: Period = 0.05
    push_stage_days: Period = 0.08
    audit_days: Period = 0.1
    paused: bool = False


class MonitorSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Scrapes every component each `scrape_days`, and compares served features with stored ones each
    `compare_days`; shares above which the rules of that name alert.

    `engagement_ratio`: the clicks for a row shown, against those of the three days before, below which the
    rule of that name alerts.
    """

    scrape_days: Period = 1 / 24
    compare_days: Period = 1 / 12
    fallback_share: float = 0.01
    engagement_ratio: float = 0.5
    quarantine_share: float = 0.05


class OnCallSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who answers: `simulated` or `none`; acknowledgement is drawn uniformly between the two bounds.

    `runbook` is the file that says what they do about an alert; the stack's own where it is empty.
    """

    kind: Literal["simulated", "none"] = "simulated"
    runbook: str = ""
    acknowledge_from_days: float = 0.1
    acknowledge_to_days: float = 0.5


class ShopSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The shoppers. Perceived latency is 1.0 s + `felt` × (measured − `normal_ms`); above `slow_perceived_ms`
    a view is slow. An attempt is given up after `timeout_ms`; a view makes `attempts` at most, the second
    about `backoff_ms` after the first, each further one after twice as long. `surge` multiplies the arrivals;
    nobody is sent to the replicas that are `drained`.
    """

    slow_perceived_ms: float = 2500.0
    normal_ms: float = 8.0
    felt: float = 20.0
    timeout_ms: float = 3000.0
    attempts: int = 1
    backoff_ms: float = 10.0
    surge: float = 1.0
    drained: tuple[str, ...] = ()
    report_days: Period = 1 / 24


class RegistrySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The model registry. `database`: where MLflow keeps its records, as SQLAlchemy names it
    (`postgresql://…`); empty for a SQLite file below the root. Live only.
    """

    database: str = ""


class StackSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole stack. `addresses` and `links` are used live only: host:port of each component's server,
    and the address at which a caller finds it (a proxy's, if one stands between). Servers listen at the host
    `listen`, where it is given, in place of their address's own: in a container that may change. `costs` are
    used in virtual time only."""

    seed: int = 1
    world: str = "default"
    days: float = 14.0
    day_seconds: float = 1.0
    build: str = "2026.1"
    root: str = ""
    inbox: str = ""
    addresses: dict[str, str] = {}
    links: dict[str, str] = {}
    listen: str = ""
    shells: dict[str, ShellSettings] = {}
    layers: dict[str, LayerSettings] = {}
    routing: str = ""
    collector: CollectorSettings = CollectorSettings()
    features: FeaturesSettings = FeaturesSettings()
    trainer: TrainerSettings = TrainerSettings()
    serving: ServingSettings = ServingSettings()
    orchestrator: OrchestratorSettings = OrchestratorSettings()
    monitor: MonitorSettings = MonitorSettings()
    oncall: OnCallSettings = OnCallSettings()
    shop: ShopSettings = ShopSettings()
    registry: RegistrySettings = RegistrySettings()
    costs: Costs = Costs()

    def bound(self, component: str) -> str:
        """Where a component's server listens, `host:port`. Raises SettingsError."""
        if component not in self.addresses:
            raise SettingsError(f"addresses has no {component!r}")
        host, _, port = self.addresses[component].rpartition(":")
        return f"{self.listen or host}:{port}"


REPLICAS = ("serving-a", "serving-b")
COMPONENTS = (
    "collector",
    "features",
    "trainer",
    "registry",
    *REPLICAS,
    "orchestrator",
    "oncall",
    "monitor",
    "shop",
)


def read_file(path: Path, kind: type[T]) -> T:
    """What a YAML or JSON file holds. Raises SettingsError, naming the file and the field.

    JSON is not read as YAML: of version 1.1, which this is, a number such as 1e-6 would be text.
    """
    decode = msgspec.json.decode if path.suffix == ".json" else msgspec.yaml.decode
    try:
        return decode(path.read_bytes(), type=kind)
    except (msgspec.DecodeError, OSError) as error:
        raise SettingsError(f"{path}: {error}") from error


def read_settings(path: Path) -> StackSettings:
    """Settings from a YAML or JSON file. Raises SettingsError, naming the file and the field."""
    return read_file(path, StackSettings)

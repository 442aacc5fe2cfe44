"""Active failures, one file each. `BUILT_IN` is the catalogue's share of them."""

from __future__ import annotations

from chaos.faults.added_column import AddedColumn
from chaos.faults.bad_config import BadConfig
from chaos.faults.bad_hyperparameter import BadHyperparameter
from chaos.faults.clock_shift import ClockShift
from chaos.faults.clock_skew import ClockSkew
from chaos.faults.cpu_limit import CpuLimit
from chaos.faults.delayed_partition import DelayedPartition
from chaos.faults.disconnect import Disconnect
from chaos.faults.disk_full import DiskFull
from chaos.faults.duplicate_replay import DuplicateReplay
from chaos.faults.eager_retries import EagerRetries
from chaos.faults.holiday_dip import HolidayDip
from chaos.faults.kill import Kill
from chaos.faults.late_partition import LatePartition
from chaos.faults.latency import Latency
from chaos.faults.link_down import LinkDown
from chaos.faults.missing_values import MissingValues
from chaos.faults.noop import Noop
from chaos.faults.offline_winner import OfflineWinner
from chaos.faults.out_of_memory import OutOfMemory
from chaos.faults.oversized_feature_file import OversizedFeatureFile
from chaos.faults.partial_partition import PartialPartition
from chaos.faults.partial_rollout import PartialRollout
from chaos.faults.pause import Pause
from chaos.faults.poisoned_source import PoisonedSource
from chaos.faults.registry_outage import RegistryOutage
from chaos.faults.restart import Restart
from chaos.faults.schema_drift import SchemaDrift
from chaos.faults.silent_default import SilentDefault
from chaos.faults.slow_challenger import SlowChallenger
from chaos.faults.slow_inference import SlowInference
from chaos.faults.starve import Starve
from chaos.faults.stop import Stop
from chaos.faults.surge import Surge
from chaos.faults.telemetry_gone import TelemetryGone
from chaos.faults.torn_checkpoint import TornCheckpoint
from chaos.faults.unit_change import UnitChange
from chaos.faults.wrong_alias import WrongAlias

BUILT_IN = (
    Noop,
    LatePartition,
    PartialPartition,
    DuplicateReplay,
    SchemaDrift,
    MissingValues,
    UnitChange,
    ClockSkew,
    PoisonedSource,
    AddedColumn,
    DelayedPartition,
    HolidayDip,
    Latency,
    WrongAlias,
    BadConfig,
    PartialRollout,
    BadHyperparameter,
    OversizedFeatureFile,
    SlowChallenger,
    OfflineWinner,
    RegistryOutage,
    Restart,
    TornCheckpoint,
    Surge,
    SlowInference,
    EagerRetries,
    Starve,
    SilentDefault,
    Kill,
    Stop,
    Pause,
    LinkDown,
    ClockShift,
    CpuLimit,
    OutOfMemory,
    Disconnect,
    DiskFull,
    TelemetryGone,
)

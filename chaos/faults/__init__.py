"""Active failures, one file each. `BUILT_IN` is the catalogue's share of them."""

from __future__ import annotations

from chaos.faults.added_column import AddedColumn
from chaos.faults.clock_skew import ClockSkew
from chaos.faults.delayed_partition import DelayedPartition
from chaos.faults.duplicate_replay import DuplicateReplay
from chaos.faults.late_partition import LatePartition
from chaos.faults.latency import Latency
from chaos.faults.missing_values import MissingValues
from chaos.faults.noop import Noop
from chaos.faults.partial_partition import PartialPartition
from chaos.faults.poisoned_source import PoisonedSource
from chaos.faults.schema_drift import SchemaDrift
from chaos.faults.unit_change import UnitChange

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
    Latency,
)

"""Active failures, one file each. `BUILT_IN` is the catalogue's share of them."""

from __future__ import annotations

from chaos.faults.late_partition import LatePartition
from chaos.faults.latency import Latency
from chaos.faults.noop import Noop

BUILT_IN = (Noop, LatePartition, Latency)

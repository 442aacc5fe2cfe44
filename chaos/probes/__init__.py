"""Probes, one file each: each reads one number of a target. `BUILT_IN` is the catalogue's share of them."""

from __future__ import annotations

from chaos.probes.bad_views import BadViews
from chaos.probes.build_share import BuildShare
from chaos.probes.clock_ahead import ClockAhead
from chaos.probes.component_ends import ComponentEnds
from chaos.probes.component_silent import ComponentSilent
from chaos.probes.counter_ratio import CounterRatio
from chaos.probes.defaulted_share import DefaultedShare
from chaos.probes.firing_alerts import FiringAlerts
from chaos.probes.good_views import GoodViews
from chaos.probes.link_latency import LinkLatency
from chaos.probes.link_silent import LinkSilent
from chaos.probes.metric import Metric
from chaos.probes.model_age import ModelAge
from chaos.probes.noop import Noop
from chaos.probes.partitions_altered import PartitionsAltered
from chaos.probes.partitions_overdue import PartitionsOverdue
from chaos.probes.slate_quality import SlateQuality
from chaos.probes.traffic_ratio import TrafficRatio
from chaos.probes.unsound_views import UnsoundViews
from chaos.probes.version_share import VersionShare
from chaos.probes.views import ViewCount

BUILT_IN = (
    Noop,
    Metric,
    GoodViews,
    BadViews,
    ViewCount,
    ModelAge,
    FiringAlerts,
    PartitionsOverdue,
    PartitionsAltered,
    LinkLatency,
    VersionShare,
    BuildShare,
    UnsoundViews,
    SlateQuality,
    TrafficRatio,
    DefaultedShare,
    CounterRatio,
    LinkSilent,
    ComponentSilent,
    ComponentEnds,
    ClockAhead,
)

"""Probes, one file each: each reads one number of a target. `BUILT_IN` is the catalogue's share, by name."""

from __future__ import annotations

from chaos.catalogue import shipped

BUILT_IN = shipped(
    __name__,
    "noop",
    "metric",
    "orders_off",
    "good_views",
    "bad_views",
    "views_per_day",
    "model_age",
    "firing_alerts",
    "partitions_overdue",
    "partitions_altered",
    "delivery_days",
    "link_latency",
    "slowest_request",
    "version_share",
    "build_share",
    "unsound_views",
    "slate_quality",
    "traffic_ratio",
    "defaulted_share",
    "counter_ratio",
    "link_silent",
    "component_silent",
    "component_ends",
    "clock_ahead",
)

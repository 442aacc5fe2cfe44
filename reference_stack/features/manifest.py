"""The manifest of a snapshot, where things lie in the features' store, and a window's lineage."""

from __future__ import annotations

import msgspec

from reference_stack.collector.partition import partition_name
from reference_stack.messages import PartitionCheck

PARTITIONS = "partitions/"
SNAPSHOTS = "snapshots/"


class Manifest(msgspec.Struct, frozen=True):
    """What a snapshot is made of. Written after the snapshot's bytes: one without a manifest does not count.

    `day` is the calendar day of its cycle (its window ends with `day` − 1), `built_day` the moment it was
    built; `watermark_day` is the last day up to which every due partition is in it; `window` lists what was
    there, oldest first, `rows` is their sum; `due` are the days that should have been there.
    """

    snapshot: str
    day: int
    built_day: float
    watermark_day: int
    window: list[PartitionCheck]
    due: list[int]
    rows: int
    customers: int
    products: int
    sha256: str
    build: str


def stored_partition(day: int) -> str:
    """Where the store keeps a partition: `partitions/day=-3.parquet`."""
    return PARTITIONS + partition_name(day)


def snapshot_file(snapshot: str) -> str:
    """Where the store keeps a snapshot's bytes (`Snapshot.from_bytes` reads them)."""
    return f"{SNAPSHOTS}{snapshot}/features.bin"


def manifest_file(snapshot: str) -> str:
    """Where the store keeps a snapshot's manifest, JSON (`read_manifest` reads it)."""
    return f"{SNAPSHOTS}{snapshot}/manifest.json"


def write_manifest(manifest: Manifest) -> bytes:
    """A manifest as JSON; the same bytes each time."""
    return msgspec.json.encode(manifest)


def read_manifest(data: bytes) -> Manifest:
    """A manifest from JSON. Raises msgspec.DecodeError where it is damaged."""
    return msgspec.json.decode(data, type=Manifest)

"""What a model is trained on: the partitions of a snapshot's window, as they are in the store."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import msgspec

from reference_stack.arrays import DamagedBytes
from reference_stack.collector.partition import DamagedPartition, Decode, decode, sha256
from reference_stack.features.impressions import Impressions
from reference_stack.features.manifest import (
    Manifest,
    manifest_file,
    read_manifest,
    snapshot_file,
    stored_partition,
)
from reference_stack.features.snapshot import Snapshot
from reference_stack.messages import PartitionCheck
from reference_stack.ports import Failed, Folder, NotFound


@dataclass(frozen=True)
class TrainingDay:
    """One partition, with its usable rows."""

    check: PartitionCheck
    rows: Impressions
    data: bytes
    """The file that it was read from."""


@dataclass(frozen=True)
class Window:
    """The snapshot of a cycle, and the partitions that it was made of, oldest first."""

    day: int
    manifest: Manifest
    snapshot: Snapshot
    days: list[TrainingDay]
    unusable: dict[int, str]
    """Partitions of the manifest that cannot be read now, with the reason."""

    def past(self) -> Impressions:
        """The rows of all days but the newest of the calendar: the first of the whole."""
        rows = [len(each.rows) for each in self.days if each.check.partition_day < self.day - 1]
        return self._whole.where(slice(sum(rows)))

    def newest(self) -> Impressions:
        """The rows of the newest day of the calendar: none where its partition is absent."""
        return Impressions.join([each.rows for each in self.days if each.check.partition_day == self.day - 1])

    def whole(self) -> Impressions:
        """All rows."""
        return self._whole

    @cached_property
    def _whole(self) -> Impressions:
        return Impressions.join([each.rows for each in self.days])

    def lineage(self) -> list[PartitionCheck]:
        """What was read, with the fingerprints of the bytes that were read."""
        return [each.check for each in self.days]


class WindowReader:
    """Reads windows from the store of the features job; days that were read before are not decoded again."""

    def __init__(self, store: Folder, decode: Decode = decode) -> None:
        self._store = store
        self._decode = decode
        self._days: dict[int, TrainingDay] = {}

    def read(self, day: int, snapshot: str, window_days: int) -> Window:
        """The window that ends with `day` − 1. Raises NotFound and Failed (the snapshot is damaged)."""
        try:
            manifest = read_manifest(self._store.read(manifest_file(snapshot)))
            features = Snapshot.from_bytes(self._store.read(snapshot_file(snapshot)))
        except FileNotFoundError as error:
            raise NotFound(f"no snapshot {snapshot}") from error
        except (DamagedBytes, msgspec.DecodeError) as error:
            raise Failed(f"snapshot {snapshot} is damaged: {error}") from error
        days: list[TrainingDay] = []
        unusable: dict[int, str] = {}
        for check in manifest.window:
            if not day - window_days <= check.partition_day < day or not check.sha256:
                continue
            try:
                days.append(self._day(check.partition_day, check.left_out))
            except (FileNotFoundError, DamagedPartition) as error:
                unusable[check.partition_day] = f"{type(error).__name__}: {error}"
        self._days = {each.check.partition_day: each for each in days}
        return Window(day, manifest, features, days, unusable)

    def _day(self, day: int, left_out: list[int]) -> TrainingDay:
        data = self._store.read(stored_partition(day))
        known = self._days.get(day)
        if known is not None and (known.data, known.check.left_out) == (data, left_out):
            return known
        partition = self._decode(data)
        check = PartitionCheck(day, partition.rows, sha256(data), partition.sources, left_out)
        return TrainingDay(check, Impressions.without(partition.arrays(), left_out), data)

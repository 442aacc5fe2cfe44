"""The online side: one customer's row of the snapshot in force."""

from __future__ import annotations

import hashlib

import msgspec
import numpy as np

from reference_stack.arrays import DamagedBytes
from reference_stack.features.manifest import (
    SNAPSHOTS,
    Manifest,
    manifest_file,
    read_manifest,
    snapshot_file,
    write_manifest,
)
from reference_stack.features.snapshot import Snapshot
from reference_stack.messages import LookupReply
from reference_stack.ports import Folder

_MANIFEST = "/manifest.json"


class Online:
    """One snapshot, laid out for lookups of about 5 µs."""

    def __init__(self, manifest: Manifest, snapshot: Snapshot) -> None:
        self.manifest = manifest
        self.snapshot = snapshot
        self._row = {customer: row for row, customer in enumerate(snapshot.customers.tolist())}
        self._starts = snapshot.indptr.tolist()
        self._products = snapshot.products[snapshot.indices]
        self._affinities = np.hstack([snapshot.category, snapshot.content])
        self._replies: dict[int, LookupReply] = {}
        self._nothing = [0.0] * self._affinities.shape[1]

    def lookup(self, customer: int) -> LookupReply:
        """The customer's residuals over products, then affinities to categories, then the content profile.

        Someone whom the window has not seen gets zeros, marked as defaulted.
        """
        known = self._replies.get(customer)
        if known is not None:
            return known
        row = self._row.get(customer)
        if row is None:
            return LookupReply(self.manifest.snapshot, self.manifest.built_day, [], [], self._nothing, True)
        start, end = self._starts[row], self._starts[row + 1]
        reply = self._replies[customer] = LookupReply(
            self.manifest.snapshot,
            self.manifest.built_day,
            self._products[start:end].tolist(),
            self.snapshot.values[start:end].tolist(),
            self._affinities[row].tolist(),
        )
        return reply


class DamagedSnapshot(ValueError):
    """A snapshot whose bytes are not those of its manifest."""


def keep(store: Folder, manifest: Manifest, data: bytes) -> None:
    """Write a snapshot: the manifest comes last, and only what has one counts. Raises OSError."""
    store.write(snapshot_file(manifest.snapshot), data)
    store.write(manifest_file(manifest.snapshot), write_manifest(manifest))


def kept(store: Folder, day: int | None = None) -> list[str]:
    """Snapshots with a manifest, the newest day last; of one day only, if asked."""
    prefix = SNAPSHOTS if day is None else f"{SNAPSHOTS}day={day}-"
    names = (name for name in store.list(prefix) if name.endswith(_MANIFEST))
    found = [name.removeprefix(SNAPSHOTS).removesuffix(_MANIFEST) for name in names]
    return sorted(found, key=lambda name: (_day_of(name), name))


def load(store: Folder, snapshot: str) -> Online:
    """A snapshot from the store. Raises DamagedSnapshot."""
    try:
        manifest = read_manifest(store.read(manifest_file(snapshot)))
        data = store.read(snapshot_file(snapshot))
        if hashlib.sha256(data).hexdigest() != manifest.sha256:
            raise DamagedSnapshot(f"{snapshot}: bytes and manifest differ")
        return Online(manifest, Snapshot.from_bytes(data))
    except (msgspec.DecodeError, DamagedBytes, FileNotFoundError) as error:
        raise DamagedSnapshot(f"{snapshot}: {error}") from error


def snapshot_id(day: int, digest: str) -> str:
    """The identifier of a snapshot: the day of its cycle and the beginning of its bytes' fingerprint."""
    return f"day={day}-{digest[:12]}"


def _day_of(name: str) -> int:
    day = name.removeprefix("day=").rpartition("-")[0]
    return int(day) if day.lstrip("-").isdigit() else -(10**9)

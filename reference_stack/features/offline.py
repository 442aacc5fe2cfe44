"""Features from the store, read as training reads them: what the online side is held against."""

from __future__ import annotations

from reference_stack.features.online import DamagedSnapshot, Online, load
from reference_stack.messages import LookupReply
from reference_stack.ports import Folder, NotFound


class Offline:
    """Rows of stored snapshots; the last one asked for stays in memory."""

    def __init__(self, store: Folder) -> None:
        self._store = store
        self._held: Online | None = None

    def row(self, snapshot: str, customer: int) -> LookupReply:
        """What the snapshot has of a customer. Raises NotFound where it is not there, or damaged."""
        if self._held is None or self._held.manifest.snapshot != snapshot:
            try:
                self._held = load(self._store, snapshot)
            except DamagedSnapshot as error:
                raise NotFound(f"no snapshot {snapshot!r} to compare with: {error}") from error
        return self._held.lookup(customer)

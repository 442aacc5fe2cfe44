"""What people have the features job put aside: sources from a day on, and whole days."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from reference_stack.features.diary import Distrust, Notebook
from reference_stack.features.gates import Gates, Moment
from reference_stack.features.manifest import manifest_file, read_manifest
from reference_stack.features.online import kept
from reference_stack.features.shelf import Shelf
from reference_stack.messages import (
    PartitionCheck,
    PurgeReply,
    PurgeRequest,
    QuarantineReply,
    QuarantineRequest,
)
from reference_stack.ports import Folder, Rejected
from reference_stack.telemetry import Telemetry

_LOOKS_BACK = 16
"""Snapshots that are looked at for what they were built of: a window's, and as many that were built again."""


class Aside:
    """Quarantine and purge. A request that names nothing means what the layers object to, and only as far
    as that was let into a snapshot: what a layer or a hold has kept out needs no person.
    """

    def __init__(
        self, store: Folder, shelf: Shelf, notes: Notebook, gates: Gates, telemetry: Telemetry
    ) -> None:
        self._store = store
        self._shelf = shelf
        self._notes = notes
        self._gates = gates
        self._telemetry = telemetry

    def quarantine(self, request: QuarantineRequest, moment: Moment) -> QuarantineReply:
        """Leave sources out from a day on, or trust them again from a day on.

        Raises Rejected where none is meant, OSError where the store fails.
        """
        if request.release:
            meant = self._released(request, moment)
        elif request.from_day is None and not request.sources:
            meant = self._let_in(request.by, moment)
        else:
            meant = self._named(request, moment)
        others = [one for one in self._notes.diary.distrusted if one.source not in meant]
        self._notes.write(distrusted=(*others, *(one for found in meant.values() for one in found)))
        state, verb = ("trusted", "trusted again") if request.release else ("left_out", "left out")
        for source, found in sorted(meant.items()):
            from_day = _until(request, moment) if request.release else found[-1].first_day
            self._telemetry.log("source", source=source, from_day=from_day, state=state)
        self._telemetry.log(
            "action", by=request.by, action="quarantine", says=f"sources {sorted(meant)} {verb}"
        )
        return QuarantineReply(
            quarantined={
                one.source: one.first_day for one in self._notes.diary.distrusted if one.until_day is None
            }
        )

    def _named(self, request: QuarantineRequest, moment: Moment) -> dict[int, list[Distrust]]:
        first = moment.window[0] if request.from_day is None and moment.window else request.from_day or 0
        sources = request.sources or sorted(
            {
                source
                for day, found in self._notes.diary.left_out.items()
                if int(day) >= first
                for source in found
            }
        )
        if not sources:
            raise Rejected("no source is named, and no layer leaves one out")
        return {source: [*self._past(source), Distrust(source, first, request.by)] for source in sources}

    def _let_in(self, by: str, moment: Moment) -> dict[int, list[Distrust]]:
        """Since when a source has been unlike itself, of those of which rows were let in all the same."""
        before = [self._shelf.check(day) for day in moment.window]
        self._gates.look_back(moment)
        first: dict[int, int] = {}
        let_in: set[int] = set()
        for check in before:
            day = check.partition_day
            for source in self._notes.diary.left_out.get(str(day), ()):
                first.setdefault(source, day)
                if any(source not in one.left_out for one in self._built_with(check)):
                    let_in.add(source)
        if not let_in:
            raise Rejected("nothing was built of rows of a source that a layer leaves out")
        return {source: [*self._past(source), Distrust(source, first[source], by)] for source in let_in}

    def _released(self, request: QuarantineRequest, moment: Moment) -> dict[int, list[Distrust]]:
        standing = [one for one in self._notes.diary.distrusted if one.until_day is None]
        wanted = [
            one
            for one in standing
            if (one.source in request.sources if request.sources else one.by == request.by)
        ]
        if not wanted:
            raise Rejected("no such source is put aside")
        until = _until(request, moment)
        return {
            one.source: [
                *self._past(one.source),
                *([replace(one, until_day=until)] if until > one.first_day else []),
            ]
            for one in wanted
        }

    def _past(self, source: int) -> list[Distrust]:
        return [
            one for one in self._notes.diary.distrusted if one.source == source and one.until_day is not None
        ]

    def purge(self, request: PurgeRequest) -> PurgeReply:
        """Put days aside. Of those that are aside already it says so again: who asked may not have heard.

        Raises Rejected where none is meant, OSError where the store fails.
        """
        days = sorted(request.days or self._meant(request))
        before = self._notes.diary.purged
        there = [day for day in days if self._shelf.has(day)]
        found = [check for day in days if day in before for check in self._shelf.aside(day)]
        if not (there or found):
            raise Rejected(f"of the days {days} no partition is there")
        # First in the diary: else a day that is half put aside would be taken for one that has not come.
        self._notes.write(purged=before | set(there))
        found += [check for day in there if (check := self._shelf.put_aside(day)) is not None]
        purged = {check.partition_day for check in found}
        for day in sorted(purged):
            self._gates.forget(day, "was put aside")
        self._telemetry.log("action", by=request.by, action="purge", says=f"days {sorted(purged)} put aside")
        return PurgeReply(purged=found)

    def _meant(self, request: PurgeRequest) -> set[int]:
        aside = set(self._notes.diary.purged) if request.again else set()
        try:
            return aside | self._held(kept_out=request.kept_out)
        except Rejected:
            if not aside:
                raise
            return aside

    def _held(self, *, kept_out: bool) -> set[int]:
        """Days that a layer acts on; of those in which it leaves out a source the rest is sound."""
        held = self._notes.diary.held
        if not held:
            raise Rejected("no day is named, and no layer acts on one")
        if not kept_out and not any(
            one.left_out != check.left_out or not check.left_out
            for check in map(self._shelf.check, sorted(held))
            for one in self._built_with(check)
        ):
            raise Rejected(f"nothing was built of the days that a layer acts on: {sorted(held)}")
        return set(held)

    def _built_with(self, check: PartitionCheck) -> list[PartitionCheck]:
        """How a partition that is there now is named in the snapshots that hold it."""
        if not check.sha256:
            return []
        found: list[PartitionCheck] = []
        for name in kept(self._store)[-_LOOKS_BACK:]:
            try:
                manifest = read_manifest(self._store.read(manifest_file(name)))
            except (msgspec.DecodeError, OSError):
                continue  # what cannot be read serves nobody
            found += [
                one
                for one in manifest.window
                if (one.partition_day, one.sha256) == (check.partition_day, check.sha256)
            ]
        return found


def _until(request: QuarantineRequest, moment: Moment) -> int:
    """The day from which on a release trusts a source again."""
    if request.from_day is not None:
        return request.from_day
    return moment.window[-1] if moment.window else 0

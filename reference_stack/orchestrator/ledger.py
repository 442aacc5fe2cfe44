"""What the orchestrator must not forget: where the day's cycle stands, and who may run it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec

from reference_stack.messages import PurgeRequest, PushRequest, QuarantineRequest
from reference_stack.orchestrator.purging import StartOver
from reference_stack.ports import Folder

DONE: Final = "done"
_CYCLE = "cycle.json"
_LEASE = "lease.json"
_ADMITTED = "admitted.json"
_CARRIED = "carried.json"
_PROMOTED = "promoted.json"
_LEFT = "left.json"
_STAGED = "staged.json"
_OWED = "owed.json"
_PUSHES = "pushes.json"
_ASKED = "asked.json"
_PROMOTED_KEPT = 400


class CanaryRun(msgspec.Struct, frozen=True):
    """A stage under way: since when `version` answers beside the champion `against`, and what had become of
    the views of both before, by who counted."""

    version: int
    against: int
    started_day: float
    before: Mapping[str, Mapping[str, int]]
    before_against: Mapping[str, Mapping[str, int]]


class Cycle(msgspec.Struct, frozen=True):
    """The cycle of one calendar day. `step` is the one to do next, not before `resume_day`.

    `held` says that this cycle is held now, `counted` that it stands in `held_cycles` already;
    `red` are the gates that hold it, and until its own are asked those that held the one before;
    `failed` that the step was given up for now; `refused` names one that was refused, in this cycle or an
    earlier one, and has not been done since: until it has, no version is made.
    """

    day: int
    step: str
    resume_day: float
    held: bool = False
    counted: bool = False
    failed: bool = False
    refused: str = ""
    held_cycles: int = 0
    red: dict[str, str] = {}
    snapshot: str = ""
    version: int | None = None
    outcome: str = ""
    canary: CanaryRun | None = None


class StagedPush(msgspec.Struct, frozen=True):
    """A value that stands on the first of the components that are to have it, until `due_day`.

    `previous` is what that one had, before any value that nobody has judged; `given` and `failed` what it had
    answered when it got the value. Until it is known to stand there `due_day` is None. `sound` once it may go
    on to the others; `taken_back_by` names who wants it off the first one instead.
    """

    request: PushRequest
    wanted: list[str]
    previous: msgspec.Raw
    due_day: float | None = None
    given: float = 0.0
    failed: float = 0.0
    sound: bool = False
    taken_back_by: str = ""


class _Asked(msgspec.Struct, frozen=True):
    purges: list[PurgeRequest] = []
    quarantines: list[QuarantineRequest] = []


class _Lease(msgspec.Struct, frozen=True):
    holder: str
    epoch: int
    until_day: float


class Ledger:
    """The cycle's state, durable after each step: a restart goes on where the last process stood."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def read(self) -> Cycle | None:
        """The last cycle, or None before the first."""
        if not self._folder.exists(_CYCLE):
            return None
        return _cycle_of(msgspec.json.decode(self._folder.read(_CYCLE)))

    def carried(self) -> Cycle | None:
        """Yesterday's cycle, where its version still stands its canary; else None."""
        if not self._folder.exists(_CARRIED):
            return None
        found = msgspec.json.decode(self._folder.read(_CARRIED))
        return None if found is None else _cycle_of(found)

    def carry(self, cycle: Cycle | None) -> None:
        """Put yesterday's cycle, or none, in place of the one before."""
        if cycle is not None or self._folder.exists(_CARRIED):
            self._folder.write(_CARRIED, msgspec.json.encode(cycle))

    def admitted(self) -> int | None:
        """The version that was last made champion through the door, None before the first."""
        if not self._folder.exists(_ADMITTED):
            return None
        return msgspec.json.decode(self._folder.read(_ADMITTED), type=int)

    def admit(self, version: int) -> None:
        """Note the version that is champion by right."""
        promoted = self.promoted()
        if version not in promoted[-1:]:
            self._keep_promoted([*promoted, version])
        self._folder.write(_ADMITTED, msgspec.json.encode(version))

    def promoted(self) -> list[int]:
        """The versions that have been champion by right, and may be again; of very many the newest."""
        if not self._folder.exists(_PROMOTED):
            admitted = self.admitted()
            return [] if admitted is None else [admitted]
        return msgspec.json.decode(self._folder.read(_PROMOTED), type=list[int])

    def demote(self, versions: Collection[int]) -> None:
        """Nobody is to go back to these: they were left because they were bad."""
        promoted = self.promoted()
        left = [version for version in promoted if version not in versions]
        if left != promoted:
            self._keep_promoted(left)

    def left(self) -> tuple[int, int] | None:
        """The version that somebody was about to leave, and the one to go back to; None where it is known."""
        if not self._folder.exists(_LEFT):
            return None
        return msgspec.json.decode(self._folder.read(_LEFT), type=tuple[int, int])

    def leave(self, bad: int, good: int) -> None:
        """Note that somebody is about to go back, and may not hear that it was done."""
        self._folder.write(_LEFT, msgspec.json.encode((bad, good)))

    def arrive(self) -> None:
        """It is known to be done: from now on the same two versions may be somebody's mistake."""
        self._folder.delete(_LEFT)

    def _keep_promoted(self, versions: list[int]) -> None:
        self._folder.write(_PROMOTED, msgspec.json.encode(versions[-_PROMOTED_KEPT:]))

    def staged(self) -> bool:
        """Whether a stage of the canary may still be routed, or is still on at a replica."""
        return self._folder.exists(_STAGED) and msgspec.json.decode(self._folder.read(_STAGED), type=bool)

    def stage(self, on: bool) -> None:
        """Note that one is about to be routed, or that none is on anywhere any more."""
        self._folder.write(_STAGED, msgspec.json.encode(on))

    def owed(self) -> StartOver | None:
        """What was put aside and is not gone back from, or no fresh cycle has been begun for; else None."""
        if not self._folder.exists(_OWED):
            return None
        return msgspec.json.decode(self._folder.read(_OWED), type=StartOver | None)

    def owe(self, what: StartOver | None) -> None:
        """Put it, or nothing, in place of the one before."""
        self._folder.write(_OWED, msgspec.json.encode(what))

    def asked(self) -> list[PurgeRequest | QuarantineRequest]:
        """What people want put aside, and nobody has answered to."""
        if not self._folder.exists(_ASKED):
            return []
        found = msgspec.json.decode(self._folder.read(_ASKED), type=_Asked)
        return [*found.purges, *found.quarantines]

    def ask_for(self, request: PurgeRequest | QuarantineRequest) -> None:
        """Note that something is about to be asked for."""
        self._keep_asked([*self._other_than(request), request])

    def heard_of(self, request: PurgeRequest | QuarantineRequest) -> None:
        """Note that there is an answer."""
        self._keep_asked(self._other_than(request))

    def _other_than(
        self, request: PurgeRequest | QuarantineRequest
    ) -> list[PurgeRequest | QuarantineRequest]:
        return [one for one in self.asked() if one != request]

    def _keep_asked(self, requests: Sequence[PurgeRequest | QuarantineRequest]) -> None:
        purges = [one for one in requests if isinstance(one, PurgeRequest)]
        quarantines = [one for one in requests if isinstance(one, QuarantineRequest)]
        self._folder.write(_ASKED, msgspec.json.encode(_Asked(purges, quarantines)))

    def pushes(self) -> list[StagedPush]:
        """The pushes that stand on their first component, and may have to leave it."""
        if not self._folder.exists(_PUSHES):
            return []
        return msgspec.json.decode(self._folder.read(_PUSHES), type=list[StagedPush])

    def keep_pushes(self, pushes: Sequence[StagedPush]) -> None:
        """Put these in place of the ones before."""
        self._folder.write(_PUSHES, msgspec.json.encode(list(pushes)))

    def write(self, cycle: Cycle) -> None:
        """Put the cycle in place of the last."""
        self._folder.write(_CYCLE, msgspec.json.encode(cycle))


def _cycle_of(found: dict[str, Any]) -> Cycle:
    """A cycle as it was written; a stage that an older version has begun is begun anew."""
    try:
        return msgspec.convert(found, Cycle)
    except msgspec.ValidationError:
        return msgspec.convert({**found, "canary": None}, Cycle)


class Lease:
    """The right to run cycles, for one holder at a time, fenced by an epoch that only grows.

    A holder that starts again takes its own lease back at once, with the next epoch; the process it
    replaces then finds itself superseded. Another holder waits until the lease has run out. Folders know no
    compare-and-set: where two take it at the same instant the last writer has it, and the other learns so
    at its next `renew`, which comes before every step and before its result is kept.
    """

    def __init__(self, folder: Folder, holder: str, length_days: float) -> None:
        self._folder = folder
        self._holder = holder
        self._length_days = length_days
        self._epoch: int | None = None
        self.superseded = False

    @property
    def epoch(self) -> int:
        """The epoch under which the lease is ours, 0 where it is not."""
        return self._epoch or 0

    def take(self, day: float) -> bool:
        """Renew the lease if it is ours, else take it if it is free."""
        if self._epoch is not None:
            return self.renew(day)
        found = self._read()
        if self.superseded or (found is not None and found.holder != self._holder and day < found.until_day):
            return False
        self._epoch = found.epoch + 1 if found is not None else 1
        self._write(day)
        return True

    def renew(self, day: float) -> bool:
        """Whether the lease is still ours; if so it is good for another `length_days`."""
        found = self._read()
        if found is None or (found.holder, found.epoch) != (self._holder, self._epoch):
            self.superseded = found is not None and found.holder == self._holder
            self._epoch = None
            return False
        self._write(day)
        return True

    def _read(self) -> _Lease | None:
        if not self._folder.exists(_LEASE):
            return None
        return msgspec.json.decode(self._folder.read(_LEASE), type=_Lease)

    def _write(self, day: float) -> None:
        assert self._epoch is not None
        lease = _Lease(self._holder, self._epoch, day + self._length_days)
        self._folder.write(_LEASE, msgspec.json.encode(lease))

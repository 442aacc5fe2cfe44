"""The door to the alias `champion`: admission, promotions, the way back, and a look at what went past it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress

from reference_stack.exclusive import holding
from reference_stack.layers.host import LayerHost, enforced
from reference_stack.messages import PromoteReply, PromoteRequest, RollBackRequest
from reference_stack.orchestrator.admission import EXAMINE, examine
from reference_stack.orchestrator.ledger import Ledger
from reference_stack.orchestrator.purging import StartOver, version_without, versions_made_of
from reference_stack.ports import NotFound, PortError, Registry, Rejected, Runtime
from reference_stack.telemetry import Telemetry, report
from reference_stack.world import Catalogue

CHAMPION = "champion"
PREVIOUS = "previous"
ROLLED_BACK = "rolled_back"
_SAID_FOR_DAYS = 0.1
"""An objection stands for so long, whatever other version is looked at, so that whoever watches sees it."""


class Promotions:
    """`gates` are the ADMISSION layers, `catalogue` is what they ask a version for a slate of."""

    def __init__(
        self,
        runtime: Runtime,
        telemetry: Telemetry,
        registry: Registry,
        gates: Sequence[LayerHost],
        ledger: Ledger,
        catalogue: Catalogue,
    ) -> None:
        self._runtime = runtime
        self._telemetry = telemetry
        self._registry = registry
        self._gates = gates
        self._ledger = ledger
        self._catalogue = catalogue
        self._one_at_a_time = runtime.semaphore(1)
        self._looked_at: tuple[int, int | None] | None = None
        """What was champion in whose place when layers that only observe last looked: they say it once."""

    def alone(self) -> AbstractAsyncContextManager[None]:
        """Wait until nobody else flips: a cycle that promotes must not undo what somebody who goes back has
        just done.
        """
        return holding(self._one_at_a_time)

    def make_up(self) -> None:
        """Note what was left for good, where whoever went back ended, or its disk was full, before it had."""
        left = self._ledger.left()
        if left is not None and left[1] == self._ledger.admitted():
            self._ledger.demote(left[:1])
            self._ledger.arrive()

    async def champion(self) -> int | None:
        """The version that the alias names. Raises a PortError."""
        return await self._registry.resolve(CHAMPION)

    # --- promotions ----------------------------------------------------------------------------------

    async def objection(self, version: int) -> str:
        """Ask every ADMISSION layer about a version; what those say that act.

        Where a layer enforces, raises NotFound where there is no such version, or another PortError.
        """
        if self._unguarded():
            return ""
        if enforced(self._gates):
            return await self._ask_about(version)
        try:
            await self._ask_about(version)
        except Exception as error:  # noqa: BLE001 (who only observes keeps nobody from a promotion)
            report(self._telemetry, "admission", error)
        return ""

    async def _ask_about(self, version: int) -> str:
        found = await self._registry.version(version)
        artifact = await self._registry.artifact(version)
        known_good = version in (self._ledger.admitted(), await self._registry.resolve(PREVIOUS))
        day = self._runtime.day()
        candidate = await self._runtime.blocking(
            lambda: examine(found, artifact, self._catalogue, day, known_good=known_good), EXAMINE
        )
        decisions = [host.ask(candidate, day=day, linger_days=_SAID_FOR_DAYS) for host in self._gates]
        return "; ".join(decision.says for decision in decisions if decision.acts)

    async def make_champion(
        self, version: int, by: str, still: Callable[[], bool] = lambda: True
    ) -> int | None:
        """Point `champion` at a version and `previous` at the one before, which is returned.

        Doing it twice changes nothing. Raises NotFound when there is no such version, Rejected where it is
        `still` wanted no more when its turn has come, or another PortError.
        """
        async with self.alone():
            if not still():
                raise Rejected("the day's cycle begins anew")
            return await self._flip(version, by)

    async def promote(self, request: PromoteRequest, instead_of: int | None = None) -> PromoteReply:
        """Make a version champion unless admission objects; a rollback is the promotion of an older one.

        Nobody goes back to the one `instead_of` which it is made; where another has replaced that meanwhile,
        the other stays.
        """
        try:
            objection = await self.objection(request.version)
            if objection:
                return self._refuse(request, objection, "admission")
            if instead_of is not None:
                return await self._replace(instead_of, request.version, request.by)
            previous = await self.make_champion(request.version, request.by)
        except NotFound:
            return self._refuse(request, f"there is no version {request.version}")
        except PortError as error:
            return self._refuse(request, f"the registry does not answer: {type(error).__name__}")
        return _promoted(request.version, previous)

    def _refuse(self, request: PromoteRequest, says: str, door: str = "registry") -> PromoteReply:
        self._telemetry.log(
            "promotion_refused", version=request.version, by=request.by, refused_by=door, says=says
        )
        return PromoteReply(refused_by=door, says=says, previous=None)

    async def _flip(self, version: int, by: str) -> int | None:
        await self._registry.version(version)
        previous = await self.champion()
        if previous == version:
            previous = await self._registry.resolve(PREVIOUS)
            if self._ledger.admitted() != version:
                # Whoever set it ended before it could say so, or set it past this door.
                self._admit(version, previous, by)
            return previous
        if previous is not None:
            await self._registry.set_alias(PREVIOUS, previous)
        await self._registry.set_alias(CHAMPION, version)
        self._admit(version, previous, by)
        return previous

    def _admit(self, version: int, previous: int | None, by: str) -> None:
        self._ledger.admit(version)
        self._telemetry.log("alias", alias=CHAMPION, version=version, previous=previous, by=by)
        self._telemetry.metrics.set("champion_version", version)

    # --- the way back --------------------------------------------------------------------------------

    async def roll_back(self, request: RollBackRequest) -> PromoteReply:
        """Go back to the version before the champion; never to one that was left in that way."""
        try:
            champion = await self.champion()
            left = await self._registry.resolve(ROLLED_BACK)
            previous = await self._registry.resolve(PREVIOUS)
            # Where the alias was flipped past this door, what was promoted last is what to go back to.
            candidates = [self._ledger.admitted(), previous]
            if previous == champion:  # a promotion broke off half way: the ledger knows who came before
                candidates += reversed(self._ledger.promoted())
            good = next((one for one in candidates if one is not None and one not in (champion, left)), None)
        except PortError as error:
            good, says = None, f"the registry does not answer: {type(error).__name__}"
        else:
            says = "there is no version to go back to"
        if good is None:
            self._telemetry.log("roll_back_refused", by=request.by, says=says)
            return PromoteReply(refused_by="registry", says=says, previous=None)
        return await self.promote(PromoteRequest(version=good, by=request.by), champion)

    async def _replace(self, bad: int, good: int, by: str) -> PromoteReply:
        """Leave a version for good. Where that fails, it has not been left."""
        async with self.alone():
            champion = await self.champion()
            if champion not in (None, bad, good) and champion == self._ledger.admitted():
                await self._forsake(bad, good)
                says = f"version {champion} is champion already, and nobody goes back to version {bad}"
                return PromoteReply(refused_by="", says=says, previous=bad)
            before = await self._registry.resolve(ROLLED_BACK)
            await self._registry.set_alias(ROLLED_BACK, bad)
            self._ledger.leave(bad, good)
            try:
                previous = await self._flip(good, by)
            except PortError:
                with suppress(PortError):
                    if await self.champion() != good:  # else it was done, and the audit will find it so
                        await self._set_back(ROLLED_BACK, before)
                raise
            self._ledger.demote([bad])
            self._ledger.arrive()
        return _promoted(good, previous)

    async def _forsake(self, bad: int, good: int) -> None:
        """A version that was replaced while it was to be left: nobody goes back to it from the one after."""
        await self._registry.set_alias(ROLLED_BACK, bad)
        if await self._registry.resolve(PREVIOUS) == bad:
            await self._registry.set_alias(PREVIOUS, good)
        self._ledger.demote([bad])

    async def _set_back(self, alias: str, version: int | None) -> None:
        if version is None:
            await self._registry.drop_alias(alias)
        else:
            await self._registry.set_alias(alias, version)

    async def go_back(self, owed: StartOver) -> None:
        """Go to the newest version without what was put aside, or have the way back lead to it where the
        champion is made without. For whoever is `alone`; raises a PortError.
        """
        champion, previous = await self.champion(), await self._registry.resolve(PREVIOUS)
        dirty = await versions_made_of(self._registry, owed.spoilt)
        clean = version_without(dirty, champion, self._ledger.promoted())
        self._ledger.demote(dirty)
        if clean is not None and champion is not None:
            await self._registry.set_alias(ROLLED_BACK, champion)
            await self._flip(clean, owed.by)
        elif champion is not None and champion not in dirty and previous in dirty:
            # The champion is sound, and may be bad all the same: the way back must not lead to these.
            earlier = version_without({*dirty, champion}, champion, self._ledger.promoted())
            await self._set_back(PREVIOUS, earlier)

    # --- the audit -----------------------------------------------------------------------------------

    async def audit(self) -> None:
        """Hold the alias against what was promoted: what nobody admitted is looked at, and turned back or
        taken for the champion where a layer enforces.
        """
        if self._unguarded() and self._ledger.left() is None:
            return
        try:
            await self._audit()
        except PortError as error:
            self._telemetry.metrics.add("audit_errors_total", error=type(error).__name__)
        except Exception as error:  # noqa: BLE001 (one version must not end the audit of all later ones)
            report(self._telemetry, "audit", error)

    def _unguarded(self) -> bool:
        return all(host.mode == "off" for host in self._gates)

    async def _audit(self) -> None:
        champion, admitted = await self.champion(), self._ledger.admitted()
        if champion is None or champion == admitted:
            self._looked_at = None
            self.make_up()
            return
        if admitted is not None and (admitted, champion) == self._ledger.left():
            async with self.alone():
                await self._note_left(champion, admitted)
            return
        if self._unguarded():
            return
        if not enforced(self._gates):
            await self._look_at(champion, admitted)
            return
        objection = "" if admitted is None else await self.objection(champion)
        async with self.alone():
            # What was looked at may be promoted, or replaced, meanwhile.
            if (await self.champion(), self._ledger.admitted()) == (champion, admitted):
                await self._settle(champion, admitted, objection)

    async def _look_at(self, champion: int, admitted: int | None) -> None:
        """Have layers that only observe say what they would do: nobody admits the version for that."""
        if admitted is not None and self._looked_at != (champion, admitted):
            await self._ask_about(champion)
            self._looked_at = champion, admitted

    async def _note_left(self, good: int, bad: int) -> None:
        """Somebody has gone back, and did not hear that it was done."""
        if (await self.champion(), self._ledger.admitted()) == (good, bad):
            self._admit(good, bad, "roll back")
            self._ledger.demote([bad])
            self._ledger.arrive()

    async def _settle(self, champion: int, admitted: int | None, objection: str) -> None:
        """Take what somebody made champion past the door for the champion, or turn it back."""
        if admitted is None or not objection:
            if admitted is not None:
                await self._registry.set_alias(PREVIOUS, admitted)
            self._ledger.admit(champion)
            self._telemetry.metrics.set("champion_version", champion)
            return
        # `previous` stays: what is turned back was never good.
        await self._registry.set_alias(CHAMPION, admitted)
        self._telemetry.log("alias", alias=CHAMPION, version=admitted, previous=champion, by="admission")
        self._telemetry.log(
            "action", by="admission", action="roll back", says=f"version {champion} turned back"
        )


def _promoted(version: int, previous: int | None) -> PromoteReply:
    return PromoteReply(refused_by="", says=f"version {version} is champion", previous=previous)

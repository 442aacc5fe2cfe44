"""Layers overridden by hand: an audit record of who, what and why, and an end that comes by itself.

"It paged twice for nothing" is a good reason for a night, and a latent condition from then on (Reason 1990;
Clesio on checks that a local fix mutes for good). So an override says until when, and is taken back then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from reference_stack.messages import ConfigureRequest
from reference_stack.ports import Runtime
from reference_stack.telemetry import Telemetry


@dataclass(frozen=True)
class Standing:
    """An override in force: what it set, and what was there before anybody overrode it."""

    number: int
    value: object
    before: object


class Overrides:
    """The overrides of one component; `get` and `put` read and set a setting by its key.

    A restart forgets them, and what they set with them: the settings' file counts again.
    """

    def __init__(
        self,
        runtime: Runtime,
        telemetry: Telemetry,
        get: Callable[[str], object],
        put: Callable[[str, object], object],
    ) -> None:
        self._runtime = runtime
        self._telemetry = telemetry
        self._get = get
        self._put = put
        self._standing: dict[str, Standing] = {}
        self._made = 0

    def note(self, request: ConfigureRequest, previous: object) -> None:
        """Write down a change that somebody has put a name to, and take it back on its last day, if any."""
        known = self._standing.pop(request.key, None)
        if not request.by:
            return
        value = msgspec.json.decode(request.value)
        until = "" if request.until_day is None else f" until day {request.until_day:g}"
        why = f": {request.why}" if request.why else ""
        self._say(request.by, "override", f"{request.key} from {previous} to {value}{until}{why}")
        if request.until_day is None:
            return
        self._made += 1
        before = previous if known is None else known.before
        self._standing[request.key] = Standing(self._made, self._get(request.key), before)
        self._runtime.spawn(self._expire(request, self._made))

    async def _expire(self, request: ConfigureRequest, number: int) -> None:
        assert request.until_day is not None
        await self._runtime.until(request.until_day)
        standing = self._standing.get(request.key)
        if standing is None or standing.number != number:
            return  # somebody has changed it since
        del self._standing[request.key]
        if self._get(request.key) == standing.value:
            self._put(request.key, standing.before)
            self._say(request.by, "override expired", f"{request.key} is {standing.before} again")

    def _say(self, by: str, action: str, says: str) -> None:
        self._telemetry.log("action", by=by, action=action, says=says)

"""The client of the feature store: when it asks, how long it waits, what it puts in an answer's place."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from msgspec.structs import replace

from reference_stack.comparing import Used
from reference_stack.layers.contract import Mode
from reference_stack.layers.host import LayerHost
from reference_stack.messages import LOOKUP, LookupReply, LookupRequest
from reference_stack.ports import Port, PortError, Runtime, Task, TimedOut
from reference_stack.serving.breaker import Breaker
from reference_stack.serving.builds import Reader
from reference_stack.settings import ServingSettings
from reference_stack.telemetry import Metrics

_SAMPLE = 8


class Lookups:
    """Looks customers up. `fallbacks` are the layers that would answer without features, and `late` is told
    of a customer whose features they would not have waited for.

    Counters: `lookup_total`, `lookup_failed_total`, `lookup_ms_total`, `lookup_defaulted_total`.
    """

    def __init__(
        self,
        features: Port,
        runtime: Runtime,
        metrics: Metrics,
        breaker: Breaker,
        fallbacks: tuple[LayerHost, ...],
        settings: Callable[[], ServingSettings],
        late: Callable[[int], object],
    ) -> None:
        self._features = features
        self._runtime = runtime
        self._counts = metrics.values
        self._breaker = breaker
        self._fallbacks = fallbacks
        self._settings = settings
        self._late = late
        self._newest: LookupReply | None = None
        self._reader = Reader()
        self._used: deque[tuple[int, LookupReply]] = deque(maxlen=_SAMPLE)

    async def look_up(self, customer: int, build: str) -> LookupReply:
        """The customer's features as the replica's build reads them. Raises a PortError, sooner where a layer
        would answer all the same.

        Where the client is set to it, zeros stand in for features that are slow, and nobody is told but by
        `defaulted`. What a breaker that enforces lets out to try, or refuses, fails loud.
        """
        settings, counts = self._settings(), self._counts
        waits_ms = settings.give_up_ms
        watch: Task | None = None
        modes = [host.mode for host in self._fallbacks]
        trial = self._breaker.enter()
        loud = trial and self._breaker.enforces
        if Mode.ENFORCE in modes:
            waits_ms = min(waits_ms, settings.features_timeout_ms)
        elif Mode.OBSERVE in modes:
            watch = self._runtime.spawn(self._watch(customer, settings.features_timeout_ms))
        defaults = 0.0 < settings.default_after_ms < waits_ms
        if defaults:
            waits_ms = settings.default_after_ms
        counts["lookup_total"] += 1.0
        started, error = self._runtime.now(), None
        try:
            sent = await self._features.call(LOOKUP, LookupRequest(customer), timeout_ms=waits_ms)
        except PortError as failure:
            counts["lookup_failed_total"] += 1.0
            error = failure
            if not (defaults and isinstance(error, TimedOut)) or loud or self._newest is None:
                raise
            counts["lookup_defaulted_total"] += 1.0
            reply = _nothing(self._newest)
        else:
            reply = self._newest = self._reader.read(build, sent)
        finally:
            counts["lookup_ms_total"] += 1000.0 * (self._runtime.now() - started)
            self._breaker.left(error, trial=trial)
            if watch is not None:
                watch.cancel()
        self._used.append((customer, reply))
        return reply

    def sample(self) -> list[Used]:
        """What the model was given for the newest few customers."""
        return [Used(customer, features) for customer, features in self._used]

    async def _watch(self, customer: int, waits_ms: float) -> None:
        await self._runtime.sleep(waits_ms / 1000.0)
        self._late(customer)


def _nothing(like: LookupReply) -> LookupReply:
    """What a customer has whom nobody knows, in the shape of another's features."""
    return replace(like, products=[], values=[], affinities=[0.0] * len(like.affinities), defaulted=True)

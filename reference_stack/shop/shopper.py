"""One shopper: asks for a slate, waits or leaves, clicks what they like, and tells the collector.

The same coroutine serves both modes. Under Locust its ports and its sleep block the greenlet, so that it runs
to its end in one `send(None)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import NamedTuple

from reference_stack.messages import COLLECT, RECOMMEND, RecommendReply, RecommendRequest, ViewEvents
from reference_stack.ports import NotFound, Port, PortError, Rejected, Runtime
from reference_stack.seeds import uniform
from reference_stack.settings import ShopSettings
from reference_stack.shop.arrivals import Visits
from reference_stack.shop.ledger import Ledger
from reference_stack.shop.retrying import Retries
from reference_stack.shop.returning import Returning
from reference_stack.world import Looks, World, abandonment

_POSITIONS = tuple(range(1, 11))


class Replica(NamedTuple):
    """One of the servers that a view may be sent to."""

    name: str
    port: Port


class _Products(NamedTuple):
    """What events say of products, by product id."""

    price: list[float]
    category: list[int]
    source: list[int]
    launch_day: list[int]

    def ages(self, today: float) -> list[float]:
        """Days since the launch of each."""
        return [today - launch_day for launch_day in self.launch_day]


class Shopper:
    """Lives through single views; all chance in it comes with the view."""

    def __init__(
        self,
        runtime: Runtime,
        world: World,
        replicas: Sequence[Replica],
        collector: Port,
        ledger: Ledger,
        returning: Returning,
        retries: Retries,
        settings: Callable[[], ShopSettings],
    ) -> None:
        self._runtime = runtime
        self._world = world
        self._replicas = tuple(replicas)
        self._collector = collector
        self._ledger = ledger
        self._returning = returning
        self._retries = retries
        self._settings = settings
        self._segments: list[int] = world.customers.segment.tolist()
        self._shards: list[int] = world.customers.shard.tolist()
        catalogue = world.catalogue
        self._products = _Products(
            catalogue.price.tolist(),
            catalogue.category.tolist(),
            catalogue.source.tolist(),
            catalogue.launch_day.tolist(),
        )
        self._ages = (math.nan, list[float]())
        """Of the products on the day before."""
        self._stay = 1.0 - abandonment(world.parameters, world.parameters.normal_latency_s)

    async def visit(self, visits: Visits, index: int) -> None:
        """The view `index` of a day, from the request to the acknowledgement of its events."""
        world, arrivals = self._world, visits.arrivals
        seen = arrivals.views[index]
        segment = self._segments[seen.customer]
        view = f"{arrivals.day}-{seen.ordinal}"
        started = self._runtime.now()
        replica, reply = await self._ask(view, seen.customer, segment, visits.routing.item(index))
        if reply is None:
            self._ledger.failed(replica, segment)
            self._returning.failed()
            return
        settings = self._settings()
        felt_s = perceived_s(world, settings, 1000.0 * (self._runtime.now() - started))
        leaves = abandonment(world.parameters, felt_s)
        abandoned = seen.patience < leaves
        slate = reply.slate[: world.parameters.slots]
        looks = world.look(arrivals, index, slate)
        self._ledger.answered(
            reply,
            segment,
            slow=1000.0 * felt_s > settings.slow_perceived_ms,
            abandoned=abandoned,
            value=looks.value,
            best_value=looks.best_value,
        )
        # a, the views kept relative to the normal latency: see `patience_ratio`.
        self._returning.saw(looks.value, (1.0 - leaves) / self._stay)
        if not abandoned and slate:
            await self._tell(self._events(view, seen.customer, segment, reply, slate, looks), settings)

    async def _ask(
        self, view: str, customer: int, segment: int, routing: float
    ) -> tuple[str, RecommendReply | None]:
        """The replica asked last and its reply. Each further attempt goes to the next replica, later."""
        settings = self._settings()
        replicas = self._in_rotation(settings.drained) if settings.drained else self._replicas
        first = int(routing * len(replicas))
        self._retries.asked()
        cause = ""
        for attempt in range(1, max(1, settings.attempts) + 1):
            if attempt > 1:
                if not self._retries.admits(attempt, cause):
                    break
                wait_ms = settings.backoff_ms * 2.0 ** (attempt - 2)
                wait_ms *= 0.5 + uniform(self._world.seed, "backoff", view, attempt)
                await self._runtime.sleep(wait_ms / 1000.0)
            replica = replicas[(first + attempt - 1) % len(replicas)]
            request = RecommendRequest(view=view, customer=customer, segment=segment, attempt=attempt)
            try:
                reply = await replica.port.call(RECOMMEND, request, timeout_ms=settings.timeout_ms)
            except (Rejected, NotFound):
                break
            except PortError as error:
                cause = type(error).__name__
                continue
            return replica.name, reply
        return replica.name, None

    def _in_rotation(self, drained: Sequence[str]) -> tuple[Replica, ...]:
        """The replicas that shoppers are sent to; all of them where none would be left."""
        left = tuple(replica for replica in self._replicas if replica.name not in drained)
        return left or self._replicas

    async def _tell(self, events: ViewEvents, settings: ShopSettings) -> None:
        try:
            await self._collector.call(COLLECT, events, timeout_ms=settings.timeout_ms)
        except PortError:
            self._ledger.collected(len(events.products), acknowledged=False)
        else:
            self._ledger.collected(len(events.products), acknowledged=True)

    def _events(
        self,
        view: str,
        customer: int,
        segment: int,
        reply: RecommendReply,
        slate: list[int],
        looks: Looks,
    ) -> ViewEvents:
        """What the shopper's device sends: the moment is that at which the page was seen."""
        day = self._runtime.day()
        products = self._products
        last = len(products.price) - 1
        listed = slate if min(slate) >= 0 and max(slate) <= last else [min(max(0, p), last) for p in slate]
        today, ages = self._ages
        if today != math.floor(day):
            today = float(math.floor(day))
            ages = products.ages(today)
            self._ages = today, ages
        size = len(listed)
        # A getter of one place gives no tuple.
        of = itemgetter(*listed) if size > 1 else itemgetter(slice(listed[0], listed[0] + 1))
        prices: Sequence[float | None] = of(products.price)
        if True in looks.null:
            prices = [None if null else price for price, null in zip(prices, looks.null, strict=True)]
        return ViewEvents(
            view=view,
            recommendation=reply.recommendation,
            customer=customer,
            segment=segment,
            shard=self._shards[customer],
            day=day,
            version=reply.version,
            fallback=reply.fallback,
            products=slate,
            positions=_POSITIONS[:size] if size <= len(_POSITIONS) else tuple(range(1, size + 1)),
            clicked=list(map(int, looks.clicked)),
            dwell_s=looks.dwell_seconds,
            prices=prices,
            categories=of(products.category),
            sources=of(products.source),
            ages_days=of(ages),
        )


def perceived_s(world: World, settings: ShopSettings, measured_ms: float) -> float:
    """The latency that a shopper feels, in seconds: 1.0 + `felt` × (measured − normal), never below 0."""
    over_ms = measured_ms - settings.normal_ms
    return max(0.0, world.parameters.normal_latency_s + settings.felt * over_ms / 1000.0)

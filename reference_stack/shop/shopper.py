"""One shopper: asks for a slate, waits or leaves, clicks what they like, and tells the collector.

The same coroutine serves both modes. Under Locust its ports and its sleep block the greenlet, so that it runs
to its end in one `send(None)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from reference_stack.messages import COLLECT, RECOMMEND, RecommendReply, RecommendRequest, ViewEvents
from reference_stack.ports import NotFound, Port, PortError, Rejected, Runtime
from reference_stack.seeds import uniform
from reference_stack.settings import ShopSettings
from reference_stack.shop.arrivals import Visits
from reference_stack.shop.ledger import Ledger
from reference_stack.shop.returning import Returning
from reference_stack.world import Looks, World, abandonment
from reference_stack.world.behaviour import patience_ratio


class Replica(NamedTuple):
    """One of the servers that a view may be sent to."""

    name: str
    port: Port


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
        settings: Callable[[], ShopSettings],
    ) -> None:
        self._runtime = runtime
        self._world = world
        self._replicas = tuple(replicas)
        self._collector = collector
        self._ledger = ledger
        self._returning = returning
        self._settings = settings
        self._products = np.arange(len(world.catalogue))

    async def visit(self, visits: Visits, index: int) -> None:
        """The view `index` of a day, from the request to the acknowledgement of its events."""
        world, arrivals = self._world, visits.arrivals
        customer = int(arrivals.customers[index])
        segment = int(world.customers.segment[customer])
        view = f"{arrivals.day}-{int(arrivals.ordinals[index])}"
        started = self._runtime.now()
        replica, reply = await self._ask(view, customer, segment, float(visits.routing[index]))
        if reply is None:
            self._ledger.failed(replica, segment)
            self._returning.failed()
            return
        settings = self._settings()
        felt_s = perceived_s(world, settings, 1000.0 * (self._runtime.now() - started))
        abandoned = bool(arrivals.patience[index] < abandonment(world.parameters, felt_s))
        slate = np.asarray(reply.slate[: world.parameters.slots], dtype=np.int64)
        looks = world.look(arrivals, index, slate)
        self._ledger.answered(
            reply,
            segment,
            slow=1000.0 * felt_s > settings.slow_perceived_ms,
            abandoned=abandoned,
            value=looks.value,
            best_value=world.best_value(arrivals.day, customer),
        )
        self._returning.saw(looks.value, patience_ratio(world.parameters, felt_s))
        if not abandoned and len(slate):
            await self._tell(self._events(view, customer, segment, reply, slate, looks), settings)

    async def _ask(
        self, view: str, customer: int, segment: int, routing: float
    ) -> tuple[str, RecommendReply | None]:
        """The replica asked last and its reply. Each further attempt goes to the next replica, later."""
        first = int(routing * len(self._replicas))
        settings = self._settings()
        for attempt in range(1, max(1, settings.attempts) + 1):
            if attempt > 1:
                wait_ms = settings.backoff_ms * 2.0 ** (attempt - 2)
                wait_ms *= 0.5 + uniform(self._world.seed, "backoff", view, attempt)
                await self._runtime.sleep(wait_ms / 1000.0)
            replica = self._replicas[(first + attempt - 1) % len(self._replicas)]
            request = RecommendRequest(view=view, customer=customer, segment=segment, attempt=attempt)
            try:
                reply = await replica.port.call(RECOMMEND, request, timeout_ms=settings.timeout_ms)
            except (Rejected, NotFound):
                break
            except PortError:
                continue
            return replica.name, reply
        return replica.name, None

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
        slate: np.typing.NDArray[np.int64],
        looks: Looks,
    ) -> ViewEvents:
        """What the shopper's device sends: the moment is that at which the page was seen."""
        catalogue, customers = self._world.catalogue, self._world.customers
        day = self._runtime.day()
        listed = self._products.take(slate, mode="clip")
        clicked = looks.clicked.tolist()
        prices = catalogue.price[listed].tolist()
        return ViewEvents(
            view=view,
            recommendation=reply.recommendation,
            customer=customer,
            segment=segment,
            shard=int(customers.shard[customer]),
            day=day,
            version=reply.version,
            fallback=reply.fallback,
            products=slate.tolist(),
            positions=list(range(1, len(slate) + 1)),
            clicked=[int(click) for click in clicked],
            dwell_s=[
                dwell if click else None
                for dwell, click in zip(looks.dwell_seconds.tolist(), clicked, strict=True)
            ],
            prices=[None if null else price for price, null in zip(prices, looks.null.tolist(), strict=True)],
            categories=catalogue.category[listed].tolist(),
            sources=catalogue.source[listed].tolist(),
            ages_days=catalogue.age(day, listed).tolist(),
        )


def perceived_s(world: World, settings: ShopSettings, measured_ms: float) -> float:
    """The latency that a shopper feels, in seconds: 1.0 + `felt` × (measured − normal), never below 0."""
    over_ms = measured_ms - settings.normal_ms
    return max(0.0, world.parameters.normal_latency_s + settings.felt * over_ms / 1000.0)

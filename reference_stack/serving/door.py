"""The door of a replica: measures how long requests take; the layers at hook ARRIVAL say who may come in."""

from __future__ import annotations

from reference_stack.layers.evidence import Arrival
from reference_stack.layers.host import LayerHost, enforced
from reference_stack.ports import Runtime
from reference_stack.telemetry import Metrics

_WINDOW_S = 0.05
_LEAST_SAMPLES = 10
_ANY_NUMBER = 1e9
_TICKS = 8


class Door:
    """Counts of one reporting tick, and the delays of one window: 50 ms, or longer until it has 10 requests.

    Counter: `shed_total`. Gauges: `concurrency_limit`, and `shed_share` of the last reporting tick. Layers
    are told the shares of the last eight; where none enforces, of what those that observe would have refused.
    """

    def __init__(
        self, hosts: tuple[LayerHost, ...], runtime: Runtime, metrics: Metrics, linger_days: float
    ) -> None:
        self._hosts = hosts
        self._runtime = runtime
        self._metrics = metrics
        self._linger_days = linger_days
        self._limit = _ANY_NUMBER
        self._limits: dict[str, float] = {}
        self._arrivals = self._refused = self._unwanted = 0
        self._shares: tuple[float, ...] = ()
        self._due_s = 0.0
        self._requests = 0
        self._total_s = self._service_s = 0.0

    def admits(self, in_flight: int) -> bool:
        """Whether a request may come in while `in_flight` others wait or are at a worker."""
        self._arrivals += 1
        ended = self._requests >= _LEAST_SAMPLES and self._runtime.now() >= self._due_s
        if in_flight < self._limit and not ended:
            return True
        refused, unwanted = self._ask(in_flight, window_ended=ended)
        self._unwanted += unwanted
        if refused:
            self._refused += 1
            self._metrics.add("shed_total")
        return not refused

    def served(self, total_s: float, service_s: float) -> None:
        """A request has left its worker, `total_s` after its arrival and `service_s` after it got there."""
        self._requests += 1
        self._total_s += total_s
        self._service_s += service_s

    def tick(self) -> None:
        """End a reporting tick: its share of refused arrivals is told to the layers from now on."""
        arrivals = max(1, self._arrivals)
        self._metrics.set("shed_share", self._refused / arrivals)
        counted = self._refused if enforced(self._hosts) else self._unwanted
        self._shares = (*self._shares, counted / arrivals)[-_TICKS:]
        self._arrivals = self._refused = self._unwanted = 0

    def _ask(self, in_flight: int, *, window_ended: bool) -> tuple[bool, bool]:
        """Whether an arrival is refused, and whether it would be if no layer only observed."""
        sample_ms = least_ms = 0.0
        if window_ended:
            sample_ms = 1000.0 * self._total_s / self._requests
            least_ms = 1000.0 * self._service_s / self._requests
            self._requests, self._total_s, self._service_s = 0, 0.0, 0.0
            self._due_s = self._runtime.now() + _WINDOW_S
        day, refused, unwanted, limit = self._runtime.day(), False, False, _ANY_NUMBER
        for host in self._hosts:
            known = self._limits.get(host.name)
            arrival = Arrival(in_flight, known, sample_ms, least_ms, self._shares)
            decision = host.ask(arrival, day=day, linger_days=self._linger_days)
            refused, unwanted = refused or decision.acts, unwanted or host.said.acts
            said = decision.detail.get("limit")
            if said is None:
                self._limits.pop(host.name, None)
            else:
                self._limits[host.name] = said
                limit = min(limit, said)
        if limit != self._limit:
            self._limit = limit
            self._metrics.set("concurrency_limit", limit)
        return refused, unwanted

"""What the shop's clients have spent on asking again; the layers at hook ATTEMPT are asked each time."""

from __future__ import annotations

from reference_stack.layers.evidence import Retrying
from reference_stack.layers.host import LayerHost
from reference_stack.ports import Runtime
from reference_stack.telemetry import Metrics

_WINDOW_S = 1.0


class Retries:
    """Requests and retries of this window of a second and of the one before.

    Counters: `first_attempts_total`, `retries_total` and `retries_refused_total`.
    """

    def __init__(
        self, hosts: tuple[LayerHost, ...], runtime: Runtime, metrics: Metrics, linger_days: float
    ) -> None:
        self._hosts = hosts
        self._runtime = runtime
        self._metrics = metrics
        self._linger_days = linger_days
        self._since_s = 0.0
        self._requests = self._retries = 0
        self._before = (0, 0)
        self._objected = False

    def asked(self) -> None:
        """A view asks for the first time."""
        self._turn()
        self._requests += 1
        self._metrics.add("first_attempts_total")

    def admits(self, attempt: int, cause: str) -> bool:
        """Whether a view may make its `attempt`-th attempt; it is counted if so."""
        self._turn()
        requests, retries = self._before
        evidence = Retrying(attempt, cause, requests + self._requests, retries + self._retries)
        if self._ask(evidence):
            self._metrics.add("retries_refused_total")
            return False
        self._retries += 1
        self._metrics.add("retries_total")
        return True

    def _ask(self, evidence: Retrying) -> bool:
        day = self._runtime.day()
        # Every layer is asked, also after one has acted: each speaks for itself.
        told = [host.ask(evidence, day=day, linger_days=self._linger_days) for host in self._hosts]
        self._objected = self._objected or any(host.objects("") for host in self._hosts)
        return any(decision.acts for decision in told)

    def tick(self) -> None:
        """End a reporting tick: where no layer objected in it, there is nothing to object to any more."""
        if not self._objected:
            for host in self._hosts:
                host.release("", "nobody asks again too often")
        self._objected = False

    def _turn(self) -> None:
        now = self._runtime.now()
        if now - self._since_s < _WINDOW_S:
            return
        follows = now - self._since_s < 2 * _WINDOW_S
        self._before = (self._requests, self._retries) if follows else (0, 0)
        self._requests = self._retries = 0
        self._since_s = now

"""What a replica lacks: asks the layers at hook REQUEST, and tells them when an episode is over."""

from __future__ import annotations

from reference_stack.layers.evidence import Lack
from reference_stack.layers.host import LayerHost
from reference_stack.ports import Runtime
from reference_stack.serving.breaker import QUIET_TICKS
from reference_stack.telemetry import Metrics


class Episodes:
    """Counts of one reporting tick, and per dependency whether it was lacking in it."""

    def __init__(self, hosts: tuple[LayerHost, ...], runtime: Runtime, metrics: Metrics) -> None:
        self.answers = 0
        self.fallbacks = 0
        self.defaulted = 0
        self._hosts = hosts
        self._runtime = runtime
        self._metrics = metrics
        self._lacks: dict[str, int] = {}
        self._share: dict[str, float] = {}
        self._idle_ticks = 0

    def ask(self, dependency: str, cause: str, *, last_good: bool) -> bool:
        """Whether a layer has the view answered all the same."""
        self._lacks[dependency] = self._lacks.get(dependency, 0) + 1
        share = self._share.get(dependency, 0.0)
        return self._ask(Lack(dependency=dependency, cause=cause, last_good=last_good, share=share))

    def tick(self) -> None:
        """End a reporting tick: the layers hear the share of answers that lacked something, also if 0.

        A tick without an answer says nothing of what is lacking, and ends no episode; many of them do, as for
        a replica that no shopper is sent to.
        """
        self._idle_ticks = 0 if self.answers else self._idle_ticks + 1
        if self._idle_ticks >= QUIET_TICKS:
            for dependency in list(self._share):
                self._ask(Lack(dependency=dependency, cause="", last_good=False, share=0.0))
                del self._share[dependency]
            self._lacks.clear()
        for dependency, lacks in self._lacks.items() if self.answers else ():
            share = min(1.0, lacks / self.answers)
            if share > 0.0 or dependency in self._share:
                self._ask(Lack(dependency=dependency, cause="", last_good=False, share=share))
            if share > 0.0:
                self._share[dependency] = share
            else:
                self._share.pop(dependency, None)
            self._lacks[dependency] = 0
        answers = max(1, self.answers)
        self._metrics.set("fallback_share", self.fallbacks / answers)
        self._metrics.set("defaulted_share", self.defaulted / answers)
        self.answers = self.fallbacks = self.defaulted = 0

    def _ask(self, lack: Lack) -> bool:
        day = self._runtime.day()
        # Every layer is asked, also after one has acted: each speaks for itself.
        answers = [host.ask(lack, day=day, about=lack.dependency).acts for host in self._hosts]
        return any(answers)

"""A circuit breaker in front of one dependency: what the layers at hook CALL are asked and what follows."""

from __future__ import annotations

from collections import deque

from reference_stack.layers.contract import Mode
from reference_stack.layers.evidence import Calls
from reference_stack.layers.host import LayerHost, enforced
from reference_stack.ports import NotFound, PortError, Rejected, Runtime
from reference_stack.telemetry import Metrics

_REMEMBERED = 100
QUIET_TICKS = 6
"""Reporting ticks, an hour each, after which who was not asked for anything lacks nothing."""


class BreakerOpen(PortError):
    """The dependency was not asked: it has failed too often of late."""


class Breaker:
    """Remembers the outcomes of calls. An open breaker lets one call at a time out to try.

    An answer that says that the request is wrong is an answer. Counter: `breaker_refused_total`.
    """

    def __init__(
        self,
        dependency: str,
        hosts: tuple[LayerHost, ...],
        runtime: Runtime,
        metrics: Metrics,
        linger_days: float,
    ) -> None:
        self._dependency = dependency
        self._hosts = hosts
        self._runtime = runtime
        self._metrics = metrics
        self._linger_days = linger_days
        self._failed: deque[bool] = deque(maxlen=_REMEMBERED)
        self._failures = 0
        self._opened_s: float | None = None
        self._opens = 0
        self._trying = False
        self._idle_ticks = 0

    @property
    def enforces(self) -> bool:
        """Whether what it says counts; else it must make no difference to any answer."""
        return enforced(self._hosts)

    def enter(self) -> bool:
        """Before a call: whether it is one that tries an open breaker. Raises BreakerOpen.

        Where layers only observe the breaker opens and closes likewise, and refuses nothing.
        """
        self._idle_ticks = 0
        if self._opened_s is None and not self._failures:
            return False
        refuses, opens = self._ask()
        if self._opened_s is None:
            if opens:
                self._opened_s, self._opens = self._runtime.now(), 1
                if refuses:
                    self._refuse()
            return False
        if all(host.mode is Mode.OFF for host in self._hosts):
            self._close()
            return False
        if opens or self._trying:
            if self.enforces:
                self._refuse()
            return False
        self._trying = True
        return True

    def left(self, error: PortError | None, *, trial: bool) -> None:
        """After a call, with its error."""
        failed = error is not None and not isinstance(error, (NotFound, Rejected))
        if trial:
            self._trying = False
            if not failed:
                self._close()
            elif self._opened_s is not None:
                self._opened_s = self._runtime.now()
                self._opens += 1
        else:
            self._note(failed=failed)

    def tick(self) -> None:
        """End a reporting tick, so that the layers also hear that all is well.

        Nobody calls for a replica that no shopper is sent to: what failed is forgotten, and the next call
        will tell.
        """
        self._idle_ticks += 1
        if self._idle_ticks >= QUIET_TICKS:
            self._close()
        if self._opened_s is None:
            self._ask()

    def _note(self, *, failed: bool) -> None:
        if len(self._failed) == _REMEMBERED:
            self._failures -= self._failed[0]
        self._failed.append(failed)
        self._failures += failed

    def _close(self) -> None:
        self._opened_s, self._opens, self._trying = None, 0, False
        self._failed.clear()
        self._failures = 0

    def _refuse(self) -> None:
        self._metrics.add("breaker_refused_total")
        raise BreakerOpen(f"{self._dependency} failed too often")

    def _ask(self) -> tuple[bool, bool]:
        """Whether a call is not to be made, and whether it would not be if no layer only observed; that
        counts where none enforces.
        """
        since = self._opened_s
        open_for_ms = None if since is None else 1000.0 * (self._runtime.now() - since)
        calls = Calls(self._dependency, list(self._failed), open_for_ms, self._opens)
        day, about = self._runtime.day(), self._dependency
        # Every layer is asked, also after one has acted: each speaks for itself.
        acting = [
            host.ask(calls, day=day, about=about, linger_days=self._linger_days).acts for host in self._hosts
        ]
        would = acting if self.enforces else [host.said.acts for host in self._hosts]
        return any(acting), any(would)

"""The monitor: scrapes the components, judges service levels and rules, and tells on-call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reference_stack.component import Component
from reference_stack.layers.contract import Hook, Mode
from reference_stack.layers.evidence import Census, Heartbeat, Served, ServiceLevel
from reference_stack.layers.host import LayerHost, enforced
from reference_stack.messages import HEARTBEAT, PAGE, SCRAPE, Empty, HeartbeatRequest
from reference_stack.monitor.alerts import Alerts
from reference_stack.monitor.board import Board
from reference_stack.monitor.census import Differences, take_census
from reference_stack.monitor.comparison import differences
from reference_stack.monitor.routing import Routing
from reference_stack.monitor.rules import (
    ANSWERS,
    BAD_VIEWS,
    COUNTERS,
    DEFAULTED,
    RULES,
    SIGNS,
    VIEWS,
    Finding,
    Limits,
    Rule,
    Sign,
)
from reference_stack.monitor.set_back import SetBack, earlier
from reference_stack.monitor.slo import Windows
from reference_stack.ports import Folder, Port, PortError, RegistryReader, Runtime, Task
from reference_stack.rhythm import next_due
from reference_stack.settings import REPLICAS, LayerSettings, MonitorSettings
from reference_stack.telemetry import Telemetry

REGISTRY = "registry"
FEATURES = "features"
_SERVED_DAYS = 0.25
_TIMEOUT_DAYS = 0.15
_STOOD_STILL = 3.0
"""Intervals without a judgement after which the silence of others says nothing."""
_JUDGE_AFTER = 0.3
"""Rules are judged this share of an interval after the scrapes have begun, when they are in."""


class Monitor(Component[MonitorSettings]):
    """Watches the components behind `scraped`, by name, and whether the registry answers.

    Metrics of its own: `scrape_errors_total`, `comparison_errors_total`, `notification_errors_total`,
    `alerts_firing`, `silent`.
    """

    hooks = (Hook.SERVICE_LEVEL, Hook.HEARTBEAT, Hook.CENSUS, Hook.SERVED)

    def __init__(
        self,
        runtime: Runtime,
        telemetry: Telemetry,
        settings: MonitorSettings,
        layers: dict[str, LayerSettings],
        build: str,
        *,
        scraped: Mapping[str, Port],
        oncall: Port,
        registry: RegistryReader,
        folder: Folder,
        routing: Routing,
        rules: tuple[Rule, ...] = RULES,
        signs: tuple[Sign, ...] = SIGNS,
    ) -> None:
        super().__init__("monitor", runtime, telemetry, settings, layers, build)
        self._heartbeats = self.layers.at(Hook.HEARTBEAT)
        self._scraped = scraped
        self._oncall = oncall
        self._registry = registry
        self._rules = rules
        self._signs = tuple(sign for sign in signs if sign.component in scraped)
        self._alerts = Alerts(folder, routing)
        self._started_day = runtime.day()
        self._board = Board(COUNTERS, self._started_day)
        self._seen: dict[str, float] = {}
        self._ahead_days: dict[str, float] = {}
        self._judged_day = self._awake_day = self._started_day
        self._signs_seen: dict[str, tuple[float, float]] = {}
        """By what they are about, the value of a sign and the day on which it became that."""
        self._called_silent: set[str] = set()
        self._differences = Differences()
        self._telling: Task | None = None
        self._clock = SetBack(runtime)

    async def run(self) -> None:
        """Scrape and judge at each interval; nothing that hangs holds up anything else."""
        started_day = self._started_day = self.runtime.day()
        self._board = Board(COUNTERS, started_day)
        self._seen = dict.fromkeys((*self._scraped, REGISTRY), started_day)
        self._judged_day = self._awake_day = started_day
        self._signs_seen = {sign.about: (started_day, started_day) for sign in self._signs}
        for name, port in self._scraped.items():
            self.runtime.spawn(self._scrape(name, port))
        self.runtime.spawn(self._ask_registry())
        for replica in REPLICAS:
            if replica in self._scraped and FEATURES in self._scraped:
                self.runtime.spawn(self._compare(replica))
        due = started_day + _JUDGE_AFTER * self.settings.scrape_days
        while True:
            await self.runtime.until(due)
            self._judge(self.runtime.day())
            if self._telling is None or self._telling.done():
                self._telling = self.runtime.spawn(self._tell())
            due = self._next(due)

    def _next(self, due: float) -> float:
        return next_due(due, self.runtime.day(), self.settings.scrape_days)

    async def _scrape(self, name: str, port: Port) -> None:
        timeout_ms = _TIMEOUT_DAYS * self.runtime.day_seconds * 1000.0
        due = self.runtime.day()
        while True:
            asked_day = self.runtime.day()
            try:
                reply = await port.call(SCRAPE, Empty(), timeout_ms=timeout_ms)
            except PortError:
                self.telemetry.metrics.add("scrape_errors_total", about=name)
            else:
                day = self._seen[name] = self.runtime.day()
                self._ahead_days[name] = _ahead(reply.day, asked_day, day)
                self._board.take(name, reply.samples, day)
            due = self._next(due)
            await self.runtime.until(due)

    async def _ask_registry(self) -> None:
        due = self.runtime.day()
        while True:
            try:
                await self._registry.resolve("champion")
            except PortError:
                self.telemetry.metrics.add("scrape_errors_total", about=REGISTRY)
            else:
                self._seen[REGISTRY] = self.runtime.day()
            due = self._next(due)
            await self.runtime.until(due)

    async def _compare(self, replica: str) -> None:
        """Show what a replica has answered with to the SERVED layers, if there is one that asks."""
        hosts, every = self.layers.at(Hook.SERVED), self.settings.compare_days
        timeout_ms = _TIMEOUT_DAYS * self.runtime.day_seconds * 1000.0
        due = self.runtime.day()
        while True:
            due = next_due(due, self.runtime.day(), every)
            await self.runtime.until(due)
            if all(host.mode == "off" for host in hosts):
                continue
            off: list[float] | None = None
            try:
                off = await differences(self._scraped[replica], self._scraped[FEATURES], timeout_ms)
            except PortError:
                self.telemetry.metrics.add("comparison_errors_total", about=replica)
            day = self.runtime.day()
            served = Served(
                day=day,
                replica=replica,
                differences=off or [],
                answers=round(self._board.trail(replica, ANSWERS).grown(_SERVED_DAYS, day)),
                defaulted=round(self._board.trail(replica, DEFAULTED).grown(_SERVED_DAYS, day)),
                age_days=self._board.value(replica, "feature_age_days"),
            )
            for host in hosts:
                # What a layer objects to stands while nobody can tell; how old features are needs no store.
                if off is not None or not host.objects(replica):
                    host.ask(served, day=day, about=replica)

    # --- judging -------------------------------------------------------------------------------------

    def _set_back(self, day: float, back_days: float) -> None:
        """The clock was ahead: what is known would be of days to come, and nobody silent until then."""
        self._seen = {name: earlier(seen, day, back_days) for name, seen in self._seen.items()}
        self._signs_seen = {
            about: (value, earlier(seen, day, back_days)) for about, (value, seen) in self._signs_seen.items()
        }
        self._started_day = earlier(self._started_day, day, back_days)
        self._awake_day = earlier(self._awake_day, day, back_days)
        self._board.set_back(day, back_days)
        self._differences.set_back(day, back_days)
        self._alerts.set_back(day, back_days)

    def _judge(self, day: float) -> None:
        if back_days := self._clock.days():
            self._set_back(day, back_days)
        if day - self._judged_day > _STOOD_STILL * self.settings.scrape_days:
            # It was the monitor that stood still: it has heard of nobody, as when it starts.
            self._seen = {name: seen if self._missed(name) else day for name, seen in self._seen.items()}
            self._awake_day = day
        self._judged_day = day
        self._watch_signs_of_life(day)
        self._watch_service_level(day)
        self._watch_replicas(day)
        self._board.show("monitor", self.telemetry.metrics.samples())
        mine = self.settings
        limits = Limits(mine.fallback_share, mine.quarantine_share, mine.engagement_ratio)
        unsettled = {rule.name for rule in self._rules if day - self._started_day < rule.settles_days}
        for alert in self._alerts.found(self._findings(limits, day), day, unsettled):
            self.telemetry.log(
                "rule",
                name=alert.labels["alertname"],
                about=alert.labels["about"],
                state=alert.state,
                says=alert.says,
            )
        for severity in ("page", "ticket"):
            self.telemetry.metrics.set("alerts_firing", self._alerts.firing(severity), severity=severity)

    def _findings(self, limits: Limits, day: float) -> Iterator[tuple[Rule, Finding]]:
        for rule in self._rules:
            for finding in rule.find(self._board, limits, day):
                yield rule, finding

    def _watch_service_level(self, day: float) -> None:
        views, bad = self._board.trail(*VIEWS), self._board.trail(*BAD_VIEWS)
        evidence = ServiceLevel(day=day, views=Windows(day, views), good=Windows(day, views, less=bad))
        for host in self.layers.at(Hook.SERVICE_LEVEL):
            host.ask(evidence, day=day, about="views")

    def _watch_replicas(self, day: float) -> None:
        hosts = self.layers.at(Hook.CENSUS)
        fresh = {name for name, seen in self._seen.items() if day - seen <= 2 * self.settings.scrape_days}
        for about, running in take_census(self._board, fresh).items():
            census = Census(about, running, self._differences.days(about, running, day))
            for host in hosts:
                host.ask(census, day=day, about=about)

    def _watch_signs_of_life(self, day: float) -> None:
        every = self.settings.scrape_days
        heard = {
            name: self._ask(Heartbeat(day, name, seen, every), self._heartbeats)
            for name, seen in self._seen.items()
        }
        for name, ahead_days in self._ahead_days.items():
            self._ask(Heartbeat(day, f"clock of {name}", day, every, ahead_days), heard[name])
        for sign in self._signs:
            # Who is silent shows nothing: one alert for that is enough.
            if hosts := heard[sign.component]:
                self._ask(Heartbeat(day, sign.about, self._sign_day(sign), sign.every_days), hosts)

    def _ask(self, beat: Heartbeat, hosts: tuple[LayerHost, ...]) -> tuple[LayerHost, ...]:
        """Have hosts judge a sign of life; those who heard it. To the others its giver is silent, by their
        own word or by that of one that enforces.
        """
        if not hosts:
            return ()
        objecting, acts = [], False
        for host in hosts:
            decision = host.ask(beat, day=beat.day, about=beat.about)
            acts |= decision.acts
            if decision.fired:
                objecting.append(host)
        if acts or beat.about in self._called_silent:
            self._called_silent.add(beat.about)
            self.telemetry.metrics.set("silent", float(acts), about=beat.about)
        return () if enforced(objecting) else tuple(host for host in hosts if host not in objecting)

    def _sign_day(self, sign: Sign) -> float:
        """When a sign was last given; before the first one, and after a restart, what was known stands."""
        value = None if sign.counter else self._board.value(sign.component, sign.metric)
        if value is not None and value != self._signs_seen[sign.about][0]:
            self._signs_seen[sign.about] = value, self.runtime.day()
        # Of a clock that is ahead the sign is of a day to come: it was given when it was first seen.
        given_day = (
            self._board.grew_day(sign.component, sign.metric)
            if sign.counter
            else min(self._signs_seen[sign.about])
        )
        # A gauge that is read again tells of days on which nobody watched, too.
        is_read = not sign.counter and self._seen[sign.component] > self._awake_day
        return given_day if is_read or self._missed(sign.about) else max(self._awake_day, given_day)

    def _missed(self, about: str) -> bool:
        # Those that enforce are not to be shown anything else because another one observes.
        enforcing = [host for host in self._heartbeats if host.mode is Mode.ENFORCE]
        return any(host.objects(about) for host in enforcing or self._heartbeats)

    # --- telling -------------------------------------------------------------------------------------

    async def _tell(self) -> None:
        """Say that we are alive, and hand on what on-call has not been told; what fails is tried again."""
        timeout_ms = _TIMEOUT_DAYS * self.runtime.day_seconds * 1000.0
        beat = HeartbeatRequest(component=self.name, day=self.runtime.day())
        try:
            await self._oncall.call(HEARTBEAT, beat, timeout_ms=timeout_ms)
            for alert in self._alerts.undelivered():
                await self._oncall.call(PAGE, alert.webhook(), timeout_ms=timeout_ms)
                self._alerts.delivered(alert)
        except PortError:
            self.telemetry.metrics.add("notification_errors_total")


def _ahead(told_day: float, asked_day: float, heard_day: float) -> float:
    """How far a clock is ahead at the least; below 0 for behind. A monitor that stands still between the two
    is late to hear what was told in time.
    """
    first, last = min(asked_day, heard_day), max(asked_day, heard_day)
    return max(0.0, told_day - last) + min(0.0, told_day - first)

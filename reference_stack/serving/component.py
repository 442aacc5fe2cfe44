"""Serving: one replica that recommends, logs what it recommended, and can say why."""

from __future__ import annotations

import math

import msgspec

from reference_stack.comparing import SAMPLE, SampleReply
from reference_stack.component import Component, life_of, serves
from reference_stack.features.impressions import IntArray
from reference_stack.layers.contract import Hook, Mode
from reference_stack.messages import (
    EXPLAIN,
    RECOMMEND,
    TALLY,
    Empty,
    ExplainReply,
    ExplainRequest,
    LookupReply,
    RecommendReply,
    RecommendRequest,
    TallyReply,
    TallyRequest,
)
from reference_stack.ports import (
    Failed,
    Folder,
    NotFound,
    Port,
    PortError,
    RegistryReader,
    Runtime,
    TimedOut,
)
from reference_stack.rhythm import next_due
from reference_stack.seeds import uniform
from reference_stack.serving.breaker import Breaker
from reference_stack.serving.builds import BUILDS, back_to_front, placements_of
from reference_stack.serving.configuration import named
from reference_stack.serving.door import Door
from reference_stack.serving.episodes import Episodes
from reference_stack.serving.exploration import explore
from reference_stack.serving.lookups import Lookups
from reference_stack.serving.ranking import Ranking, as_reasons, reasons
from reference_stack.serving.recommendations import RecommendationLog, Recommended, recommendation_id
from reference_stack.serving.versions import Versions, partitions_of
from reference_stack.settings import LayerSettings, ServingSettings, SettingsError
from reference_stack.telemetry import Telemetry
from reference_stack.world import Catalogue

LAST_GOOD = "last_good"
PLACE = "home"
POPULARITY = "popularity"
_REMEMBERED = 10_000
_VERSIONS_COUNTED = 8


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What will be shown, exploration apart, and where it comes from."""

    slate: IntArray
    version: int
    live: IntArray
    fallback: str = ""
    features: LookupReply | None = None


class Serving(Component[ServingSettings]):
    """A replica: it holds the champion (in a canary the challenger too) and looks features up for each view.

    Counters: `answers_total` (failed ones included), `answers_failed_total`, `answers_fallback_total`,
    `answers_defaulted_total`, `answers_ms_total`, those of its `Door`, its `Lookups` and their `Breaker`,
    `explored_slots_total`, `canary_total`, `registry_errors_total`, `model_unusable_total`,
    `storage_errors_total`. Gauges: `model_version`, `model_age_days`, `registry_up`, and of the last
    reporting tick `feature_age_days` (on average), `fallback_share` and `defaulted_share`.
    """

    hooks = (Hook.ARRIVAL, Hook.REQUEST, Hook.CALL)

    def __init__(
        self,
        name: str,
        runtime: Runtime,
        telemetry: Telemetry,
        settings: ServingSettings,
        layers: dict[str, LayerSettings],
        build: str,
        *,
        features: Port,
        registry: RegistryReader,
        folder: Folder,
        catalogue: Catalogue,
        seed: int,
    ) -> None:
        super().__init__(name, runtime, telemetry, settings, layers, build)
        self._folder = folder
        self._catalogue = catalogue
        self._seed = seed
        self._versions = Versions(name, runtime, telemetry, registry, folder, catalogue)
        self._log = RecommendationLog(folder, lambda: telemetry.metrics.add("storage_errors_total"))
        self._remembered: dict[int, LookupReply] = {}
        self._restored = False
        self._gates = self.layers.at(Hook.REQUEST)
        metrics = telemetry.metrics
        self._counts = metrics.values
        self._lacking = Episodes(self._gates, runtime, metrics)
        self._shed = Door(self.layers.at(Hook.ARRIVAL), runtime, metrics, settings.report_days)
        self.door = self._shed
        self._breaker = Breaker("features", self.layers.at(Hook.CALL), runtime, metrics, settings.report_days)
        self._lookups = Lookups(
            features, runtime, metrics, self._breaker, self._gates, lambda: self.settings, self._late
        )
        self._built_days, self._answered_from = 0.0, 0
        self._began = 0
        self._outcomes: dict[int, list[int]] = {}
        """Of the newest few versions: views asked for, and answers that came late."""
        self._slots = placements_of(settings.placements).get(PLACE)
        """How many products the page shows; None where nobody has described its place."""
        self._configuration = ""
        self._unwritten: dict[str, bytes] = {}
        """Configurations by name that the disk has not taken yet."""
        self._note_configuration()

    async def prepare(self) -> None:
        """Load the champion."""
        await self._versions.prepare(challenger=self.settings.canary)

    async def run(self) -> None:
        """Follow the registry's aliases, and report at each tick."""
        self._began = life_of(self.runtime)
        self.runtime.spawn(self._report())
        while True:
            await self._versions.refresh(challenger=self.settings.canary)
            if self._versions.confirmed:
                self._restored = False
            self._note_model()
            await self.runtime.until(self.runtime.day() + self.settings.refresh_days)

    @serves(RECOMMEND)
    async def recommend(self, request: RecommendRequest) -> RecommendReply:
        """A slate. Raises Failed where features or model are lacking and no layer answers all the same."""
        counts = self._counts
        counts["answers_total"] += 1.0
        started = self.runtime.now()
        try:
            answer = await self._answer(request)
        except PortError:
            counts["answers_failed_total"] += 1.0
            raise
        finally:
            took_ms = 1000.0 * (self.runtime.now() - started)
            counts["answers_ms_total"] += took_ms
            self._lacking.answers += 1  # not before: what it lacks counts in the tick in which it is found
        if took_ms > self.settings.late_ms and answer.version in self._outcomes:
            self._outcomes[answer.version][1] += 1
        if answer.fallback:
            self._lacking.fallbacks += 1
            counts["answers_fallback_total"] += 1.0
        if answer.features is not None:
            self._built_days += answer.features.built_day
            self._answered_from += 1
            if answer.features.defaulted:
                self._lacking.defaulted += 1
                counts["answers_defaulted_total"] += 1.0
        return self._explored(request, answer)

    @serves(TALLY)
    async def tally(self, request: TallyRequest) -> TallyReply:
        """What became of the views of a version since this process began."""
        asked, late = self._outcomes.get(request.version, (0, 0))
        return TallyReply(counts={"asked": asked, "late": late, "began": self._began})

    @serves(SAMPLE)
    async def sample(self, _request: Empty) -> SampleReply:
        """The features behind the newest answers."""
        return SampleReply(self._lookups.sample())

    @serves(EXPLAIN)
    async def explain(self, request: ExplainRequest) -> ExplainReply:
        """Reasons and lineage of a recommendation, also of an old one and after a restart.

        Raises NotFound for one that is not in the log, and the registry's PortError where it is needed.
        """
        entry = self._log.find(request.recommendation)
        if entry is None:
            raise NotFound(f"no recommendation {request.recommendation!r} in the log")
        run = snapshot = ""
        partitions: dict[str, str] = {}
        terms: list[dict[str, float]] = [{} for _ in entry.slate]
        if entry.version:
            lineage = await self._versions.lineage(entry.version)
            run, snapshot, partitions = lineage.run, lineage.snapshot, partitions_of(lineage.tags)
            model = await self._versions.model(entry.version)
            terms = reasons(model, self._catalogue, entry, self._log.features_of(entry))
        configuration = self._unwritten.get(entry.configuration)
        if configuration is None:
            configuration = self._folder.read(_file_of(entry.configuration))
        return ExplainReply(
            recommendation=entry.recommendation,
            day=entry.day,
            customer=entry.customer,
            version=entry.version,
            run=run,
            snapshot=snapshot,
            feature_snapshot=entry.feature_snapshot,
            partitions=partitions,
            build=entry.build,
            replica=entry.replica,
            configuration=configuration.decode(),
            fallback=entry.fallback,
            slate=entry.slate,
            reasons=as_reasons(terms, entry.slate, entry.explored),
        )

    async def _answer(self, request: RecommendRequest) -> Answer:
        slots = self._slots
        if slots is None:
            raise Failed(f"no placement {PLACE!r}")
        champion = self._versions.ranking("champion")
        if champion is None and not self._versions.attempted:
            champion = await self._first()
        ranking = self._ranking(champion, request.customer)
        if ranking is None:
            # Nothing was learnt yet, and all is to be explored: how a shop begins.
            live = self._catalogue.live(self.runtime.day())
            return Answer(live[:slots], 0, live)
        if ranking.products > self.settings.max_products:
            raise Failed(f"{ranking.products} products, there is room for {self.settings.max_products}")
        if ranking.model.inference_ms > 0.0:  # it runs elsewhere
            await self.runtime.sleep(ranking.model.inference_ms / 1000.0)
        if self.settings.rules:
            return Answer(ranking.popular(slots), ranking.version.version, ranking.live, POPULARITY)
        try:
            features = await self._lookups.look_up(request.customer, self.build)
            arranged = ranking.worst if back_to_front(self.build, self.settings.promo) else ranking.slate
            slate = arranged(features, request.segment, slots)
        except PortError as error:
            return self._without_features(request, ranking, error)
        if not features.defaulted:
            self._remember(request.customer, features)
        fallback = LAST_GOOD if self._restored else ""
        return Answer(slate, ranking.version.version, ranking.live, fallback, features)

    def _without_features(self, request: RecommendRequest, ranking: Ranking, error: PortError) -> Answer:
        """What the customer's last good features say, else popularity. Raises Failed if no layer acts."""
        cause = type(error).__name__
        known = self._remembered.get(request.customer)
        # A layer that only observes has spoken already, when its time was up.
        silent = isinstance(error, TimedOut) and not self._some(Mode.ENFORCE)
        if silent or not self._lacking.ask("features", cause, last_good=known is not None):
            raise Failed(f"no features: {cause}: {error}") from error
        # The page may have been described anew while the features were waited for.
        slots, version = self._slots, ranking.version.version
        if slots is None:
            raise Failed(f"no placement {PLACE!r}")
        if known is not None:
            try:
                slate = ranking.slate(known, request.segment, slots)
            except Failed:
                # They fit an older version of the model only.
                self._remembered.pop(request.customer)
            else:
                return Answer(slate, version, ranking.live, LAST_GOOD, known)
        return Answer(ranking.popular(slots), version, ranking.live, POPULARITY)

    async def _first(self) -> Ranking | None:
        """The champion once the registry has been asked for it; None also where that takes too long."""
        try:
            await self.runtime.timeout(self.settings.give_up_ms / 1000.0, self._versions.first())
        except TimeoutError:
            self._versions.cause = TimedOut.__name__
        return self._versions.ranking("champion")

    def _ranking(self, champion: Ranking | None, customer: int) -> Ranking | None:
        """The version for a customer; None only where everything is explored anyway."""
        if champion is None:
            if self.settings.explore_share >= 1.0:
                return None
            return self._without_model()
        if self._restored and not self._lacking.ask("model", self._versions.cause, last_good=True):
            raise Failed(f"no model: {self._versions.cause}")
        challenger = self._versions.ranking("challenger") if self.settings.canary else None
        if challenger is None:
            return self._counted(champion)
        draw = uniform(self._seed, "canary", challenger.version.version, customer)
        chosen = champion if draw >= self.settings.canary_share else challenger
        if chosen is challenger:
            self._counts["canary_total"] += 1.0
        return self._counted(chosen)

    def _counted(self, ranking: Ranking) -> Ranking:
        version = ranking.version.version
        if version not in self._outcomes:
            self._outcomes[version] = [0, 0]
            if len(self._outcomes) > _VERSIONS_COUNTED:
                used = (self._versions.ranking(alias) for alias in ("champion", "challenger"))
                kept = {version, *(one.version.version for one in used if one is not None)}
                del self._outcomes[next(old for old in self._outcomes if old not in kept)]
        self._outcomes[version][0] += 1
        return ranking

    def _without_model(self) -> Ranking:
        cause = self._versions.cause
        if self._lacking.ask("model", cause, last_good=self._versions.stored()):
            restored = self._versions.restore()
            if restored is not None:
                self._restored = True
                return restored
        raise Failed(f"no model: {cause}")

    def _late(self, customer: int) -> None:
        self._lacking.ask("features", TimedOut.__name__, last_good=customer in self._remembered)

    def _some(self, mode: Mode) -> bool:
        return any(gate.mode is mode for gate in self._gates)

    def _tell_age(self) -> None:
        # Of a tick's answers, not of one: what single customers were last looked up with is days apart.
        if self._answered_from:
            age_days = self.runtime.day() - self._built_days / self._answered_from
            self.telemetry.metrics.set("feature_age_days", age_days)
        self._built_days, self._answered_from = 0.0, 0

    def _remember(self, customer: int, features: LookupReply) -> None:
        self._remembered.pop(customer, None)
        self._remembered[customer] = features
        if len(self._remembered) > _REMEMBERED:
            del self._remembered[next(iter(self._remembered))]

    def _explored(self, request: RecommendRequest, answer: Answer) -> RecommendReply:
        """The reply, with some slots explored; it is in the log when this returns."""
        share = self.settings.explore_share
        slate, live, features = answer.slate.tolist(), answer.live, answer.features
        explored = explore(self._seed, request.view, share, slate, live.item(0), len(live)) if slate else []
        if explored:
            self._counts["explored_slots_total"] += len(explored)
        day = self.runtime.day()
        reply = RecommendReply(
            recommendation=recommendation_id(self.name, day, request.view, request.attempt),
            slate=slate,
            version=answer.version,
            build=self.build,
            replica=self.name,
            fallback=answer.fallback,
            defaulted=features is not None and features.defaulted,
            explored=explored,
            explore_share=share,
        )
        self._log.add(
            Recommended(
                recommendation=reply.recommendation,
                day=day,
                customer=request.customer,
                segment=request.segment,
                version=reply.version,
                feature_snapshot="" if features is None else features.snapshot,
                configuration=self._configuration,
                build=self.build,
                replica=self.name,
                slate=reply.slate,
                live=len(live),
                explore_share=share,
                features="" if features is None else self._log.name_of(features, self.name, day),
                fallback=reply.fallback,
                explored=explored,
            )
        )
        return reply

    async def _report(self) -> None:
        due = self.runtime.day()
        while True:
            due = next_due(due, self.runtime.day(), self.settings.report_days)
            await self.runtime.until(due)
            try:
                self._write_configurations()
                self._log.flush()
            except OSError:  # tried again at the next tick; what the layers say must not hang on a disk
                self.telemetry.metrics.add("storage_errors_total")
            self._note_model()
            self._tell_age()
            self._lacking.tick()
            self._shed.tick()
            self._breaker.tick()

    def _note_model(self) -> None:
        metrics, champion = self.telemetry.metrics, self._versions.ranking("champion")
        if champion is not None:
            metrics.set("model_version", champion.version.version)
            age_days = self.runtime.day() - champion.version.trained_day
            if math.isfinite(age_days):
                metrics.set("model_age_days", age_days)
            else:  # a version that somebody registered without its day: no number, and NaN goes over no wire
                metrics.values.pop("model_age_days", None)

    def _get(self, key: str) -> object:
        return self.build if key == "build" else super()._get(key)

    def _set(self, key: str, value: object) -> object:
        """Also `build`: the replica is rolled out to another build."""
        if key == "build":
            if value not in BUILDS:
                raise SettingsError(f"{self.name} has no build {value!r}; there are {', '.join(BUILDS)}")
            was: object = self.build
            self.build = str(value)
        elif key == "placements":
            try:
                slots = placements_of(str(value)).get(PLACE)
            except ValueError as error:
                raise SettingsError(f"placements: {error}") from error
            was, self._slots = super()._set(key, value), slots
        else:
            was = super()._set(key, value)
        self._note_configuration()
        return was

    def _note_configuration(self) -> None:
        """Keep the configuration in force under a name made from its content."""
        modes = {host.name: host.mode.value for hook in self.hooks for host in self.layers.at(hook)}
        name, content = named(self.build, self.settings, modes)
        metrics = self.telemetry.metrics
        self._unwritten[name] = content
        try:
            self._write_configurations()
        except OSError:  # no reason not to serve, nor to take half of a change
            metrics.add("storage_errors_total")
        metrics.set("running", 0.0, configuration=self._configuration)
        metrics.set("running", 1.0, configuration=name)
        for build in BUILDS:
            metrics.set("build", float(build == self.build), build=build)
        self._configuration = name

    def _write_configurations(self) -> None:
        for name, content in list(self._unwritten.items()):
            self._folder.write(_file_of(name), content)
            del self._unwritten[name]


def _file_of(configuration: str) -> str:
    return f"configurations/{configuration}.json"

"""The trainer: fits, judges, refits and registers the model of a day."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import partial

import msgspec

from reference_stack.arrays import DamagedBytes
from reference_stack.collector.partition import Decode, decode
from reference_stack.component import Component, serves
from reference_stack.exclusive import holding
from reference_stack.features.snapshot import sensible
from reference_stack.layers.contract import Hook, Mode
from reference_stack.layers.evidence import Challenger
from reference_stack.messages import TRAIN, PartitionCheck, TrainReply, TrainRequest
from reference_stack.ports import Folder, ModelVersion, NotFound, Registry, Rejected, Runtime
from reference_stack.settings import LayerSettings, TrainerSettings
from reference_stack.telemetry import Telemetry
from reference_stack.trainer.checkpoints import Checkpoint, Checkpoints
from reference_stack.trainer.evaluation import evaluate
from reference_stack.trainer.export import exported, largest_weight
from reference_stack.trainer.factors import Solver
from reference_stack.trainer.model import SCHEMA, Blocks, Model, ModelParameters, fit
from reference_stack.trainer.window import Window, WindowReader
from reference_stack.world import Catalogue

READ = "trainer.read"
JUDGE = "trainer.judge"
FIT = "trainer.fit"
"""A day's blocking work by the names of its costs."""

CHAMPION = "champion"
TRAINING_TAG = "training"
METRICS_TAG = "metrics"
PARTITIONS_TAG = "partitions"
DUE_TAG = "due"


@dataclass(frozen=True)
class Judgement:
    """A challenger's evidence for the layers, and the figures for people."""

    evidence: Challenger
    metrics: dict[str, float]


class Trainer(Component[TrainerSettings]):
    """Trains from the snapshots and partitions in `store`, the folder of the features job.

    Gauges: `training_rows`, `training_largest_weight` (by size),
    `trained_day`, `challenger_ndcg`, `challenger_z_popularity`,
    `challenger_z_champion`, `challenger_training_auc`. Counters: `trainings_total`, `blocked_total`. Besides
    the `version` event it logs `blocked` {cycle, snapshot, red, metrics}, `partition_unusable` and
    `champion_unusable`.
    """

    hooks = (Hook.CHALLENGER,)

    def __init__(
        self,
        runtime: Runtime,
        telemetry: Telemetry,
        settings: TrainerSettings,
        layers: dict[str, LayerSettings],
        build: str,
        *,
        registry: Registry,
        store: Folder,
        folder: Folder,
        catalogue: Catalogue,
        decode: Decode = decode,
        solve: Solver | None = None,
    ) -> None:
        super().__init__("trainer", runtime, telemetry, settings, layers, build)
        self._registry = registry
        self._reader = WindowReader(store, decode)
        self._folder = folder
        self._checkpoints = Checkpoints(folder, runtime)
        self._catalogue = catalogue
        self._solve = solve
        self._one_at_a_time = runtime.semaphore(1)

    @serves(TRAIN)
    async def train(self, request: TrainRequest) -> TrainReply:
        """The version of a day from a snapshot; asked again, the same version.

        Raises NotFound where there is no such snapshot, Failed where it is damaged, Rejected where the whole
        window has no usable row, and the registry's PortErrors.
        """
        # A caller that gave up asks again while the first work still goes on.
        async with holding(self._one_at_a_time):
            return await self._train(request)

    async def _train(self, request: TrainRequest) -> TrainReply:
        training = f"{request.day}/{request.snapshot}"
        for known in await self._registry.versions():
            if known.tags.get(TRAINING_TAG) == training:
                self._checkpoints.forget(training)  # killed after registering, it had not come to that
                return self._announced(known)
        checkpoint = self._checkpoints.find(training)
        if checkpoint is None:
            reply = await self._make(request, training)
            if isinstance(reply, TrainReply):
                return reply
            checkpoint = reply
        version = await self._registry.register(
            artifact=self._checkpoints.artifact(training),
            parameters=checkpoint.parameters,
            metrics=checkpoint.metrics,
            tags=checkpoint.tags,
        )
        self._checkpoints.forget(training)
        self.telemetry.metrics.add("trainings_total")
        self.telemetry.metrics.set("training_rows", checkpoint.rows)
        self.telemetry.metrics.set("training_largest_weight", checkpoint.largest_weight)
        self.telemetry.metrics.set("trained_day", checkpoint.trained_day)
        return self._announced(version)

    async def _make(self, request: TrainRequest, training: str) -> Checkpoint | TrainReply:
        """Train and leave a checkpoint; where a gate blocks the model, the reply that says so."""
        window = await self.runtime.blocking(
            partial(self._reader.read, request.day, request.snapshot, self.settings.window_days), READ
        )
        for partition_day, says in window.unusable.items():
            self.telemetry.log("partition_unusable", partition_day=partition_day, says=says)
        if not len(window.whole()):
            raise Rejected(f"no usable row in the window of {training}")
        parameters = self._parameters()
        blocks = Blocks.of(window.whole(), self._catalogue, window.day, parameters)
        judgement = await self._judge(window, parameters, blocks)
        red = self._ask(judgement)
        metrics = judgement.metrics if judgement else {}
        if red:
            self.telemetry.metrics.add("blocked_total")
            self.telemetry.log(
                "blocked", cycle=request.day, snapshot=request.snapshot, red=red, metrics=metrics
            )
            return TrainReply(version=None, metrics=metrics, red=red)
        trained_day = self.runtime.day()
        model = await self.runtime.blocking(partial(self._refit, window, parameters, blocks), FIT)
        metrics = {**metrics, "rows": float(model.rows)}
        checkpoint = Checkpoint(
            training=training,
            rows=model.rows,
            largest_weight=largest_weight(model),
            trained_day=trained_day,
            parameters={name: str(value) for name, value in msgspec.to_builtins(self.settings).items()},
            metrics=metrics,
            tags=self._tags(training, window, model, trained_day, metrics),
        )
        self.telemetry.log("action", by=self.name, action="save", says=f"checkpoint of {training}")
        await self._checkpoints.save(checkpoint, exported(model, self.settings).to_bytes())
        return checkpoint

    # --- fitting and judging -------------------------------------------------------------------------

    def _parameters(self) -> ModelParameters:
        settings = self.settings
        return ModelParameters(
            rank=settings.rank,
            ridge=settings.ridge,
            damping=settings.damping,
            learning_rate=settings.learning_rate,
            solve=self._solve,
        )

    def _refit(self, window: Window, parameters: ModelParameters, known: Blocks) -> Model:
        rows = window.whole()
        return fit(rows, self._catalogue, window.day, parameters, snapshot=window.snapshot, known=known)

    async def _judge(self, window: Window, parameters: ModelParameters, known: Blocks) -> Judgement | None:
        """The evidence, or None where no layer asks for it, there is no newest day to judge by, or nothing
        before it to fit on.
        """
        asked = any(host.mode is not Mode.OFF for host in self.layers.at(Hook.CHALLENGER))
        if not asked or not len(window.newest()) or not len(window.past()):
            return None
        champion = await self._champion(parameters.snapshot.segments)
        judged = partial(self._judged, window, parameters, champion, known)
        judgement = await self.runtime.blocking(judged, JUDGE)
        for name in ("ndcg", "z_popularity", "z_champion", "training_auc"):
            if name in judgement.metrics:
                self.telemetry.metrics.set(f"challenger_{name}", judgement.metrics[name])
        return judgement

    def _judged(
        self, window: Window, parameters: ModelParameters, champion: Model | None, known: Blocks
    ) -> Judgement:
        unseen = window.day - 1
        past = window.past()
        rows = sensible(past, self._catalogue, unseen, parameters.snapshot)
        numbered = known.numbered(rows, parameters)
        before = numbered.snapshot(self._catalogue, unseen, parameters.snapshot, len(rows))
        challenger = fit(past, self._catalogue, unseen, parameters, snapshot=before, known=known)
        found = evaluate(challenger, window.newest(), before, self._catalogue, champion)
        evidence = Challenger(
            views=found.views,
            ndcg=found.ndcg,
            ndcg_popularity=found.ndcg_popularity,
            ndcg_champion=None if champion is None else found.ndcg_champion,
            z_popularity=found.z_popularity,
            z_champion=None if champion is None else found.z_champion,
            auc=challenger.training_auc,
            finite=challenger.is_finite(),
        )
        figures = {
            "views": float(found.views),
            "ndcg": found.ndcg,
            "ndcg_popularity": found.ndcg_popularity,
            "ndcg_champion": found.ndcg_champion,
            "z_popularity": found.z_popularity,
            "z_champion": found.z_champion,
            "auc": found.auc,
            "training_auc": challenger.training_auc,
            "finite": float(evidence.finite),
        }
        # JSON has no NaN: a figure that does not exist is left out.
        return Judgement(evidence, {name: value for name, value in figures.items() if math.isfinite(value)})

    async def _champion(self, segments: int) -> Model | None:
        """The champion; None where there is none, or none that tells of every category and segment."""
        version = await self._registry.resolve(CHAMPION)
        if version is None:
            return None
        try:
            model = Model.from_bytes(await self._registry.artifact(version)).distinct()
        except (DamagedBytes, NotFound) as error:
            says = str(error)
        else:
            says = model.misfit(self._catalogue, segments)
            if not says:
                return model
        self.telemetry.log("champion_unusable", version=version, says=says)
        return None

    def _ask(self, judgement: Judgement | None) -> dict[str, str]:
        """What the layers that act say, by their names."""
        if judgement is None:
            return {}
        day = self.runtime.day()
        decisions = {
            host.name: host.ask(judgement.evidence, day=day) for host in self.layers.at(Hook.CHALLENGER)
        }
        return {name: decision.says for name, decision in decisions.items() if decision.acts}

    # --- lineage -------------------------------------------------------------------------------------

    def _tags(
        self, training: str, window: Window, model: Model, trained_day: float, metrics: dict[str, float]
    ) -> dict[str, str]:
        return {
            "snapshot": window.manifest.snapshot,
            "trained_day": f"{trained_day:.4f}",
            TRAINING_TAG: training,
            PARTITIONS_TAG: msgspec.json.encode(window.lineage()).decode(),
            DUE_TAG: msgspec.json.encode(window.manifest.due).decode(),
            METRICS_TAG: msgspec.json.encode(metrics).decode(),
            "code": self.build,
            "configuration": self._configuration(),
            "schema": SCHEMA,
            "space_id": model.space_id,
        }

    def _configuration(self) -> str:
        """Keep the configuration in force under a name made from its content."""
        layers = {host.name: host.mode.value for host in self.layers.at(Hook.CHALLENGER)}
        content = msgspec.json.encode(
            {"build": self.build, "settings": self.settings, "layers": layers}, order="deterministic"
        )
        name = hashlib.blake2b(content, digest_size=8).hexdigest()
        self._folder.write(f"configurations/{name}.json", content)
        return name

    def _announced(self, version: ModelVersion) -> TrainReply:
        """Log the `version` event once, also where the trainer was killed after registering it."""
        metrics = msgspec.json.decode(version.tags[METRICS_TAG], type=dict[str, float])
        done = f"announced/{version.version}"
        if not self._folder.exists(done):
            self.telemetry.log(
                "version",
                version=version.version,
                run=version.run,
                snapshot=version.snapshot,
                trained_day=version.trained_day,
                partitions=msgspec.json.decode(version.tags[PARTITIONS_TAG], type=list[PartitionCheck]),
                due=msgspec.json.decode(version.tags[DUE_TAG], type=list[int]),
                metrics=metrics,
            )
            self._folder.write(done, version.run.encode())
        return TrainReply(version=version.version, metrics=metrics, red={})

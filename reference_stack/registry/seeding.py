"""From an in-memory registry to MLflow's store, without a server: how a warm-up becomes a live registry."""

from __future__ import annotations

import importlib
from contextlib import suppress
from pathlib import Path

from reference_stack.folders import cache_folder
from reference_stack.imports import uncollected
from reference_stack.registry.environment import (
    ARTIFACT_ROOT,
    database_uri,
    deprecations_of_mlflow,
    quiet_mlflow,
)
from reference_stack.registry.memory import Export
from reference_stack.registry.naming import (
    ARTIFACT_FILE,
    ARTIFACT_FOLDER,
    EXPERIMENT,
    MODEL,
    SHA256_TAG,
)
from reference_stack.registry.server import ARTIFACTS, DATABASE, registry_folder
from reference_stack.registry.template import migrate, place_database, template

_STORES = (
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
)


def prepare(database_at: str = "") -> None:
    """Do beforehand what `seed_store` would begin with: import MLflow's stores, and make the template, or
    the tables of a database that is given.
    """
    quiet_mlflow()
    with deprecations_of_mlflow(), uncollected():
        for name in _STORES:
            importlib.import_module(name)
        if database_at:
            migrate(database_at)
            return
        with suppress(OSError):  # where it cannot be kept, a database is migrated in its place
            template(cache_folder("registry"))


def seed_store(root: Path, export: Export, cache: Path | None = None, database_at: str = "") -> None:
    """Write `<root>/registry` so that `serve` finds the versions, aliases and artifacts of `export`.

    `database_at` names an empty database to be used in place of a SQLite file there. Version numbers stay,
    run ids are MLflow's own. Raises ValueError where the numbers are not 1, 2, … n, since MLflow counts by
    itself, and FileExistsError where there is a registry already.
    """
    numbers = [each.registered.version for each in export.versions]
    if numbers != list(range(1, len(numbers) + 1)):
        raise ValueError(f"MLflow numbers versions from 1 without gaps, these are {numbers}")
    folder = registry_folder(root.absolute())
    database = folder / DATABASE
    if database.exists():
        raise FileExistsError(database)
    if not database_at:
        place_database(database, cache)
    with deprecations_of_mlflow(), uncollected():
        _fill(database_at or database_uri(database), folder / ARTIFACTS, export)


def _fill(uri: str, artifacts: Path, export: Export) -> None:
    quiet_mlflow()
    from mlflow.entities import Metric, Param, RunStatus, RunTag
    from mlflow.entities.model_registry import ModelVersionTag
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as RegistryStore
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as TrackingStore

    tracking, registry = TrackingStore(uri, ARTIFACT_ROOT), RegistryStore(uri)
    try:
        experiment = tracking.create_experiment(EXPERIMENT)
        registry.create_registered_model(MODEL)
        for logged, artifact in zip(export.versions, export.artifacts, strict=True):
            tags = logged.registered.tags
            run = tracking.create_run(experiment, "", 0, [RunTag(*tag) for tag in tags.items()], None)
            run_id, location = run.info.run_id, run.info.artifact_uri
            tracking.log_batch(
                run_id,
                metrics=[
                    Metric(name, float("nan") if value is None else value, 0, 0)
                    for name, value in logged.metrics.items()
                ],
                params=[Param(*parameter) for parameter in logged.parameters.items()],
                tags=[],
            )
            tracking.update_run_info(run_id, RunStatus.FINISHED, 0, None)
            folder = artifacts / location.removeprefix(ARTIFACT_ROOT).lstrip("/") / ARTIFACT_FOLDER
            folder.mkdir(parents=True)
            (folder / ARTIFACT_FILE).write_bytes(artifact)
            every = {**tags, SHA256_TAG: logged.registered.sha256}
            registry.create_model_version(
                MODEL,
                f"{location}/{ARTIFACT_FOLDER}",
                run_id,
                [ModelVersionTag(*tag) for tag in every.items()],
            )
        for alias, version in export.aliases.items():
            registry.set_registered_model_alias(MODEL, alias, str(version))
    finally:
        tracking.engine.dispose()
        registry.engine.dispose()

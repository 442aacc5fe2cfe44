"""MLflow's own server, run in this process: no supervisor, no job runner, one worker."""

from __future__ import annotations

import gc
import importlib
import logging
import tempfile
from pathlib import Path

from reference_stack.imports import uncollected
from reference_stack.registry.environment import (
    ARTIFACT_ROOT,
    configure_server,
    database_uri,
    deprecations_of_mlflow,
    preload,
)
from reference_stack.registry.read_cache import ReadCache
from reference_stack.registry.template import place_database
from reference_stack.settings import StackSettings

DATABASE = "mlflow.db"
ARTIFACTS = "artifacts"
KEEP_ALIVE_SECONDS = 75
READINESS = "/api/2.0/mlflow/experiments/get?experiment_id=0"
"""Answers 200 when the server can work; /health answers sooner."""


_USED_LATE = ("mlflow.tracing.processor.base_mlflow", "opentelemetry.sdk.metrics")
"""What MLflow imports when a store is opened."""


def registry_folder(root: Path) -> Path:
    """The registry's folder under the stack's root: the database and the artifacts."""
    return root / "registry"


def serve(settings: StackSettings, cache: Path | None = None) -> None:
    """Serve MLflow at `settings.addresses["registry"]` until SIGTERM or SIGINT.

    State is `<root>/registry`: SQLite and a folder of artifacts, both whole after SIGKILL; or the database
    that `settings.registry` names, and the folder. `cache` is where the template database is kept (see
    `template`).
    """
    import uvicorn

    folder = registry_folder(Path(settings.root).absolute())
    database, artifacts = folder / DATABASE, folder / ARTIFACTS
    artifacts.mkdir(parents=True, exist_ok=True)
    host, port = _split(settings.bound("registry"))
    uri = settings.registry.database or database_uri(database)
    named = [*settings.addresses.values(), *settings.links.values()]
    configure_server(uri, artifacts, sorted({_split(address)[0] for address in named}))
    preload()
    logging.getLogger("alembic").setLevel(logging.WARNING)
    if not settings.registry.database and not database.exists():
        place_database(database, cache)
    from mlflow.server.fastapi_app import create_fastapi_app
    from mlflow.server.handlers import initialize_backend_stores

    initialize_backend_stores(uri, uri, ARTIFACT_ROOT)
    with deprecations_of_mlflow():
        app = ReadCache(create_fastapi_app())
    # Its start-up hook only looks for the leftovers of a coding assistant's containers.
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        lifespan="off",
        access_log=False,
        log_level="warning",
        workers=1,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    # MLflow's half a million objects are here to stay; collections need not walk them.
    gc.freeze()
    uvicorn.Server(config).run()


def rehearse(cache: Path | None = None) -> None:
    """Open an empty registry and close it again, in a process that will fork servers.

    MLflow and SQLAlchemy do much only when they are first used; what they have done is inherited.
    """
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as RegistryStore
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as TrackingStore

    with tempfile.TemporaryDirectory(prefix="k9s-") as folder, deprecations_of_mlflow(), uncollected():
        database = Path(folder) / DATABASE
        place_database(database, cache)
        uri = database_uri(database)
        tracking, registry = TrackingStore(uri, ARTIFACT_ROOT), RegistryStore(uri)
        tracking.get_experiment("0")
        registry.search_registered_models()
        for store in (tracking, registry):
            store.engine.dispose()
    for name in _USED_LATE:
        importlib.import_module(name)


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.removeprefix("http://").rpartition(":")
    return host, int(port)

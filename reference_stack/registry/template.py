"""A migrated, empty MLflow database, made once per user and MLflow version, and copied into place.

Migrating costs 1.2 s in every new database, copying some milliseconds. The file's name carries the hash of
its content, so that one that is torn or was opened is seen and made again.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import shutil
import sqlite3
import tempfile
from pathlib import Path

from reference_stack.folders import cache_folder
from reference_stack.registry.environment import (
    ARTIFACT_ROOT,
    database_uri,
    deprecations_of_mlflow,
    quiet_mlflow,
)

_LAYOUT = 1
"""Counts up when what this module makes of MLflow's database changes."""


def place_database(database: Path, cache: Path | None = None) -> None:
    """Put an empty migrated database at `database`, which must not be there; a reader sees all or nothing.

    Where the cache cannot be written, the database is migrated in its place.
    """
    database.parent.mkdir(parents=True, exist_ok=True)
    # A log left by a deleted database is not this one's.
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=database.parent, prefix=".placing-") as folder:
        fresh = Path(folder) / "mlflow.db"
        try:
            shutil.copyfile(template(cache or cache_folder("registry")), fresh)
        except OSError:
            _migrate(fresh)
        fresh.replace(database)


def template(cache: Path) -> Path:
    """The template in `cache`, made if there is none that is whole. Raises OSError."""
    cache.mkdir(parents=True, exist_ok=True)
    stem = f"mlflow-{importlib.metadata.version('mlflow')}-{_LAYOUT}-"
    for found in sorted(cache.glob(f"{stem}*.db")):
        if _digest(found) == found.stem.removeprefix(stem):
            return found
        found.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".making-") as folder:
        fresh = Path(folder) / "mlflow.db"
        _migrate(fresh)
        made = cache / f"{stem}{_digest(fresh)}.db"
        return fresh.replace(made)


def migrate(uri: str) -> None:
    """Make MLflow's tables in a database, as SQLAlchemy names it."""
    quiet_mlflow()
    with deprecations_of_mlflow():
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        store = SqlAlchemyStore(uri, ARTIFACT_ROOT)
        store.engine.dispose()


def _migrate(database: Path) -> None:
    migrate(database_uri(database))
    # A write-ahead log takes one sync a commit in place of three; the mode stays with the file.
    connection = sqlite3.connect(database)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

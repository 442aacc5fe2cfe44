"""MLflow is steered by environment variables: those that this stack needs, set in the process that asks.

Some count when mlflow is imported (telemetry would call out to the network from a thread), so nothing here
imports it before they are set, and every module imports mlflow through a function.
"""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reference_stack.imports import uncollected

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def quiet_mlflow() -> None:
    """Before mlflow is imported: no telemetry, no chatter."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["DO_NOT_TRACK"] = "true"
    os.environ["MLFLOW_LOGGING_LEVEL"] = "WARNING"


def configure_server(database: str, artifacts: Path, hosts: list[str]) -> None:
    """What `mlflow server` hands to its workers, without job execution; `database` as SQLAlchemy names it,
    `hosts` may appear in Host.
    """
    quiet_mlflow()
    names = [*_LOOPBACK, *(host for host in hosts if host not in _LOOPBACK)]
    allowed = [pattern for name in names for pattern in (name, f"{name.replace('[', '[[]')}:*")]
    os.environ.update(
        {
            "_MLFLOW_SERVER_FILE_STORE": database,
            "_MLFLOW_SERVER_ARTIFACT_ROOT": ARTIFACT_ROOT,
            "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(artifacts),
            "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(allowed),
        }
    )


@contextmanager
def deprecations_of_mlflow() -> Iterator[None]:
    """MLflow calls what SQLAlchemy and Starlette have deprecated; not for this stack's users to see."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def preload() -> None:
    """Import MLflow's server (2 to 3 s), for a parent that forks the registry.

    MLflow builds one application while it is imported, guarding against foreign Host headers with what it
    then knows; that one is built without the guard and never served: `serve` builds its own.
    """
    quiet_mlflow()
    guard = "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE"
    before = os.environ.get(guard)
    os.environ[guard] = "true"
    try:
        with deprecations_of_mlflow(), uncollected():
            importlib.import_module("mlflow.server.fastapi_app")
    finally:
        if before is None:
            del os.environ[guard]
        else:
            os.environ[guard] = before


def database_uri(database: Path) -> str:
    """How SQLAlchemy names a SQLite file."""
    return f"sqlite:///{database}"


ARTIFACT_ROOT = "mlflow-artifacts:/"
"""Artifacts go through the server, whatever stands behind it."""

"""The registry through MLflow's client: what the trainer and the orchestrator use live.

MLflow's `log_model` costs 60 to 110 ms by itself and pulls a model flavour in; a run with its parameters and
metrics in one batch, the artifact put beside it and a version whose source is that artifact are the same to
whoever looks at the registry, and cheaper. Calls go to the stores beneath `MlflowClient`, which asks for the
registered model before most of its own calls (is it a prompt?) and so doubles their cost.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from reference_stack.ports import (
    Failed,
    ModelVersion,
    NotFound,
    PortError,
    Rejected,
    Runtime,
    TimedOut,
    Unreachable,
)
from reference_stack.registry.environment import configure_client
from reference_stack.registry.naming import (
    ARTIFACT_FILE,
    ARTIFACT_FOLDER,
    EXPERIMENT,
    MODEL,
    SHA256_TAG,
    as_version,
    check_alias,
    check_tags,
    digest,
)

T = TypeVar("T")

REGISTER_MS = 80.0
READ_MS = 11.0
WRITE_MS = 14.0
"""Costs of a call, measured against the server of this package."""


class MlflowRegistry:
    """Implements ports.Registry with MLflow's client, in `runtime.blocking`.

    `tracking_uri` is the server's address with its scheme. A server that is gone is Unreachable at once, one
    that does not answer TimedOut after `timeout_s`; nothing is tried twice.
    """

    def __init__(
        self, tracking_uri: str, runtime: Runtime, *, experiment: str = EXPERIMENT, timeout_s: int = 2
    ) -> None:
        configure_client(timeout_s)
        from mlflow.store.model_registry.rest_store import RestStore as RegistryStore
        from mlflow.store.tracking.rest_store import RestStore as TrackingStore
        from mlflow.utils.rest_utils import MlflowHostCreds

        host = MlflowHostCreds(tracking_uri)
        self._uri = tracking_uri
        self._runtime = runtime
        self._experiment = experiment
        self._tracking = TrackingStore(lambda: host)
        self._registry = RegistryStore(lambda: host)

    async def register(
        self,
        *,
        artifact: bytes,
        parameters: dict[str, str],
        metrics: dict[str, float],
        tags: dict[str, str],
    ) -> ModelVersion:
        """Log a run with its artifact and register it. Raises Rejected where tags lack lineage."""
        check_tags(tags)
        return await self._do(lambda: self._register(artifact, parameters, metrics, tags), REGISTER_MS)

    async def version(self, version: int) -> ModelVersion:
        """One version. Raises NotFound."""
        found = await self._do(lambda: self._registry.get_model_version(MODEL, str(version)), READ_MS)
        return as_version(int(found.version), found.run_id or "", found.tags)

    async def versions(self) -> Sequence[ModelVersion]:
        """All versions, oldest first."""
        found = await self._do(self._search, 2 * READ_MS)
        return sorted(found, key=lambda each: each.version)

    async def resolve(self, alias: str) -> int | None:
        """The version that an alias names, or None."""
        check_alias(alias)
        try:
            model = await self._do(lambda: self._registry.get_registered_model(MODEL), READ_MS)
        except NotFound:
            return None
        named = model.aliases.get(alias)
        return None if named is None else int(named)

    async def set_alias(self, alias: str, version: int) -> None:
        """Flip an alias. Raises NotFound when there is no such version."""
        check_alias(alias)
        await self._do(
            lambda: self._registry.set_registered_model_alias(MODEL, alias, str(version)), WRITE_MS
        )

    async def drop_alias(self, alias: str) -> None:
        """Remove an alias; no error if it is not there."""
        check_alias(alias)
        try:
            await self._do(lambda: self._registry.delete_registered_model_alias(MODEL, alias), WRITE_MS)
        except NotFound:
            return

    async def artifact(self, version: int) -> bytes:
        """The model's bytes. Raises NotFound."""
        return await self._do(lambda: self._fetch(version), 2 * READ_MS)

    async def _do(self, work: Callable[[], T], cost_ms: float) -> T:
        return await self._runtime.blocking(lambda: _mapped(work), cost_ms)

    def _register(
        self, artifact: bytes, parameters: dict[str, str], metrics: dict[str, float], tags: dict[str, str]
    ) -> ModelVersion:
        from mlflow.entities import Metric, Param, RunStatus, RunTag
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
        from mlflow.utils.time import get_current_time_millis

        started_ms = get_current_time_millis()
        run_tags = [RunTag(name, value) for name, value in tags.items()]
        run = self._tracking.create_run(self._experiment_id(), "", started_ms, run_tags, None)
        run_id = run.info.run_id
        self._tracking.log_batch(
            run_id,
            metrics=[Metric(name, value, started_ms, 0) for name, value in sorted(metrics.items())],
            params=[Param(name, value) for name, value in sorted(parameters.items())],
            tags=[],
        )
        repository = get_artifact_repository(run.info.artifact_uri, tracking_uri=self._uri)
        with tempfile.TemporaryDirectory(prefix="k9s-") as folder:
            file = Path(folder) / ARTIFACT_FILE
            file.write_bytes(artifact)
            repository.log_artifact(str(file), ARTIFACT_FOLDER)
        source = f"{run.info.artifact_uri}/{ARTIFACT_FOLDER}"
        every = {**tags, SHA256_TAG: digest(artifact)}
        number = self._create_version(source, run_id, every)
        self._tracking.update_run_info(run_id, RunStatus.FINISHED, get_current_time_millis(), None)
        return as_version(number, run_id, every)

    def _experiment_id(self) -> str:
        # Asked each time: the server's database may have been lost since the last.
        found = self._tracking.get_experiment_by_name(self._experiment)
        return str(found.experiment_id if found else self._tracking.create_experiment(self._experiment))

    def _create_version(self, source: str, run_id: str, tags: dict[str, str]) -> int:
        from mlflow.entities.model_registry import ModelVersionTag
        from mlflow.exceptions import MlflowException

        listed = [ModelVersionTag(name, value) for name, value in tags.items()]

        def create() -> int:
            return int(self._registry.create_model_version(MODEL, source, run_id, listed).version)

        try:
            return create()
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
        self._registry.create_registered_model(MODEL)
        return create()

    def _search(self) -> list[ModelVersion]:
        found: list[ModelVersion] = []
        token: str | None = None
        while True:
            page = self._registry.search_model_versions(f"name='{MODEL}'", max_results=1000, page_token=token)
            found += [as_version(int(each.version), each.run_id or "", each.tags) for each in page]
            token = page.token
            if not token:
                return found

    def _fetch(self, version: int) -> bytes:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        source = self._registry.get_model_version(MODEL, str(version)).source
        if not source:
            raise NotFound(f"version {version} has no source")
        repository = get_artifact_repository(source, tracking_uri=self._uri)
        with tempfile.TemporaryDirectory(prefix="k9s-") as folder:
            file = Path(folder) / ARTIFACT_FILE
            # One GET; download_artifacts would list the folder first.
            repository._download_file(ARTIFACT_FILE, str(file))
            return file.read_bytes()


def _mapped(work: Callable[[], T]) -> T:
    """Run `work`, turning what MLflow and requests raise into the errors of ports."""
    import requests
    from mlflow.exceptions import MlflowException

    try:
        return work()
    except MlflowException as error:
        raise _port_error(error) from error
    except requests.HTTPError as error:
        raise _of_status(error.response.status_code, str(error)) from error


def _port_error(error: Exception) -> PortError:
    import requests

    # MLflow's own exception says INTERNAL_ERROR of everything below it; the cause is one link behind.
    cause = error.__cause__ or error.__context__
    says = str(error)
    if isinstance(cause, requests.exceptions.Timeout) or _read_timed_out(cause):
        return TimedOut(says)
    if isinstance(cause, requests.exceptions.RetryError):
        return Failed(says)
    if isinstance(cause, requests.exceptions.RequestException):
        return Unreachable(says)
    status = getattr(error, "get_http_status_code", lambda: 500)()
    return _of_status(status, says)


def _read_timed_out(cause: BaseException | None) -> bool:
    """Where retries are used up (here: always), requests calls a read that timed out a ConnectionError."""
    from urllib3.exceptions import ReadTimeoutError

    inner = cause.args[0] if isinstance(cause, Exception) and cause.args else None
    return isinstance(getattr(inner, "reason", None), ReadTimeoutError)


def _of_status(status: int, says: str) -> PortError:
    if status == 404:
        return NotFound(says)
    if 400 <= status < 500:
        return Rejected(says)
    return Failed(says)

"""The registry by plain REST, read only: what serving uses, since MLflow's client takes 2 s to import."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import aiohttp
import msgspec

from reference_stack.ports import (
    Failed,
    ModelVersion,
    NotFound,
    Overloaded,
    PortError,
    Rejected,
    TimedOut,
    Unreachable,
)
from reference_stack.registry.naming import ARTIFACT_FILE, MODEL, as_version, check_alias

_API = "/api/2.0/mlflow"
_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
_SCHEME = "mlflow-artifacts:/"


class _Tag(msgspec.Struct, frozen=True):
    key: str
    value: str = ""


class _Version(msgspec.Struct, frozen=True):
    version: str
    source: str = ""
    run_id: str = ""
    tags: list[_Tag] = []

    def public(self) -> ModelVersion:
        return as_version(int(self.version), self.run_id, {tag.key: tag.value for tag in self.tags})


class _OneVersion(msgspec.Struct, frozen=True):
    model_version: _Version


class _Versions(msgspec.Struct, frozen=True):
    model_versions: list[_Version] = []
    next_page_token: str = ""


class _Error(msgspec.Struct, frozen=True):
    error_code: str = ""
    message: str = ""


class RestRegistry:
    """Implements ports.RegistryReader over MLflow's REST API.

    `address` is host:port, of the server or of a proxy before it. Every call ends within `timeout_ms`.
    Use it within one event loop, and `close` it there.
    """

    def __init__(self, address: str, *, timeout_ms: float = 2000.0) -> None:
        self._base = address if "://" in address else f"http://{address}"
        self._timeout = aiohttp.ClientTimeout(total=timeout_ms / 1000)
        self._session: aiohttp.ClientSession | None = None

    async def version(self, version: int) -> ModelVersion:
        """One version. Raises NotFound."""
        return (await self._version(version)).public()

    async def versions(self) -> Sequence[ModelVersion]:
        """All versions, oldest first."""
        found: list[_Version] = []
        token = ""
        while True:
            query = {"filter": f"name='{MODEL}'", "max_results": "1000", "page_token": token}
            body = await self._get(f"{_API}/model-versions/search", query)
            page = msgspec.json.decode(body, type=_Versions)
            found += page.model_versions
            token = page.next_page_token
            if not token:
                return sorted((each.public() for each in found), key=lambda each: each.version)

    async def resolve(self, alias: str) -> int | None:
        """The version that an alias names, or None."""
        check_alias(alias)
        try:
            body = await self._get(f"{_API}/registered-models/alias", {"name": MODEL, "alias": alias})
        except (NotFound, Rejected):
            # The name of the alias is good, so 400 and 404 both say that it is not there.
            return None
        return int(msgspec.json.decode(body, type=_OneVersion).model_version.version)

    async def artifact(self, version: int) -> bytes:
        """The model's bytes. Raises NotFound."""
        source = (await self._version(version)).source
        if not source.startswith(_SCHEME):
            raise NotFound(f"version {version} is not kept by the registry but at {source!r}")
        path = quote(source.removeprefix(_SCHEME).lstrip("/"))
        return await self._get(f"{_ARTIFACTS}/{path}/{ARTIFACT_FILE}", {})

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _version(self, version: int) -> _Version:
        query = {"name": MODEL, "version": str(version)}
        body = await self._get(f"{_API}/model-versions/get", query)
        return msgspec.json.decode(body, type=_OneVersion).model_version

    async def _get(self, path: str, query: dict[str, str]) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        try:
            async with self._session.get(self._base + path, params=query) as response:
                body = await response.read()
                if response.status != 200:
                    raise _error(response.status, body)
                return body
        except TimeoutError as error:
            raise TimedOut(f"no answer from the registry at {self._base}") from error
        except aiohttp.ClientError as error:
            raise Unreachable(f"the registry at {self._base}: {error}") from error


def _error(status: int, body: bytes) -> PortError:
    try:
        found = msgspec.json.decode(body, type=_Error)
    except msgspec.DecodeError:
        found = _Error(message=body[:200].decode(errors="replace"))
    says = f"{status} {found.error_code}: {found.message}"
    kinds: dict[int, type[PortError]] = {404: NotFound, 408: TimedOut, 429: Overloaded}
    return kinds.get(status, Rejected if 400 <= status < 500 else Failed)(says)

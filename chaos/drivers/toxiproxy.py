"""A typed client of one network proxy server, the embedded one or a real Toxiproxy.

A thin layer over toxiproxy-python, which keeps one host and port for the whole process, waits for ever,
overlooks errors of the server, cannot change a toxic, and puts names into URLs as they are.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType, ModuleType
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from chaos.errors import ArmFailed

_NO_ATTRIBUTES: Mapping[str, int] = MappingProxyType({})


class ToxiproxyError(ArmFailed):
    """The proxy server did not do what it was asked; `status` is its HTTP status, None without an answer."""

    def __init__(self, says: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(says)


class NotFound(ToxiproxyError):
    """No proxy or toxic has that name (404)."""


class AlreadyExists(ToxiproxyError):
    """A proxy or toxic has that name already (409)."""


class InvalidRequest(ToxiproxyError):
    """The server cannot use what it was sent (400)."""


class ServerFailed(ToxiproxyError):
    """The server tried and failed, most often to bind an address (500 and the like)."""


class Unreachable(ToxiproxyError):
    """There was no answer in time, or no server."""


class RefusedInput(ToxiproxyError):
    """Not sent: it would end a real server's process, or could not be taken back by name."""

    exit_code: ClassVar[int] = 3


@dataclass(frozen=True)
class Toxic:
    """A toxic: `stream` is upstream or downstream, `toxicity` the share of connections hit, 0 to 1.

    `attributes` are whole numbers: milliseconds, but for a slicer's `delay` (microseconds), and bytes, but
    for a bandwidth's `rate` (kilobytes, of 1000 bytes, a second). An empty `name` becomes `<type>_<stream>`.
    """

    type: str
    attributes: Mapping[str, int] = field(default_factory=lambda: _NO_ATTRIBUTES)
    stream: str = "downstream"
    toxicity: float = 1.0
    name: str = ""


@dataclass(frozen=True)
class Proxy:
    """A proxy as the server has it: `listen` is the address that was bound."""

    name: str
    listen: str
    upstream: str
    enabled: bool
    toxics: tuple[Toxic, ...] = ()


@dataclass(frozen=True)
class ProxySpec:
    """A proxy to be: addresses are `host:port`, port 0 takes a free one."""

    name: str
    upstream: str
    listen: str = "127.0.0.1:0"
    enabled: bool = True


class Toxiproxy:
    """One server at `api` (`host:port`), asked with a timeout; any number of them live in one process.

    Every method may raise Unreachable, ServerFailed and InvalidRequest; those that name a proxy or a toxic
    raise NotFound as well.
    """

    def __init__(self, api: str, timeout_s: float = 10.0) -> None:
        self.api = api
        self._consumer = _consumer(api, timeout_s)
        self._proxy_class, self._server = _own_library(self._consumer)

    # The server.

    def version(self) -> str:
        """The server's version; a real server that was built from source says `git`."""
        return str(self._consumer.get("/version").json()["version"])

    def proxies(self) -> dict[str, Proxy]:
        """Every proxy, with its toxics, by name."""
        found = self._consumer.get("/proxies").json()
        return {name: _proxy(proxy) for name, proxy in found.items()}

    def reset(self) -> None:
        """Enable every proxy and remove every toxic."""
        self._server.reset()

    def populate(self, specs: Iterable[ProxySpec]) -> list[Proxy]:
        """Have each proxy be as specified; one that is already keeps its connections, toxics and `enabled`.

        One request: the library's own `populate` compares addresses as written and so drops connections.
        """
        wanted = [_spec(spec) for spec in specs]
        return [
            _proxy(proxy) for proxy in self._consumer.post("/populate", json=wanted).json()["proxies"] or ()
        ]

    # Proxies.

    def create(self, spec: ProxySpec) -> Proxy:
        """A new proxy; raises AlreadyExists."""
        from toxiproxy.exceptions import ProxyExists

        try:
            made = self._server.create(**_spec(spec))
        except ProxyExists as error:  # the library looks before it asks
            raise AlreadyExists(str(error), 409) from None
        return Proxy(made.name, made.listen, made.upstream, made.enabled)

    def proxy(self, name: str) -> Proxy:
        """One proxy, with its toxics."""
        return _proxy(self._consumer.get(f"/proxies/{_segment(name)}").json())

    def delete(self, name: str) -> None:
        """Remove a proxy and close its connections."""
        self._named(name).destroy()

    def enable(self, name: str) -> None:
        """Have a proxy accept connections."""
        self._named(name).enable()

    def disable(self, name: str) -> None:
        """Have a proxy refuse connections, and close those it has; its toxics stay."""
        self._named(name).disable()

    @contextmanager
    def down(self, name: str) -> Iterator[None]:
        """Have a proxy refuse connections within a block; one that was disabled before stays so after it."""
        was_enabled = self.proxy(name).enabled
        self.disable(name)
        try:
            yield
        finally:
            if was_enabled:
                self.enable(name)

    def update(self, name: str, *, listen: str | None = None, upstream: str | None = None) -> Proxy:
        """Move a proxy; an address that is another one, resolved, drops its connections. Toxics stay."""
        given = {"listen": listen, "upstream": upstream}
        wanted = {key: value for key, value in given.items() if value is not None}
        return _proxy(self._consumer.patch(f"/proxies/{_segment(name)}", json=wanted).json())

    # Toxics.

    def toxics(self, proxy: str) -> tuple[Toxic, ...]:
        """The toxics of a proxy: upstream first, then downstream, each as added."""
        return tuple(_toxic(vars(toxic)) for toxic in self._named(proxy).toxics().values())

    def toxic(self, proxy: str, name: str) -> Toxic:
        """One toxic of a proxy."""
        return _toxic(self._consumer.get(_toxic_path(proxy, name)).json())

    def add_toxic(self, proxy: str, toxic: Toxic) -> Toxic:
        """Add a toxic, to live connections too; raises AlreadyExists and RefusedInput."""
        _refuse_deadly(toxic.type, toxic.attributes)
        name = toxic.name or f"{toxic.type}_{toxic.stream}"
        _segment(name)
        self._named(proxy).add_toxic(
            name=name,
            type=toxic.type,
            stream=toxic.stream,
            toxicity=toxic.toxicity,
            attributes=dict(toxic.attributes),
        )
        return self.toxic(proxy, name)

    def update_toxic(
        self,
        proxy: str,
        name: str,
        attributes: Mapping[str, int] = _NO_ATTRIBUTES,
        toxicity: float | None = None,
    ) -> Toxic:
        """Change some attributes, the toxicity, or both; the rest stays. Raises RefusedInput."""
        now = self.toxic(proxy, name)
        _refuse_deadly(now.type, {**now.attributes, **attributes})
        wanted: dict[str, object] = {"attributes": dict(attributes)}
        if toxicity is not None:
            wanted["toxicity"] = toxicity
        return _toxic(self._consumer.patch(_toxic_path(proxy, name), json=wanted).json())

    def remove_toxic(self, proxy: str, name: str) -> None:
        """Remove a toxic; what it held back is delivered."""
        self._named(proxy).destroy_toxic(_segment(name))

    def _named(self, name: str) -> Any:
        # The library's proxy puts its name into URLs as it is, so it gets it escaped.
        return self._proxy_class(name=_segment(name), upstream="", listen="", enabled=True)


def _segment(name: str) -> str:
    """A name as one piece of a URL's path; raises RefusedInput for one that no path can reach."""
    if not name or "/" in name or name in {".", ".."}:
        raise RefusedInput(f"{name!r} cannot name a proxy or a toxic: no URL could reach it")
    return quote(name, safe="")


def _toxic_path(proxy: str, toxic: str) -> str:
    return f"/proxies/{_segment(proxy)}/toxics/{_segment(toxic)}"


def _spec(spec: ProxySpec) -> dict[str, object]:
    _segment(spec.name)
    return {"name": spec.name, "upstream": spec.upstream, "listen": spec.listen, "enabled": spec.enabled}


def _proxy(found: Mapping[str, Any]) -> Proxy:
    toxics = tuple(_toxic(toxic) for toxic in found["toxics"])
    return Proxy(found["name"], found["listen"], found["upstream"], found["enabled"], toxics)


def _toxic(found: Mapping[str, Any]) -> Toxic:
    attributes = MappingProxyType(dict(found["attributes"]))
    return Toxic(found["type"], attributes, found["stream"], float(found["toxicity"]), found["name"])


def _refuse_deadly(kind: str, attributes: Mapping[str, int]) -> None:
    """Raise RefusedInput for attributes that would end a real server's process."""
    given = {key.lower(): value for key, value in attributes.items()}
    says = None
    if kind == "bandwidth":
        if not 0 <= given.get("rate", 0) <= (2**63 - 1) // 100:
            says = "rate must be 0 or more, and its tenth of a second must fit 64 bits"
    elif kind == "latency":
        if given.get("jitter", 0) >= 2**62:
            says = "jitter must fit 62 bits"
    elif kind == "slicer":
        average, variation = given.get("average_size", 0), given.get("size_variation", 0)
        if average <= 0 or variation > average or average + variation < 1:
            says = "average_size must be above 0 and size_variation at most average_size"
    if says is not None:
        raise RefusedInput(f"{kind}: {says}")


def _own_library(consumer: type[Any]) -> tuple[Any, Any]:
    """The library's proxy class and its server, loaded for this consumer alone.

    Its modules reach the server through one class that all of them share; a copy of each module, with a
    class of its own in that place, is what lets two servers live in one process.
    """
    proxy, server = _fresh("toxiproxy.proxy"), _fresh("toxiproxy.server")
    vars(proxy)["APIConsumer"] = vars(server)["APIConsumer"] = consumer
    vars(server)["Proxy"] = proxy.Proxy
    return proxy.Proxy, server.Toxiproxy()


def _fresh(name: str) -> ModuleType:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ToxiproxyError(f"{name} cannot be loaded: is toxiproxy-python installed?")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _consumer(api: str, timeout_s: float) -> type[Any]:
    """The library's HTTP class for one server, with timeouts and with every error an exception."""
    # Imported here: requests takes over a tenth of a second, and the command line does not need it.
    import requests
    from toxiproxy import exceptions
    from toxiproxy.api import APIConsumer, validate_response

    where = urlsplit(f"//{api}")
    name, number = where.hostname, where.port
    if name is None or number is None:
        raise RefusedInput(f"{api!r} is not host:port")
    server = f"[{name}]" if ":" in name else name
    # An HTTP proxy named by the environment must not come between us and a local server.
    options: Mapping[str, Any] = {"timeout": timeout_s, "proxies": {"http": None, "all": None}}

    def ask(send: Any, url: str, **given: Any) -> Any:
        try:
            response = send(url=url, **given, **options)
        except exceptions.NotFound as error:
            raise NotFound(_says(error.args[0]), 404) from None
        except exceptions.ProxyExists as error:
            raise AlreadyExists(_says(error.args[0]), 409) from None
        except exceptions.InvalidToxic as error:
            raise InvalidRequest(_says(error.args[0]), 400) from None
        except requests.RequestException as error:
            raise Unreachable(f"no answer from the proxy server at {api}: {_root(error)}") from None
        if response.status_code >= 400:
            raise ServerFailed(_says(response.content), response.status_code)
        return response

    class Consumer(APIConsumer):  # type: ignore[misc]
        host = server
        port = number

        @classmethod
        def get(cls, url: str, params: Any = None, **given: Any) -> Any:
            return ask(super().get, url, params=params, **given)

        @classmethod
        def post(cls, url: str, data: Any = None, json: Any = None, **given: Any) -> Any:
            return ask(super().post, url, data=data, json=json, **given)

        @classmethod
        def delete(cls, url: str, **given: Any) -> Any:
            return ask(super().delete, url, **given)

        @classmethod
        def patch(cls, url: str, json: Any) -> Any:
            def send(url: str, **given: Any) -> Any:
                return validate_response(requests.patch(f"http://{cls.host}:{cls.port}{url}", **given))

            return ask(send, url, json=json)

    return Consumer


def _root(error: BaseException) -> str:
    """What lies at the root of it, such as `Connection refused`, which requests wraps three times."""
    while within := error.__cause__ or error.__context__:
        error = within
    return getattr(error, "strerror", None) or str(error)


def _says(body: bytes | str) -> str:
    """The text of an error, without its JSON."""
    import json

    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return text.strip()

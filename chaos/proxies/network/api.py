"""Toxiproxy's HTTP API, version 2.12: its routes, its checks in their order, its answers."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from chaos.proxies.network import gojson
from chaos.proxies.network.chunk import Direction
from chaos.proxies.network.collection import Collection, ProxySpec
from chaos.proxies.network.errors import (
    ApiError,
    bad_request,
    invalid_stream,
    invalid_toxic_type,
    toxic_exists,
)
from chaos.proxies.network.http import JSON, TEXT, Request, Response
from chaos.proxies.network.proxy import Proxy
from chaos.proxies.network.toxic import Checked, Placed, Toxic
from chaos.proxies.network.toxics import by_type

VERSION = "2.12.0"

Handler = Callable[[bytes], Awaitable[Response]]


class Api:
    """Answers requests on a collection of proxies."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        # Changes to proxies wait for each other: one that resolves a name must not interleave with another.
        self._changing = asyncio.Lock()
        self._types = by_type()

    async def answer(self, request: Request) -> Response:
        """The answer to one request."""
        methods = self._route(request.path.split("/")[1:])
        if methods is None:
            return Response(404, b"404 page not found\n", TEXT)
        handler = methods.get(request.method)
        if handler is None:
            return Response(405)
        if request.user_agent.startswith("Mozilla/"):
            return Response(403, b"User agent not allowed\n", TEXT)
        try:
            return await handler(bytes(request.body))
        except ApiError as error:
            # The real server means JSON and says text: clients have learnt to live with it.
            return Response(error.status, gojson.encode(_error_json(error)) + b"\n", TEXT)

    def _route(self, path: list[str]) -> Mapping[str, Handler] | None:
        match path:
            case ["reset"]:
                return {"POST": self._reset}
            case ["populate"]:
                return {"POST": self._populate}
            case ["version"]:
                return {"GET": self._version}
            case ["proxies"]:
                return {"GET": self._proxies, "POST": self._create}
            case ["proxies", name] if name:
                return _ProxyRoutes(self._collection, self._changing, name).methods()
            case ["proxies", name, "toxics"] if name:
                return _ToxicRoutes(self._collection, self._types, name, "").list_methods()
            case ["proxies", name, "toxics", toxic] if name and toxic:
                return _ToxicRoutes(self._collection, self._types, name, toxic).methods()
        return None

    async def _version(self, _: bytes) -> Response:
        return Response(200, f'{{"version": "{VERSION}"}}\n'.encode(), "application/json;charset=utf-8")

    async def _reset(self, _: bytes) -> Response:
        async with self._changing:
            await self._collection.reset()
        return Response(204)

    async def _proxies(self, _: bytes) -> Response:
        return _json(200, {proxy.name: _proxy_json(proxy) for proxy in self._collection.all()})

    async def _create(self, body: bytes) -> Response:
        spec = _proxy_spec(
            gojson.decode(body), ProxySpec("", "", "", enabled=True), "value of type toxiproxy.Proxy"
        )
        async with self._changing:
            proxy = await self._collection.create(spec)
        return _json(201, _proxy_json(proxy))

    async def _populate(self, body: bytes) -> Response:
        error: ApiError | None
        proxies: list[Proxy] = []
        try:
            specs = _proxy_specs(gojson.decode(body))
        except ApiError as unreadable:
            error = unreadable
        else:
            async with self._changing:
                proxies, error = await self._collection.populate(specs)
        shown = {"proxies": [_proxy_json(proxy) for proxy in proxies] or None}
        return _json(201, shown) if error is None else _json(error.status, {**_error_json(error), **shown})


class _ProxyRoutes:
    """`/proxies/{name}`."""

    def __init__(self, collection: Collection, changing: asyncio.Lock, name: str) -> None:
        self._collection = collection
        self._changing = changing
        self._name = name

    def methods(self) -> Mapping[str, Handler]:
        return {"GET": self._show, "POST": self._update, "PATCH": self._update, "DELETE": self._delete}

    async def _show(self, _: bytes) -> Response:
        return _json(200, _proxy_json(self._collection.get(self._name)))

    async def _update(self, body: bytes) -> Response:
        async with self._changing:
            proxy = self._collection.get(self._name)
            now = ProxySpec(proxy.name, proxy.listen, proxy.upstream, proxy.enabled)
            spec = _proxy_spec(gojson.decode(body), now, "value of type toxiproxy.Proxy")
            await proxy.update(spec.listen, spec.upstream, spec.enabled)
        return _json(200, _proxy_json(proxy))

    async def _delete(self, _: bytes) -> Response:
        async with self._changing:
            await self._collection.remove(self._name)
        return Response(204)


class _ToxicRoutes:
    """`/proxies/{name}/toxics` and what is below it."""

    def __init__(
        self, collection: Collection, types: Mapping[str, type[Toxic]], name: str, toxic: str
    ) -> None:
        self._collection = collection
        self._types = types
        self._name = name
        self._toxic = toxic

    def list_methods(self) -> Mapping[str, Handler]:
        return {"GET": self._list, "POST": self._add}

    def methods(self) -> Mapping[str, Handler]:
        return {"GET": self._show, "POST": self._update, "PATCH": self._update, "DELETE": self._delete}

    async def _list(self, _: bytes) -> Response:
        return _json(200, [_toxic_json(placed) for placed in self._collection.get(self._name).toxics])

    async def _add(self, body: bytes) -> Response:
        proxy = self._collection.get(self._name)
        placed = self._read(gojson.decode(body), proxy)
        proxy.add(placed)
        return _json(200, _toxic_json(placed))

    async def _show(self, _: bytes) -> Response:
        return _json(200, _toxic_json(self._collection.get(self._name).toxic(self._toxic)))

    async def _update(self, body: bytes) -> Response:
        proxy = self._collection.get(self._name)
        placed = proxy.toxic(self._toxic)
        toxic, toxicity = placed.toxic, placed.toxicity
        for key, value in gojson.fields(gojson.decode(body), "value of type toxics.ToxicWrapper"):
            if key == "attributes":
                toxic = _with_attributes(toxic, value)
            elif key == "toxicity":
                toxicity = gojson.single(value, toxicity, "toxicity")
        _refuse_senseless(toxic)
        proxy.change(placed, toxic, toxicity)
        return _json(200, _toxic_json(placed))

    async def _delete(self, _: bytes) -> Response:
        proxy = self._collection.get(self._name)
        proxy.remove(proxy.toxic(self._toxic))
        return Response(204)

    def _read(self, value: gojson.Value, proxy: Proxy) -> Placed:
        """The checks come in the real server's order: JSON, stream, type, name, attributes."""
        texts = {"name": "", "type": "", "stream": "downstream"}
        toxicity = 1.0
        attributes: list[gojson.Value] = []
        for key, item in gojson.fields(value, "value of type toxics.ToxicWrapper"):
            if key in texts:
                texts[key] = gojson.string(item, texts[key], f"ToxicWrapper.{key}")
            elif key == "toxicity":
                toxicity = gojson.single(item, toxicity, "ToxicWrapper.toxicity")
            elif key == "attributes":
                list(gojson.fields(item, "struct field ToxicWrapper.attributes of type toxics.NoopToxic"))
                attributes.append(item)
        stream, kind = texts["stream"], texts["type"]
        if stream.lower() not in {direction.value for direction in Direction}:
            raise invalid_stream()
        if kind not in self._types:
            raise invalid_toxic_type()
        name = texts["name"] or f"{kind}_{stream}"
        if proxy.has_toxic(name):
            raise toxic_exists()
        toxic = self._types[kind]()
        for item in attributes:
            toxic = _with_attributes(toxic, item)
        _refuse_senseless(toxic)
        return Placed(name, kind, stream, Direction(stream.lower()), toxicity, toxic)


def _proxy_specs(value: gojson.Value) -> list[ProxySpec]:
    default = ProxySpec("", "", "", enabled=True)
    if value is None:
        return []
    if not isinstance(value, list):
        raise bad_request(
            "json: cannot unmarshal into Go value of type []toxiproxy.Proxy: an array is wanted"
        )
    return [_proxy_spec(item, default, "value of type toxiproxy.Proxy") for item in value]


def _proxy_spec(value: gojson.Value, now: ProxySpec, into: str) -> ProxySpec:
    """`now`, with what the value says merged in."""
    texts = {"name": now.name, "listen": now.listen, "upstream": now.upstream}
    enabled = now.enabled
    for key, item in gojson.fields(value, into):
        if key in texts:
            texts[key] = gojson.string(item, texts[key], f"Proxy.{key}")
        elif key == "enabled":
            enabled = gojson.boolean(item, enabled, "Proxy.enabled")
    return ProxySpec(texts["name"], texts["listen"], texts["upstream"], enabled)


def _attributes(toxic: Toxic) -> dict[str, int]:
    # Every toxic is a dataclass of whole numbers; a protocol has no way to say so.
    return dataclasses.asdict(cast(Any, toxic))


def _with_attributes(toxic: Toxic, value: gojson.Value) -> Toxic:
    attributes = _attributes(toxic)
    where = f"{type(toxic).__name__}Toxic"
    for key, item in gojson.fields(value, f"struct field attributes of type toxics.{where}"):
        if key in attributes:
            attributes[key] = gojson.integer(item, attributes[key], f"{where}.attributes.{key}")
    return type(toxic)(**attributes)


def _refuse_senseless(toxic: Toxic) -> None:
    refusal = toxic.refusal() if isinstance(toxic, Checked) else None
    if refusal is not None:
        raise bad_request(f"{toxic.type}: {refusal}")


def _proxy_json(proxy: Proxy) -> dict[str, object]:
    return {
        "name": proxy.name,
        "listen": proxy.listen,
        "upstream": proxy.upstream,
        "enabled": proxy.enabled,
        "toxics": [_toxic_json(placed) for placed in proxy.toxics],
    }


def _toxic_json(placed: Placed) -> dict[str, object]:
    return {
        "attributes": _attributes(placed.toxic),
        "name": placed.name,
        "type": placed.type,
        "stream": placed.stream,
        "toxicity": gojson.shortest(placed.toxicity),
    }


def _error_json(error: ApiError) -> dict[str, object]:
    return {"error": error.message, "status": error.status}


def _json(status: int, value: object) -> Response:
    return Response(status, gojson.encode(value), JSON)

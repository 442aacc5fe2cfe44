"""The data proxy's HTTP API, in the manner of Toxiproxy's, and its watch over all links."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import fsspec
import msgspec
from fsspec.implementations.local import LocalFileSystem

from chaos.clock import Clock
from chaos.domain.change import Scalar
from chaos.proxies.data.link import DataLink, DuplicateToxic

POLL_SECONDS = 0.02
MAX_BODY = 65_536
_MOST_DIGITS = 20


class LinkRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /links. Folders are fsspec addresses; a plain path is a local folder."""

    name: str
    source: str
    sink: str
    day_seconds: float = 1.0


class ToxicRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /links/{link}/toxics."""

    type: str
    name: str = ""
    parameters: dict[str, Scalar] = {}


class ApiError(Exception):
    """An error answer: status and message."""

    def __init__(self, status: int, says: str) -> None:
        self.status = status
        self.says = says
        super().__init__(says)


class DataProxy:
    """All links, watched by one thread. With a `root` all sources and sinks must be folders below it."""

    def __init__(self, clock: Clock, root: Path | None = None) -> None:
        self._clock = clock
        self._root = None if root is None else root.resolve()
        self._links: dict[str, DataLink] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="data-proxy-watch")

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            for link in list(self._links.values()):
                link.watch()

    def create(self, request: LinkRequest) -> DataLink:
        """A new link. Raises ApiError."""
        if request.name in self._links:
            raise ApiError(409, "link already exists")
        if request.day_seconds <= 0:
            raise ApiError(400, "day_seconds must be above 0")
        try:
            files, source = fsspec.core.url_to_fs(request.source)
            other, sink = fsspec.core.url_to_fs(request.sink)
        except (ValueError, ImportError, OSError) as error:
            raise ApiError(400, f"source and sink cannot be used: {error}") from error
        if type(files) is not type(other):
            raise ApiError(400, "source and sink must be on one kind of file system")
        if self._root is not None:
            self._check_within(files, source, sink, root=self._root)
        origin = self._clock.monotonic()

        def day() -> float:
            return (self._clock.monotonic() - origin) / request.day_seconds

        try:
            link = DataLink(request.name, source, sink, files, day)
        except OSError as error:
            raise ApiError(400, f"source and sink cannot be used: {error}") from error
        self._links[request.name] = link
        return link

    @staticmethod
    def _check_within(files: Any, *folders: str, root: Path) -> None:
        """Whoever finds the port may not have other files copied."""
        for folder in folders:
            if not isinstance(files, LocalFileSystem) or root not in Path(folder).resolve().parents:
                raise ApiError(400, f"{folder} is not below {root}")

    def link(self, name: str) -> DataLink:
        """A link by name. Raises ApiError."""
        if name not in self._links:
            raise ApiError(404, "link not found")
        return self._links[name]

    def delete(self, name: str) -> None:
        """Forget a link; what it holds stays at the source. Raises ApiError."""
        self.link(name)
        del self._links[name]

    def states(self) -> dict[str, Any]:
        """All links as the API shows them."""
        return {name: link.state() for name, link in sorted(self._links.items())}

    def reset(self) -> None:
        """Take all toxics off all links."""
        for link in list(self._links.values()):
            link.clear()

    def answer(self, method: str, parts: list[str], body: bytes) -> tuple[int, object]:
        """Route a request. Raises ApiError."""
        match (method, parts):
            case ("GET", ["version"]):
                return 200, {"version": 1}
            case ("GET", ["links"]):
                return 200, self.states()
            case ("POST", ["links"]):
                return 201, self.create(_decode(body, LinkRequest)).state()
            case ("GET", ["links", name]):
                return 200, self.link(name).state()
            case ("DELETE", ["links", name]):
                self.delete(name)
                return 204, None
            case ("GET", ["links", name, "delivered"]):
                return 200, self.link(name).delivered()
            case ("GET", ["links", name, "toxics"]):
                return 200, self.link(name).state().toxics
            case ("POST", ["links", name, "toxics"]):
                return 200, self._add_toxic(self.link(name), _decode(body, ToxicRequest))
            case ("DELETE", ["links", name, "toxics", toxic]):
                if not self.link(name).remove(toxic):
                    raise ApiError(404, "toxic not found")
                return 204, None
            case ("POST", ["reset"]):
                self.reset()
                return 204, None
        raise ApiError(404, "no such route")

    def _add_toxic(self, link: DataLink, request: ToxicRequest) -> object:
        try:
            return link.add(request.name or request.type, request.type, request.parameters)
        except DuplicateToxic as error:
            raise ApiError(409, "toxic already exists") from error
        except (TypeError, ValueError) as error:
            raise ApiError(400, str(error)) from error


def _decode(body: bytes, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise ApiError(400, f"bad request body: {error}") from error


def make_server(proxy: DataProxy, host: str, port: int) -> ThreadingHTTPServer:
    """An HTTP server for a proxy, bound and not yet serving. Raises OSError."""
    server = ThreadingHTTPServer((host, port), _handler(proxy.answer))
    server.daemon_threads = True
    return server


def _handler(
    answer: Callable[[str, list[str], bytes], tuple[int, object]],
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            parts = [unquote(part) for part in self.path.split("?")[0].split("/") if part]
            try:
                status, reply = answer(self.command, parts, self._body())
            except ApiError as error:
                status, reply = error.status, {"error": error.says, "status": error.status}
            except Exception as error:  # noqa: BLE001 (who asked is told, whatever it is)
                status, reply = 500, {"error": f"{type(error).__name__}: {error}", "status": 500}
            data = b"" if reply is None else msgspec.json.encode(reply) + b"\n"
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(data)

        def _body(self) -> bytes:
            text = self.headers.get("Content-Length") or "0"
            digits = text.isascii() and text.isdigit()
            if digits and len(text) < _MOST_DIGITS and int(text) <= MAX_BODY:
                return self.rfile.read(int(text))
            self.close_connection = True  # what is not read would be taken for the next request
            if digits:
                raise ApiError(413, "body too large")
            raise ApiError(400, "Content-Length is no number")

        do_GET = do_POST = do_DELETE = _do  # noqa: N815 (http.server's own names)

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent; the journal says what was done."""

    return Handler


def ready_line(server: ThreadingHTTPServer) -> str:
    """The line that tells a parent where the API is."""
    host, port = server.server_address[:2]
    return json.dumps({"api": f"{host!s}:{port}"})

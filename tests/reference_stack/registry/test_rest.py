"""What the registry's answers mean where it does not do what it was asked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from reference_stack.ports import Failed, NotFound, Overloaded, PortError, TimedOut
from reference_stack.registry.rest import RestRegistry


class Answers(ThreadingHTTPServer):
    """A registry, or something before it, that answers everything with one status."""

    status = 200

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Answers

    def do_GET(self) -> None:
        body = b'{"error_code": "WHATEVER", "message": "no"}'
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Answers]:
    with Answers(("127.0.0.1", 0), Handler) as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.01,))
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def resolved(server: Answers) -> int | None:
    async def ask() -> int | None:
        registry = RestRegistry(server.address)
        try:
            return await registry.resolve("champion")
        finally:
            await registry.close()

    return asyncio.run(ask())


@pytest.mark.parametrize("status", [400, 404])
def test_an_alias_that_the_registry_says_it_has_not_is_none(server: Answers, status: int) -> None:
    server.status = status
    assert resolved(server) is None


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, Failed), (403, Failed), (408, TimedOut), (413, Failed), (429, Overloaded), (500, Failed)],
)
def test_whatever_else_is_refused_does_not_say_that_there_is_no_alias(
    server: Answers, status: int, error: type[PortError]
) -> None:
    server.status = status
    with pytest.raises(error, match="WHATEVER: no") as raised:
        resolved(server)
    assert not isinstance(raised.value, NotFound)

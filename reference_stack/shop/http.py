"""The smallest HTTP/1.1 client that keeps connections, on gevent's sockets: half the cost of a general one.

One request at a time per connection, replies with a Content-Length only: what the stack's own servers send.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gevent import monkey, socket

from reference_stack.shells import server_timing

_BLOCK = 65536
_HEAD_LIMIT = 65536
_KEPT = 1000


class BadReply(Exception):
    """The other end does not speak HTTP as this client does."""


class Head(NamedTuple):
    """The head of a reply. `keep`: whether the connection may be; `server_ms`: what the other end took, if it
    says so.
    """

    status: int
    length: int
    keep: bool
    server_ms: float | None = None


class Answer(NamedTuple):
    """A reply."""

    status: int
    body: bytes
    keep: bool
    server_ms: float | None = None


class Connection:
    """One TCP connection, kept between requests."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The poll of gevent would go through its hub; here it is only asked and never waits.
        self._poll = monkey.get_original("select", "poll")()
        self._poll.register(self._socket.fileno(), 1)

    def is_quiet(self) -> bool:
        """Whether nothing has come since the last reply: neither an end nor bytes that nobody asked for."""
        return not self._poll.poll(0)

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def exchange(self, request: bytes) -> Answer:
        """Send a request and block for the reply. Raises OSError, or BadReply."""
        self._socket.sendall(request)
        data = self._receive()
        while (end := data.find(b"\r\n\r\n")) < 0:
            if len(data) > _HEAD_LIMIT:
                raise BadReply("the head of the reply does not end")
            data += self._receive()
        status, length, keep, server_ms = parse_head(data[:end])
        body = data[end + 4 :]
        while len(body) < length:
            body += self._receive()
        return Answer(status, body[:length], keep and len(body) == length, server_ms)

    def _receive(self) -> bytes:
        data: bytes = self._socket.recv(_BLOCK)
        if not data:
            raise ConnectionResetError("the connection ended before the reply did")
        return data


class Client:
    """Connections to one address, the one used last first; as many as there are requests at a time."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._connect: Callable[[], Connection] = lambda: Connection(host, int(port))
        self._kept: list[Connection] = []
        self._heads = f"Host: {address}\r\nContent-Type: application/json\r\nContent-Length: "

    def post(self, path: str, body: bytes) -> Answer:
        """POST `body` and block for the reply. Raises OSError, or BadReply.

        Nothing is sent twice: a connection that the other end closed meanwhile is noticed beforehand.
        """
        head = f"POST {path} HTTP/1.1\r\n{self._heads}{len(body)}\r\n\r\n"
        connection = self._take()
        keep = False
        try:
            answer = connection.exchange(head.encode() + body)
            keep = answer.keep
        finally:
            # Also when a timeout is thrown in: a late reply must not be taken for the next one.
            if keep and len(self._kept) < _KEPT:
                self._kept.append(connection)
            else:
                connection.close()
        return answer

    def close(self) -> None:
        """Close the connections that are not in use."""
        while self._kept:
            self._kept.pop().close()

    def _take(self) -> Connection:
        while self._kept:
            connection = self._kept.pop()
            if connection.is_quiet():
                return connection
            connection.close()
        return self._connect()


def parse_head(head: bytes) -> Head:
    """The head of a reply. Raises BadReply."""
    lines = head.split(b"\r\n")
    version, _, rest = lines[0].partition(b" ")
    status = rest[:3]
    if not version.startswith(b"HTTP/1.") or not status.isdigit():
        raise BadReply(f"not a status line: {lines[0][:80]!r}")
    length = -1
    server_ms = None
    keep = version == b"HTTP/1.1"
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        name = name.lower()
        if name == b"content-length":
            if not value.strip().isdigit():
                raise BadReply(f"not a length: {value[:80]!r}")
            length = int(value)
        elif name == b"connection":
            keep = value.strip().lower() != b"close"
        elif name == server_timing.NAME:
            server_ms = server_timing.server_ms_of(value)
    if length < 0:
        raise BadReply("a reply without Content-Length")
    return Head(int(status), length, keep, server_ms)

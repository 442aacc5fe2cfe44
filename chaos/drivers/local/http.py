"""Small JSON requests to components and proxies on loopback."""

from __future__ import annotations

import http.client
from typing import TypeVar

import msgspec

from chaos.drivers.observed import read_samples
from chaos.errors import ArmFailed

T = TypeVar("T")


class HttpFailed(ArmFailed):
    """A request that brought no answer, or an error; `status` is 0 where nothing came back."""

    def __init__(self, says: str, status: int = 0) -> None:
        self.status = status
        super().__init__(says)


def request(address: str, method: str, path: str, body: object = None, *, timeout_ms: float = 2000) -> bytes:
    """One request to `host:port`, or to `host:port@door`, by way of a door that takes CONNECT.

    Raises HttpFailed for no answer and for a status of 400 or more.
    """
    connection = _connection(address, timeout_ms / 1000)
    try:
        data = b"" if body is None else msgspec.json.encode(body)
        connection.request(method, path, body=data, headers={"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
    except (OSError, http.client.HTTPException) as error:
        says = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise HttpFailed(f"{method} {address}{path}: {says}") from error
    finally:
        connection.close()
    if response.status >= 400:
        says = answer.decode(errors="replace")[:300]
        raise HttpFailed(f"{method} {address}{path}: {response.status} {says}", response.status)
    return answer


def _connection(address: str, timeout_s: float) -> http.client.HTTPConnection:
    there, _, door = address.partition("@")
    if not door:
        return http.client.HTTPConnection(there, timeout=timeout_s)
    connection = http.client.HTTPConnection(door, timeout=timeout_s)
    host, _, port = there.rpartition(":")
    connection.set_tunnel(host, int(port))
    return connection


def ask(address: str, method: str, path: str, body: object, reply: type[T], *, timeout_ms: float = 2000) -> T:
    """One request whose JSON answer has a known shape. Raises HttpFailed."""
    answer = request(address, method, path, body, timeout_ms=timeout_ms)
    try:
        return msgspec.json.decode(answer, type=reply)
    except msgspec.DecodeError as error:
        raise HttpFailed(f"{method} {address}{path}: an unexpected answer: {error}") from error


def read_metrics(address: str, *, timeout_ms: float = 2000) -> dict[str, float]:
    """The samples of a component's /metrics by name and labels. Raises HttpFailed."""
    text = request(address, "GET", "/metrics", timeout_ms=timeout_ms)
    try:
        return read_samples(text.decode())
    except ValueError as error:
        raise HttpFailed(f"GET {address}/metrics: an unexpected answer: {error}") from error

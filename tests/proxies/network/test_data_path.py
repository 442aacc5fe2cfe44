"""Bytes, ends and toxics that come and go, on live connections."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from chaos.drivers.toxiproxy import Toxic

Pair = Callable[..., tuple[socket.socket, socket.socket]]

CHAINS = [
    pytest.param((), id="straight"),
    pytest.param((Toxic("noop"), Toxic("noop", stream="upstream")), id="chained"),
]


def read_exactly(sock: socket.socket, size: int) -> bytes:
    got = bytearray()
    while len(got) < size and (data := sock.recv(65_536)):
        got += data
    return bytes(got)


def read_all(sock: socket.socket) -> bytes:
    got = bytearray()
    while data := sock.recv(65_536):
        got += data
    return bytes(got)


@pytest.mark.parametrize("toxics", CHAINS)
def test_bytes_pass_unchanged_both_ways(pair: Pair, toxics: tuple[Toxic, ...]) -> None:
    client, behind = pair(*toxics)
    payload = bytes(range(256)) * 12_000  # 3 MB, more than all buffers on the way
    for source, sink in ((client, behind), (behind, client)):
        sender = threading.Thread(target=source.sendall, args=(payload,))
        sender.start()
        got = read_exactly(sink, len(payload))
        sender.join()
        assert hashlib.sha256(got).digest() == hashlib.sha256(payload).digest()


def sent_until_it_waits(client: socket.socket) -> int:
    """Bytes that are taken before nothing is for half a second."""
    client.settimeout(0.5)
    block, sent = b"x" * 65_536, 0
    with contextlib.suppress(TimeoutError):
        while sent < 400_000_000:
            sent += client.send(block)
    assert sent < 400_000_000
    return sent


@pytest.mark.parametrize("toxics", CHAINS)
def test_a_slow_reader_slows_the_writer(pair: Pair, toxics: tuple[Toxic, ...]) -> None:
    client, behind = pair(*toxics)
    sent = sent_until_it_waits(client)
    assert read_exactly(behind, sent) == b"x" * sent


def test_a_slow_toxic_slows_the_writer(pair: Pair) -> None:
    client, _ = pair(Toxic("bandwidth", {"rate": 1}, "upstream"))
    sent_until_it_waits(client)


@pytest.mark.parametrize("toxics", CHAINS)
def test_a_client_that_shuts_its_write_side_still_gets_the_response(
    server: Any, pair: Pair, toxics: tuple[Toxic, ...]
) -> None:
    client, behind = pair(*toxics)
    client.sendall(b"request")
    client.shutdown(socket.SHUT_WR)
    assert read_all(behind) == b"request"
    if server.kind == "real":
        # It closes both sockets at the first end that it sees.
        with pytest.raises(AssertionError):
            assert read_all(client) == b"response"
        return
    behind.sendall(b"response")
    behind.close()
    assert read_all(client) == b"response"


@pytest.mark.parametrize("toxics", CHAINS)
def test_an_upstream_that_shuts_its_write_side_still_gets_requests(
    server: Any, pair: Pair, toxics: tuple[Toxic, ...]
) -> None:
    client, behind = pair(*toxics)
    behind.sendall(b"banner")
    behind.shutdown(socket.SHUT_WR)
    assert read_all(client) == b"banner"
    if server.kind == "real":
        assert behind.recv(16) == b""
        return
    client.sendall(b"more")
    client.close()
    assert read_all(behind) == b"more"


@pytest.mark.parametrize("toxics", CHAINS)
def test_both_sockets_close_when_both_ends_are_done(pair: Pair, toxics: tuple[Toxic, ...]) -> None:
    client, behind = pair(*toxics)
    client.close()
    assert behind.recv(16) == b""
    behind.close()


def test_an_end_waits_for_the_data_before_it(pair: Pair) -> None:
    client, behind = pair(Toxic("latency", {"latency": 100}, stream="upstream"))
    client.sendall(b"last words")
    client.close()
    assert read_all(behind) == b"last words"


def keep_sending(sock: socket.socket) -> None:
    for _ in range(100):
        sock.sendall(b"y")
        time.sleep(0.02)


def test_a_client_that_is_gone_takes_its_upstream_down_once_all_is_delivered(server: Any, pair: Pair) -> None:
    client, behind = pair(Toxic("latency", {"latency": 300}, "upstream"))
    client.sendall(b"x")
    client.close()
    for _ in range(5):  # of the first the client's machine says that nobody is there
        behind.sendall(b"y")
        time.sleep(0.02)
    assert read_exactly(behind, 1) == b"x"
    # The real one leaves later replies unread in its socket, and so ends it with a reset.
    reset = contextlib.suppress(ConnectionResetError)
    with server.either(embedded=contextlib.nullcontext(), real=reset):
        assert read_all(behind) == b""
    with pytest.raises(ConnectionError):
        keep_sending(behind)


def test_a_reset_by_the_upstream_ends_the_client(pair: Pair) -> None:
    client, behind = pair()
    behind.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    behind.close()
    assert client.recv(16) == b""


def test_a_toxic_reaches_connections_that_are_already_open(server: Any, pair: Pair) -> None:
    client, behind = pair()
    client.sendall(b"before")
    assert behind.recv(16) == b"before"
    server.client.add_toxic("p", Toxic("limit_data", {"bytes": 3}, stream="upstream"))
    client.sendall(b"after")
    assert read_all(behind) == b"aft"


def test_toxics_that_come_and_go_under_load_lose_nothing(server: Any, pair: Pair) -> None:
    client, behind = pair()
    stop = threading.Event()
    sent, got = hashlib.sha256(), hashlib.sha256()

    def send() -> None:
        block, number = b"", 0
        while not stop.is_set():
            block = number.to_bytes(4, "big") * 1_000
            client.sendall(block)
            sent.update(block)
            number += 1
        client.shutdown(socket.SHUT_WR)

    def receive() -> None:
        while data := behind.recv(65_536):
            got.update(data)

    threads = [threading.Thread(target=send), threading.Thread(target=receive)]
    for thread in threads:
        thread.start()
    for turn in range(server.either(embedded=12, real=1)):
        for toxic in (
            Toxic("latency", {"latency": 5, "jitter": 3}, "upstream"),
            Toxic("bandwidth", {"rate": 50_000}, "upstream"),
            Toxic("slicer", {"average_size": 1_000, "size_variation": 500, "delay": 10}, "upstream"),
        ):
            server.client.add_toxic("p", toxic)
        server.client.update_toxic("p", "latency_upstream", {"latency": 1 + turn % 3})
        if turn % 2:
            server.client.reset()
        else:
            for name in ("bandwidth_upstream", "latency_upstream", "slicer_upstream"):
                server.client.remove_toxic("p", name)
    stop.set()
    for thread in threads:
        thread.join(10)
    assert got.digest() == sent.digest()


def test_a_latency_toxic_that_races_a_close_hangs_nobody(server: Any, pair: Pair) -> None:
    client, behind = pair(Toxic("latency", {"latency": 50}))
    behind.sendall(b"bye")
    behind.close()
    client.close()
    server.client.remove_toxic("p", "latency_downstream")

"""Listening, enabling, moving and populating, seen from sockets."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Callable
from typing import Any

import pytest

from chaos.drivers.toxiproxy import ProxySpec, Toxic, Toxiproxy, Unreachable

Connect = Callable[[Any], socket.socket]


def works(connect: Connect, where: Any) -> bool:
    client = connect(where)
    client.sendall(b"hello")
    return client.recv(16) == b"hello"


def where(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    return host, int(port)


def test_listen_becomes_the_resolved_address(server: Any, echo: Any, connect: Connect) -> None:
    made = server.client.create(ProxySpec("p", f"localhost:{echo[1]}", "localhost:0"))
    assert made.listen.startswith("127.0.0.1:")
    assert not made.listen.endswith(":0")
    assert works(connect, where(made.listen))


@pytest.mark.parametrize("end", ["disable", "delete"])
def test_disable_and_delete_send_fin_and_refuse_new_clients(
    server: Any, echo: Any, connect: Connect, end: str
) -> None:
    listen = server.proxy(echo)
    client = connect(listen)
    client.sendall(b"hello")
    assert client.recv(16) == b"hello"
    getattr(server.client, end)("p")
    assert client.recv(16) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(listen)


def test_toxics_survive_a_disable(server: Any, echo: Any, connect: Connect) -> None:
    listen = server.proxy(echo, Toxic("noop"), Toxic("limit_data", {"bytes": 3}))
    server.client.disable("p")
    assert [toxic.type for toxic in server.client.toxics("p")] == ["noop", "limit_data"]
    server.client.enable("p")
    client = connect(listen)
    client.sendall(b"hello")
    assert client.recv(16) == b"hel"


def test_moving_restarts_drops_connections_and_keeps_toxics(server: Any, echo: Any, connect: Connect) -> None:
    client = connect(server.proxy(echo, Toxic("noop")))
    client.sendall(b"hello")
    assert client.recv(16) == b"hello"
    moved = server.client.update("p", upstream=f"localhost:{echo[1]}")
    assert client.recv(16) == b""
    assert moved.enabled
    assert [toxic.name for toxic in moved.toxics] == ["noop_downstream"]
    assert works(connect, where(moved.listen))
    elsewhere = server.client.update("p", listen="127.0.0.1:0")
    assert works(connect, where(elsewhere.listen))


def test_an_update_by_hostname_is_no_move(server: Any, echo: Any, connect: Connect) -> None:
    listen = server.proxy(echo)
    client = connect(listen)
    client.sendall(b"a")
    assert client.recv(16) == b"a"
    server.client.update("p", listen=f"localhost:{listen[1]}")
    client.sendall(b"b")
    assert client.recv(16) == b"b"


def test_populate_over_an_existing_proxy_keeps_all_of_it(server: Any, echo: Any, connect: Connect) -> None:
    listen = server.proxy(echo, Toxic("noop"))
    client = connect(listen)
    client.sendall(b"a")
    assert client.recv(16) == b"a"
    upstream = f"127.0.0.1:{echo[1]}"
    same = ProxySpec("p", upstream, f"localhost:{listen[1]}", enabled=False)
    (kept,) = server.client.populate([same])
    assert kept.enabled, "populate never changes `enabled` on a matching proxy"
    assert [toxic.name for toxic in kept.toxics] == ["noop_downstream"]
    client.sendall(b"b")
    assert client.recv(16) == b"b"


def test_populate_with_another_address_replaces(server: Any, echo: Any, connect: Connect) -> None:
    listen = server.proxy(echo, Toxic("noop"))
    client = connect(listen)
    client.sendall(b"a")
    assert client.recv(16) == b"a"
    (made,) = server.client.populate([ProxySpec("p", f"localhost:{echo[1]}", f"127.0.0.1:{listen[1]}")])
    assert client.recv(16) == b""
    assert made.toxics == ()
    assert works(connect, listen)


def test_an_upstream_that_refuses_closes_the_client(server: Any, connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        nobody = holder.getsockname()
    client = connect(server.proxy(nobody))
    assert client.recv(16) == b""


def test_early_data_waits_for_the_upstream(server: Any, connect: Connect, upstream: Any) -> None:
    behind = upstream()
    client = connect(server.proxy(behind.where))
    client.sendall(b"early")
    assert behind.accept().recv(16) == b"early"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux drops the SYN when a backlog is full")
def test_a_black_holed_upstream_does_not_hang_disable(server: Any, connect: Connect) -> None:
    with contextlib.ExitStack() as stack:
        hole = stack.enter_context(socket.socket())
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        for _ in range(2):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(hole.getsockname())
        listen = server.proxy(hole.getsockname())
        waiting = connect(listen)
        hasty = Toxiproxy(server.api, timeout_s=1.0)
        if server.kind == "real":
            # It dials inside its accept loop, and to disable waits for that loop.
            # Whether that loop has come to this client yet is a race, so there may be a second try.
            hung = False
            for _ in range(5):
                try:
                    hasty.disable("p")
                except Unreachable:
                    hung = True
                    break
                hasty.enable("p")
                connect(listen)
            assert hung
        else:
            hasty.disable("p")
            assert waiting.recv(16) == b""

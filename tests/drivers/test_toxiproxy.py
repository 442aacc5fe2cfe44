"""The adapter: what it adds to toxiproxy-python, on the embedded proxy and on a real Toxiproxy."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from chaos.drivers import toxiproxy
from chaos.drivers.toxiproxy import Proxy, ProxySpec, Toxic, Toxiproxy
from chaos.errors import ArmFailed
from tests.command import real_toxiproxy

UPSTREAM = "127.0.0.1:1"


def embedded() -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "chaos.proxies.network", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())["api"]


def real() -> tuple[subprocess.Popen[str], str]:
    binary = real_toxiproxy()
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
    process = subprocess.Popen([binary, "-port", str(port)], stdout=subprocess.DEVNULL, text=True)
    while process.poll() is None:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            break
    return process, f"127.0.0.1:{port}"


@pytest.fixture(scope="module", params=[embedded, real], ids=["embedded", "real"])
def servers(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """Where two servers of one kind answer."""
    with contextlib.ExitStack() as stack:

        def start() -> str:
            process, api = request.param()
            stack.enter_context(process)
            stack.callback(process.terminate)
            return str(api)

        yield start(), start()


@pytest.fixture
def clients(servers: tuple[str, str]) -> Iterator[tuple[Toxiproxy, Toxiproxy]]:
    """A client of each; neither server has proxies."""
    clients = Toxiproxy(servers[0]), Toxiproxy(servers[1])
    yield clients
    for client in clients:
        for name in client.proxies():
            client.delete(name)


@pytest.fixture
def client(clients: tuple[Toxiproxy, Toxiproxy]) -> Toxiproxy:
    return clients[0]


def test_proxies(client: Toxiproxy) -> None:
    made = client.create(ProxySpec("p", UPSTREAM))
    assert made == Proxy("p", made.listen, UPSTREAM, enabled=True)
    assert client.proxy("p") == made
    assert client.proxies() == {"p": made}
    client.disable("p")
    assert not client.proxy("p").enabled
    client.enable("p")
    assert client.proxy("p").enabled
    assert client.update("p", upstream="127.0.0.1:2").upstream == "127.0.0.1:2"
    client.delete("p")
    assert client.proxies() == {}


def test_toxics(client: Toxiproxy) -> None:
    client.create(ProxySpec("p", UPSTREAM))
    latency = client.add_toxic("p", Toxic("latency", {"latency": 5}, "upstream", 0.5))
    assert latency == Toxic("latency", {"latency": 5, "jitter": 0}, "upstream", 0.5, "latency_upstream")
    noop = client.add_toxic("p", Toxic("noop", name="mine"))
    assert client.toxics("p") == (latency, noop) == client.proxy("p").toxics
    changed = client.update_toxic("p", "latency_upstream", {"jitter": 2}, toxicity=1.0)
    assert changed == Toxic("latency", {"latency": 5, "jitter": 2}, "upstream", 1.0, "latency_upstream")
    assert client.update_toxic("p", "latency_upstream", toxicity=0.25).attributes == changed.attributes
    client.remove_toxic("p", "mine")
    assert [toxic.name for toxic in client.toxics("p")] == ["latency_upstream"]
    client.reset()
    assert client.toxics("p") == ()


def test_populate(client: Toxiproxy) -> None:
    assert client.populate([]) == []
    made = client.populate([ProxySpec("a", UPSTREAM), ProxySpec("b", UPSTREAM, enabled=False)])
    assert [(proxy.name, proxy.enabled) for proxy in made] == [("a", True), ("b", False)]


def test_down_gives_back_what_it_found(client: Toxiproxy) -> None:
    client.populate([ProxySpec("on", UPSTREAM), ProxySpec("off", UPSTREAM, enabled=False)])
    for name in ("on", "off"):
        with client.down(name):
            assert not client.proxy(name).enabled
    assert client.proxy("on").enabled
    assert not client.proxy("off").enabled


def test_two_servers_in_one_process(clients: tuple[Toxiproxy, Toxiproxy]) -> None:
    first, second = clients
    first.create(ProxySpec("one", UPSTREAM))
    second.create(ProxySpec("two", UPSTREAM))
    first.add_toxic("one", Toxic("noop"))
    assert list(first.proxies()) == ["one"]
    assert list(second.proxies()) == ["two"]
    second.reset()
    assert len(first.toxics("one")) == 1


def test_the_library_itself_is_left_as_it_was(client: Toxiproxy) -> None:
    from toxiproxy import api, proxy, server

    client.create(ProxySpec("p", UPSTREAM))
    assert server.APIConsumer is proxy.APIConsumer is api.APIConsumer
    assert (api.APIConsumer.host, api.APIConsumer.port) == ("127.0.0.1", 8474)


@pytest.mark.parametrize("name", ["a b", "ä", "50%", "what?", "#1", "a&b"])
def test_names_are_escaped(client: Toxiproxy, name: str) -> None:
    client.create(ProxySpec(name, UPSTREAM))
    client.add_toxic(name, Toxic("noop", name=name))
    assert client.toxic(name, name).name == name
    assert client.update_toxic(name, name, toxicity=0.5).toxicity == 0.5
    client.disable(name)
    client.enable(name)
    client.remove_toxic(name, name)
    assert client.proxy(name).toxics == ()
    client.delete(name)


@pytest.mark.parametrize("name", ["", "a/b", ".", ".."])
def test_names_that_no_url_reaches_are_refused(client: Toxiproxy, name: str) -> None:
    with pytest.raises(toxiproxy.RefusedInput):
        client.create(ProxySpec(name, UPSTREAM))
    with pytest.raises(toxiproxy.RefusedInput):
        client.delete(name)


def test_errors_are_typed(client: Toxiproxy) -> None:
    client.create(ProxySpec("p", UPSTREAM))
    client.add_toxic("p", Toxic("noop"))
    cases: list[tuple[type[toxiproxy.ToxiproxyError], int, str, Callable[[], object]]] = [
        (toxiproxy.NotFound, 404, "proxy not found", lambda: client.proxy("x")),
        (toxiproxy.NotFound, 404, "proxy not found", lambda: client.delete("x")),
        (toxiproxy.NotFound, 404, "proxy not found", lambda: client.disable("x")),
        (toxiproxy.NotFound, 404, "proxy not found", lambda: client.toxics("x")),
        (toxiproxy.NotFound, 404, "proxy not found", lambda: client.add_toxic("x", Toxic("noop"))),
        (toxiproxy.NotFound, 404, "toxic not found", lambda: client.remove_toxic("p", "x")),
        (toxiproxy.NotFound, 404, "toxic not found", lambda: client.update_toxic("p", "x", toxicity=1.0)),
        (toxiproxy.AlreadyExists, 409, "already exists", lambda: client.create(ProxySpec("p", UPSTREAM))),
        (toxiproxy.AlreadyExists, 409, "toxic already exists", lambda: client.add_toxic("p", Toxic("noop"))),
        (toxiproxy.InvalidRequest, 400, "invalid toxic type", lambda: client.add_toxic("p", Toxic("down"))),
        (
            toxiproxy.InvalidRequest,
            400,
            "stream was invalid",
            lambda: client.add_toxic("p", Toxic("noop", stream="x")),
        ),
        (
            toxiproxy.InvalidRequest,
            400,
            "missing required field: upstream",
            lambda: client.create(ProxySpec("q", "")),
        ),
    ]
    for error, status, says, ask in cases:
        with pytest.raises(error, match=says) as caught:
            ask()
        assert caught.value.status == status
        assert isinstance(caught.value, ArmFailed)
        assert caught.value.exit_code == 2


def test_a_taken_address_is_a_typed_error(client: Toxiproxy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        listen = f"127.0.0.1:{holder.getsockname()[1]}"
        for ask in (
            lambda: client.create(ProxySpec("p", UPSTREAM, listen)),
            lambda: client.populate([ProxySpec("p", UPSTREAM, listen)]),
        ):
            with pytest.raises(toxiproxy.ServerFailed, match="bind: address already in use") as caught:
                ask()
            assert caught.value.status == 500


@pytest.mark.parametrize(
    "toxic",
    [
        Toxic("bandwidth", {"rate": -1}),
        Toxic("bandwidth", {"rate": 2**63}),
        Toxic("latency", {"jitter": 2**62}),
        Toxic("slicer"),
        Toxic("slicer", {"average_size": 0}),
        Toxic("slicer", {"average_size": 10, "size_variation": 11}),
        Toxic("slicer", {"Average_Size": 10, "SIZE_VARIATION": -10}),
    ],
    ids=str,
)
def test_what_kills_a_real_server_is_never_sent(client: Toxiproxy, toxic: Toxic) -> None:
    client.create(ProxySpec("p", UPSTREAM))
    with pytest.raises(toxiproxy.RefusedInput):
        client.add_toxic("p", toxic)
    assert client.toxics("p") == ()


def test_nor_is_an_update_to_it(client: Toxiproxy) -> None:
    client.create(ProxySpec("p", UPSTREAM))
    client.add_toxic("p", Toxic("slicer", {"average_size": 10}))
    with pytest.raises(toxiproxy.RefusedInput):
        client.update_toxic("p", "slicer_downstream", {"size_variation": 11})
    assert client.toxic("p", "slicer_downstream").attributes["size_variation"] == 0


# Without a server of either kind.


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
    with pytest.raises(toxiproxy.Unreachable, match=f"at 127.0.0.1:{port}: Connection refused$"):
        Toxiproxy(f"127.0.0.1:{port}").version()


def test_a_server_that_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = Toxiproxy(f"127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2)
        asks: list[Callable[[], object]] = [
            client.version,
            client.proxies,
            client.reset,
            lambda: client.create(ProxySpec("p", UPSTREAM)),
            lambda: client.update("p", upstream=UPSTREAM),
            lambda: client.delete("p"),
        ]
        for ask in asks:
            with pytest.raises(toxiproxy.Unreachable, match=r":\d+: timed out$"):
                ask()


@pytest.mark.parametrize("api", ["", "localhost", "127.0.0.1:", ":8474"])
def test_an_address_without_host_and_port_is_refused(api: str) -> None:
    with pytest.raises(toxiproxy.RefusedInput) as caught:
        Toxiproxy(api)
    assert caught.value.exit_code == 3


def test_an_http_proxy_in_the_environment_is_passed_by(monkeypatch: pytest.MonkeyPatch) -> None:
    process, api = embedded()
    try:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert Toxiproxy(api).version() == "2.12.0"
    finally:
        process.terminate()
        process.communicate()


def test_a_plain_text_error_is_passed_on() -> None:
    class Broken(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(502)
            self.end_headers()
            self.wfile.write(b"bad gateway")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Broken) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            with pytest.raises(toxiproxy.ServerFailed, match="bad gateway") as caught:
                Toxiproxy(f"127.0.0.1:{server.server_port}").proxies()
            assert caught.value.status == 502
        finally:
            server.shutdown()
            thread.join()


def test_importing_the_adapter_is_cheap() -> None:
    code = "import sys, chaos.drivers.toxiproxy; print([m for m in ('toxiproxy', 'requests', 'future') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )

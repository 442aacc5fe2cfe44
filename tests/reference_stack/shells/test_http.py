"""The routes that are generated from a component's operations."""

import asyncio

import msgspec
import pytest

from reference_stack.ports import Failed, NotFound, Overloaded, Rejected
from reference_stack.settings import ShellSettings
from reference_stack.shells.http import HttpApp, HttpClient, listen, read_reply, split_address
from reference_stack.shells.server import Server
from reference_stack.shells.virtual_machine import VirtualMachine


@pytest.fixture
def request_to(parts):
    """Asks the application of an echo without any network."""
    machine = VirtualMachine(1, 1.0)
    process = machine.start(
        "echo", lambda p: parts.make("echo", p.runtime, p.sink(lambda _: None)), ShellSettings()
    )
    assert isinstance(process.server, Server)
    app = HttpApp(process.server)

    def request(method: str, path: str, body: bytes = b"") -> tuple[int, str, bytes]:
        answers: list[tuple[int, bytes, bytes]] = []
        app(method, path, body, lambda *answer: answers.append(answer))
        machine.advance(machine.day() + 1.0, lambda: bool(answers))
        ((status, kind, said),) = answers
        return status, kind.decode(), said

    yield request
    machine.close()


def test_every_operation_is_posted(request_to) -> None:
    status, kind, body = request_to("POST", "/ask", b'{"what":"you"}')
    assert (status, kind) == (200, "application/json")
    assert msgspec.json.decode(body) == {"what": "hello you", "count": 1}


def test_a_request_without_fields_can_be_got(request_to) -> None:
    status, _, body = request_to("GET", "/health")
    assert (status, msgspec.json.decode(body)) == (200, {"ready": True, "component": "echo", "build": "b1"})


def test_a_request_with_one_word_can_be_got(request_to) -> None:
    assert request_to("GET", "/ask/a/b c")[2] == b'{"what":"hello a/b c","count":1}'
    assert request_to("GET", "/setting/greeting")[2] == b'{"value":"hello"}'


def test_metrics_are_text(request_to) -> None:
    request_to("GET", "/ask/you")
    status, kind, body = request_to("GET", "/metrics")
    assert status == 200
    assert kind.startswith("text/plain; version=0.0.4")
    assert b'requests_total{operation="ask",status="200"} 1\n' in body


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/ask", b"{", 400),
        ("POST", "/ask", b"{}", 400),
        ("GET", "/ask", b"", 400),
        ("POST", "/nothing", b"{}", 404),
        ("GET", "/health/x", b"", 404),
        ("DELETE", "/health", b"", 404),
        ("POST", "/ask", b'{"what":"overloaded"}', 429),
        ("POST", "/ask", b'{"what":"bug"}', 500),
        ("POST", "/configure", b'{"key":"greeting","value":1}', 400),
    ],
)
def test_errors_have_a_status_and_words(request_to, method, path, body, status) -> None:
    got, kind, answer = request_to(method, path, body)
    assert (got, kind) == (status, "application/json")
    assert msgspec.json.decode(answer)["error"]


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, b'{"error":"no"}', Rejected),
        (404, b"plain", NotFound),
        (429, b"", Overloaded),
        (500, b"{}", Failed),
        (503, b"", Failed),
        (302, b"", Failed),
        (200, b"{", Failed),
    ],
)
def test_statuses_become_the_errors_of_ports(parts, status, body, error) -> None:
    with pytest.raises(error):
        read_reply(status, body, msgspec.json.Decoder(parts.Told), "here")


def test_addresses() -> None:
    assert split_address("127.0.0.1:80") == ("127.0.0.1", 80)
    assert split_address("http://[::1]:80/") == ("::1", 80)
    with pytest.raises(ValueError, match="is not host:port"):
        split_address("localhost")


@pytest.mark.processes
def test_an_address_that_is_taken_is_named() -> None:
    with listen("127.0.0.1:0") as held:
        address = f"127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(OSError, match=f"cannot listen on {address}"):
            listen(address)


def test_a_port_without_an_address_is_refused_at_once() -> None:
    async def main() -> None:
        client = HttpClient()
        try:
            with pytest.raises(ValueError, match="is not host:port"):
                client.port("nowhere")
        finally:
            await client.close()

    asyncio.run(main())

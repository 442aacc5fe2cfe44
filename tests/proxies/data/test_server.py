from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from chaos.drivers.local.http import HttpFailed, ask, request

pytestmark = pytest.mark.processes


@pytest.fixture
def api() -> Iterator[str]:
    program = subprocess.Popen(
        [sys.executable, "-m", "chaos.proxies.data", "--until-stdin-closes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert program.stdout is not None
    assert program.stdin is not None
    yield msgspec.json.decode(program.stdout.readline())["api"]
    program.stdin.close()
    assert program.wait(timeout=10) == 0
    program.stdout.close()


def test_the_whole_life_of_a_link(api: str, tmp_path: Path) -> None:
    out, sink = tmp_path / "out", tmp_path / "in"
    link = {"name": "events", "source": str(out), "sink": str(sink), "day_seconds": 3600.0}
    request(api, "POST", "/links", link)
    request(api, "POST", "/links/events/toxics", {"type": "late", "parameters": {"held_days": 1.0}})
    (out / "day=1.parquet").write_bytes(b"1")
    while not ask(api, "GET", "/links/events", None, dict)["held"]:
        assert not list(sink.iterdir())
    request(api, "DELETE", "/links/events/toxics/late")
    assert (sink / "day=1.parquet").read_bytes() == b"1"
    assert ask(api, "GET", "/links", None, dict)["events"]["handed_on"] == 1
    request(api, "POST", "/reset")
    request(api, "DELETE", "/links/events")
    assert ask(api, "GET", "/links", None, dict) == {}


def test_errors_have_a_status_and_a_reason(api: str, tmp_path: Path) -> None:
    link = {"name": "events", "source": str(tmp_path / "a"), "sink": str(tmp_path / "b")}
    request(api, "POST", "/links", link)
    for method, path, body, status in [
        ("POST", "/links", link, 409),
        ("POST", "/links", {"name": "x"}, 400),
        ("POST", "/links", {**link, "name": "y", "day_seconds": 0}, 400),
        ("POST", "/links", {**link, "name": "z", "source": "nosuch://a"}, 400),
        ("POST", "/links", {**link, "name": "z", "sink": "/dev/null/b"}, 400),
        ("POST", "/links/events/toxics", {"type": "nothing"}, 400),
        ("POST", "/links/events/toxics", {"type": "late", "nonsense": 1}, 400),
        ("GET", "/links/nobody", None, 404),
        ("DELETE", "/links/events/toxics/nobody", None, 404),
        ("GET", "/nowhere", None, 404),
    ]:
        with pytest.raises(HttpFailed) as caught:
            request(api, method, path, body)
        assert caught.value.status == status


def test_a_toxic_is_off_though_what_it_held_cannot_be_handed_on_yet(api: str, tmp_path: Path) -> None:
    out, sink = tmp_path / "out", tmp_path / "in"
    request(
        api, "POST", "/links", {"name": "e", "source": str(out), "sink": str(sink), "day_seconds": 3600.0}
    )
    request(api, "POST", "/links/e/toxics", {"type": "late", "parameters": {"held_days": 1.0}})
    (out / "day=1.parquet").write_bytes(b"1")
    while not ask(api, "GET", "/links/e", None, dict)["held"]:
        pass
    sink.rmdir()
    sink.write_text("a file in the way")
    request(api, "DELETE", "/links/e/toxics/late")
    assert ask(api, "GET", "/links/e", None, dict)["trouble"]
    sink.unlink()
    sink.mkdir()
    while not (sink / "day=1.parquet").exists():
        pass
    assert (sink / "day=1.parquet").read_bytes() == b"1"


@pytest.mark.parametrize(("length", "status"), [("70000000", b"413"), ("abc", b"400"), ("-5", b"400")])
def test_a_body_that_is_not_read_is_not_taken_for_a_request(api: str, length: str, status: bytes) -> None:
    host, _, port = api.rpartition(":")
    head = f"POST /links HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
    with socket.create_connection((host, int(port)), 10) as client:
        client.sendall(head.encode() + b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):  # of what was sent and nobody reads
            said = client.recv(65_536)
            while more := client.recv(65_536):
                said += more
    assert said.split()[1] == status
    assert b'"version"' not in said


@pytest.mark.parametrize(
    ("program", "options", "says"),
    [
        ("data", ["--link", "foo"], "write NAME=SOURCE:SINK"),
        ("data", ["--link", "a=nosuch://x:y"], "write NAME=SOURCE:SINK"),
        ("data", ["--port", "70000"], "port"),
        ("door", ["--forward", "foo"], "write PORT=HOST:PORT"),
        ("door", ["--port", "70000"], "port"),
    ],
)
def test_options_that_cannot_be_used_are_one_line(program: str, options: list[str], says: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", f"chaos.proxies.{program}", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 3
    assert says in ended.stderr
    assert ended.stderr.count("\n") == 1

from __future__ import annotations

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
        ("POST", "/links/events/toxics", {"type": "nothing"}, 400),
        ("POST", "/links/events/toxics", {"type": "late", "nonsense": 1}, 400),
        ("GET", "/links/nobody", None, 404),
        ("DELETE", "/links/events/toxics/nobody", None, 404),
        ("GET", "/nowhere", None, 404),
    ]:
        with pytest.raises(HttpFailed) as caught:
            request(api, method, path, body)
        assert caught.value.status == status

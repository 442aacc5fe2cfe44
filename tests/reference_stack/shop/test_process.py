"""The shop as a process, before a tiny site."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from reference_stack.runtime import monotonic
from reference_stack.shop.process import command
from reference_stack.world import World, preset

pytestmark = pytest.mark.processes
PATIENCE_S = 30.0


def _site_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tiny_site", Path(__file__).with_name("site.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["tiny_site"] = module
    spec.loader.exec_module(module)
    return module


@dataclass
class Running:
    """A started shop."""

    process: subprocess.Popen[bytes]
    root: Path
    address: str
    site: Any

    def open(self) -> None:
        """Give it the common origin."""
        partial = self.root / "origin.part"
        partial.write_text(repr(monotonic() + 0.02))
        os.rename(partial, self.root / "origin")

    def ask(self, path: str, body: object = None) -> tuple[int, bytes]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.address}{path}", data=data)
        try:
            with urllib.request.urlopen(request, timeout=5) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def wait(self) -> int:
        return self.process.wait(timeout=PATIENCE_S)

    def logs(self) -> list[dict[str, Any]]:
        text = (self.root / "logs" / "shop.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def total(self, name: str) -> float:
        views = [line for line in self.logs() if line["event"] == "views"]
        return float(sum(row[name] for line in views for row in line["rows"]))


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = monotonic() + PATIENCE_S
    while not condition():
        assert monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.01)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    running: list[Running] = []

    def make(*, delay_s: Callable[[], float] = lambda: 0.0, **changes: Any) -> Running:
        site = _site_module().Site(delay_s).start()
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = f"127.0.0.1:{free.getsockname()[1]}"
        callees = dict.fromkeys(("serving-a", "serving-b", "collector"), site.address)
        settings = {"root": str(tmp_path), "addresses": {"shop": address, **callees}, **changes}
        path = tmp_path / "settings.json"
        path.write_text(json.dumps(settings))
        process = subprocess.Popen(command(path), stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        running.append(Running(process, tmp_path, address, site))

        def healthy() -> bool:
            assert process.poll() is None, "the shop ended before it was healthy"
            try:
                return running[-1].ask("/health")[0] == 200
            except OSError:
                return False

        until(healthy, "health")
        return running[-1]

    yield make
    for each in running:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()
        each.site.stop()


def test_a_run_from_the_origin_to_its_end(start: Callable[..., Running]) -> None:
    shop = start(days=2.0, day_seconds=0.5, world="starved", seed=5)
    assert shop.site.recommended == []
    shop.open()
    assert shop.wait() == 0
    world = World.draw(preset("starved"), 5)
    expected = {f"{day}-{ordinal}" for day in (0, 1) for ordinal in world.arrivals(day, 1.0).ordinals}
    assert {request.view for request in shop.site.recommended} == expected
    assert len(shop.site.recommended) == shop.total("n") == len(expected)
    assert shop.total("errors") == 0
    kept = shop.total("n") - shop.total("abandoned")
    assert len(shop.site.collected) == kept
    assert (shop.root / "shop" / "returning.json").exists()
    assert not [line for line in shop.logs() if line["event"] == "error"]
    stats = {each["name"]: each for each in json.loads((shop.root / "logs" / "shop-locust.json").read_text())}
    assert stats["recommend"]["num_requests"] == len(expected)
    assert stats["collect"]["num_failures"] == 0


def test_operations_are_answered_over_http(start: Callable[..., Running]) -> None:
    shop = start(days=90.0)
    shop.open()
    until(lambda: len(shop.site.recommended) > 20, "views")
    status, body = shop.ask("/scrape")
    assert status == 200
    assert json.loads(body)["samples"]["views_total"] > 0
    assert b"views_total " in shop.ask("/metrics")[1]
    status, body = shop.ask("/configure", {"key": "surge", "value": 2.0})
    assert (status, json.loads(body)) == (200, {"previous": 1.0})
    assert json.loads(shop.ask("/setting", {"key": "surge"})[1]) == {"value": 2.0}
    assert shop.ask("/configure", {"key": "nonsense", "value": 2.0})[0] == 400
    assert shop.ask("/configure", {"key": 3})[0] == 400
    assert shop.ask("/nonsense", {})[0] == 404


def test_sigterm_ends_it_in_order_and_nothing_tallied_is_lost(start: Callable[..., Running]) -> None:
    shop = start(days=90.0, day_seconds=20.0)
    shop.open()
    until(lambda: len(shop.site.collected) > 20, "views")
    shop.process.send_signal(signal.SIGTERM)
    assert shop.wait() == 0
    assert shop.total("n") == len(shop.site.recommended) > 20


def test_sigterm_before_the_origin_ends_it_too(start: Callable[..., Running]) -> None:
    shop = start(days=90.0)
    shop.process.terminate()
    assert shop.wait() == 0


def test_five_hundred_views_at_once(start: Callable[..., Running]) -> None:
    shop = start(days=1.0, day_seconds=1.0, delay_s=lambda: 1.2)
    shop.open()
    assert shop.wait() == 0
    assert shop.site.at_once > 500
    assert shop.total("n") == shop.total("slow") == len(shop.site.recommended)
    assert shop.total("errors") == 0


def test_timeouts_and_a_dead_site_are_errors_at_once(start: Callable[..., Running]) -> None:
    settings = {"timeout_ms": 50.0}
    shop = start(days=1.0, day_seconds=0.5, world="starved", delay_s=lambda: 0.5, shop=settings)
    shop.open()
    assert shop.wait() == 0
    assert shop.total("n") == shop.total("errors") > 200
    assert shop.site.collected == []


def test_broken_settings_end_it_with_an_error(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"nonsense": 1}')
    done = subprocess.run(
        command(path), capture_output=True, stdin=subprocess.DEVNULL, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 1
    assert b"nonsense" in done.stderr

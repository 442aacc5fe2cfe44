"""The live handle against a small HTTP server that stands for a component and for the data proxy."""

from __future__ import annotations

import itertools
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast

import pytest

from chaos.clock import WallClock
from chaos.domain.change import (
    AddDataToxic,
    Configure,
    Kill,
    RemoveDataToxic,
    RemoveToxic,
    SetLayer,
    SetLinkUp,
)
from chaos.domain.event import Event, Exit, Observed, Views
from chaos.drivers.local.stack import Ended
from chaos.drivers.local.target import LocalTarget, Wiring
from chaos.drivers.observed import LogReader, read_line
from chaos.drivers.toxiproxy import Proxy, Toxic, Toxiproxy
from chaos.drivers.volley import moments_ms
from chaos.errors import ArmFailed, DataTrouble, NothingMatched
from tests.harness import planned, target_of

SHAPE = AddDataToxic("events", "t", "scale", {"column": "x", "factor": 2.0})


class Site:
    """What the server tells; `deaf` says that what it is asked to change stays as it is."""

    def __init__(self) -> None:
        self.settings: dict[str, object] = {"cap": 20, "layers.hold.mode": "off"}
        self.unmatched = ""
        self.troubles: Iterator[str] = iter(())
        self.toxics: list[str] = []
        self.deaf = False
        self.stops: Callable[[], float] = lambda: 0.0
        self.asked: list[float] = []

    def answer(self, method: str, path: str, body: Mapping[str, object]) -> object:
        match method, path:
            case "GET", "/health":
                self.asked.append(time.monotonic())
                time.sleep(self.stops())
            case "POST", "/setting":
                return {"value": self.settings[str(body["key"])]}
            case "POST", "/configure" if not self.deaf:
                self.settings[str(body["key"])] = body["value"]
            case "GET", "/links/events":
                trouble = next(self.troubles, "")
                return {"name": "events", "unmatched": self.unmatched, "trouble": trouble}
            case "GET", "/links/events/toxics":
                return [{"name": name} for name in self.toxics]
            case "POST", "/links/events/toxics":
                self.toxics.append(str(body["name"]))
            case "DELETE", _ if not self.deaf:
                self.toxics.clear()
        return {}


class Proxies:
    """Toxiproxy's links, in memory."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.up = False
        self.toxics: list[Toxic] = [Toxic("latency", {}, "downstream", 1.0, "t")]

    def proxy(self, link: str) -> Proxy:
        return Proxy(link, "", "", self.up, tuple(self.toxics))

    def remove_toxic(self, _link: str, _name: str) -> None:
        if not self.site.deaf:
            self.toxics.clear()

    def enable(self, _link: str) -> None:
        self.up = not self.site.deaf


class NoStack:
    pids: Mapping[str, int] = dict.fromkeys(("reader", "writer"), os.getpid())

    def tell(self, verb: str, component: str) -> None:
        raise AssertionError(f"nobody is to {verb} {component}")

    def stands_still(self, component: str) -> bool:
        raise AssertionError(f"nobody asks after {component}")

    def ended(self) -> Sequence[Ended]:
        return ()

    def down(self) -> None:
        """Nothing is up."""


class NoTail:
    reader = LogReader()

    def poll(self) -> Iterator[Observed]:
        return iter(())

    rest = poll

    def close(self) -> None:
        """Nothing is read."""


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def target(site: Site, tmp_path: Path) -> Iterator[LocalTarget]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            asked = json.loads(self.rfile.read(length) or b"{}")
            try:
                told = site.answer(self.command, self.path, asked)
            except ConnectionError:
                self.close_connection = True
                return
            data = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = _do  # noqa: N815 (http.server's own names)

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    there = f"127.0.0.1:{server.server_address[1]}"
    clock = WallClock()
    made = LocalTarget(
        planned().arms[0],
        target_of(),
        Wiring(
            tmp_path, {"events": tmp_path}, {"reader": there, "writer": there}, {"wire": there}, there, ""
        ),
        NoStack(),
        NoTail(),
        cast("Toxiproxy", Proxies(site)),
        clock,
        clock.monotonic(),
        lambda _event: None,
        {},
    )
    yield made
    made.close()
    server.shutdown()
    thread.join()
    server.server_close()


def looked(target: LocalTarget, look: Callable[[], float | None], days: float) -> list[float]:
    """What is told at looks a tenth of a day apart."""
    found: list[float] = []
    for _ in range(round(days / 0.1)):
        target.advance(target.day() + 0.1, lambda: False)
        if (value := look()) is not None:
            found.append(value)
    return found


def test_the_slowest_of_several_requests_meets_a_cycle_that_divides_the_looks(
    target: LocalTarget, site: Site
) -> None:
    """Stopped for 25 ms of each 50 ms, as seen by whoever looks each 100 ms."""
    begun = time.monotonic()
    site.stops = lambda: max(0.0, 0.025 - (time.monotonic() - begun) % 0.05)
    found = looked(target, lambda: target.slowest_ms("wire", 50.0), 0.8)
    assert found
    assert max(found) >= 12.5
    assert len(site.asked) >= 8


def test_requests_over_a_link_are_sent_over_the_span_that_each_probe_asks_for(
    target: LocalTarget, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[list[float]] = []
    monkeypatch.setattr(target, "_time_volley", lambda _link, moments: sent.append(list(moments)) or 1.0)
    for over_ms in (20.0, 400.0):
        looked(target, lambda over_ms=over_ms: target.slowest_ms("wire", over_ms), 0.2)
    assert moments_ms(0, 20.0) in sent
    assert moments_ms(0, 400.0) in sent


def test_nothing_that_comes_back_is_no_reading(target: LocalTarget, site: Site) -> None:
    def broken() -> float:
        raise ConnectionError

    site.stops = broken
    assert looked(target, lambda: target.slowest_ms("wire", 20.0), 0.5) == []


@pytest.mark.parametrize("deaf", [False, True])
@pytest.mark.parametrize(
    ("undo", "says"),
    [
        (RemoveToxic("wire", "t"), "link 'wire' still has the toxic 't'"),
        (RemoveDataToxic("events", "t"), "link 'events' still has the data toxic 't'"),
        (SetLinkUp("wire", True, expect=False), "link 'wire' is still down"),
        (Configure("reader", "cap", 10, expect="20"), "cap of reader is still 20"),
        (SetLayer("hold", "mode", "enforce", expect='"off"'), 'layers.hold.mode of reader is still "off"'),
    ],
)
def test_an_undo_looks_whether_it_took(
    target: LocalTarget, site: Site, undo: Configure, says: str, deaf: bool
) -> None:
    site.toxics = ["t"]
    site.deaf = deaf
    if not deaf:
        assert target.revert(undo) == "undone"
        assert target.revert(undo) == "left"
        return
    with pytest.raises(ArmFailed, match=says):
        target.revert(undo)


def test_a_data_toxic_that_matches_nothing_ends_the_arm_once(target: LocalTarget, site: Site) -> None:
    target.apply(SHAPE)
    target.advance(target.day() + 0.3, lambda: False)
    site.unmatched = "t: day=3.parquet has no column 'x' (it did match the 2 before)"
    with pytest.raises(NothingMatched, match="did match the 2 before"):
        target.advance(target.day() + 1.0, lambda: False)
    target.advance(target.day() + 0.6, lambda: False)  # a stack that stands goes on
    target.drain()


def test_what_a_toxic_matched_nothing_of_is_told_as_soon_as_it_is_off_and_never_again(
    target: LocalTarget, site: Site
) -> None:
    target.apply(SHAPE)
    target.advance(target.day() + 0.3, lambda: False)
    site.unmatched = "t: day=3.parquet has no column 'x'"
    assert target.revert(RemoveDataToxic("events", "t")) == "undone"
    with pytest.raises(NothingMatched, match="no column 'x'"):
        target.advance(target.day(), lambda: True)  # as a run on a stack that stands does at its end
    site.unmatched = "t: day=4.parquet has no column 'x'"  # by now it can be only another's
    target.advance(target.day() + 0.6, lambda: False)
    target.drain()


def test_what_matched_nothing_at_the_very_end_is_told_too(target: LocalTarget, site: Site) -> None:
    target.apply(SHAPE)
    site.unmatched = "t: day=3.parquet has no column 'x'"
    with pytest.raises(NothingMatched, match="no column 'x'"):
        target.drain()


def test_without_a_data_toxic_what_matched_nothing_is_an_older_one_s(target: LocalTarget, site: Site) -> None:
    site.unmatched = "an older one"
    target.advance(target.day() + 0.6, lambda: False)
    target.drain()


def test_a_data_link_in_lasting_trouble_ends_the_arm(target: LocalTarget, site: Site) -> None:
    site.troubles = itertools.repeat("OSError: No space left on device")
    with pytest.raises(ArmFailed, match=r"^data link events: OSError: No space left on device$"):
        target.advance(target.day() + 2.0, lambda: False)


def test_what_goes_wrong_now_and_then_on_a_data_link_is_tried_again(target: LocalTarget, site: Site) -> None:
    looks = itertools.count()
    site.troubles = ("" if next(looks) % 2 else "OSError: a file that was away" for _ in itertools.count())
    target.advance(target.day() + 2.0, lambda: False)
    assert next(looks) > 4


def test_trouble_that_lasts_is_told_again_to_who_has_the_stack_a_day_later(
    target: LocalTarget, site: Site
) -> None:
    site.troubles = itertools.repeat("OSError: No space left on device")
    told = []
    for _ in range(2):
        with pytest.raises(DataTrouble):
            target.advance(target.day() + 2.5, lambda: False)
        told.append(target.day())
    assert 0.9 < told[1] - told[0] < 1.6


def test_a_log_line_that_cannot_be_read_ends_the_arm(
    target: LocalTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poll(_self: NoTail) -> Iterator[Observed]:
        yield from filter(None, [read_line(b'{"event": "signal", "day": 1.0}')])

    with monkeypatch.context() as patch:
        patch.setattr(NoTail, "poll", poll)
        with pytest.raises(ArmFailed, match=r"what a component says cannot be read: .*`component`"):
            target.advance(target.day() + 0.1, lambda: False)


def test_who_has_ended_before_the_arm_was_taken_down_was_not_asked_to(
    target: LocalTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [[Ended("writer", 1)]]
    monkeypatch.setattr(NoStack, "ended", lambda _self: left.pop() if left else ())
    target.drain()
    assert [(one.component, one.expected) for one in target.seen(Exit)] == [("writer", False)]


def test_a_kill_that_failed_does_not_explain_the_next_end(
    target: LocalTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_self: NoStack, _verb: str, component: str) -> None:
        raise ArmFailed(f"{component} does not run")

    monkeypatch.setattr(NoStack, "tell", gone)
    with pytest.raises(ArmFailed, match="writer does not run"):
        target.apply(Kill("writer"))
    left = [[Ended("writer", 1)]]
    monkeypatch.setattr(NoStack, "ended", lambda _self: left.pop() if left else ())
    target.advance(target.day() + 0.1, lambda: False)
    assert [(one.component, one.expected) for one in target.seen(Exit)] == [("writer", False)]
    monkeypatch.setattr(NoStack, "tell", lambda _self, _verb, _component: left.append([Ended("writer", -9)]))
    target.apply(Kill("writer"))
    target.advance(target.day() + 0.1, lambda: False)
    assert [one.expected for one in target.seen(Exit)] == [False, True]


def test_of_a_data_proxy_that_has_ended_no_link_is_left(
    target: LocalTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        nobody = f"127.0.0.1:{holder.getsockname()[1]}"
    monkeypatch.setattr(target, "_wiring", replace(target._wiring, data_api=nobody))
    target.close()


def test_the_end_of_a_proxy_spoils_an_arm_as_much_as_a_component_s(
    target: LocalTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [[Ended("network proxy", -9)]]
    monkeypatch.setattr(target, "_beside", lambda: left.pop() if left else ())
    target.advance(target.day() + 0.1, lambda: False)
    assert [(one.component, one.code, one.expected) for one in target.seen(Exit)] == [
        ("network proxy", -9, False)
    ]


def test_all_who_tell_of_views_are_watched_for_a_load_that_is_too_much(
    target: LocalTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    sending: list[set[str]] = []

    class Watching:
        def look(
            self, _day: float, _answering: Mapping[str, int], sends: Mapping[str, int]
        ) -> Iterator[Event]:
            sending.append(set(sends))
            return iter(())

    def poll(_self: NoTail) -> Iterator[Observed]:
        for name in ("reader", "writer"):
            yield Views(0.0, name, 0.0, 0.04, [])

    monkeypatch.setattr(target, "_machine", Watching())
    monkeypatch.setattr(NoTail, "poll", poll)
    target.advance(target.day(), lambda: True)
    assert sending[-1] == {"reader", "writer"}

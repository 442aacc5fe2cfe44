"""A target of somebody else's in this process: what breaks in it is told as its own, with the place."""

from __future__ import annotations

import json
import re
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chaos.app import make_files
from chaos.domain.change import Kill, Start, Stop
from chaos.domain.event import Exit
from chaos.drivers.virtual.driver import VirtualDriver, packages_of
from chaos.drivers.virtual.target import VirtualTarget
from chaos.drivers.volley import moments_ms
from chaos.errors import ArmFailed
from tests.harness import TARGET, planned, target_of

THEIRS = TARGET.replace("driver: {kind: fake}", 'driver: {kind: virtual, factory: "their_stack:Stack"}')
STACK = """
class Link:
    def ping(self, on_reply):
        return {}["route"]


class Stack:
    def __init__(self, **settings):
        BROKEN_START

    def on_log(self, listener):
        self._listener = listener

    def day(self):
        return 0.0

    def link(self, name):
        return Link()

    def running(self, component):
        return True

    def advance(self, until_day, wake):
        self._listener("reader", '{"event": "signal", "day": 1.0}')

    def kill(self, component):
        raise ValueError(f"nobody here is called {component}")
"""


def start(folder: Path, monkeypatch: pytest.MonkeyPatch, broken_start: str = "pass") -> VirtualTarget:
    name = f"their_stack_{folder.name}"
    (folder / f"{name}.py").write_text(STACK.replace("BROKEN_START", broken_start))
    monkeypatch.syspath_prepend(folder)
    spec = target_of(THEIRS.replace("their_stack", name))
    return VirtualDriver().start(planned().arms[0], spec, folder, lambda _event: None)


@pytest.mark.parametrize(
    ("does", "says"),
    [
        (
            lambda target: target.link_ms("wire"),
            r"link_ms 'wire': KeyError: 'route' \(\w+\.py, line 4, in ping\)",
        ),
        (
            lambda target: target.apply(Kill("reader")),
            r"apply of component 'reader': ValueError: nobody here",
        ),
        (lambda target: target.advance(2.0, lambda: False), r"advance: MalformedLog: .*`component`"),
        (lambda target: target.metrics("reader"), r"metrics 'reader': AttributeError: .*'metrics'"),
    ],
)
def test_what_breaks_is_one_message_with_the_factory_and_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: Any, says: str
) -> None:
    target = start(tmp_path, monkeypatch)
    with pytest.raises(ArmFailed, match=rf"^their_stack_\w+:Stack: {says}") as caught:
        does(target)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_a_factory_that_breaks_is_told_likewise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ArmFailed, match=r"^their_stack_\w+:Stack: start: ZeroDivisionError: .*__init__\)$"):
        start(tmp_path, monkeypatch, "1 / 0")


@pytest.mark.parametrize(
    ("goes_to", "woken", "says"),
    [
        (2.0, False, None),
        (2.0 - 1e-9, False, None),
        (1.5, True, None),
        (1.5, False, "asked for day 2 it stopped on day 1.5, and nothing had woken it"),
        (2.01, False, "asked for day 2 it went on to day 2.01"),
        (2.01, True, "asked for day 2 it went on to day 2.01"),
    ],
)
def test_a_target_that_stops_on_another_day_than_it_was_asked_to_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, goes_to: float, woken: bool, says: str | None
) -> None:
    target = start(tmp_path, monkeypatch)
    days = [1.0]
    monkeypatch.setattr(type(target._inner), "advance", lambda *_asked: days.append(goes_to))
    monkeypatch.setattr(type(target._inner), "day", lambda _self: days[-1])
    if says is None:
        target.advance(2.0, lambda: woken)
    else:
        with pytest.raises(ArmFailed, match=rf"^their_stack_\w+:Stack: advance: {says}$"):
            target.advance(2.0, lambda: woken)


@pytest.mark.parametrize("says", [float("nan"), float("inf"), None, "3", True, [1.0]], ids=repr)
def test_a_day_that_is_none_is_the_factorys_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: object
) -> None:
    target = start(tmp_path, monkeypatch)
    monkeypatch.setattr(type(target._inner), "day", lambda _self: says)
    with pytest.raises(
        ArmFailed, match=rf"^their_stack_\w+:Stack: day: it is {re.escape(repr(says))}, which"
    ):
        target.day()


@pytest.mark.parametrize("says", [np.float32(1.5), np.float64(1.5), Fraction(3, 2)], ids=repr)
def test_a_day_of_a_librarys_own_is_a_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: object
) -> None:
    target = start(tmp_path, monkeypatch)
    monkeypatch.setattr(type(target._inner), "day", lambda _self: says)
    assert target.day() == 1.5
    assert type(target.day()) is float


def test_a_factory_that_wants_to_leave_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ArmFailed, match=r"^their_stack_\w+:Stack: start: SystemExit: no licence \("):
        start(tmp_path, monkeypatch, "raise SystemExit('no licence')")


def test_a_target_that_wants_to_leave_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = start(tmp_path, monkeypatch)
    monkeypatch.setattr(type(target._inner), "advance", lambda *_asked: sys.exit("no licence"))
    with pytest.raises(ArmFailed, match=r"^their_stack_\w+:Stack: advance: SystemExit: no licence \("):
        target.advance(2.0, lambda: False)


def test_what_was_due_while_a_door_took_its_time_is_due_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = start(tmp_path, monkeypatch)
    asked: list[float] = []
    monkeypatch.setattr(
        type(target._inner), "advance", lambda _self, until_day, _wake: asked.append(until_day)
    )
    monkeypatch.setattr(type(target._inner), "day", lambda _self: 3.8)
    target.advance(3.65, lambda: False)
    assert asked == [3.8]


def test_requests_over_a_link_are_sent_over_the_span_that_each_probe_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = start(tmp_path, monkeypatch)
    inner, days, sent = type(target._inner), [0.0], list[float]()
    monkeypatch.setattr(inner, "advance", lambda _self, until_day, _wake: days.append(until_day))
    monkeypatch.setattr(inner, "day", lambda _self: days[-1])
    link = type(target._inner.link("wire"))
    monkeypatch.setattr(link, "ping", lambda _self, _came: sent.append(days[-1]))
    for over_ms in (20.0, 400.0):
        assert target.slowest_ms("wire", over_ms) is None
    target.advance(1.0, lambda: False)
    moments = sorted([*moments_ms(0, 20.0), *moments_ms(0, 400.0)])
    assert sent == pytest.approx([moment / (1000 * target._plan.day_seconds) for moment in moments])


def test_the_package_of_a_layer_from_outside_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "their_gates.py").write_text("class Gate: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    spec, _ = make_files().target("reference-virtual")
    stack = {"layers": {"mine": {"use": "their_gates:Gate"}, "schema": {"mode": "off"}}}
    with_layer = spec.model_copy(update={"driver": spec.driver.model_copy(update={"stack": stack})})
    assert packages_of(with_layer) == [*packages_of(spec), tmp_path / "their_gates.py"]


def test_an_end_that_was_asked_for_is_expected_however_late_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A component that is stopped has a moment, and may be started again before its end is told."""
    target = start(tmp_path, monkeypatch)
    asked: list[str] = []
    for verb in ("kill", "stop", "start"):
        monkeypatch.setattr(
            type(target._inner),
            verb,
            lambda _self, name, verb=verb: asked.append(f"{verb} {name}"),
            raising=False,
        )
    target.apply(Stop("reader"))
    target.apply(Start("reader"))
    target.apply(Kill("writer"))
    assert asked == ["stop reader", "start reader", "kill writer"]
    for component in ("reader", "writer", "reader"):
        target._inner._listener(component, f'{{"event":"exit","day":1.0,"component":"{component}","code":0}}')
    told = [(one.component, one.expected) for one in target.seen(Exit)]
    assert told == [("reader", True), ("writer", True), ("reader", False)]


def test_an_end_is_heard_however_its_line_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = start(tmp_path, monkeypatch)
    line = {"event": "exit", "day": 1.0, "component": "reader", "code": 3}
    for separators in ((",", ":"), (", ", ": ")):
        target._inner._listener("reader", json.dumps(line, separators=separators))
    told = [(one.component, one.code, one.expected) for one in target.seen(Exit)]
    assert told == [("reader", 3, False)] * 2


def test_without_a_way_to_stop_a_component_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = start(tmp_path, monkeypatch)
    with pytest.raises(ArmFailed, match="nobody here is called reader"):
        target.apply(Stop("reader"))

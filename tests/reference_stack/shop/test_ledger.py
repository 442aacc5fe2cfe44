from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from reference_stack.messages import RecommendReply
from reference_stack.ports import Runtime
from reference_stack.shells.virtual_machine import VirtualMachine
from reference_stack.shells.virtual_runtime import VirtualRuntime
from reference_stack.shop.ledger import Ledger
from reference_stack.telemetry import Telemetry


class Book:
    """A ledger from day 2.0 on, and what it says."""

    def __init__(self, runtime: Runtime) -> None:
        self.lines: list[dict[str, Any]] = []
        self.telemetry = Telemetry("shop", runtime, lambda line: self.lines.append(json.loads(line)))
        self.ledger = Ledger(self.telemetry, 2.0)

    def counters(self) -> dict[str, float]:
        return {name: value for name, value in self.telemetry.metrics.samples().items() if value}


@pytest.fixture
def book() -> Iterator[Book]:
    machine = VirtualMachine(1, 1.0)
    yield Book(VirtualRuntime(machine.loop, 1.0, on_error=pytest.fail, costs=machine.costs))
    machine.close()


def answered(book: Book, fallback: str = "", defaulted: bool = False, **how: bool) -> None:
    reply = RecommendReply("r", [1], 7, "b", "serving-a", fallback, defaulted)
    book.ledger.answered(reply, 3, **{"slow": False, "abandoned": False, **how}, value=0.25, best_value=0.5)


def test_each_kind_of_view_is_counted_once_in_each_of_its_places(book: Book) -> None:
    answered(book)
    answered(book, slow=True)
    answered(book, slow=True, abandoned=True)
    answered(book, fallback="popularity")
    answered(book, defaulted=True)
    book.ledger.failed("serving-b", 3)
    book.ledger.collected(10, acknowledged=True)
    book.ledger.collected(5, acknowledged=False)
    assert book.counters() == {
        "views_total": 6.0,
        "views_bad_total": 3.0,
        "views_error_total": 1.0,
        "views_slow_total": 2.0,
        "views_abandoned_total": 1.0,
        "views_fallback_total": 1.0,
        "views_defaulted_total": 1.0,
        "event_rows_sent_total": 10.0,
        "event_rows_lost_total": 5.0,
    }
    book.ledger.report(2.25)
    failed, rest = book.lines[0]["rows"]
    of = {"version": 0, "build": "", "replica": "serving-b", "segment": 3}
    nothing = dict.fromkeys(("abandoned", "slow", "fallback", "defaulted", "served_value", "best_value"), 0)
    assert failed == {**of, **nothing, "n": 1, "errors": 1}
    assert rest == {
        "version": 7,
        "build": "b",
        "replica": "serving-a",
        "segment": 3,
        "n": 5,
        "abandoned": 1,
        "errors": 0,
        "slow": 2,
        "fallback": 1,
        "defaulted": 1,
        "served_value": 1.25,
        "best_value": 2.5,
    }


def test_a_view_is_reported_once_and_the_spans_leave_no_gap(book: Book) -> None:
    answered(book)
    book.ledger.report(2.25)
    book.ledger.report(2.5)
    answered(book)
    book.ledger.report(2.5)
    book.ledger.report(2.5)
    spans = [(line["start_day"], line["end_day"], len(line["rows"])) for line in book.lines]
    assert spans == [(2.0, 2.25, 1), (2.25, 2.5, 0), (2.5, 2.5, 1)]
    assert book.counters()["views_total"] == 2.0

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.domain.event import Alias, Lag
from chaos.drivers.local.logs import LOOK_FOR_FILES_EVERY, LogTail
from chaos.drivers.observed import LogReader, MalformedLog, read_line

LINE = b'{"event":"lag","day":1.5,"component":"shop","lag_days":0.2,"over_days":0.3}\n'


@pytest.fixture
def tail(tmp_path: Path) -> Iterator[LogTail]:
    tail = LogTail(tmp_path)
    yield tail
    tail.close()


def test_only_known_events_are_read_and_every_line_once(tmp_path: Path, tail: LogTail) -> None:
    log = tmp_path / "shop.jsonl"
    log.write_bytes(LINE + b'{"event":"cycle","day":1.0,"step":"build"}\nnot json\n')
    assert list(tail.poll()) == [Lag(1.5, "shop", 0.2, 0.3)]
    assert list(tail.poll()) == []


def test_half_a_line_waits_for_its_other_half(tmp_path: Path, tail: LogTail) -> None:
    log = tmp_path / "shop.jsonl"
    log.write_bytes(LINE[:20])
    assert list(tail.poll()) == []
    with log.open("ab") as file:
        file.write(LINE[20:])
    assert len(list(tail.poll())) == 1


def test_a_file_that_comes_later_is_found(tmp_path: Path, tail: LogTail) -> None:
    assert list(tail.poll()) == []
    (tmp_path / "late.jsonl").write_bytes(LINE)
    seen = [event for _ in range(LOOK_FOR_FILES_EVERY) for event in tail.poll()]
    assert len(seen) == 1


def test_the_rest_is_read_to_the_end(tmp_path: Path, tail: LogTail) -> None:
    assert list(tail.poll()) == []
    (tmp_path / "late.jsonl").write_bytes(LINE)
    assert len(list(tail.rest())) == 1


def test_an_event_without_its_fields_is_an_error_not_silence() -> None:
    with pytest.raises(MalformedLog, match="lag_days"):
        read_line('{"event":"lag","day":1.0,"component":"shop"}')


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_is_not_json_is_an_error_not_silence(number: str) -> None:
    """Python's own json writes it; what the line tells would else never be counted."""
    line = f'{{"event":"lag","day":1.0,"component":"shop","lag_days":{number},"over_days":0.0}}'
    with pytest.raises(MalformedLog, match="event 'lag' is not JSON"):
        read_line(line)


@pytest.mark.parametrize("kind", ["errors", "slow", "abandoned", "fallback", "defaulted"])
@pytest.mark.parametrize(("count", "read"), [(-1, False), (0, True), (10, True), (11, False)])
def test_views_that_cannot_be_are_an_error_and_no_harm_below_none(kind: str, count: int, read: bool) -> None:
    none = dict.fromkeys(("abandoned", "errors", "slow", "fallback", "defaulted"), 0)
    row = {"version": 1, "build": "b", "replica": "r", "segment": 0, "n": 10, **none, kind: count}
    rows = [{**row, "served_value": 1.0, "best_value": 1.0}]
    line = json.dumps(
        {"event": "views", "day": 1.0, "component": "shop", "start_day": 0.9, "end_day": 1.0, "rows": rows}
    )
    if read:
        assert read_line(line) is not None
    else:
        with pytest.raises(MalformedLog, match="more views of a kind than there are, or fewer than none"):
            read_line(line)


@pytest.mark.parametrize(
    "line", ['{"event":"lag","day":1.0,"comp', '{"says": NaN}', "event lag", '["event"]', ""]
)
def test_torn_lines_and_those_for_people_are_passed_over(line: str) -> None:
    assert read_line(line) is None


ERROR = '{"event":"error","day":1.0,"component":"features","kind":"KeyError","says":"price","story":""}'


@pytest.mark.parametrize("line", [ERROR, ERROR.encode()])
def test_the_last_error_of_a_component_is_remembered(line: str | bytes) -> None:
    reader = LogReader()
    assert reader.last_error("features", 1.0) == ""
    reader.read(line)
    for other in (
        '{"event":"errors"}',
        '{"event":"error',
        '{"says":"error"}',
        '{"event":"error","kind":7}',
        b"\xff",
    ):
        reader.read(other)
    assert reader.last_error("features", 1.01) == "KeyError: price"
    assert reader.last_error("shop", 1.01) == ""
    assert reader.last_error("features", 3.0) == "", "it has lived for two days with it"


def test_errors_are_read_from_the_files(tmp_path: Path, tail: LogTail) -> None:
    (tmp_path / "late.jsonl").write_text(ERROR + "\n")
    assert list(tail.rest()) == []
    assert tail.reader.last_error("features", 1.0) == "KeyError: price"


def test_fields_that_are_new_to_the_harness_are_passed_over() -> None:
    line = '{"event":"alias","day":1,"component":"o","alias":"champion","version":2,"previous":1,"by":"x","new":1}'
    assert read_line(line) == Alias(1.0, "o", "champion", 2, 1, "x")

"""What the collector promises: nothing acknowledged is lost, nothing bad is let in, every day is written once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reference_stack.collector.partition import sha256
from reference_stack.layers.contract import Mode
from reference_stack.messages import TallyRequest
from tests.reference_stack.collector.conftest import view_events

Make = Callable[..., Any]


def ids(stand: Any) -> dict[int, list[str]]:
    return {day: columns["event_id"] for day, columns in stand.partitions().items()}


def bad_rows(stand: Any, reason: str) -> float:
    count: float = stand.metric(f'collector_quarantined_rows_total{{reason="{reason}"}}')
    return count


# --- the way of a row ----------------------------------------------------------------------------------


def test_a_view_comes_out_in_the_partition_of_its_day_as_it_went_in(stand: Any) -> None:
    assert stand.send("a", 3.0) == (10, 0)
    stand.machine.advance(4.0051)
    assert stand.partitions() == {}
    stand.machine.advance(4.1)
    (columns,) = stand.partitions().values()
    assert columns["event_id"] == [f"a:{position}" for position in range(1, 11)]
    assert columns["customer"] == [5] * 10
    assert columns["price"][:3] == [0.0, None, 2 / 7]
    assert columns["dwell"] == [None, None, 12.5] + [None] * 7
    assert columns["day"] == [3.0] * 10
    assert columns["recommendation"] == ["r-a"] * 10


def test_a_written_partition_is_said_with_its_fingerprint(stand: Any) -> None:
    stand.send("a")
    stand.machine.advance(5.1)
    first, second = stand.said("partition", state="written")
    assert (first["partition_day"], first["rows"]) == (3, 10)
    assert first["sha256"] == sha256(stand.outbox.read("day=3.parquet"))
    assert (second["partition_day"], second["rows"]) == (4, 0)


def test_days_before_zero_have_their_sign(make_stand: Make) -> None:
    stand = make_stand(start_day=-18.0)
    stand.send("a")
    stand.machine.advance(-16.9)
    assert stand.outbox.list() == ["day=-18.parquet"]


def test_the_same_events_give_the_same_bytes(make_stand: Make) -> None:
    files = []
    for _ in range(2):
        stand = make_stand()
        for view in ("a", "b"):
            stand.send(view, 3.0)
        stand.machine.advance(4.1)
        files.append(stand.outbox.read("day=3.parquet"))
    assert files[0] == files[1]


def test_acknowledged_counts_what_was_accepted_and_knows_nothing_of_other_days(stand: Any) -> None:
    assert stand.acknowledged(3) == 0
    stand.send("a")
    stand.send("a")
    stand.send("b", rows=4)
    assert stand.acknowledged(3) == 14
    assert stand.acknowledged(2) is None
    assert stand.acknowledged(4) is None
    stand.machine.advance(9.1)
    assert stand.acknowledged(3) == 14
    assert stand.acknowledged(7) == 0


# --- midnight ------------------------------------------------------------------------------------------


def test_yesterdays_events_count_with_yesterday_until_it_is_closed(stand: Any) -> None:
    stand.machine.advance(4.0049)
    stand.send("early", 3.999)
    stand.machine.advance(4.005)
    stand.send("late", 3.999)
    stand.machine.advance(5.1)
    assert {day: found[:1] for day, found in ids(stand).items()} == {3: ["early:1"], 4: ["late:1"]}
    assert stand.metric("collector_late_rows_total") == 10
    assert (stand.acknowledged(3), stand.acknowledged(4)) == (10, 10)


def test_what_comes_after_a_clock_was_ahead_is_in_no_partition_that_is_closed(stand: Any) -> None:
    stand.send("before", 3.0)
    stand.machine.advance(3.5)
    stand.set_clock(1.6)
    stand.machine.advance(4.1)  # days 3 and 4 are over for it
    stand.set_clock(0.0)
    stand.send("after", 4.1)
    stand.machine.advance(4.7)
    stand.send("next day", 4.7)
    stand.machine.advance(6.1)
    found = {day: [one for one in each if one.endswith(":1")] for day, each in ids(stand).items()}
    assert found == {3: ["before:1"], 4: [], 5: ["after:1", "next day:1"]}
    assert stand.metric("collector_late_rows_total") == 20
    assert stand.acknowledged(5) == 20


def test_an_event_sent_again_after_midnight_is_still_known(stand: Any) -> None:
    stand.send("a", 3.0)
    stand.machine.advance(4.5)
    assert stand.send("a", 4.0) == (0, 10)
    stand.kill()
    stand.start()
    assert stand.send("a", 4.0) == (0, 10)


def test_a_restart_writes_no_closed_day_again_and_knows_what_was_in_it(stand: Any) -> None:
    stand.send("a", 3.0)
    stand.machine.advance(4.1)
    before = stand.outbox.read("day=3.parquet")
    for _ in range(2):
        stand.kill()
        stand.start()
    assert (stand.acknowledged(3), stand.acknowledged(4), stand.acknowledged(2)) == (10, 0, None)
    assert stand.send("b", 3.9) == (10, 0)
    stand.machine.advance(5.1)
    assert stand.outbox.read("day=3.parquet") == before
    assert {day: found[:1] for day, found in ids(stand).items()} == {3: ["a:1"], 4: ["b:1"]}
    assert (stand.acknowledged(3), stand.acknowledged(4)) == (10, 10)
    assert [line["partition_day"] for line in stand.said("partition", state="written")] == [3, 4]


def test_a_view_that_comes_while_its_day_is_being_written_is_in_the_next_partition(
    stand: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.send("a", 3.0)
    collector = stand.machine.process("collector").server.component
    write = stand.outbox.write

    def taking_one_in(name: str, data: bytes) -> None:
        write(name, data)
        if name == "day=3.parquet":
            with pytest.raises(StopIteration):
                collector.collect(view_events("b", 3.99)).send(None)

    monkeypatch.setattr(stand.outbox, "write", taking_one_in)
    stand.machine.advance(5.1)
    assert {day: found[::10] for day, found in ids(stand).items()} == {3: ["a:1"], 4: ["b:1"]}
    assert (stand.acknowledged(3), stand.acknowledged(4)) == (10, 10)


@pytest.mark.parametrize(("trouble", "rows"), [("before fails", 10), ("torn fails", 10), ("after fails", 20)])
def test_a_view_that_failed_just_before_its_day_was_closed_is_counted_where_it_is_stored(
    stand: Any, trouble: str, rows: int
) -> None:
    stand.send("a", 3.0)
    stand.machine.advance(3.5)
    stand.trouble, stand.trouble_in = trouble, 0
    assert stand.send("b", 3.5) is None
    stand.machine.advance(4.1)
    assert len(stand.partitions()[3]["event_id"]) == stand.acknowledged(3) == rows
    assert stand.metric("collector_storage_errors_total") == 1
    assert stand.metric("collector_closed_day") == 3


def test_clicks_are_tallied_by_version_and_replica_since_the_process_began(stand: Any) -> None:
    def tally(version: int) -> dict[str, float]:
        counts: dict[str, float] = stand.ask("tally", TallyRequest(version=version))[1]["counts"]
        began.append(counts.pop("began"))
        return counts

    began: list[float] = []

    stand.send("a", recommendation="serving-a.1", version=7)
    stand.send("b", recommendation="serving-a.2", version=7)
    stand.send("c", recommendation="serving-b.1", version=7)
    stand.send("d", recommendation="serving-b.2", version=7, clicked=[0] * 10, dwell_s=[None] * 10)
    stand.send("e", recommendation="serving-b.3", version=8)
    assert tally(7) == {"clicked.serving-a": 2, "clicked.serving-b": 1}
    assert tally(8) == {"clicked.serving-b": 1}
    assert tally(9) == {}
    assert stand.metric("collector_accepted_rows_total") == 50
    assert stand.metric("collector_clicks_total") == 4
    for version in range(10, 18):
        stand.send(f"v{version}", recommendation="serving-a.9", version=version)
    assert (tally(7), tally(17)) == ({}, {"clicked.serving-a": 1}), "of the newest few only"
    stand.kill()
    stand.machine.advance(3.1)
    stand.start()
    assert tally(17) == {}
    assert len(set(began)) == 2, "each life has its own"


def test_what_no_longer_serves_is_removed(stand: Any) -> None:
    for _ in range(4):
        stand.send(f"v{stand.machine.day()}")
        stand.machine.advance(stand.machine.day() + 1)
    stand.machine.advance(7.5)
    assert stand.folder.list("log/") == ["log/day=6.jsonl"]


# --- bad input -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "outcome", "reasons"),
    [
        ({"customer": None}, (0, 10), {"customer: null": 10}),
        ({"customer": "five"}, (0, 10), {"customer: type": 10}),
        ({"products": ["x"] * 9 + [None]}, (0, 10), {"product: type": 9, "product: null": 1}),
        ({"clicked": [7] + [0] * 9, "dwell_s": [None] * 10}, (9, 1), {"clicked: domain": 1}),
        ({"prices": [1e6] + [0.0] * 9}, (9, 1), {"price: domain": 1}),
        ({"day": 17.0}, (0, 10), {"day: domain": 10}),
        ({"positions": [1, 1, *range(3, 11)]}, (9, 1), {"event_id: duplicate": 1}),
        ({"sources": [1]}, (0, 10), {"source: length": 10}),
        ({"rows": 3000}, (0, 3000), {"view: too many rows": 3000}),
        ({"view": "x" * 5000}, (0, 10), {"view: domain": 10}),
    ],
)
def test_bad_rows_go_to_quarantine_with_a_counted_reason(
    stand: Any, changes: dict[str, Any], outcome: tuple[int, int], reasons: dict[str, int]
) -> None:
    changes = dict(changes)
    assert stand.send(changes.pop("view", "a"), changes.pop("day", None), **changes) == outcome
    for reason, count in reasons.items():
        assert bad_rows(stand, reason) == count
    (line,) = stand.quarantine()
    assert line["rows"] == outcome[1]
    assert set(line["reasons"].values()) == set(reasons)
    assert len(line["events"]["products"]) == min(outcome[1], 100)
    assert len(json.dumps(line)) < 20_000
    stand.machine.advance(4.1)
    assert len(ids(stand)[3]) == outcome[0]


def test_a_view_sent_twice_is_kept_once(stand: Any) -> None:
    assert stand.send("a") == (10, 0)
    assert stand.send("a") == (0, 10)
    assert bad_rows(stand, "event_id: duplicate") == 10
    stand.machine.advance(4.1)
    assert len(ids(stand)[3]) == 10


def test_a_quarantined_row_may_come_again_repaired(stand: Any) -> None:
    assert stand.send("a", prices=["x"] * 10) == (0, 10)
    assert stand.send("a") == (10, 0)


def test_a_message_that_cannot_be_decoded_is_refused_and_an_unknown_field_ignored(stand: Any) -> None:
    assert stand.ask("collect", b'{"view":"a"}')[0] == 400
    assert stand.ask("collect", b"not json")[0] == 400
    body = json.loads(msgspec.json.encode(stand_events(stand, "a")))
    assert stand.ask("collect", json.dumps({**body, "products": [{}] * 10}).encode())[0] == 400
    status, reply = stand.ask("collect", json.dumps({**body, "mood": "fine"}).encode())
    assert (status, reply["accepted"]) == (200, 10)


def stand_events(stand: Any, view: str) -> msgspec.Struct:
    sent: list[Any] = []
    real, stand.ask = stand.ask, lambda _operation, events: sent.append(events) or (500, None)
    stand.send(view)
    stand.ask = real
    events: msgspec.Struct = sent[0]
    return events


def test_signals_come_once_for_a_spell_of_bad_rows(stand: Any) -> None:
    for view in range(20):
        stand.send(f"v{view}", customer=None if view % 2 else 5)
    assert [line["signal"] for line in stand.said("signal")] == ["reached", "fired", "acted"]
    assert stand.metric('layer_fired{layer="schema"}') == 1
    stand.machine.advance(3.1)
    stand.send("fine")
    assert [line["signal"] for line in stand.said("signal")][-1] == "cleared"
    assert stand.metric('layer_fired{layer="schema"}') == 0


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.OBSERVE])
def test_without_the_layer_everything_is_taken_as_it_came(make_stand: Make, mode: Mode) -> None:
    stand = make_stand(mode=mode)
    assert stand.send("a", customer="five", products=[None] * 10) == (10, 0)
    assert stand.send("a") == (10, 0)
    assert stand.send("b", "whenever", prices=[10**30] * 10, sources=[1]) == (10, 0)
    stand.kill()
    stand.start()
    stand.machine.advance(4.1)
    (columns,) = stand.partitions().values()
    assert columns["customer"] == [None] * 10 + [5] * 20
    assert columns["product"][:10] == [None] * 10
    assert columns["source"][20:] == [1] + [None] * 9
    assert columns["day"][20:] == [None] * 10
    assert stand.acknowledged(3) == 30
    expected = ["reached", "fired", "would_have_acted"] if mode is Mode.OBSERVE else []
    assert [line["signal"] for line in stand.said("signal")][:3] == expected


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.just(10**400),
    st.integers(0, 9),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.fixed_dictionaries(
        {
            name: st.lists(SCALARS, min_size=0, max_size=4)
            for name in (
                "products",
                "positions",
                "clicked",
                "dwell_s",
                "prices",
                "categories",
                "sources",
                "ages_days",
            )
        }
    ),
    fields=st.fixed_dictionaries(dict.fromkeys(("customer", "segment", "shard", "version"), SCALARS)),
    day=SCALARS,
    armed=st.booleans(),
)
def test_no_message_breaks_it_and_every_row_is_accounted_for(
    make_stand: Make, values: dict[str, Any], fields: dict[str, Any], day: Any, armed: bool
) -> None:
    stand = make_stand(mode=Mode.ENFORCE if armed else Mode.OFF)
    rows = max(map(len, values.values()))
    day = 3.0 if day is None else day
    outcome = stand.send("a", day, **values, **fields)
    if outcome is None:
        return  # the decoder has refused what no JSON number can be
    assert sum(outcome) == rows
    stand.kill()
    stand.start()
    stand.machine.advance(4.1)
    assert len(ids(stand)[3]) == stand.acknowledged(3) == outcome[0]


# --- death, at any moment ------------------------------------------------------------------------------


def test_a_restart_in_the_middle_of_the_day_loses_nothing(stand: Any) -> None:
    stand.send("a", 3.0)
    stand.machine.advance(3.5)
    stand.kill()
    stand.machine.advance(3.6)
    stand.start()
    assert stand.acknowledged(3) == 10
    assert stand.send("a", 3.5) == (0, 10)
    stand.send("b", 3.5)
    stand.machine.advance(4.1)
    assert Counter(ids(stand)[3]).most_common(1)[0][1] == 1
    assert len(ids(stand)[3]) == 20


def test_days_that_ended_while_it_was_down_are_written_when_it_is_back(stand: Any) -> None:
    stand.send("a", 3.0)
    stand.machine.advance(3.5)
    stand.kill()
    stand.machine.advance(6.5)
    stand.start()
    stand.send("b", 6.4)
    stand.machine.advance(7.1)
    assert {day: len(found) for day, found in ids(stand).items()} == {3: 10, 4: 0, 5: 0, 6: 10}
    assert [stand.acknowledged(day) for day in (3, 4, 5, 6)] == [10, 0, 0, 10]


@pytest.mark.parametrize("how", ["before", "torn", "after"])
def test_killed_while_it_writes_a_row_it_keeps_the_log_sound(stand: Any, how: str) -> None:
    stand.send("a", 3.0)
    stand.trouble_in, stand.trouble = 0, f"{how} dies"
    assert stand.send("b", 3.0) is None
    stand.start()
    assert stand.metric("collector_log_repaired_total") == (how == "torn")
    assert stand.send("b", 3.0) == ((0, 10) if how == "after" else (10, 0))
    stand.send("c", 3.0)
    stand.machine.advance(4.1)
    assert Counter(ids(stand)[3]) == Counter(f"{view}:{slot}" for view in "abc" for slot in range(1, 11))


@pytest.mark.parametrize("how", ["before", "torn", "after"])
def test_a_full_disk_is_no_acknowledgement_and_no_damage(stand: Any, how: str) -> None:
    stand.send("a", 3.0)
    stand.trouble_in, stand.trouble = 0, f"{how} fails"
    assert stand.send("b", 3.0) is None
    assert stand.alive
    stand.send("b", 3.0)
    stand.send("c", 3.0)
    assert stand.acknowledged(3) == 30
    stand.machine.advance(4.1)
    assert Counter(ids(stand)[3]) == Counter(f"{view}:{slot}" for view in "abc" for slot in range(1, 11))
    assert stand.metric("collector_storage_errors_total") == 1


@pytest.mark.parametrize("how", ["before fails", "after fails", "before dies", "after dies"])
@pytest.mark.parametrize("operation", [0, 1, 2])
def test_a_day_is_closed_whatever_happens_in_the_middle_of_it(stand: Any, how: str, operation: int) -> None:
    stand.send("a", 3.0)
    stand.machine.advance(4.0)
    stand.send("b", 4.0)
    stand.trouble_in, stand.trouble = operation, how
    stand.machine.advance(4.5)
    if not stand.alive:
        stand.start()
    stand.trouble_in = None
    stand.machine.advance(5.1)
    assert {day: len(found) for day, found in ids(stand).items()} == {3: 10, 4: 10}
    assert stand.alive
    assert stand.said("partition", state="written", partition_day=3)
    assert all(len(versions) == 1 for versions in stand.written.values())


STEPS = st.one_of(
    st.tuples(st.just("send"), st.integers(0, 30), st.floats(-1.2, 0.2)),
    st.tuples(st.just("pass"), st.sampled_from([0.001, 0.005, 0.012, 0.3, 1.0, 2.5])),
    st.tuples(st.just("kill")),
    st.tuples(
        st.just("trouble"),
        st.integers(0, 6),
        st.sampled_from(
            ["before dies", "torn dies", "after dies", "before fails", "torn fails", "after fails"]
        ),
    ),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=3, max_size=40))
def test_no_acknowledged_row_is_ever_lost_or_doubled(make_stand: Make, steps: list[tuple[Any, ...]]) -> None:
    stand = make_stand()
    promised: set[str] = set()

    def revive() -> None:
        while not stand.alive:
            stand.start()

    for step in steps:
        if step[0] == "send":
            revive()
            view = f"v{step[1]}"
            if stand.send(view, stand.machine.day() + step[2], rows=3) == (3, 0):
                promised |= {f"{view}:{slot}" for slot in (1, 2, 3)}
        elif step[0] == "pass":
            stand.machine.advance(stand.machine.day() + step[1])
        elif step[0] == "kill" and stand.alive:
            stand.kill()
        elif step[0] == "trouble":
            stand.trouble_in, stand.trouble = step[1], step[2]
    revive()
    stand.machine.advance(stand.machine.day() + 0.5)
    revive()
    stand.trouble_in = None
    stand.machine.advance(stand.machine.day() + 2.5)
    found = ids(stand)
    assert promised <= {event for events in found.values() for event in events}
    for day, events in found.items():
        assert len(events) == len(set(events)) == stand.acknowledged(day)
    assert sorted(found) == list(range(min(found), max(found) + 1))
    assert all(len(versions) == 1 for versions in stand.written.values())

"""The features job in virtual time: what comes, what does not, what is red, and what serving is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reference_stack.collector.partition import COLUMNS, Partition, decode, encode, sha256
from reference_stack.features.component import Features
from reference_stack.features.figures import figures, reference, statistics, trailing
from reference_stack.features.manifest import read_manifest
from reference_stack.features.snapshot import Snapshot, customer_row
from reference_stack.layers.contract import Mode
from reference_stack.patience import PAUSE_SECONDS, TRIES
from tests.reference_stack.features.conftest import day_columns

Make = Callable[..., Any]
ROWS = 600


def states(stand: Any, state: str) -> list[int]:
    return [line["partition_day"] for line in stand.said("partition", state=state)]


def changed(data: bytes, change: Callable[[pa.Table], pa.Table]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(change(decode(data).table), sink)
    return bytes(sink.getvalue())


# --- deliver -------------------------------------------------------------------------------------------


def test_takes_in_what_has_arrived_once_and_in_order(stand: Any) -> None:
    for day in (2, 0, 1):
        stand.deliver(day)
    stand.machine.advance(3.02)
    reply = stand.job("deliver", 3)
    assert reply["present"]
    assert [(check["partition_day"], check["rows"]) for check in reply["window"]] == [
        (0, ROWS),
        (1, ROWS),
        (2, ROWS),
    ]
    assert reply["window"][1]["sha256"] == sha256(stand.inbox.read("day=1.parquet"))
    assert stand.store.read("partitions/day=1.parquet") == stand.inbox.read("day=1.parquet")
    assert stand.job("deliver", 3) == reply
    assert states(stand, "delivered") == [0, 1, 2]


def test_what_was_before_the_stack_is_not_missing(stand: Any) -> None:
    stand.machine.advance(0.02)
    assert stand.job("deliver", 0) == {"present": False, "window": []}
    assert stand.job("check", 0) == {"red": {}}
    assert stand.ask("build", day=0)[0] == 400
    stand.live(0, 1)
    stand.machine.advance(2.5)
    assert states(stand, "absent") == []
    assert stand.signals("volume") == []


def test_a_late_partition_is_absent_then_missing_and_red_then_delivered_in_order(stand: Any) -> None:
    stand.live(0, 6)
    held = {day: stand.written(day) for day in (7, 8)}
    stand.machine.advance(8.02)
    assert not stand.job("deliver", 8)["present"]
    assert stand.job("check", 8) == {"red": {}}
    stand.machine.advance(8.2)
    assert states(stand, "absent") == [7]
    assert stand.job("check", 8) == {"red": {}}, "late, and within what its link promises"
    stand.machine.advance(8.26)
    reply = stand.job("deliver", 8)
    assert not reply["present"]
    assert reply["window"][-1].items() >= {"partition_day": 7, "rows": 0, "sha256": ""}.items()
    assert list(stand.job("check", 8)["red"]) == ["volume"]
    stand.machine.advance(9.5)
    assert states(stand, "absent") == [7, 8]
    assert set(stand.job("check", 9)["red"]) == {"volume", "freshness"}
    assert stand.metric("features_partitions_overdue") == 2
    assert stand.metric("features_watermark_day") == 6
    for day in (8, 7):
        stand.deliver(day, held[day])
    assert stand.job("deliver", 9)["present"]
    assert states(stand, "delivered")[-2:] == [7, 8]
    assert stand.job("check", 9) == {"red": {}}
    assert stand.metric("features_watermark_day") == 6, "gauges are as old as the last look"
    stand.machine.advance(9.6)
    assert stand.metric("features_watermark_day") == 8
    assert stand.metric("features_partitions_overdue") == 0
    assert states(stand, "absent") == [7, 8]


def test_signals_come_when_a_partition_is_missing_and_go_when_the_data_comes(stand: Any) -> None:
    stand.live(0, 6)
    held = stand.written(7)
    stand.machine.advance(9.3)
    assert stand.signals("volume", "day=7") == [
        ("fired", pytest.approx(8.25, abs=1e-3)),
        ("acted", pytest.approx(8.25, abs=1e-3)),
    ]
    warned, red = (day for _, day in stand.signals("freshness", "day=7"))
    assert 8.65 <= warned < 8.65 + 1 / 24 + 0.001
    assert 9.15 <= red < 9.15 + 1 / 24 + 0.001
    stand.deliver(7, held)
    stand.machine.advance(9.35)
    for layer in ("volume", "freshness"):
        signal, day = stand.signals(layer, "day=7")[-1]
        assert signal == "cleared"
        assert 9.3 < day < 9.35
    # the partition of day 8 has not come either
    assert [signal for signal, _ in stand.signals("volume", "day=8")] == ["fired", "acted"]


def test_a_day_that_never_comes_is_red_until_it_leaves_the_window(stand: Any) -> None:
    stand.live(0, 2)
    stand.written(3)
    stand.live(4, 8)
    assert "volume" in stand.job("check", 9)["red"]
    stand.live(9, 9)
    assert "volume" in stand.job("check", 10)["red"]
    stand.live(10, 10)
    assert stand.job("check", 11) == {"red": {}}
    assert stand.signals("volume", "day=3")[-1][0] == "cleared"
    assert stand.metric('layer_fired{layer="volume"}') == 0


def test_an_earlier_gap_keeps_the_gate_red_though_todays_partition_is_there(stand: Any) -> None:
    stand.live(0, 2)
    stand.written(3)
    stand.live(4, 4)
    assert stand.job("deliver", 5)["present"]
    assert "0 rows" in stand.job("check", 5)["red"]["volume"]


@pytest.mark.parametrize("keep", [slice(0, 540), slice(0, 0)])
def test_lost_rows_are_red_and_a_whole_second_delivery_heals(stand: Any, keep: slice) -> None:
    stand.live(0, 2)
    whole = stand.written(3)
    stand.machine.advance(4.02)
    stand.deliver(3, changed(whole, lambda table: table.slice(keep.start, keep.stop)))
    stand.job("deliver", 4)
    assert stand.job("check", 4)["red"]["volume"] == f"{keep.stop} rows delivered, 600 acknowledged"
    stand.deliver(3, whole)
    assert stand.job("deliver", 4)["window"][-1]["rows"] == ROWS
    assert stand.job("check", 4) == {"red": {}}


def test_rows_delivered_twice_within_a_partition_are_red(stand: Any) -> None:
    stand.live(0, 2)
    stand.deliver(3, changed(stand.written(3), lambda table: pa.concat_tables([table, table])))
    stand.machine.advance(4.05)
    stand.job("deliver", 4)
    assert stand.job("check", 4)["red"]["volume"] == "1200 rows delivered, 600 acknowledged"


def test_a_settled_partition_is_immutable(stand: Any) -> None:
    stand.live(0, 2)
    before = stand.job("deliver", 3)
    stand.job("check", 3)
    stand.deliver(2, changed(stand.written(2), lambda table: table.slice(0, 10)))
    assert stand.job("deliver", 3) == before


def test_a_fall_that_the_collector_saw_too_is_a_warning_and_leaves_the_reference(stand: Any) -> None:
    stand.live(0, 7)
    assert stand.job("check", 8) == {"red": {}}
    stand.live(8, 8, views=20)
    stand.job("deliver", 9)
    assert stand.job("check", 9) == {"red": {}}
    assert [signal for signal, _ in stand.signals("volume", "day=8")] == ["fired"]
    says = stand.said("signal", layer="volume", signal="fired")[-1]["says"]
    assert "rows_ratio 0.333" in says
    stand.live(9, 9)
    stand.job("deliver", 10)
    assert stand.job("check", 10) == {"red": {}}
    assert [signal for signal, _ in stand.signals("volume", "day=8")] == ["fired", "cleared"]
    assert stand.signals("volume", "day=9") == []


# --- bad partitions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda data: data[:-100], "not readable"),
        (lambda data: b"", "not readable"),
        (lambda data: b"PAR1 but not really", "not readable"),
        (
            lambda data: changed(
                data, lambda t: t.rename_columns(["user" if n == "customer" else n for n in COLUMNS])
            ),
            "lacks customer",
        ),
        (
            lambda data: changed(
                data,
                lambda t: t.set_column(
                    t.column_names.index("price"), "price", t.column("price").cast(pa.string())
                ),
            ),
            "price is string",
        ),
    ],
)
def test_a_partition_that_cannot_be_read_is_quarantined_and_absent(
    stand: Any, damage: Callable[[bytes], bytes], says: str
) -> None:
    stand.live(0, 2)
    stand.deliver(3, damage(stand.written(3)))
    stand.machine.advance(4.3)
    assert not stand.job("deliver", 4)["present"]
    assert not stand.job("deliver", 4)["present"]
    (line,) = stand.said("partition_quarantined")
    assert line["partition_day"] == 3
    assert says in line["says"]
    assert stand.metric("features_quarantined_partitions_total") == 1
    assert len(stand.store.list("quarantine/day=3-")) == 1
    assert states(stand, "absent") == [3]
    assert list(stand.job("check", 4)["red"]) == ["volume"]
    stand.kill()
    stand.start()
    assert not stand.job("deliver", 4)["present"]
    assert len(stand.said("partition_quarantined")) == 1
    stand.deliver(3)
    assert stand.job("deliver", 4)["present"]
    assert stand.job("check", 4) == {"red": {}}


def test_a_column_with_another_name_is_red_for_schema_at_once_and_after_a_restart(
    make_stand: Make,
) -> None:
    stand = make_stand(schema=Mode.ENFORCE)
    stand.live(0, 2)
    stand.deliver(3, changed(stand.written(3), lambda t: t.rename_columns(["user", *t.column_names[1:]])))
    stand.machine.advance(4.03)
    stand.job("deliver", 4)
    assert "lacks event_id" in stand.job("check", 4)["red"]["schema"]
    stand.kill()
    stand.start()
    assert "lacks event_id" in stand.job("check", 4)["red"]["schema"]
    stand.deliver(3)
    stand.job("deliver", 4)
    assert stand.job("check", 4) == {"red": {}}
    assert [signal for signal, _ in stand.signals("schema")][-1] == "cleared"


def history(stand: Any, partitions: int) -> None:
    data = encode(day_columns(stand.world, 0, views=1))
    for day in range(-400, partitions - 400):
        stand.deliver(day, data)


def test_without_a_layer_the_cycle_waits_until_all_is_worked_off(make_stand: Make) -> None:
    stand = make_stand(backlog=Mode.OFF)
    stand.live(0, 2)
    stand.machine.advance(4.01)
    history(stand, 100)
    stand.deliver(3)
    stand.machine.advance(4.05)
    assert stand.metric("features_waiting_partitions") > 50
    assert stand.job("deliver", 4)["present"]
    assert stand.machine.day() > 4.5
    assert states(stand, "delivered")[-1] == 3


def test_a_backlog_has_the_newest_first_and_the_rest_within_its_budget(stand: Any) -> None:
    stand.live(0, 2)
    stand.machine.advance(4.01)
    history(stand, 100)
    stand.deliver(3)
    stand.machine.advance(4.02)
    assert stand.job("deliver", 4)["present"]
    assert stand.machine.day() < 4.06
    assert states(stand, "delivered")[3] == 3
    assert [signal for signal, _ in stand.signals("backlog")] == ["fired", "acted"]
    stand.machine.advance(5.6)
    assert stand.metric("features_waiting_partitions") == 0
    assert len(states(stand, "delivered")) == 104
    assert [signal for signal, _ in stand.signals("backlog")] == ["fired", "acted", "cleared"]


def test_each_new_partition_is_worked_on_for_its_time_and_one_that_is_known_is_not(stand: Any) -> None:
    stand.configure("take_ms", 20.0)
    stand.machine.advance(4.01)
    for day in (0, 1):
        stand.deliver(day)
    stand.deliver(2, b"no partition")
    took = []
    for _ in range(2):
        before = stand.machine.day()
        stand.job("deliver", 3)
        took.append(stand.machine.day() - before)
    assert took[0] == pytest.approx(3 * 0.025, abs=0.005), "5 ms of processor time each besides"
    assert took[1] < 0.02
    assert stand.metric("features_partitions_total") == 2
    assert stand.metric("features_waiting_partitions") == 0


def test_a_week_that_comes_at_once_is_no_backlog_and_is_taken_in_order(stand: Any) -> None:
    stand.live(0, 2)
    for day in range(3, 10):
        stand.written(day)
    stand.machine.advance(10.01)
    for day in range(3, 10):
        stand.deliver(day)
    stand.job("deliver", 10)
    assert states(stand, "delivered") == list(range(10))
    assert stand.signals("backlog") == []


def test_features_are_recomputed_from_the_stored_snapshot(stand: Any) -> None:
    stand.live(0, 2)
    stand.job("deliver", 3)
    snapshot = stand.job("build", 3)["snapshot"]
    served = stand.ask("lookup", customer=7)[1]
    status, stored = stand.ask("recompute", snapshot=snapshot, customers=[7, 999])
    assert status == 200
    assert stored["rows"][0] == served
    assert stored["rows"][1]["defaulted"]
    assert stand.ask("recompute", snapshot="day=9-none", customers=[7])[0] == 404


def test_unknown_columns_are_counted_and_left_out(stand: Any) -> None:
    stand.live(0, 2)
    wider = changed(stand.written(3), lambda table: table.append_column("mood", pa.nulls(ROWS)))
    stand.deliver(3, wider)
    stand.machine.advance(4.1)
    assert stand.job("deliver", 4)["present"]
    assert stand.metric("features_unknown_columns_total") == 1
    assert stand.job("check", 4) == {"red": {}}


def test_a_flood_of_nulls_is_delivered_and_warned_about(stand: Any) -> None:
    stand.live(0, 2)
    flood = changed(
        stand.written(3),
        lambda table: table.set_column(
            table.column_names.index("segment"),
            "segment",
            pa.array([None if row % 2 else 1 for row in range(ROWS)], type=pa.int64()),
        ),
    )
    stand.deliver(3, flood)
    stand.machine.advance(4.1)
    assert stand.job("deliver", 4)["present"]
    assert stand.job("check", 4) == {"red": {}}
    assert "null_share" in stand.said("signal", layer="volume", signal="fired")[-1]["says"]
    assert stand.job("build", 4)["watermark_day"] == 3


def test_files_of_other_names_and_a_locked_one_do_not_stand_in_the_way(stand: Any) -> None:
    stand.inbox.write("day=x.parquet", b"?")
    stand.inbox.write("readme.txt", b"?")
    for day in (0, 1):
        stand.deliver(day)
    stand.inbox.locked = "day=0.parquet"
    stand.machine.advance(2.02)
    reply = stand.job("deliver", 2)
    assert [check["rows"] for check in reply["window"]] == [0, ROWS]
    stand.inbox.locked = ""
    assert [check["rows"] for check in stand.job("deliver", 2)["window"]] == [ROWS, ROWS]


# --- the collector's word ------------------------------------------------------------------------------


def test_a_silent_collector_is_a_warning_and_red_only_with_an_absent_partition(stand: Any) -> None:
    stand.live(0, 2)
    stand.kill("collector")
    stand.deliver(3)
    stand.machine.advance(4.1)
    assert stand.job("check", 4) == {"red": {}}
    assert [signal for signal, _ in stand.signals("volume", "day=3")] == ["fired"]
    stand.machine.advance(5.3)
    assert "cannot say" in stand.job("check", 5)["red"]["volume"]
    stand.start_collector()
    stand.deliver(4)
    stand.machine.advance(5.35)
    assert stand.job("check", 5) == {"red": {}}
    assert stand.signals("volume", "day=4")[-1][0] == "cleared"


class Preparing(Features):
    """One that starts as processes do together, and goes no further."""

    async def run(self) -> None:
        self.ready = False
        await self.prepare()
        self.ready = True


def test_it_prepares_with_patience_for_a_collector_that_comes_up(stand: Any) -> None:
    stand.live(0, 2)
    stand.kill("collector")
    stand.kill("features")
    stand.deliver(3)
    stand.machine.advance(4.02)
    stand.start(Preparing)
    stand.machine.advance(5.0)
    assert states(stand, "delivered") == [0, 1, 2, 3]
    assert not stand.ask("health")[1]["ready"]
    stand.start_collector()
    stand.machine.advance(5.1)
    assert stand.ask("health")[1]["ready"]
    assert [signal for signal in stand.signals("volume") if signal[0] == "fired"] == []
    assert stand.metric("features_collector_silent_total") == 0


def test_a_collector_that_never_comes_up_keeps_it_from_its_work_for_a_time_only(stand: Any) -> None:
    stand.live(0, 2)
    stand.kill("collector")
    stand.kill("features")
    stand.start(Preparing)
    given_up_day = 3.0 + TRIES * PAUSE_SECONDS
    stand.machine.advance(given_up_day - 0.5)
    assert not stand.ask("health")[1]["ready"]
    stand.machine.advance(given_up_day + 5.0)
    assert stand.ask("health")[1]["ready"]
    assert "fired" in {signal for signal, _ in stand.signals("volume")}, "it judges as it always does"


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.OBSERVE])
def test_without_gates_nothing_is_red_and_it_builds_on_what_is_there(make_stand: Make, mode: Mode) -> None:
    stand = make_stand(volume=mode, freshness=mode)
    stand.live(0, 2)
    stand.written(3)
    stand.machine.advance(5.3)
    assert stand.job("check", 5) == {"red": {}}
    assert states(stand, "absent") == [3, 4]
    expected = ["fired", "would_have_acted"] if mode is Mode.OBSERVE else []
    assert [signal for signal, _ in stand.signals("volume", "day=3")] == expected
    reply = stand.job("build", 5)
    assert [check["partition_day"] for check in reply["window"]] == [0, 1, 2]


# --- snapshots -----------------------------------------------------------------------------------------


def test_a_snapshot_has_bytes_a_manifest_and_its_lineage(stand: Any) -> None:
    stand.live(0, 7)
    stand.machine.advance(8.1)
    delivered = stand.job("deliver", 8)
    reply = stand.job("build", 8)
    assert reply["window"] == delivered["window"]
    assert [check["partition_day"] for check in reply["window"]] == list(range(1, 8))
    assert reply["watermark_day"] == 7
    data = stand.store.read(f"snapshots/{reply['snapshot']}/features.bin")
    manifest = read_manifest(stand.store.read(f"snapshots/{reply['snapshot']}/manifest.json"))
    assert manifest.sha256 == sha256(data)
    assert manifest.rows == 7 * ROWS
    assert manifest.due == list(range(1, 8))
    assert (manifest.day, manifest.customers) == (8, 20)
    (line,) = stand.said("snapshot")
    assert (line["snapshot"], line["watermark_day"], line["due"]) == (manifest.snapshot, 7, manifest.due)
    assert line["partitions"] == reply["window"]
    assert Snapshot.from_bytes(data).day == 8


def test_a_hole_shows_in_watermark_and_lineage(stand: Any) -> None:
    stand.live(0, 4)
    stand.written(5)
    stand.live(6, 7)
    stand.machine.advance(8.2)
    reply = stand.job("build", 8)
    assert reply["watermark_day"] == 4
    assert [check["partition_day"] for check in reply["window"]] == [1, 2, 3, 4, 6, 7]
    assert stand.said("snapshot")[0]["due"] == list(range(1, 8))


def test_a_day_has_one_snapshot_however_often_it_is_asked_for(stand: Any) -> None:
    stand.live(0, 2)
    stand.machine.advance(3.1)
    first = stand.job("build", 3)
    stand.kill()
    stand.start()
    assert stand.job("build", 3) == first
    assert len(stand.said("snapshot")) == 1
    assert len(stand.store.list("snapshots/")) == 2


def test_the_same_partitions_give_the_same_snapshot(make_stand: Make) -> None:
    built = []
    for _ in range(2):
        stand = make_stand()
        stand.live(0, 2)
        stand.machine.advance(3.1)
        built.append(stand.job("build", 3)["snapshot"])
    assert built[0] == built[1]


# --- online --------------------------------------------------------------------------------------------


def test_lookup_gives_the_customers_row_of_the_newest_snapshot(stand: Any) -> None:
    assert stand.ask("lookup", customer=3)[0] == 404
    stand.live(0, 2)
    stand.machine.advance(3.1)
    first = stand.job("build", 3)["snapshot"]
    snapshot = Snapshot.from_bytes(stand.store.read(f"snapshots/{first}/features.bin"))
    for customer in snapshot.customers.tolist():
        reply = stand.ask("lookup", customer=customer)[1]
        row = np.zeros(snapshot.row_width)
        row[np.searchsorted(snapshot.products, reply["products"])] = reply["values"]
        row[len(snapshot.products) :] = reply["affinities"]
        np.testing.assert_array_equal(row, customer_row(snapshot, customer))
        assert (reply["snapshot"], reply.get("defaulted", False)) == (first, False)
        assert 3.1 <= reply["built_day"] < 3.2
    stand.live(3, 3)
    stand.machine.advance(4.1)
    second = stand.job("build", 4)["snapshot"]
    assert stand.ask("lookup", customer=3)[1]["snapshot"] == second != first


def test_an_unknown_customer_gets_zeros_marked_as_defaulted(stand: Any) -> None:
    stand.live(0, 2)
    stand.machine.advance(3.1)
    stand.job("build", 3)
    stand.ask("lookup", customer=3)
    reply = stand.ask("lookup", customer=999)[1]
    assert reply["defaulted"]
    assert (reply["products"], reply["values"], set(reply["affinities"])) == ([], [], {0.0})
    assert len(reply["affinities"]) == len(stand.ask("lookup", customer=3)[1]["affinities"])
    stand.machine.advance(3.3)
    assert (stand.metric("features_lookups_total"), stand.metric("features_defaulted_total")) == (3, 1)
    assert 0.15 < stand.metric("features_age_days") < 0.2


@pytest.mark.parametrize("damaged", ["features.bin", "manifest.json"])
def test_after_a_restart_the_newest_sound_snapshot_serves(stand: Any, damaged: str) -> None:
    stand.live(0, 2)
    stand.machine.advance(3.1)
    first = stand.job("build", 3)["snapshot"]
    stand.live(3, 3)
    stand.machine.advance(4.1)
    second = stand.job("build", 4)["snapshot"]
    stand.kill()
    stand.start()
    assert stand.ask("lookup", customer=3)[1]["snapshot"] == second
    stand.kill()
    name = f"snapshots/{second}/{damaged}"
    stand.store.write(name, stand.store.read(name)[:-40])
    stand.start()
    assert stand.ask("lookup", customer=3)[1]["snapshot"] == first
    assert stand.job("build", 4)["snapshot"] == second
    assert stand.ask("lookup", customer=3)[1]["snapshot"] == second


# --- death and full disks ------------------------------------------------------------------------------


@pytest.mark.parametrize("tenths", range(1, 10))
def test_killed_at_any_moment_of_the_cycle_it_ends_in_the_same_state(make_stand: Make, tenths: int) -> None:
    outcomes = []
    for killed in (False, True):
        stand = make_stand()
        stand.live(0, 2)
        stand.machine.advance(3.05)
        if killed:
            for operation in ("deliver", "check", "build"):
                stand.machine.request("features", operation, b'{"day":3}', lambda _status, _body: None)
            stand.machine.advance(3.05 + 0.003 * tenths)
            stand.kill()
            stand.start()
        stand.job("deliver", 3)
        assert stand.job("check", 3) == {"red": {}}
        stand.job("build", 3)
        outcomes.append(
            [(name, stand.store.read(name)) for name in stand.store.list() if "manifest" not in name]
        )
    assert outcomes[0] == outcomes[1]


def test_a_restart_remembers_what_is_absent_and_what_was_flagged(stand: Any) -> None:
    stand.live(0, 6)
    stand.live(7, 7, views=20)
    stand.job("deliver", 8)
    stand.job("check", 8)
    stand.written(8)
    stand.machine.advance(9.2)
    assert states(stand, "absent") == [8]
    stand.kill()
    stand.start()
    stand.machine.advance(9.5)
    assert states(stand, "absent") == [8]
    assert list(stand.job("check", 9)["red"]) == ["volume"]
    # had the thin day 7 counted, the median would not be that of whole days
    stand.live(9, 9, views=40)
    stand.job("deliver", 10)
    stand.job("check", 10)
    assert stand.signals("volume", "day=9") == []


def test_a_full_disk_fails_the_step_and_not_the_process(stand: Any) -> None:
    stand.live(0, 1)
    stand.machine.advance(2.1)
    stand.job("build", 2)
    stand.deliver(2)
    stand.store.full = True
    stand.machine.advance(3.02)
    assert stand.ask("deliver", day=3)[0] == 500
    assert stand.ask("build", day=3)[0] == 500
    stand.machine.advance(3.3)
    assert stand.ask("lookup", customer=3)[0] == 200
    stand.store.full = False
    assert stand.job("deliver", 3)["present"]
    assert stand.job("build", 3)["watermark_day"] == 2


def test_what_was_taken_in_while_the_diary_had_no_room_is_told_of_when_it_has(
    stand: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.live(0, 6)
    write, refused = stand.store.write, []

    def no_room_for_the_diary(name: str, data: bytes) -> None:
        if name == "diary.json":
            refused.append(name)
            raise OSError("no space left on device")
        write(name, data)

    with monkeypatch.context() as patch:
        patch.setattr(stand.store, "write", no_room_for_the_diary, raising=False)
        stand.machine.advance(8.01)
        stand.deliver(7)
        stand.machine.advance(8.2)
        assert refused
    stand.machine.advance(8.3)
    assert states(stand, "delivered") == list(range(8))


# --- figures -------------------------------------------------------------------------------------------


def arrays(customers: list[float], clicked: list[int] | None = None, **nulls: int) -> Partition:
    rows = len(customers)
    made: dict[str, list[Any]] = {name: [1] * rows for name in COLUMNS}
    made |= {name: ["x"] * rows for name in ("view", "recommendation", "fallback")}
    made["event_id"] = [f"x:{row}" for row in range(rows)]
    made["customer"] = list(customers)
    made["clicked"] = list(clicked or [0] * rows)
    for name, row in nulls.items():
        made[name][row] = None
    return decode(encode(made))


def test_statistics_of_a_day() -> None:
    before = figures(arrays([1, 2]))
    day = figures(arrays([1, 1, 1, 3], clicked=[1, 0, 0, 0], price=2))
    assert statistics(day, [before]) == {
        "rows": 4.0,
        "distinct_customers": 2.0,
        "null_share": 0.25,
        "ctr": 0.25,
        "join_hit": 0.75,
    }
    assert "join_hit" not in statistics(day, [])
    assert statistics(figures(arrays([])), [before]) == {"rows": 0.0, "distinct_customers": 0.0}


@pytest.mark.parametrize("column", [name for name in COLUMNS if name not in ("dwell", "clicked")])
def test_a_null_anywhere_makes_a_row_unusable_and_is_counted(column: str) -> None:
    day = figures(arrays([1, 2, 3], **{column: 1}))
    assert day.unusable == 1
    assert day.contents.columns[column].nulls == 1
    assert sum(content.nulls for content in figures(arrays([1, 2, 3])).contents.columns.values()) == 0


def test_a_dwell_may_be_null_only_without_a_click() -> None:
    assert figures(arrays([1, 2], clicked=[0, 1], dwell=0)).unusable == 0
    assert figures(arrays([1, 2], clicked=[0, 1], dwell=1)).unusable == 1


def test_a_null_customer_joins_with_nobody() -> None:
    before = figures(arrays([1]))
    assert statistics(figures(arrays([1, 1], customer=1)), [before])["join_hit"] == 0.5


def test_the_reference_is_the_median_of_the_last_seven_unflagged_days_that_are_there() -> None:
    there = {day: {"rows": float(day)} for day in range(0, 30) if day != 27}

    def of(before_day: int, *flagged: int) -> dict[str, float]:
        return reference([there[day] for day in trailing(before_day, frozenset(flagged), there.__contains__)])

    assert of(30) == {"rows": 25.0}
    assert of(30, 29, 28) == {"rows": 23.0}
    assert of(3) == {"rows": 1.0}
    assert of(0) == {}
    assert of(70) == {}, "three weeks back and no further"

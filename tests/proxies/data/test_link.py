from __future__ import annotations

from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chaos.domain.data_toxics import Parcel
from chaos.proxies.data.link import DataLink, DuplicateToxic


class Calendar:
    def __init__(self) -> None:
        self.day = 0.0

    def __call__(self) -> float:
        return self.day


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture
def link(tmp_path: Path, calendar: Calendar) -> DataLink:
    return DataLink(
        "events", str(tmp_path / "out"), str(tmp_path / "in"), fsspec.filesystem("file"), calendar
    )


def put(tmp_path: Path, *days: int) -> None:
    for day in days:
        (tmp_path / "out" / f"day={day}.parquet").write_bytes(b"%d" % day)


def arrived(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "in").iterdir())


def test_without_a_toxic_it_hands_on_unchanged_and_once(tmp_path: Path, link: DataLink) -> None:
    put(tmp_path, 1)
    link.poll()
    sink = tmp_path / "in" / "day=1.parquet"
    assert sink.read_bytes() == b"1"
    sink.write_bytes(b"taken")
    link.poll()
    assert sink.read_bytes() == b"taken"
    assert link.state().handed_on == 1


def test_late_holds_until_its_day_and_keeps_the_order(
    tmp_path: Path, link: DataLink, calendar: Calendar
) -> None:
    link.add("late", "late", {"held_days": 2.0})
    put(tmp_path, 9)
    link.poll()
    calendar.day = 1.0
    put(tmp_path, 10)
    link.poll()
    assert link.state().held == ["day=9.parquet", "day=10.parquet"]
    calendar.day = 2.0
    link.poll()
    assert arrived(tmp_path) == ["day=9.parquet"]
    calendar.day = 3.0
    link.poll()
    assert link.state().held == []


def test_removing_late_hands_on_what_was_held(tmp_path: Path, link: DataLink) -> None:
    link.add("late", "late", {"held_days": 5.0})
    put(tmp_path, -1, 2, 11)
    link.poll()
    assert arrived(tmp_path) == []
    assert link.state().held == ["day=-1.parquet", "day=2.parquet", "day=11.parquet"]
    assert link.remove("late")
    assert len(arrived(tmp_path)) == 3
    assert not link.remove("late")


def test_a_held_file_that_is_taken_away_keeps_no_other_back(tmp_path: Path, link: DataLink) -> None:
    link.add("late", "late", {"held_days": 5.0})
    put(tmp_path, 1, 2)
    link.watch()
    (tmp_path / "out" / "day=1.parquet").unlink()
    link.remove("late")
    assert arrived(tmp_path) == ["day=2.parquet"]
    assert (link.state().held, link.state().handed_on, link.state().trouble) == ([], 1, "")
    put(tmp_path, 1)
    link.watch()
    assert arrived(tmp_path) == ["day=1.parquet", "day=2.parquet"], "it had never been handed on"


def test_a_toxic_is_not_off_while_what_it_spoilt_has_no_sink_to_go_to(tmp_path: Path, link: DataLink) -> None:
    link.add("rename", "rename", {"column": "x", "to": "y"})
    (tmp_path / "out" / "day=1.parquet").write_bytes(table(1))
    link.watch()
    (tmp_path / "in").rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError):
        link.remove("rename")
    assert [toxic.name for toxic in link.state().toxics] == ["rename"]
    (tmp_path / "elsewhere").rename(tmp_path / "in")
    assert link.remove("rename")
    assert (tmp_path / "in" / "day=1.parquet").read_bytes() == table(1)


def test_drop_loses_for_good(tmp_path: Path, link: DataLink) -> None:
    link.add("drop", "drop", {})
    put(tmp_path, 1)
    link.poll()
    link.clear()
    assert arrived(tmp_path) == []


def test_a_restarted_proxy_does_not_deliver_twice(tmp_path: Path, link: DataLink, calendar: Calendar) -> None:
    put(tmp_path, 1)
    link.poll()
    (tmp_path / "in" / "day=1.parquet").write_bytes(b"taken")
    again = DataLink("events", link.source, link.sink, fsspec.filesystem("file"), calendar)
    again.poll()
    assert (tmp_path / "in" / "day=1.parquet").read_bytes() == b"taken"


def test_files_under_way_are_not_handed_on(tmp_path: Path, link: DataLink) -> None:
    (tmp_path / "out" / ".day=1.parquet.part").write_bytes(b"half")
    link.poll()
    assert arrived(tmp_path) == []


def test_bad_toxics_are_refused(link: DataLink) -> None:
    link.add("a", "noop", {})
    with pytest.raises(DuplicateToxic):
        link.add("a", "noop", {})
    with pytest.raises(ValueError, match="there is no data toxic 'lat'"):
        link.add("b", "lat", {})
    with pytest.raises(ValueError, match="held_days"):
        link.add("b", "late", {"days": 1})
    with pytest.raises(ValueError, match="must be above 0"):
        link.add("b", "late", {"held_days": 0.0})


def test_it_works_between_any_two_folders_of_fsspec(calendar: Calendar) -> None:
    memory = fsspec.filesystem("memory")
    link = DataLink("events", "/proxy-test/out", "/proxy-test/in", memory, calendar)
    memory.pipe_file("/proxy-test/out/day=1.parquet", b"1")
    link.poll()
    assert memory.cat_file("/proxy-test/in/day=1.parquet") == b"1"
    memory.rm("/proxy-test", recursive=True)


def table(*values: int) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"x": values}), sink)
    return bytes(sink.getvalue())


def test_what_a_toxic_changed_is_delivered_again_as_it_was_written(tmp_path: Path, link: DataLink) -> None:
    (tmp_path / "out" / "day=1.parquet").write_bytes(table(1, 2))
    link.poll()
    link.add("units", "scale", {"column": "x", "factor": 10.0})
    (tmp_path / "out" / "day=2.parquet").write_bytes(table(3))
    link.poll()
    sink = tmp_path / "in" / "day=2.parquet"
    assert pq.read_table(sink)["x"].to_pylist() == [30]
    (tmp_path / "in" / "day=1.parquet").write_bytes(b"taken")
    link.remove("units")
    assert sink.read_bytes() == table(3)
    assert (tmp_path / "in" / "day=1.parquet").read_bytes() == b"taken"


def test_what_was_poisoned_stays_poisoned(tmp_path: Path, link: DataLink) -> None:
    link.add("lies", "poison", {"values": ["x=9"]})
    (tmp_path / "out" / "day=1.parquet").write_bytes(table(1))
    link.poll()
    link.clear()
    assert pq.read_table(tmp_path / "in" / "day=1.parquet")["x"].to_pylist() == [9]


def test_a_toxic_that_matches_nothing_is_shown_and_lets_pass(tmp_path: Path, link: DataLink) -> None:
    link.add("units", "scale", {"column": "y", "factor": 10.0})
    (tmp_path / "out" / "day=1.parquet").write_bytes(table(1))
    link.poll()
    assert link.state().unmatched == "units: day=1.parquet has no column 'y'"
    assert not link.state().trouble
    assert (tmp_path / "in" / "day=1.parquet").read_bytes() == table(1)


def test_it_is_told_how_many_matched_before_one_that_does_not(tmp_path: Path, link: DataLink) -> None:
    link.add("units", "scale", {"column": "x", "factor": 10.0, "where": "x", "equals": 1})
    for day, value in ((1, 1), (2, 1), (3, 2)):
        (tmp_path / "out" / f"day={day}.parquet").write_bytes(table(value))
        link.poll()
    assert link.state().unmatched.startswith("units: day=3.parquet")
    assert link.state().unmatched.endswith("(it did match the 2 before)")


def test_what_a_toxic_cannot_change_passes_as_it_is_and_is_told(tmp_path: Path, link: DataLink) -> None:
    link.add("scale", "scale", {"column": "view", "factor": 2.0})
    table = pa.table({"view": ["a", "b"]})
    pq.write_table(table, tmp_path / "out" / "day=1.parquet")
    link.watch()
    assert pq.read_table(tmp_path / "in" / "day=1.parquet").equals(table)
    assert link.state().unmatched.startswith("scale: cannot change day=1.parquet: ArrowInvalid: ")
    assert link.state().trouble == ""
    link.remove("scale")
    link.add("late", "late", {"held_days": 1.0})
    assert link.state().unmatched == "", "it was another toxic's"


def test_trouble_is_told_while_it_lasts_and_tried_again(tmp_path: Path, link: DataLink) -> None:
    put(tmp_path, 1)
    (tmp_path / "in").rmdir()
    (tmp_path / "in").write_text("in the way")
    link.watch()
    assert link.state().trouble.startswith("NotADirectoryError: ")
    (tmp_path / "in").unlink()
    (tmp_path / "in").mkdir()
    link.watch()
    assert link.state().trouble == ""
    assert arrived(tmp_path) == ["day=1.parquet"]


def test_a_source_that_cannot_be_listed_stays_in_trouble(
    tmp_path: Path, link: DataLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, 1)
    names = DataLink._names

    def unlisted(self: DataLink, folder: str) -> list[str]:
        if folder == self.source:
            raise PermissionError("not for you")
        return names(self, folder)

    with monkeypatch.context() as patch:
        patch.setattr(DataLink, "_names", unlisted)
        for _ in range(50):
            link.watch()
            assert link.state().trouble == "PermissionError: not for you"
    link.watch()
    assert (link.state().trouble, arrived(tmp_path)) == ("", ["day=1.parquet"])


def test_a_toxic_is_on_until_what_it_spoilt_is_mended(
    tmp_path: Path, link: DataLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    link.add("rename", "rename", {"column": "view", "to": "page"})
    table = pa.table({"view": ["a", "b"]})
    for day in (1, 2):
        pq.write_table(table, tmp_path / "out" / f"day={day}.parquet")
    link.watch()
    write = DataLink._write
    full = iter([False, True, False])

    def nearly_full(self: DataLink, parcel: Parcel) -> None:
        if next(full, False):
            raise OSError("no space left on device")
        write(self, parcel)

    monkeypatch.setattr(DataLink, "_write", nearly_full)
    with pytest.raises(OSError, match="no space left"):
        link.remove("rename")
    assert [toxic.name for toxic in link.state().toxics] == ["rename"]
    assert link.remove("rename")
    for day in (1, 2):
        assert pq.read_table(tmp_path / "in" / f"day={day}.parquet").column_names == ["view"]


def test_a_spoilt_file_that_is_gone_keeps_no_toxic_on(tmp_path: Path, link: DataLink) -> None:
    link.add("rename", "rename", {"column": "view", "to": "page"})
    for day in (1, 2):
        pq.write_table(pa.table({"view": ["a"]}), tmp_path / "out" / f"day={day}.parquet")
    link.watch()
    (tmp_path / "out" / "day=1.parquet").unlink()
    assert link.remove("rename")
    assert link.state().toxics == []
    names = {day: pq.read_table(tmp_path / "in" / f"day={day}.parquet").column_names for day in (1, 2)}
    assert names == {1: ["page"], 2: ["view"]}


def test_a_name_that_was_used_before_shapes_and_mends_only_its_own(tmp_path: Path, link: DataLink) -> None:
    for day in (1, 2):
        link.add("units", "scale", {"column": "x", "factor": 10.0})
        (tmp_path / "out" / f"day={day}.parquet").write_bytes(table(day))
        link.watch()
        sink = tmp_path / "in" / f"day={day}.parquet"
        assert pq.read_table(sink)["x"].to_pylist() == [10 * day]
        link.remove("units")
        assert sink.read_bytes() == table(day)
        (tmp_path / "in" / "day=1.parquet").write_bytes(b"taken")
    assert (tmp_path / "in" / "day=1.parquet").read_bytes() == b"taken"


def test_clear_takes_all_off_and_mends_what_they_did_together(tmp_path: Path, link: DataLink) -> None:
    link.add("units", "scale", {"column": "x", "factor": 10.0})
    link.add("name", "rename", {"column": "x", "to": "y"})
    (tmp_path / "out" / "day=1.parquet").write_bytes(table(1))
    link.watch()
    link.add("late", "late", {"held_days": 5.0})
    (tmp_path / "out" / "day=2.parquet").write_bytes(table(2))
    link.watch()
    assert pq.read_table(tmp_path / "in" / "day=1.parquet").to_pydict() == {"y": [10]}
    assert link.state().held == ["day=2.parquet"]
    link.clear()
    assert link.state().toxics == []
    for day in (1, 2):
        assert (tmp_path / "in" / f"day={day}.parquet").read_bytes() == table(day)


def test_what_was_delivered_is_told_with_its_size_and_without_what_is_under_way(
    tmp_path: Path, link: DataLink
) -> None:
    put(tmp_path, 12, 3)
    link.watch()
    (tmp_path / "in" / ".day=4.parquet.part").write_bytes(b"half")
    assert link.delivered() == {"day=3.parquet": 1, "day=12.parquet": 2}


def test_what_one_toxic_did_not_find_stays_told_when_another_comes(tmp_path: Path, link: DataLink) -> None:
    link.add("units", "scale", {"column": "nobody", "factor": 10.0})
    (tmp_path / "out" / "day=1.parquet").write_bytes(table(1))
    link.watch()
    link.add("late", "late", {"held_days": 1.0})
    assert link.state().unmatched.startswith("units: ")


def test_what_a_toxic_found_nothing_in_is_not_delivered_again(tmp_path: Path, link: DataLink) -> None:
    link.add("units", "scale", {"column": "nobody", "factor": 10.0})
    (tmp_path / "out" / "day=1.parquet").write_bytes(table(1))
    link.watch()
    (tmp_path / "in" / "day=1.parquet").write_bytes(b"taken")
    link.remove("units")
    assert (tmp_path / "in" / "day=1.parquet").read_bytes() == b"taken"

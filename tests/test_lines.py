from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaos.lines import LineFile
from tests.disks import full_for_a_moment


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=st.lists(st.integers(0, 200_000), max_size=3), torn=st.integers(0, 200_000))
def test_what_a_dead_writer_began_is_cut_off_before_the_next_line(
    tmp_path: Path, before: list[int], torn: int
) -> None:
    path = tmp_path / "file.jsonl"
    whole = b"".join(b"a" * size + b"\n" for size in before)
    path.write_bytes(whole + b"b" * torn)
    lines = LineFile(path)
    lines.append(b"next")
    lines.append(b"last")
    lines.close()
    assert path.read_bytes() == whole + b"next\nlast\n"


@pytest.mark.parametrize("size_bytes", [0, 1, 65_535, 65_536, 200_000])
def test_the_hash_of_a_file_is_that_of_its_whole_lines(tmp_path: Path, size_bytes: int) -> None:
    path = tmp_path / "file.jsonl"
    whole = b"one\n" + b"a" * size_bytes + b"\n"
    path.write_bytes(whole + b"tw")
    lines = LineFile(path)
    assert lines.sha256() == hashlib.sha256(whole).hexdigest()
    lines.append(b"two")
    assert lines.sha256() == hashlib.sha256(whole + b"two\n").hexdigest()
    lines.close()


def test_nothing_is_cut_off_before_there_is_something_to_add(tmp_path: Path) -> None:
    path = tmp_path / "file.jsonl"
    path.write_bytes(b"one\ntw")
    lines = LineFile(path)
    lines.close()
    lines.close()
    assert path.read_bytes() == b"one\ntw"


def test_a_new_one_is_never_an_old_one(tmp_path: Path) -> None:
    path = tmp_path / "file.jsonl"
    path.write_bytes(b"one\n")
    with pytest.raises(FileExistsError):
        LineFile(path, new=True)
    assert path.read_bytes() == b"one\n"


def test_what_a_full_disk_took_of_a_line_is_not_left_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = LineFile(tmp_path / "file.jsonl", new=True)
    lines.append(b"one")
    with full_for_a_moment(monkeypatch), pytest.raises(OSError, match="No space left"):
        lines.append(b"two, which is long")
    lines.append(b"three", sync=True)
    lines.close()
    assert (tmp_path / "file.jsonl").read_bytes() == b"one\nthree\n"


def test_a_device_is_written_to_and_never_read() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    lines = LineFile(Path("/dev/full"))
    for _ in range(2):
        with pytest.raises(OSError):  # noqa: PT011 (which one, the system decides)
            lines.append(b"one")
    lines.close()


def test_a_disk_that_takes_a_part_at_a_time_gets_the_whole_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:7]))
    lines = LineFile(tmp_path / "file.jsonl")
    lines.append(b"a line of more than seven")
    lines.close()
    assert (tmp_path / "file.jsonl").read_bytes() == b"a line of more than seven\n"


def test_a_line_is_on_the_disk_where_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, synced = LineFile(tmp_path / "file.jsonl"), list[int]()
    monkeypatch.setattr(os, "fsync", synced.append)
    lines.append(b"one")
    assert synced == []
    lines.append(b"two", sync=True)
    assert len(synced) == 1
    lines.sync()
    assert len(synced) == 2
    lines.close()

"""What is written as a whole is there as a whole, or as it was."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from chaos.whole import write_whole


def test_what_was_there_stays_where_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    path.write_text("of the run before")
    write_text: Callable[..., int] = Path.write_text

    def half(self: Path, text: str, encoding: str | None = None) -> int:
        write_text(self, text[: len(text) // 2], encoding=encoding)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", half)
        with pytest.raises(OSError, match="No space left"):
            write_whole(path, "of the run that has just ended")
    assert path.read_text() == "of the run before"
    assert list(tmp_path.iterdir()) == [path]
    write_whole(path, "of the run that has just ended")
    assert path.read_text() == "of the run that has just ended"


def test_behind_a_link_the_file_is_new_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    real, link = tmp_path / "elsewhere" / "results.json", tmp_path / "results.json"
    link.symlink_to(real)
    for text in ("first", "then"):
        write_whole(link, text)
        assert real.read_text() == text
    assert link.is_symlink()
    assert list((tmp_path / "elsewhere").iterdir()) == [real]


def test_who_reads_meanwhile_reads_one_or_the_other(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_whole(path, "old")
    with path.open() as reading:
        write_whole(path, "new")
        assert reading.read() == "old"
    assert path.read_text() == "new"

import multiprocessing
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from reference_stack.folders import DirectoryFolder, FsspecFolder, Held, MemoryFolder, open_folder
from reference_stack.ports import Folder


def _memory_fs(path: Path) -> FsspecFolder:
    return FsspecFolder(MemoryFileSystem(), f"/{path.name}/arm")


KINDS: dict[str, Callable[[Path], Folder]] = {
    "directory": DirectoryFolder,
    "fsspec local": lambda path: FsspecFolder(LocalFileSystem(), str(path / "deep")),
    "fsspec memory": _memory_fs,
    "memory": lambda path: MemoryFolder(root="arm"),
}


@pytest.fixture(params=sorted(KINDS))
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    return KINDS[request.param](tmp_path)


def test_what_is_written_is_read_and_replaced_whole(folder: Folder) -> None:
    folder.write("a/b.bin", b"first, and longer")
    folder.write("a/b.bin", b"second")
    assert folder.read("a/b.bin") == b"second"
    assert folder.exists("a/b.bin")


def test_appending_makes_the_file_and_adds_to_it(folder: Folder) -> None:
    folder.append("logs/one", b"ab")
    folder.append("logs/one", b"cd")
    assert folder.read("logs/one") == b"abcd"
    folder.write("logs/one", b"x")
    folder.append("logs/one", b"y")
    assert folder.read("logs/one") == b"xy"


def test_a_file_that_is_not_there(folder: Folder) -> None:
    assert not folder.exists("nothing")
    folder.delete("nothing")
    with pytest.raises(FileNotFoundError):
        folder.read("nothing")


def test_a_directory_is_no_file(folder: Folder) -> None:
    folder.write("a/b", b"")
    assert not folder.exists("a")


def test_names_are_listed_in_order_and_by_prefix(folder: Folder) -> None:
    for name in ("b/2", "b/10", "a", "c/d/e", "bc"):
        folder.write(name, b"")
    assert list(folder.list()) == ["a", "b/10", "b/2", "bc", "c/d/e"]
    assert list(folder.list("b")) == ["b/10", "b/2", "bc"]
    assert list(folder.list("b/")) == ["b/10", "b/2"]
    assert list(folder.list("b/1")) == ["b/10"]
    assert list(folder.list("none/")) == []


def test_what_is_deleted_is_gone(folder: Folder) -> None:
    folder.write("a/b", b"1")
    folder.delete("a/b")
    assert not folder.exists("a/b")
    assert list(folder.list()) == []


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/.part-1"])
def test_names_stay_inside(folder: Folder, name: str) -> None:
    with pytest.raises(ValueError, match="is no name"):
        folder.write(name, b"")


def test_an_empty_folder_lists_nothing(folder: Folder) -> None:
    assert list(folder.list()) == []


def test_what_is_read_does_not_change_with_the_file(folder: Folder) -> None:
    folder.append("a", b"1")
    before = folder.read("a")
    folder.append("a", b"2")
    assert before == b"1"


def test_a_directory_that_was_removed_is_made_again(tmp_path: Path) -> None:
    folder = DirectoryFolder(tmp_path)
    folder.append("a/log", b"1")
    shutil.rmtree(tmp_path / "a")
    folder.append("a/log", b"2")
    assert folder.read("a/log") == b"2"


def test_files_under_way_are_hidden(tmp_path: Path) -> None:
    (tmp_path / ".part-1-0-x").write_bytes(b"half")
    assert list(DirectoryFolder(tmp_path).list()) == []


def test_two_writers_of_one_file_do_not_take_each_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As two replicas in containers, which have the same process number, and one folder."""
    one, other = DirectoryFolder(tmp_path), DirectoryFolder(tmp_path)
    replace = os.replace

    def between(source: str, target: str) -> None:
        monkeypatch.setattr(os, "replace", replace)
        other.write("lineage/26.json", b"other")
        replace(source, target)

    monkeypatch.setattr(os, "replace", between)
    one.write("lineage/26.json", b"one")
    assert one.read("lineage/26.json") == b"one"


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = DirectoryFolder(tmp_path)
    folder.write("a", b"old")

    def break_off(*_: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(os, "replace", break_off)
    with pytest.raises(OSError, match="no"):
        folder.write("a", b"new")
    assert folder.read("a") == b"old"
    assert list(folder.list()) == ["a"]


def _append_and_die(root: Path) -> None:
    DirectoryFolder(root).append("log", b"said")
    os.kill(os.getpid(), 9)


def test_what_was_appended_survives_the_process(tmp_path: Path) -> None:
    child = multiprocessing.get_context("spawn").Process(target=_append_and_die, args=(tmp_path,))
    child.start()
    child.join()
    assert child.exitcode == -9
    assert DirectoryFolder(tmp_path).read("log") == b"said"


def test_folders_of_one_arm_share_a_store_and_keep_apart() -> None:
    store: dict[str, Held] = {}
    one, two = MemoryFolder(store, "one"), MemoryFolder(store, "two")
    one.write("x", b"1")
    assert list(two.list()) == []
    assert MemoryFolder(store).read("one/x") == b"1"


def test_a_memory_folder_lists_what_others_have_made_of_its_store() -> None:
    store: dict[str, Held] = {}
    folder, other = MemoryFolder(store, "one"), MemoryFolder(store, "one")
    folder.write("day=1", b"1")
    assert list(folder.list("day=")) == ["day=1"]
    other.write("day=2", b"2")
    assert list(folder.list("day=")) == ["day=1", "day=2"]
    store["one/day=3"] = store.pop("one/day=2")
    assert list(folder.list("day=")) == ["day=1", "day=3"]
    store.clear()
    assert list(folder.list("day=")) == list(folder.list()) == []


def test_what_a_memory_folder_has_listed_is_the_callers() -> None:
    folder = MemoryFolder()
    folder.write("a", b"1")
    names = folder.list()
    assert isinstance(names, list)
    names.clear()
    assert list(folder.list()) == ["a"]


def test_a_memory_folder_knows_how_long_a_file_is() -> None:
    folder = MemoryFolder({}, "a")
    folder.append("b", b"123")
    folder.append("b", b"45")
    assert folder.size("b") == 5
    with pytest.raises(FileNotFoundError):
        folder.size("c")


def test_a_folder_is_opened_by_path_or_address(tmp_path: Path) -> None:
    open_folder(str(tmp_path)).write("a", b"1")
    assert isinstance(open_folder(str(tmp_path)), DirectoryFolder)
    assert open_folder(f"file://{tmp_path}").read("a") == b"1"

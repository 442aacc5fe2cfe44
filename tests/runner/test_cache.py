from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from chaos.drivers.virtual.driver import package_of, packages_of
from chaos.runner import cache as arms
from chaos.runner.cache import KEPT_IN_A_FOLDER, ArmCache, NotKnown, salt_of, stamp_of
from tests.harness import TARGET, edited, planned, target_of


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b"a journal\n")
    return path


def test_what_is_kept_is_found_by_the_same_plan_only(tmp_path: Path, journal: Path) -> None:
    cache = ArmCache(tmp_path / "cache", "salt")
    control = planned().arms[1]
    assert not cache.take(control, tmp_path / "copy")
    cache.keep(control, journal)
    assert cache.take(control, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"a journal\n"
    assert not cache.take(planned(edited(days="7d")).arms[1], tmp_path / "copy")
    assert not cache.take(planned().arms[3], tmp_path / "copy")


def test_another_version_of_the_code_finds_nothing(tmp_path: Path, journal: Path) -> None:
    control = planned().arms[1]
    ArmCache(tmp_path / "cache", "one").keep(control, journal)
    assert not ArmCache(tmp_path / "cache", "other").take(control, tmp_path / "copy")


def test_a_damaged_entry_is_never_trusted(tmp_path: Path, journal: Path) -> None:
    cache = ArmCache(tmp_path / "cache", "salt")
    control = planned().arms[1]
    cache.keep(control, journal)
    (entry,) = (tmp_path / "cache").rglob("*.jsonl")
    entry.write_bytes(entry.read_bytes()[:-3])
    assert not cache.take(control, tmp_path / "copy")
    cache.keep(control, journal)
    assert cache.take(control, tmp_path / "copy")


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path, journal: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    cache = ArmCache(tmp_path / "cache", "salt")
    cache.keep(planned().arms[1], journal)
    assert not cache.take(planned().arms[1], tmp_path / "copy")


def test_the_salt_knows_code_and_facts(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    before = salt_of([tmp_path], {"numpy": "2"})
    assert salt_of([tmp_path], {"numpy": "2"}) == before
    assert salt_of([tmp_path], {"numpy": "3"}) != before
    (tmp_path / "a.py").write_text("x = 2\n")
    changed = salt_of([tmp_path], {"numpy": "2"})
    assert changed != before
    (tmp_path / "costs.json").write_text("{}")
    assert salt_of([tmp_path], {"numpy": "2"}) != changed


def test_a_damaged_hash_is_no_more_trusted_than_a_damaged_journal(tmp_path: Path, journal: Path) -> None:
    cache = ArmCache(tmp_path / "cache", "salt")
    control = planned().arms[1]
    cache.keep(control, journal)
    (noted,) = (tmp_path / "cache").rglob("*.blake2b")
    noted.write_bytes(b"\xff\xfe")
    assert not cache.take(control, tmp_path / "copy")


def test_what_nobody_asked_for_for_longest_makes_room(tmp_path: Path, journal: Path) -> None:
    cache = ArmCache(tmp_path / "cache", "salt")
    control = planned().arms[1]
    cache.keep(control, journal)
    (entry,) = (tmp_path / "cache").rglob("*.jsonl")
    for nth in range(KEPT_IN_A_FOLDER):
        other = entry.with_name(f"{nth}.jsonl")
        other.write_bytes(b"")
        os.utime(other, (nth, nth))
    assert cache.take(control, tmp_path / "copy")
    cache.keep(control, journal)
    left = sorted(path.name for path in entry.parent.glob("*.jsonl"))
    assert left == sorted([entry.name, *(f"{nth}.jsonl" for nth in range(1, KEPT_IN_A_FOLDER))])


def test_a_module_by_itself_may_import_or_read_what_lies_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "our_shop.py").write_text("import our_model\n")
    (tmp_path / "our_model.py").write_text("")
    (tmp_path / "our_prices.json").write_text("{}")
    (tmp_path / ".hidden").write_text("")
    (tmp_path / "loose" / "parts").mkdir(parents=True)
    (tmp_path / "loose" / "parts" / "shop.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert package_of("our_shop:Shop") == [
        tmp_path / name for name in ("loose", "our_model.py", "our_prices.json", "our_shop.py")
    ]
    assert package_of("loose.parts.shop:Shop") == [tmp_path / "loose"]
    assert package_of("msgspec:Struct")[0].name == "msgspec"
    assert package_of("typing_extensions:Any")[0].name == "typing_extensions.py"
    assert len(package_of("typing_extensions:Any")) == 1
    assert package_of("nobody_s_module:X") == []


@pytest.mark.parametrize(
    ("file", "known"),
    [
        ("our_rates/rates.py", True),
        ("our_rates/data/rates.json", True),
        ("our_rates/deeper/one/more.py", True),
        ("our_rates/__pycache__/rates.pyc", False),
        ("our_rates/.git/index.py", False),
        ("data/prices.json", False),
        (".hidden/rates.py", False),
        ("venv/lib/rates.py", False),
        ("runs/one/bare/made.py", False),
        ("linked/elsewhere.py", True),
    ],
)
def test_folders_with_code_beside_a_module_by_itself_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, known: bool
) -> None:
    """What it may import, and what that reads; also through links, which may lead back to where they lie."""
    root = tmp_path / "root"
    for name in ("our_rates/rates.py", "venv/pyvenv.cfg", "runs/one/processes.jsonl", "../away/elsewhere.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    (root / "our_shop.py").write_text("")
    (root / "linked").symlink_to(tmp_path / "away")
    (root / "our_rates" / "again").symlink_to(root / "our_rates")
    (root / "gone").symlink_to(root / "nowhere")
    monkeypatch.syspath_prepend(root)
    before = salt_of(package_of("our_shop:Shop"), {}), stamp_of(package_of("our_shop:Shop"))
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text("x = 2")
    after = salt_of(package_of("our_shop:Shop"), {}), stamp_of(package_of("our_shop:Shop"))
    assert [one != other for one, other in zip(before, after, strict=True)] == [known, known]


def test_a_linked_folder_in_a_package_is_known(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "away").mkdir()
    (tmp_path / "package" / "away").symlink_to(tmp_path / "away")
    before = salt_of([tmp_path / "package"], {})
    (tmp_path / "away" / "rates.py").write_text("")
    assert salt_of([tmp_path / "package"], {}) != before


def test_the_package_of_what_is_made_ahead_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "our_ahead").mkdir()
    (tmp_path / "our_ahead" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    driver = "{kind: virtual, factory: 'msgspec:Struct', ahead: [python, -m, our_ahead.prepare, now]}"
    assert packages_of(target_of(TARGET.replace("{kind: fake}", driver)))[1:] == [tmp_path / "our_ahead"]


def test_what_cannot_be_looked_at_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for look in (stamp_of, lambda packages: salt_of(packages, {})):
        with pytest.raises(NotKnown, match=r"shop\.zip/our_shop: No such file"):
            look([tmp_path / "shop.zip" / "our_shop"])
    for nth in range(3):
        (tmp_path / f"{nth}.py").write_text("")
    monkeypatch.setattr(arms, "MOST_FILES", 2)
    with pytest.raises(NotKnown, match="too much lies in it"):
        stamp_of([tmp_path])


def test_nothing_is_kept_once_the_code_has_changed(tmp_path: Path, journal: Path) -> None:
    changed = False
    cache = ArmCache(tmp_path / "cache", "salt", lambda: not changed)
    one, other = planned().arms[1], planned().arms[3]
    cache.keep(one, journal)
    changed = True
    cache.keep(other, journal)
    assert cache.take(one, tmp_path / "copy")
    assert not cache.take(other, tmp_path / "copy")


def test_a_full_disk_leaves_nothing_half_written(
    tmp_path: Path, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:4])
        raise OSError(errno.ENOSPC, "No space left on device")

    cache = ArmCache(tmp_path / "cache", "salt")
    monkeypatch.setattr(Path, "write_bytes", half)
    cache.keep(planned().arms[1], journal)
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_what_is_taken_was_asked_for(tmp_path: Path, journal: Path) -> None:
    cache = ArmCache(tmp_path / "cache", "salt")
    control = planned().arms[1]
    cache.keep(control, journal)
    (entry,) = (tmp_path / "cache").rglob("*.jsonl")
    os.utime(entry, (5, 5))
    assert cache.take(control, tmp_path / "copy")
    assert entry.stat().st_mtime > 5


def test_what_makes_room_leaves_no_hash_behind(tmp_path: Path, journal: Path) -> None:
    cache = ArmCache(tmp_path / "cache", "salt")
    cache.keep(planned().arms[1], journal)
    (entry,) = (tmp_path / "cache").rglob("*.jsonl")
    for nth in range(KEPT_IN_A_FOLDER + 1):
        for suffix in (".jsonl", ".blake2b"):
            other = entry.with_name(f"{nth}{suffix}")
            other.write_bytes(b"")
            os.utime(other, (nth, nth))
    cache.keep(planned().arms[1], journal)
    entries = {path.stem for path in entry.parent.glob("*.jsonl")}
    assert len(entries) == KEPT_IN_A_FOLDER
    assert {path.stem for path in entry.parent.glob("*.blake2b")} == entries


def test_the_salt_knows_names_and_no_order_of_facts(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    before = salt_of([tmp_path], {"numpy": "2", "scipy": "1"})
    assert salt_of([tmp_path], {"scipy": "1", "numpy": "2"}) == before
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert salt_of([tmp_path], {"numpy": "2", "scipy": "1"}) != before


def test_the_stamp_knows_a_file_that_was_written_again_in_place(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    os.utime(tmp_path / "a.py", (5, 5))
    before = stamp_of([tmp_path])
    assert stamp_of([tmp_path]) == before
    (tmp_path / "a.py").write_text("x = 2\n")
    assert stamp_of([tmp_path]) != before


@pytest.mark.parametrize(("limit", "value"), [("MOST_FILES", 3), ("MOST_BYTES", 11)])
def test_what_is_too_much_together_cannot_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    packages = [tmp_path / "one", tmp_path / "other"]
    for package in packages:
        package.mkdir()
        for name in ("a.py", "b.py"):
            (package / name).write_text("123")
    assert stamp_of(packages)
    monkeypatch.setattr(arms, limit, value)
    assert stamp_of(packages[:1])
    with pytest.raises(NotKnown, match="too much lies in it, or beside it"):
        stamp_of(packages)


def test_a_folder_without_code_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "prices").mkdir()
    before = salt_of([tmp_path / "prices"], {})
    (tmp_path / "prices" / "today.json").write_text("{}")
    assert salt_of([tmp_path / "prices"], {}) == before

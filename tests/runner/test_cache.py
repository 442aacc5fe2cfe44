from __future__ import annotations

import os
from pathlib import Path

import pytest

from chaos.drivers.virtual.driver import package_of
from chaos.runner.cache import KEPT_IN_A_FOLDER, ArmCache, salt_of
from tests.harness import edited, planned


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
        tmp_path / name for name in ("our_model.py", "our_prices.json", "our_shop.py")
    ]
    assert package_of("loose.parts.shop:Shop") == [tmp_path / "loose"]
    assert package_of("msgspec:Struct")[0].name == "msgspec"
    assert package_of("typing_extensions:Any")[0].name == "typing_extensions.py"
    assert len(package_of("typing_extensions:Any")) == 1
    assert package_of("nobody_s_module:X") == []

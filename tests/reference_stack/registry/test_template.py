from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from reference_stack.folders import cache_folder
from reference_stack.registry.template import place_database, template


def tables(database: Path) -> set[str]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")}


@pytest.fixture(scope="module")
def cache(template_cache: Path) -> Path:
    folder = template_cache / "mlchaos" / "registry"
    template(folder)
    return folder


def test_the_template_is_made_once_and_has_mlflows_tables(cache: Path) -> None:
    first = template(cache)
    changed = first.stat().st_mtime_ns
    assert template(cache) == first
    assert first.stat().st_mtime_ns == changed
    assert {"runs", "model_versions", "registered_model_aliases"} <= tables(first)
    assert [each for each in cache.iterdir() if each.name.startswith(".")] == []


@pytest.mark.parametrize("keep", [0, 4096, None])
def test_a_damaged_template_is_made_again(cache: Path, keep: int | None) -> None:
    found = template(cache)
    data = found.read_bytes()
    found.write_bytes(data[:keep] if keep is not None else data[:-1] + bytes([data[-1] ^ 1]))
    again = template(cache)
    assert "runs" in tables(again)
    assert len(list(cache.glob("*.db"))) == 1


def test_the_database_placed_is_a_copy(cache: Path, tmp_path: Path) -> None:
    database = tmp_path / "registry" / "mlflow.db"
    place_database(database, cache)
    assert database.read_bytes() == template(cache).read_bytes()
    assert [each.name for each in database.parent.iterdir()] == ["mlflow.db"]


def test_where_the_cache_cannot_be_written_the_database_is_made_in_place(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    place_database(tmp_path / "mlflow.db", blocked / "cache")
    assert "runs" in tables(tmp_path / "mlflow.db")


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("registry") == tmp_path / "mlchaos" / "registry"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder("registry") == tmp_path / "home" / ".cache" / "mlchaos" / "registry"

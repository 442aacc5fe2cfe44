import json
import os
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from reference_stack import warmup
from reference_stack.folders import MemoryFolder, cache_folder
from reference_stack.registry import seeder
from reference_stack.registry.memory import Export, MemoryRegistry
from reference_stack.registry.seeder import Seeder
from reference_stack.settings import SettingsError
from reference_stack.warmup import (
    Marker,
    lies_in,
    main,
    read_folders,
    warm_store,
    warm_up_key,
    write_folders,
)

WORLD, SEED = "starved", 1


@pytest.fixture(scope="module")
def store():
    return warm_store(WORLD, SEED)


def test_the_past_is_whole(store):
    inbox = MemoryFolder(store, "inbox").list()
    assert sorted(inbox) == sorted(f"day={day}.parquet" for day in range(-18, -1))
    assert MemoryFolder(store, "outbox").list() == inbox
    export = MemoryRegistry(MemoryFolder(store, "registry"), lambda: 0.0).export()
    assert [each.registered.version for each in export.versions] == list(range(1, 18))
    assert export.aliases == {"champion": 17, "previous": 16}
    cycle = json.loads(store["orchestrator/cycle.json"])
    assert (cycle["day"], cycle["step"]) == (-1, "done")


def test_shoppers_are_as_many_as_ever_and_know_what_is_normal(store):
    shop = json.loads(store["shop/returning.json"])
    assert shop["level"] == 1.0
    assert len(shop["recent"]) == 7
    assert shop["normal_quality"] == pytest.approx(sum(shop["recent"]) / 7)
    assert 0.9 < shop["normal_quality"] < 1.6


def test_nobody_watched(store):
    assert MemoryFolder(store, "monitor").list() == []
    assert MemoryFolder(store, "oncall").list() == []


def test_it_is_read_from_the_cache_and_each_arm_gets_a_copy(tmp_path, monkeypatch, store):
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setattr(warmup, "warm_up", lambda *_: store)
    warm_store(WORLD, SEED, cache=cache)
    monkeypatch.delattr(warmup, "warm_up")
    first, second = (warm_store(WORLD, SEED, cache=cache) for _ in range(2))
    assert first == store
    first["shop/returning.json"] += b"changed"
    assert second == store


def test_one_that_is_damaged_is_made_again(tmp_path, monkeypatch, store):
    monkeypatch.setattr(warmup, "warm_up", lambda *_: store)
    warm_store(WORLD, SEED, cache=tmp_path)
    (file,) = tmp_path.glob("*.msgpack")
    whole = file.read_bytes()
    for damaged in (whole[:-1] + bytes([whole[-1] ^ 1]), whole[:-5], b""):
        file.write_bytes(damaged)
        assert warm_store(WORLD, SEED, cache=tmp_path) == store
        assert file.read_bytes() == whole


def test_another_kernel_has_another_key(monkeypatch):
    before = warm_up_key(WORLD, SEED)
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    assert warm_up_key(WORLD, SEED) != before


def test_of_those_that_ask_at_the_same_time_one_makes_it(tmp_path, monkeypatch, store):
    made = []
    begun, waits = threading.Event(), threading.Event()

    def make(world, seed, solve):
        made.append((world, seed))
        begun.set()
        assert waits.wait(10)
        return store

    monkeypatch.setattr(warmup, "warm_up", make)
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(warm_store, WORLD, SEED, cache=tmp_path / "cache") for _ in range(2)]
        assert begun.wait(10)
        waits.set()
        first, second = (each.result(10) for each in asked)
    assert first == second == store
    assert made == [(WORLD, SEED)]
    assert [file.suffix for file in (tmp_path / "cache").iterdir()] == [".msgpack"]


def test_where_nothing_can_be_kept_it_is_made(tmp_path, monkeypatch, store):
    monkeypatch.setattr(warmup, "warm_up", lambda *_: store)
    (tmp_path / "cache").write_text("a file where a folder is wanted")
    assert warm_store(WORLD, SEED, cache=tmp_path / "cache") == store


def test_the_command_without_a_folder_fills_the_cache(tmp_path, monkeypatch, store):
    monkeypatch.setattr(warmup, "warm_up", lambda *_: store)
    assert main(["--world", WORLD, "--seed", str(SEED), "--cache", str(tmp_path / "cache")]) == 0
    monkeypatch.setattr(warmup, "warm_up", None)
    assert warm_store(WORLD, SEED, cache=tmp_path / "cache") == store


def test_the_key_tells_worlds_and_seeds_apart():
    keys = {warm_up_key(world, seed) for world in ("default", "starved") for seed in (1, 2)}
    assert len(keys) == 4
    assert warm_up_key(WORLD, SEED) in keys


def test_folders_are_written_and_read_back(tmp_path, store):
    write_folders(store, tmp_path / "out", Marker(WORLD, SEED, "k"))
    assert read_folders(tmp_path / "out") == store
    assert warm_store(WORLD, SEED, tmp_path / "out") == store
    with pytest.raises(SettingsError, match="not of default 2"):
        warm_store("default", 2, tmp_path / "out")
    with pytest.raises(FileExistsError):
        write_folders(store, tmp_path / "out", Marker(WORLD, SEED, "k"))


def test_the_command_writes_folders(tmp_path, store):
    assert main(["--world", WORLD, "--seed", str(SEED), "--out", str(tmp_path / "out")]) == 0
    assert read_folders(tmp_path / "out") == store
    with pytest.raises(SystemExit) as ended:
        main(["--world", WORLD, "--seed", str(SEED), "--out", str(tmp_path / "out")])
    assert ended.value.code == 3
    with pytest.raises(SystemExit) as ended:
        main(["--world", "atlantis", "--seed", "1", "--out", str(tmp_path / "other")])
    assert ended.value.code == 3


def test_a_process_of_its_own_without_pandas_makes_the_same(tmp_path, store):
    command = [sys.executable, "-m", "reference_stack", "warmup", "--world", WORLD, "--seed", str(SEED)]
    command += ["--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache"), "--registry", "mlflow"]
    subprocess.run(command, check=True)

    made = read_folders(tmp_path / "out")
    again = ["--world", WORLD, "--seed", str(SEED), "--out", str(tmp_path / "again"), "--registry", "mlflow"]
    assert main([*again, "--cache", str(tmp_path / "cache")]) == 0
    assert read_folders(tmp_path / "again") == made
    assert made.pop("registry/mlflow.db").startswith(b"SQLite")
    for name in [name for name in store if name.startswith("registry/artifacts/")]:
        assert store[name] in made.values()
    assert {name: data for name, data in made.items() if not name.startswith("registry/")} == {
        name: data for name, data in store.items() if not name.startswith("registry/")
    }


class Seeding:
    """Seeds with a number in place of MLflow's database: how often it has seeded."""

    times = 0

    def __init__(self, root):
        self._root = root

    def seed(self, _export):
        Seeding.times += 1
        (self._root / "registry").mkdir(parents=True)
        (self._root / "registry" / "mlflow.db").write_bytes(b"%d" % Seeding.times)

    def close(self):
        pass


def test_mlflow_is_asked_once_for_a_world_and_a_seed(tmp_path, monkeypatch, store):
    monkeypatch.setattr(warmup, "warm_up", lambda *_: store)
    monkeypatch.setattr(seeder, "Seeder", Seeding)
    monkeypatch.setattr(Seeding, "times", 0)
    cache = tmp_path / "cache"

    def seeded(out, seed=SEED):
        words = ["--world", WORLD, "--seed", str(seed), "--registry", "mlflow", "--cache", str(cache)]
        assert main([*words, "--out", str(tmp_path / out)]) == 0
        return (tmp_path / out / "registry" / "mlflow.db").read_bytes()

    assert [seeded("first"), seeded("second")] == [b"1", b"1"]
    assert read_folders(tmp_path / "second") == read_folders(tmp_path / "first")
    assert lies_in(tmp_path / "second", WORLD, SEED)
    assert seeded("another", SEED + 1) == b"2"
    for file in cache.glob("*.mlflow"):
        file.write_bytes(file.read_bytes()[:-1])
    assert seeded("after damage") == b"3"
    assert seeded("and after that") == b"3"


def test_a_registry_that_cannot_be_seeded_is_said(tmp_path):
    process = Seeder(tmp_path)
    with pytest.raises(ChildProcessError, match="ended with 1"):
        process.seed(Export(versions=[], artifacts=[], aliases={"champion": 1}))
    process.close()


def test_a_registry_that_cannot_be_seeded_is_the_last_word(tmp_path, store):
    (tmp_path / "mlflow.py").write_text("raise ImportError('there is no MLflow')")
    (tmp_path / "cache").mkdir()
    kept = f"{warm_up_key(WORLD, SEED)}.msgpack"
    (tmp_path / "cache" / kept).symlink_to(cache_folder("warmup") / kept)
    command = [sys.executable, "-m", "reference_stack", "warmup", "--world", WORLD, "--seed", str(SEED)]
    command += ["--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache"), "--registry", "mlflow"]
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command, check=False, env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.PIPE, text=True
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "ImportError: there is no MLflow"
    assert not (tmp_path / "out").exists()


def test_a_database_elsewhere_is_seeded_in_its_place(tmp_path, store):
    elsewhere = tmp_path / "elsewhere.db"
    export = MemoryRegistry(MemoryFolder({**store}, "registry"), lambda: 0.0).export()
    with closing(seeder.Seeder(tmp_path / "root", f"sqlite:///{elsewhere}")) as process:
        process.seed(export)
    with closing(sqlite3.connect(elsewhere)) as database:
        found = database.execute("select version from model_versions order by version").fetchall()
    assert [version for (version,) in found] == list(range(1, 18))
    assert not (tmp_path / "root" / "registry" / "mlflow.db").exists()
    assert len(list((tmp_path / "root").rglob("artifacts/**/*.*"))) >= 17


def test_a_seeder_that_nobody_needs_any_more_ends(tmp_path):
    Seeder(tmp_path).close()
    assert list(tmp_path.iterdir()) == []


def test_a_warm_up_that_is_kept_is_read_without_any_component():
    code = "import sys, reference_stack.warmup; sys.exit('reference_stack.assembly' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

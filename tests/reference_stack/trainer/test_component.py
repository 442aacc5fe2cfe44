from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from benchmarks.shop import Shop
from reference_stack.collector.partition import sha256
from reference_stack.features.impressions import Impressions
from reference_stack.features.manifest import snapshot_file, stored_partition
from reference_stack.layers.contract import Mode
from reference_stack.ports import Unreachable
from reference_stack.registry.memory import MemoryRegistry
from reference_stack.settings import TrainerSettings
from reference_stack.trainer.export import largest_weight
from reference_stack.trainer.model import Model, ModelParameters, fit

from .conftest import Bench


def model(bench: Bench, version: int) -> Model:
    return Model.from_bytes(asyncio.run(bench.registry.artifact(version)))


def champion(bench: Bench, version: int) -> None:
    asyncio.run(bench.registry.set_alias("champion", version))


def test_a_version_is_registered_with_its_lineage(bench: Bench) -> None:
    bench.start()
    snapshot = bench.snapshot(0)
    reply = bench.train(0, snapshot)
    assert (reply["version"], reply["red"]) == (1, {})
    (version,) = bench.versions()
    partitions = json.loads(version.tags["partitions"])
    assert [each["partition_day"] for each in partitions] == list(range(-7, 0))
    for each in partitions:
        assert each["sha256"] == sha256(bench.store.read(stored_partition(each["partition_day"])))
        assert each["rows"] > 500
    assert json.loads(version.tags["due"]) == list(range(-7, 0))
    assert version.snapshot == snapshot
    assert version.tags["code"] == "b1"
    assert version.tags["space_id"] == model(bench, 1).true_space_id()
    assert 0.0 < version.trained_day < 0.1
    (run,) = bench.registry.export().versions
    assert run.parameters == {
        "window_days": "7",
        "rank": "8",
        "ridge": "4.0",
        "damping": "1.0",
        "learning_rate": "0.0",
        "schemas": "1",
        "export_scale": "0.0",
        "inference_ms": "0.0",
    }
    assert run.metrics == reply["metrics"]


def test_the_version_event_tells_the_same_once(bench: Bench) -> None:
    bench.start()
    reply = bench.train(0, bench.snapshot(0))
    (event,) = bench.logged("version")
    (version,) = bench.versions()
    assert event["version"] == 1
    assert event["run"] == version.run
    assert event["snapshot"] == version.snapshot
    assert event["trained_day"] == version.trained_day
    assert event["partitions"] == json.loads(version.tags["partitions"])
    assert event["due"] == list(range(-7, 0))
    assert event["metrics"] == reply["metrics"]


def test_it_is_judged_on_a_day_it_has_not_seen_and_refitted_with_it(bench: Bench, shop: Shop) -> None:
    bench.start()
    reply = bench.train(0, bench.snapshot(0))
    catalogue = shop.world.catalogue
    past = Impressions.join([shop.partitions[day] for day in range(-7, -1)])
    assert reply["metrics"]["training_auc"] == fit(past, catalogue, -1, ModelParameters()).training_auc
    assert reply["metrics"]["z_popularity"] > 2.0
    assert "z_champion" not in reply["metrics"]
    whole = Impressions.join([shop.partitions[day] for day in range(-7, 0)])
    assert model(bench, 1).to_bytes() == fit(whole, catalogue, 0, ModelParameters()).to_bytes()
    assert reply["metrics"]["rows"] == len(whole)


def test_the_champion_is_judged_on_the_same_day(bench: Bench) -> None:
    bench.start()
    bench.train(-1, bench.snapshot(-1))
    champion(bench, 1)
    metrics = bench.train(0, bench.snapshot(0))["metrics"]
    assert -6.0 < metrics["z_champion"] < 6.0
    assert metrics["ndcg_champion"] > metrics["ndcg_popularity"]


def test_a_champion_of_repeated_products_judges_as_the_one_it_was_made_from(
    new_bench: Callable[[], Bench],
) -> None:
    found = []
    for schemas in (1, 2):
        bench = new_bench()
        bench.settings = TrainerSettings(schemas=schemas)
        bench.start()
        bench.train(-1, bench.snapshot(-1))
        champion(bench, 1)
        found.append(bench.train(0, bench.snapshot(0))["metrics"])
        assert len(model(bench, 1).products) == schemas * len(model(bench, 1).distinct().products)
    assert found[0] == found[1]
    assert "z_champion" in found[0]


def test_a_champion_that_cannot_be_read_judges_nobody(bench: Bench) -> None:
    bench.start()
    bench.train(-1, bench.snapshot(-1))
    champion(bench, 1)
    artifact = bench.shelf.read("artifacts/000001.bin")
    bench.shelf.write("artifacts/000001.bin", artifact[: len(artifact) // 2])
    reply = bench.train(0, bench.snapshot(0))
    assert reply["version"] == 2
    assert "z_champion" not in reply["metrics"]
    assert bench.logged("champion_unusable")[0]["version"] == 1


@pytest.mark.parametrize("known", [(5, 6), (4, 8)], ids=["categories", "segments"])
def test_a_champion_of_another_shop_judges_nobody(bench: Bench, known: tuple[int, int]) -> None:
    segments, categories = known
    bench.start()
    bench.train(-1, bench.snapshot(-1))
    champion(bench, 1)
    sound = model(bench, 1)
    table = sound.segment_category[:segments, :categories]
    foreign = replace(sound, segment=sound.segment[:segments], segment_category=table)
    bench.shelf.write("artifacts/000001.bin", foreign.to_bytes())
    reply = bench.train(0, bench.snapshot(0))
    assert reply["version"] == 2
    assert "z_champion" not in reply["metrics"]
    assert "it knows" in bench.logged("champion_unusable")[0]["says"]


def test_training_twice_gives_one_version(bench: Bench) -> None:
    bench.start()
    snapshot = bench.snapshot(0)
    first = bench.train(0, snapshot)
    assert bench.train(0, snapshot) == first
    bench.kill()
    bench.start()
    assert bench.train(0, snapshot) == first
    assert len(bench.versions()) == 1
    assert len(bench.logged("version")) == 1
    assert bench.train(0, bench.snapshot(0, absent=[-3]))["version"] == 2


def test_an_impatient_caller_who_asks_again_gets_the_same_version(bench: Bench) -> None:
    bench.start()
    snapshot = bench.snapshot(0)
    replies: list[tuple[int, bytes]] = []
    for _ in range(3):
        bench.send("train", replies, day=0, snapshot=snapshot)
    bench.machine.advance(1.0)
    assert [status for status, _ in replies] == [200] * 3
    assert {json.loads(reply)["version"] for _, reply in replies} == {1}
    assert len(bench.versions()) == 1


def test_killed_while_it_trains_it_leaves_nothing_and_trains_again(bench: Bench) -> None:
    bench.start()
    snapshot = bench.snapshot(0)
    bench.send("train", [], day=0, snapshot=snapshot)
    bench.machine.advance(0.01)
    bench.kill()
    assert bench.versions() == []
    bench.start()
    assert bench.train(0, snapshot)["version"] == 1


def test_killed_after_registering_it_announces_the_version_when_asked_again(bench: Bench) -> None:
    bench.start()
    snapshot = bench.snapshot(0)
    first = bench.train(0, snapshot)
    (event,) = bench.logged("version")
    assert bench.folder.list("checkpoints/") == []
    bench.kill()
    bench.folder.delete("announced/1")
    bench.folder.write(f"checkpoints/0-{snapshot}.bin", b"of which the version was made")
    bench.lines.clear()
    bench.start()
    assert bench.train(0, snapshot) == first
    (again,) = bench.logged("version")
    assert {**again, "day": 0} == {**event, "day": 0}
    assert bench.folder.list("checkpoints/") == []


def test_without_the_newest_day_evaluation_is_not_reached_and_does_not_block(bench: Bench) -> None:
    bench.start(min_z_popularity=1000.0)
    reply = bench.train(0, bench.snapshot(0, absent=[-1]))
    assert reply["version"] == 1
    assert list(reply["metrics"]) == ["rows"]
    assert bench.signals() == []
    (event,) = bench.logged("version")
    assert [each["partition_day"] for each in event["partitions"]] == list(range(-7, -1))
    assert event["due"][-1] == -1


def test_with_nothing_but_the_newest_day_evaluation_is_not_reached(bench: Bench) -> None:
    bench.start(min_z_popularity=1000.0)
    assert bench.train(0, bench.snapshot(0, absent=range(-7, -1)))["version"] == 1
    assert bench.signals() == []


def test_a_blocked_challenger_is_not_registered(bench: Bench) -> None:
    bench.start(min_z_popularity=1000.0)
    snapshot = bench.snapshot(0)
    reply = bench.train(0, snapshot)
    assert reply["version"] is None
    assert "popularity" in reply["red"]["evaluation"]
    assert bench.versions() == []
    assert bench.logged("version") == []
    assert bench.signals() == ["reached", "fired", "acted"]
    (blocked,) = bench.logged("blocked")
    assert (blocked["cycle"], blocked["red"]) == (0, reply["red"])


def test_a_gate_that_observes_speaks_and_does_not_block(bench: Bench) -> None:
    bench.start(Mode.OBSERVE, min_z_popularity=1000.0)
    assert bench.train(0, bench.snapshot(0))["version"] == 1
    assert bench.signals() == ["reached", "fired", "would_have_acted"]


def test_a_gate_that_is_off_is_not_asked(bench: Bench) -> None:
    bench.start(Mode.OFF, min_z_popularity=1000.0)
    assert bench.train(0, bench.snapshot(0))["version"] == 1
    assert bench.signals() == []


def test_a_ridge_of_the_wrong_sign_is_blocked_and_healing_clears(bench: Bench) -> None:
    bench.start()
    assert bench.ask("configure", key="ridge", value=-1e6)[0] == 200
    reply = bench.train(-1, bench.snapshot(-1))
    assert reply["version"] is None
    assert "popularity" in reply["red"]["evaluation"]
    bench.ask("configure", key="ridge", value=4.0)
    assert bench.train(0, bench.snapshot(0))["version"] == 1
    assert bench.signals()[-1] == "cleared"


def test_a_learning_rate_far_too_large_leaves_no_number_and_is_blocked(bench: Bench) -> None:
    bench.start()
    assert bench.ask("configure", key="learning_rate", value=1e15)[0] == 200
    reply = bench.train(-1, bench.snapshot(-1))
    assert reply["version"] is None
    assert "not finite" in reply["red"]["evaluation"]
    bench.ask("configure", key="learning_rate", value=0.0)
    assert bench.train(0, bench.snapshot(0))["version"] == 1


@pytest.mark.parametrize(("rate", "finite"), [(2.5, True), (1e15, False)])
def test_without_the_gate_a_diverged_model_is_registered_and_its_largest_weight_told(
    bench: Bench, rate: float, finite: bool
) -> None:
    bench.settings = TrainerSettings(learning_rate=rate)
    bench.start(Mode.OFF)
    assert bench.train(0, bench.snapshot(0))["version"] == 1
    assert model(bench, 1).is_finite() is finite
    assert 40 < largest_weight(model(bench, 1)) <= sys.float_info.max


def test_the_configuration_in_force_is_part_of_the_lineage(bench: Bench) -> None:
    bench.start()
    bench.train(-1, bench.snapshot(-1))
    bench.ask("configure", key="rank", value=2)
    bench.train(0, bench.snapshot(0))
    names = [each.tags["configuration"] for each in bench.versions()]
    kept = [json.loads(bench.folder.read(f"configurations/{name}.json")) for name in names]
    assert [each["settings"]["rank"] for each in kept] == [8, 2]
    assert model(bench, 2).factors.shape[1] == 2


def test_a_partition_damaged_in_the_store_is_left_out_and_told(bench: Bench) -> None:
    bench.start()
    snapshot = bench.snapshot(0)
    bench.store.write(stored_partition(-4), b"not parquet")
    bench.store.delete(stored_partition(-6))
    assert bench.train(0, snapshot)["version"] == 1
    (event,) = bench.logged("version")
    assert [each["partition_day"] for each in event["partitions"]] == [-7, -5, -3, -2, -1]
    assert [each["partition_day"] for each in bench.logged("partition_unusable")] == [-6, -4]


def test_a_partition_that_changed_is_named_by_what_was_read(bench: Bench, files: dict[int, bytes]) -> None:
    bench.start()
    bench.train(-1, bench.snapshot(-1))
    snapshot = bench.snapshot(0)
    bench.store.write(stored_partition(-3), files[-5])
    bench.train(0, snapshot)
    partitions = {each["partition_day"]: each for each in bench.logged("version")[-1]["partitions"]}
    assert partitions[-3]["sha256"] == sha256(files[-5])


def test_the_window_is_a_setting(bench: Bench) -> None:
    bench.settings = TrainerSettings(window_days=3)
    bench.start()
    bench.train(0, bench.snapshot(0))
    (event,) = bench.logged("version")
    assert [each["partition_day"] for each in event["partitions"]] == [-3, -2, -1]


def test_what_cannot_be_trained_from_is_refused(bench: Bench) -> None:
    bench.start()
    assert bench.ask("train", day=0, snapshot="nowhere")[0] == 404
    snapshot = bench.snapshot(0)
    bench.store.write(snapshot_file(snapshot), bench.store.read(snapshot_file(snapshot))[:-1])
    assert bench.ask("train", day=0, snapshot=snapshot)[0] == 500
    assert bench.ask("train", day=0, snapshot=bench.snapshot(0, absent=range(-7, 0)))[0] == 400
    assert bench.versions() == []


def test_with_the_registry_away_training_fails_and_succeeds_later(bench: Bench) -> None:
    class Away(MemoryRegistry):
        away = True

        async def versions(self):
            if self.away:
                raise Unreachable("on purpose")
            return await super().versions()

    bench.registry = Away(bench.shelf, bench.machine.day)
    bench.start()
    snapshot = bench.snapshot(0)
    assert bench.ask("train", day=0, snapshot=snapshot)[0] >= 500
    bench.registry.away = False
    assert bench.train(0, snapshot)["version"] == 1


@pytest.mark.parametrize("day", [-1, 0])
def test_the_same_events_give_the_same_bytes(new_bench: Callable[[], Bench], day: int) -> None:
    made = []
    for _ in range(2):
        bench = new_bench()
        bench.start()
        bench.train(day, bench.snapshot(day))
        made.append((bench.shelf.read("artifacts/000001.bin"), bench.shelf.read("versions/000001.json")))
    assert made[0] == made[1]

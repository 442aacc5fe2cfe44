from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from benchmarks.shop import Release


def test_reasons_sum_to_scores_in_the_order_of_the_slate(stage: Any) -> None:
    stage.start()
    reply = stage.ask(9)[1]
    status, why = stage.explain(reply["recommendation"])
    assert status == 200
    assert [reason["product"] for reason in why["reasons"]] == reply["slate"]
    scores = [reason["score"] for reason in why["reasons"]]
    assert scores == sorted(scores, reverse=True)
    assert all(sum(reason["terms"].values()) == pytest.approx(reason["score"]) for reason in why["reasons"])
    assert {"collaborative", "popularity", "novelty"} <= set(why["reasons"][0]["terms"])


def test_lineage_leads_to_the_partitions_and_the_configuration(stage: Any) -> None:
    stage.start()
    why = stage.explain(stage.ask(9)[1]["recommendation"])[1]
    assert (why["version"], why["run"], why["snapshot"]) == (1, "run-1", "snapshot-1")
    assert why["partitions"] == {"-1": "ab"}
    assert (why["customer"], why["feature_snapshot"], why["replica"]) == (9, "features-1", "serving-a")
    assert '"explore_share":0.0' in why["configuration"]


def test_an_old_recommendation_is_explained_after_a_restart_and_a_new_model(
    stage: Any, releases: list[Release]
) -> None:
    stage.start()
    reply = stage.ask(9)[1]
    before = stage.explain(reply["recommendation"])[1]
    stage.registry.put(2, releases[1], "champion")
    stage.configure("explore_share", 0.5)
    stage.machine.advance(6.0)
    stage.kill()
    stage.start()
    stage.machine.advance(6.5)
    assert stage.ask(9)[1]["version"] == 2
    assert stage.explain(reply["recommendation"])[1] == before


def test_either_replica_explains_what_is_in_the_folder(stage: Any) -> None:
    stage.start()
    stage.start("serving-b")
    reply = stage.ask(9)[1]
    stage.machine.advance(0.2)
    status, why = stage.explain(reply["recommendation"], "serving-b")
    assert (status, why["replica"]) == (200, "serving-a")


def test_popularity_explains_itself(stage: Any) -> None:
    stage.start()
    stage.features.broken = True
    reply = stage.ask(9)[1]
    why = stage.explain(reply["recommendation"])[1]
    assert why["fallback"] == "popularity"
    assert all(set(reason["terms"]) == {"popularity"} for reason in why["reasons"])
    scores = [reason["score"] for reason in why["reasons"]]
    assert scores == sorted(scores, reverse=True)


def test_last_good_features_are_the_ones_that_are_explained(stage: Any) -> None:
    stage.start()
    good = stage.explain(stage.ask(9)[1]["recommendation"])[1]
    stage.machine.end("features")
    fallen = stage.explain(stage.ask(9)[1]["recommendation"])[1]
    assert fallen["fallback"] == "last_good"
    assert fallen["reasons"] == good["reasons"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x",
        "serving-a.0.9-9.1",
        "serving-a.zero.0-1.1",
        "../x.0.0-1.1",
        "é.0.0-1.1",
        f"serving-a.{'9' * 5000}.0-1.1",
    ],
    ids=lambda name: name[:20],
)
def test_an_unknown_recommendation_is_not_found(stage: Any, name: str) -> None:
    stage.start()
    assert stage.explain(name)[0] == 404


def test_explaining_a_forgotten_version_needs_the_registry(stage: Any) -> None:
    stage.start()
    reply = stage.ask(9)[1]
    stage.machine.advance(0.2)
    stage.kill()
    stage.registry.away = True
    stage.start()
    assert stage.explain(reply["recommendation"])[0] == 500
    stage.registry.away = False
    assert stage.explain(reply["recommendation"])[0] == 200


def test_a_torn_batch_spoils_only_its_last_line(stage: Any) -> None:
    stage.start()
    first = stage.ask(9)[1]
    stage.machine.advance(0.1)
    file = stage.folder.list("recommendations/")[0]
    stage.folder.append(file, b'\n{"recommendation":"serving-a.0.0-77.1","da')
    second = stage.ask(9)[1]
    stage.machine.advance(0.2)
    assert stage.explain(first["recommendation"])[0] == 200
    assert stage.explain(second["recommendation"])[0] == 200
    assert stage.explain("serving-a.0.0-77.1")[0] == 404


def test_a_full_disk_keeps_nobody_from_an_explanation(stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.start()
    old = stage.ask(9)[1]["recommendation"]
    stage.machine.advance(0.2)
    before = stage.explain(old)[1]

    def full(_name: str, _data: bytes) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(stage.folder, "append", full)
    new = stage.ask(10)[1]["recommendation"]
    assert stage.explain(old) == (200, before)
    status, why = stage.explain(new)
    assert (status, why["customer"]) == (200, 10)
    assert "collaborative" in why["reasons"][0]["terms"]
    assert stage.metric("storage_errors_total") > 0


def test_features_are_logged_once(stage: Any) -> None:
    stage.start()
    for _ in range(5):
        stage.ask(9)
    stage.ask(10)
    stage.machine.advance(0.2)
    (file,) = stage.folder.list("features/")
    assert len(stage.folder.read(file).split()) == 2


def test_a_version_of_unknown_day_can_be_scraped_and_explained(stage: Any) -> None:
    known, artifact = stage.registry.known[1]
    stage.registry.known[1] = (msgspec.structs.replace(known, trained_day=math.nan), artifact)
    stage.start()
    stage.machine.advance(0.2)
    reply = stage.ask(9)[1]
    samples = stage.request("scrape", {})[1]["samples"]
    assert samples["model_version"] == 1
    assert None not in samples.values()  # JSON has no NaN, and the monitor could read none of it
    assert stage.explain(reply["recommendation"])[0] == 200


def test_a_replica_starts_and_is_configured_while_its_disk_is_full(
    stage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_name: str, _data: bytes) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(stage.folder, "append", full)
        patch.setattr(stage.folder, "write", full)
        stage.start()
        assert stage.ask(9)[0] == 200
        stage.configure("explore_share", 0.5)
        reply = stage.ask(9)[1]
        assert '"explore_share":0.5' in stage.explain(reply["recommendation"])[1]["configuration"]
    stage.machine.advance(stage.machine.day() + 0.2)
    stage.kill()
    stage.start()
    assert '"explore_share":0.5' in stage.explain(reply["recommendation"])[1]["configuration"]

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from benchmarks.shop import Release, slates
from reference_stack.arrays import pack, unpack
from reference_stack.layers.contract import Mode
from reference_stack.settings import ServingSettings
from reference_stack.trainer.model import Model

Make = Callable[..., Any]


def of_six_categories(model: Model) -> bytes:
    """A model that is sound in itself, and of another shop."""
    return replace(model, segment_category=model.segment_category[:, :6]).to_bytes()


def without_popularity(model: Model) -> bytes:
    facts, arrays = unpack(model.to_bytes())
    return pack(facts, {name: array for name, array in arrays.items() if name != "popularity"})


def test_serves_what_the_model_says(stage: Any) -> None:
    stage.start()
    expected = slates(stage.world, stage.release, 0)
    for customer in (0, 7, 42):
        status, reply, took_ms = stage.ask(customer)
        assert status == 200
        assert reply["slate"] == expected[customer].tolist()
        assert (reply["version"], reply["replica"], reply.get("fallback", "")) == (1, "serving-a", "")
        assert took_ms < 5


def test_it_prepares_with_patience_for_a_registry_that_comes_up(stage: Any) -> None:
    stage.settings = ServingSettings(explore_share=0.0, refresh_days=9.0)
    stage.registry.away = True
    stage.start()
    stage.serving().runtime.spawn(stage.serving().prepare())
    stage.machine.advance(0.1)
    assert stage.ask(3)[0] == 500
    stage.registry.away = False
    stage.machine.advance(0.5)
    assert (stage.ask(3)[0], stage.serving().runtime.day() < 9.0) == (200, True)


def test_slow_features_without_the_layer_make_every_view_slow(make_stage: Make) -> None:
    stage = make_stage(mode=Mode.OFF)
    stage.start()
    stage.machine.advance(0.05)
    stage.features.delay_ms = 225.0
    status, reply, took_ms = stage.ask(3)
    assert (status, reply["fallback"]) == (200, "")
    assert took_ms == pytest.approx(225.5, abs=0.1)
    assert stage.signals() == []


def test_features_that_never_answer_fail_the_view_without_the_layer(make_stage: Make) -> None:
    stage = make_stage(mode=Mode.OFF)
    stage.start()
    stage.machine.advance(0.05)
    stage.features.delay_ms = 60_000.0
    status, _, took_ms = stage.ask(3)
    assert status == 500
    assert took_ms == pytest.approx(2000.0, abs=0.1)
    assert stage.metric("answers_failed_total") == 1


def test_slow_features_with_the_layer_give_the_customers_last_good_ones(stage: Any) -> None:
    stage.start()
    usual = stage.best(3)
    stage.features.delay_ms = 225.0
    status, reply, took_ms = stage.ask(3)
    assert (status, reply["fallback"], reply["slate"]) == (200, "last_good", usual)
    assert took_ms == pytest.approx(50.0, abs=0.1)


@pytest.mark.parametrize(("placements", "shown"), [("home=5", 5), ("basket=4", None)])
def test_a_fallback_fills_the_page_as_it_is_by_then(stage: Any, placements: str, shown: int | None) -> None:
    stage.start()
    stage.best(3)
    stage.features.delay_ms = 225.0
    got: list[tuple[int, bytes]] = []
    body = msgspec.json.encode({"view": "v", "customer": 3, "segment": 1})
    stage.machine.request("serving-a", "recommend", body, lambda *reply: got.append(reply))
    stage.machine.advance(stage.machine.day() + 0.01)
    assert got == []
    stage.configure("placements", placements)
    stage.machine.advance(stage.machine.day() + 1.0)
    status, reply = got[0][0], msgspec.json.decode(got[0][1])
    if shown is None:
        assert (status, reply["error"].endswith("no placement 'home'")) == (500, True)
    else:
        assert (status, len(reply["slate"]), reply["fallback"]) == (200, shown, "last_good")


def test_a_customer_without_last_good_features_gets_popularity(stage: Any) -> None:
    stage.start()
    stage.best(3)
    stage.features.delay_ms = 225.0
    (_, first, _), (_, second, _) = stage.ask(4), stage.ask(5)
    assert first["fallback"] == second["fallback"] == "popularity"
    assert first["slate"] == second["slate"] != stage.ask(3)[1]["slate"]


def test_features_down_fall_back_at_once(stage: Any) -> None:
    stage.start()
    stage.best(3)
    stage.machine.end("features")
    status, reply, took_ms = stage.ask(3)
    assert (status, reply["fallback"]) == (200, "last_good")
    assert took_ms < 5


def test_broken_features_count_as_lacking_too(stage: Any) -> None:
    stage.start()
    stage.features.broken = True
    assert stage.ask(3)[1]["fallback"] == "popularity"


def test_an_episode_acts_fires_and_clears(stage: Any) -> None:
    stage.start()
    stage.best(3)
    stage.machine.advance(0.5)
    stage.features.delay_ms = 225.0
    for _ in range(3):
        assert stage.ask(3)[1]["fallback"] == "last_good"
    stage.features.delay_ms = 0.0
    healed = stage.machine.day()
    stage.machine.advance(healed + 0.03)
    assert stage.ask(3)[1]["fallback"] == ""
    stage.machine.advance(1.0)
    signals = stage.signals()
    assert [signal for signal, _ in signals] == ["acted", "fired", "cleared"]
    acted, fired, cleared = (day for _, day in signals)
    assert acted == pytest.approx(0.55)
    assert fired - acted <= 1 / 24 + 0.001
    assert 1 / 24 < cleared - healed < 2 / 24 + 0.001


@pytest.mark.parametrize(("bad", "high"), [(1, 0.0), (3, 1.0)])
def test_the_gauge_for_alerts_follows_the_share_of_a_tick(stage: Any, bad: int, high: float) -> None:
    stage.settings = ServingSettings(explore_share=0.0, report_days=1.0)
    stage.start()
    for _ in range(200 - bad):
        stage.ask(3)
    stage.features.broken = True
    for _ in range(bad):
        stage.ask(3)
    assert stage.machine.day() < 1.0
    stage.machine.advance(1.01)
    assert stage.metric("fallback_share") == bad / 200
    assert stage.metric('layer_fired{layer="fallback"}') == high


def test_observing_says_what_it_would_have_done_and_changes_nothing(make_stage: Make) -> None:
    stage = make_stage(mode=Mode.OBSERVE)
    stage.start()
    stage.machine.advance(0.05)
    stage.features.delay_ms = 225.0
    status, reply, took_ms = stage.ask(3)
    assert (status, reply["fallback"]) == (200, "")
    assert took_ms == pytest.approx(225.5, abs=0.1)
    assert stage.signals()[0] == ("would_have_acted", pytest.approx(0.1))


def test_a_layer_switched_off_on_the_way_ends_the_fallback(stage: Any) -> None:
    stage.start()
    stage.best(3)
    stage.features.delay_ms = 225.0
    assert stage.ask(3)[1]["fallback"] == "last_good"
    stage.configure("layers.fallback.mode", "off")
    assert stage.ask(3)[1]["fallback"] == ""


def test_a_new_champion_is_served_after_the_refresh(stage: Any, releases: list[Release]) -> None:
    stage.start()
    stage.machine.advance(0.5)
    assert stage.ask()[1]["version"] == 1
    stage.registry.put(2, releases[1], "champion")
    assert stage.ask()[1]["version"] == 1
    stage.machine.advance(0.53)
    assert stage.ask()[1]["version"] == 2
    stage.registry.aliases["champion"] = 1
    stage.machine.advance(0.56)
    assert stage.ask()[1]["version"] == 1


def test_the_model_is_kept_while_the_registry_is_away(stage: Any, releases: list[Release]) -> None:
    stage.start()
    stage.machine.advance(0.1)
    stage.registry.away = True
    stage.registry.put(2, releases[1], "champion")
    stage.machine.advance(3.0)
    status, reply, _ = stage.ask()
    assert (status, reply["version"], reply["fallback"]) == (200, 1, "")
    assert stage.metric("registry_up") == 0.0
    stage.registry.away = False
    stage.machine.advance(3.1)
    assert stage.ask()[1]["version"] == 2


def test_a_restart_without_a_registry_fails_without_the_layer(make_stage: Make) -> None:
    stage = make_stage(mode=Mode.OFF)
    stage.start()
    stage.best(3)
    stage.kill()
    stage.registry.away = True
    stage.start()
    assert stage.ask(3)[0] == 500
    stage.registry.away = False
    stage.machine.advance(stage.machine.day() + 0.1)
    assert stage.ask(3)[0] == 200


def test_a_restart_without_a_registry_serves_the_model_on_disk_with_it(stage: Any) -> None:
    stage.start()
    usual = stage.best(3)
    stage.kill()
    stage.registry.away = True
    stage.start()
    for _ in range(2):
        status, reply, _ = stage.ask(3)
        assert (status, reply["fallback"], reply["slate"], reply["version"]) == (200, "last_good", usual, 1)
    assert stage.signals("model")[0][0] == "acted"
    stage.registry.away = False
    stage.machine.advance(stage.machine.day() + 0.2)
    assert stage.ask(3)[1]["fallback"] == ""
    stage.machine.advance(stage.machine.day() + 0.1)
    assert stage.signals("model")[-1][0] == "cleared"


@pytest.mark.parametrize("what", ["no champion", "a torn one"])
def test_a_model_from_disk_is_a_fallback_until_the_registry_names_one_that_answers(
    stage: Any, releases: list[Release], what: str
) -> None:
    stage.start()
    stage.machine.advance(0.5)
    stage.kill()
    if what == "no champion":
        stage.registry.aliases.clear()
    else:
        stage.registry.put(2, releases[1], "champion", artifact=b"torn")
    stage.start()
    for number in range(20):
        stage.machine.advance(0.6 + 0.02 * number)
        assert stage.ask(number)[1]["fallback"] == "last_good"
    assert "cleared" not in [signal for signal, _ in stage.signals("model")]
    stage.registry.put(3, releases[1], "champion")
    stage.machine.advance(1.3)
    assert stage.ask(1)[1]["fallback"] == ""


def test_an_outage_without_views_in_a_tick_is_one_episode(stage: Any) -> None:
    stage.start()
    stage.best(3)
    stage.features.broken = True
    for day in (0.51, 0.7, 0.9):
        stage.machine.advance(day)
        stage.ask(3)
    stage.machine.advance(1.0)
    assert [signal for signal, _ in stage.signals()] == ["acted", "fired"]


def test_a_full_disk_keeps_nobody_from_being_served(stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.start()
    stage.machine.advance(0.5)

    def full(_name: str, _data: bytes) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(stage.folder, "append", full)
        assert {stage.ask(number % 50)[0] for number in range(200)} == {200}
        first = stage.ask(1)[1]["recommendation"]
        assert stage.metric("storage_errors_total") > 0
    stage.machine.advance(stage.machine.day() + 0.1)
    assert stage.explain(first)[0] == 200


def test_a_damaged_artifact_leaves_the_old_model_in_its_place(stage: Any, releases: list[Release]) -> None:
    stage.start()
    stage.machine.advance(0.1)
    stage.registry.put(2, releases[1], "champion", artifact=releases[1].model.to_bytes()[:-100])
    stage.machine.advance(0.3)
    assert stage.ask()[1]["version"] == 1
    assert [line["version"] for line in stage.logs if line["event"] == "model_unusable"] == [2]


@pytest.mark.parametrize("foreign", [of_six_categories, without_popularity])
def test_a_foreign_model_leaves_the_old_one_in_its_place(
    stage: Any, releases: list[Release], foreign: Callable[[Model], bytes]
) -> None:
    stage.start()
    stage.machine.advance(0.1)
    stage.registry.put(2, releases[1], "champion", artifact=foreign(releases[1].model))
    stage.machine.advance(1.3)
    assert stage.ask()[1]["version"] == 1
    assert [line["version"] for line in stage.logs if line["event"] == "model_unusable"] == [2]
    stage.registry.put(3, releases[1], "champion")
    stage.machine.advance(1.6)
    assert stage.ask()[1]["version"] == 3


def test_a_foreign_model_on_disk_is_not_restored(stage: Any, releases: list[Release]) -> None:
    stage.start()
    stage.best(3)
    stage.kill()
    stage.registry.away = True
    stored = msgspec.msgpack.decode(stage.folder.read("models/serving-a.msgpack"))
    stored["artifact"] = of_six_categories(releases[0].model)
    stage.folder.write("models/serving-a.msgpack", msgspec.msgpack.encode(stored))
    stage.start()
    status, reply, _ = stage.ask(3)
    assert (status, reply["error"].endswith("no model: Unreachable")) == (500, True)
    assert "6 categories" in next(line["says"] for line in stage.logs if line["event"] == "model_unusable")
    assert not [line for line in stage.logs if line["event"] == "error" and line["kind"] != "Failed"]


def test_a_canary_takes_its_share_of_customers_and_sticks(make_stage: Make, releases: list[Release]) -> None:
    stage = make_stage()
    stage.registry.put(2, releases[1], "challenger")
    stage.start()
    customers = range(100)
    assert {stage.ask(c)[1]["version"] for c in customers} == {1}
    stage.configure("canary", True)
    stage.machine.advance(stage.machine.day() + 0.1)
    versions = [stage.ask(c)[1]["version"] for c in customers]
    assert 30 < versions.count(2) < 70
    stage.start("serving-b")
    stage.configure("canary", True, "serving-b")
    stage.machine.advance(stage.machine.day() + 0.1)
    assert [stage.ask(c, replica="serving-b")[1]["version"] for c in customers] == versions
    stage.configure("canary", False)
    assert {stage.ask(c)[1]["version"] for c in customers} == {1}


def test_exploration_has_its_share_and_the_same_slots_on_every_replica(make_stage: Make) -> None:
    stage = make_stage(settings=ServingSettings(explore_share=0.1))
    stage.start()
    stage.start("serving-b")
    usual = make_stage()
    usual.start()
    explored = 0
    for number in range(200):
        view = f"0-{number}"
        reply = stage.ask(5, view=view)[1]
        assert stage.ask(5, view=view, replica="serving-b")[1]["slate"] == reply["slate"]
        explored += len(reply["explored"])
        assert len(set(reply["slate"])) == 10
        assert reply["explore_share"] == 0.1
        for slot, (shown, best) in enumerate(zip(reply["slate"], usual.best(5), strict=True)):
            assert (shown != best) <= (slot in reply["explored"])
    assert 150 < explored < 250


def test_a_shop_begins_with_random_slates(make_stage: Make) -> None:
    stage = make_stage(settings=ServingSettings(explore_share=1.0))
    stage.registry.aliases.clear()
    stage.start()
    first, second = stage.ask(1)[1], stage.ask(1)[1]
    assert (first["version"], len(set(first["slate"]))) == (0, 10)
    assert first["slate"] != second["slate"]
    assert first["explored"] == list(range(10))
    assert stage.explain(first["recommendation"])[1]["slate"] == first["slate"]


def test_no_champion_fails_a_shop_that_has_begun(stage: Any) -> None:
    stage.registry.aliases.clear()
    stage.start()
    assert stage.ask(1)[0] == 500
    assert stage.signals("model")[0][0] == "acted"


def test_the_first_view_waits_for_the_model_and_asks_for_it_only_once(stage: Any) -> None:
    stage.start()
    assert stage.ask(1)[0] == 200
    assert stage.registry.calls == 3


def test_the_age_of_features_is_that_of_a_ticks_answers_on_average(stage: Any) -> None:
    stage.start()
    stage.machine.advance(3.001)
    stage.ask(1)
    stage.features.built_day = 3.0
    for customer in (2, 3, 4):
        stage.ask(customer)
    stage.machine.advance(3.06)
    assert stage.metric("feature_age_days") == pytest.approx(0.75, abs=0.06)


def test_feature_age_and_defaults_are_measured(stage: Any) -> None:
    stage.start()
    stage.machine.advance(1.25)
    stage.ask(1)
    stage.machine.advance(1.3)
    assert stage.metric("feature_age_days") == pytest.approx(1.25, abs=0.05)
    stage.machine.advance(1.5)
    assert stage.metric("model_age_days") == pytest.approx(1.5, abs=0.05)
    assert stage.metric("answers_total") == stage.metric("lookup_total") == 1

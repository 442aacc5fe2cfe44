import json

import pytest

from reference_stack.layers.contract import Mode
from reference_stack.settings import OnCallSettings, SettingsError, read_settings


def fire(tower, at_day: float = 1.0) -> None:
    tower.live(at_day)
    tower.set("features", "layer_fired", 1.0, layer="volume")


def configure(tower, key: str, value: object) -> None:
    body = json.dumps({"key": key, "value": value}).encode()
    tower.machine.request("oncall", "configure", body, lambda status, _: None)


def acknowledged(tower) -> list[dict]:
    """The first line of each alert that says when it was acknowledged."""
    answered = [line for line in tower.logged("alert") if line["acknowledged_day"] is not None]
    return list({line["id"]: line for line in reversed(answered)}.values())[::-1]


def test_an_alert_is_sent_acknowledged_in_time_and_acted_upon(tower):
    fire(tower)
    tower.live(2.0)
    sent, answered = tower.logged("alert")
    assert sent["acknowledged_day"] is None
    assert answered["id"] == sent["id"]
    assert 0.1 <= answered["acknowledged_day"] - answered["sent_day"] <= 0.51
    assert answered["day"] == pytest.approx(answered["acknowledged_day"])
    (action,) = tower.logged("action")
    assert action | {"day": 0} == {
        "event": "action",
        "component": "oncall",
        "day": 0,
        "by": "ml",
        "action": "acknowledge",
        "says": "tells the upstream owner that the data at features needs them",
    }


def test_the_delay_is_drawn_by_seed(new_tower):
    def delay(seed: int) -> float:
        tower = new_tower(seed)
        fire(tower)
        tower.live(2.0)
        return acknowledged(tower)[0]["acknowledged_day"]

    assert delay(1) == delay(1)
    assert len({delay(seed) for seed in range(5)}) > 1


@pytest.mark.parametrize("how", ["nobody", "people off", "muted"])
def test_where_nobody_reads_it_it_is_sent_and_that_is_all(new_tower, how):
    tower = new_tower(
        oncall=OnCallSettings(kind="none" if how == "nobody" else "simulated"),
        people=Mode.OFF if how == "people off" else Mode.ENFORCE,
    )
    if how == "muted":
        configure(tower, "layers.people.muted", ["volume"])
    fire(tower)
    tower.live(4.0)
    assert tower.alerts() == [("volume", "features", "firing")]
    assert acknowledged(tower) == []
    assert tower.logged("action") == []
    assert "acted" not in [line["signal"] for line in tower.logged("signal") if line["layer"] == "people"]


AWAY = {
    "off": ("layers.people.mode", "off", "enforce"),
    "only observed": ("layers.people.mode", "observe", "enforce"),
    "muted": ("layers.people.muted", ["volume"], []),
    "of a severity that nobody answers": ("layers.people.severities", [], ["page"]),
}


@pytest.mark.parametrize(("key", "away", "back"), AWAY.values(), ids=AWAY)
def test_what_still_fires_when_people_are_back_is_read_then(tower, key, away, back):
    configure(tower, key, away)
    fire(tower)
    tower.live(3.0)
    assert acknowledged(tower) == []
    configure(tower, key, back)
    tower.live(4.0)
    (read,) = acknowledged(tower)
    assert read["sent_day"] == pytest.approx(1.0, abs=0.1)
    # Told again within four hours, and answered as any other.
    assert 3.1 <= read["acknowledged_day"] <= 3.0 + 4 / 24 + 0.05 + 0.51
    assert [line["action"] for line in tower.logged("action")] == ["acknowledge"]


def test_what_was_over_before_people_were_back_is_read_by_nobody(tower):
    configure(tower, "layers.people.mode", "off")
    fire(tower)
    tower.live(2.0)
    tower.set("features", "layer_fired", 0.0, layer="volume")
    tower.live(3.0)
    configure(tower, "layers.people.mode", "enforce")
    tower.live(5.0)
    assert acknowledged(tower) == []


def test_what_is_told_again_is_told_so_after_a_restart_too(tower):
    configure(tower, "layers.people.muted", ["volume"])
    fire(tower)
    tower.live(2.0)
    tower.kill("oncall")
    tower.start("oncall")  # its muting was in its memory alone
    tower.live(3.0)
    assert len(acknowledged(tower)) == 1
    assert tower.alerts() == [("volume", "features", "firing")]


def test_a_restart_forgets_neither_alert_nor_answer(tower):
    fire(tower)
    tower.live(1.06)
    tower.kill("oncall")
    tower.start("oncall")
    tower.live(2.0)
    assert tower.alerts() == [("volume", "features", "firing")]
    assert len(acknowledged(tower)) == 1


def test_a_restart_remembers_what_was_answered_and_what_had_come(tower):
    fire(tower)
    tower.live(2.0)
    assert len(acknowledged(tower)) == 1
    tower.kill("oncall")
    tower.start("oncall")
    tower.live(3.0)
    assert len(acknowledged(tower)) == 1
    tower.set("features", "layer_fired", 0.0, layer="volume")
    tower.live(3.5)
    assert tower.alerts()[-1] == ("volume", "features", "resolved")
    tower.kill("oncall")
    tower.start("oncall")
    fire(tower, 4.0)
    tower.live(5.0)
    assert {line["id"][-2:] for line in tower.logged("alert")} == {"-1", "-2"}


def test_the_alerts_that_are_open_are_counted_also_after_a_restart(tower):
    fire(tower)
    tower.live(2.0)
    assert tower.metric("oncall", "alerts_open") == 1
    tower.kill("oncall")
    tower.start("oncall")
    tower.live(2.1)
    assert tower.metric("oncall", "alerts_open") == 1
    tower.set("features", "layer_fired", 0.0, layer="volume")
    tower.live(3.0)
    assert tower.metric("oncall", "alerts_open") == 0


def test_an_alert_that_comes_again_is_another_alert(tower):
    fire(tower)
    tower.live(2.0)
    tower.set("features", "layer_fired", 0.0, layer="volume")
    fire(tower, 3.0)
    tower.live(4.0)
    assert [line["id"][-2:] for line in acknowledged(tower)] == ["-1", "-2"]


def test_one_that_is_over_before_anyone_looked_is_still_read(new_tower):
    tower = new_tower(oncall=OnCallSettings(acknowledge_from_days=0.5))
    fire(tower)
    tower.live(1.2)
    tower.set("features", "layer_fired", 0.0, layer="volume")
    tower.live(2.0)
    assert [(line["state"], line["acknowledged_day"] is None) for line in tower.logged("alert")] == [
        ("firing", True),
        ("resolved", True),
        ("resolved", False),
    ]


def test_one_that_comes_and_goes_is_read_when_the_first_would_have_been(new_tower):
    tower = new_tower(oncall=OnCallSettings(acknowledge_from_days=0.5, acknowledge_to_days=0.5))
    fire(tower)
    day = 1.0
    for fired in (0.0, 1.0) * 5:
        day += 0.1
        tower.live(day)
        tower.set("features", "layer_fired", fired, layer="volume")
    tower.live(4.0)
    first = acknowledged(tower)[0]
    assert first["id"].rpartition("-")[2] != "1"
    assert first["acknowledged_day"] == pytest.approx(1.5, abs=0.15)
    assert len(tower.logged("action")) == len(acknowledged(tower))  # each once


def test_a_monitor_that_dies_is_noticed(tower):
    tower.live(1.0)
    tower.kill("monitor")
    tower.live(1.15)
    assert tower.alerts() == []
    tower.live(1.5)
    assert tower.alerts() == [("dead_man", "monitor", "firing")]
    tower.start("monitor")
    tower.live(2.0)
    assert tower.alerts()[-1] == ("dead_man", "monitor", "resolved")


def test_a_monitor_that_is_dead_is_not_taken_for_alive_by_an_on_call_that_begins_anew(tower):
    tower.live(1.0)
    tower.kill("monitor")
    tower.live(1.5)
    tower.kill("oncall")
    tower.start("oncall")
    tower.live(2.0)
    assert tower.alerts() == [("dead_man", "monitor", "firing")]
    tower.start("monitor")
    tower.live(2.2)
    assert tower.alerts() == [("dead_man", "monitor", "firing"), ("dead_man", "monitor", "resolved")]


def test_a_monitor_that_died_while_on_call_was_away_is_noticed(tower):
    tower.live(1.0)
    tower.kill("monitor")
    tower.kill("oncall")
    tower.live(2.0)
    tower.start("oncall")
    tower.live(2.15)
    assert tower.alerts() == []
    tower.live(2.5)
    assert tower.alerts() == [("dead_man", "monitor", "firing")]


def dead_man(tower) -> list[str]:
    """The states of on-call's own alert about the monitor."""
    return [state for name, about, state in tower.alerts() if (name, about) == ("dead_man", "monitor")]


def stand_still(tower, from_day: float, to_day: float) -> None:
    tower.live(from_day)
    tower.machine.process("oncall").pause()
    tower.live(to_day)
    tower.machine.process("oncall").resume()


@pytest.mark.parametrize("how", ["stood still", "was put forward"])
def test_a_monitor_is_not_silent_because_on_call_was_away_for_a_while(tower, how):
    if how == "stood still":
        stand_still(tower, 1.0, 1.5)
    else:
        tower.live(1.0)
        configure(tower, "clock_ahead_days", 0.6)
    tower.live(2.5)
    assert dead_man(tower) == []
    tower.kill("monitor")
    tower.live(3.0)
    assert dead_man(tower) == ["firing"]


def test_a_monitor_that_died_while_on_call_stood_still_is_noticed(tower):
    tower.live(1.1)
    tower.kill("monitor")
    stand_still(tower, 1.15, 1.5)
    tower.live(1.65)
    assert dead_man(tower) == []
    tower.live(2.0)
    assert dead_man(tower) == ["firing"]


def test_a_monitor_that_was_silent_before_on_call_stood_still_is_silent_after_it(tower):
    tower.live(1.0)
    tower.kill("monitor")
    stand_still(tower, 1.5, 2.0)
    tower.live(3.0)
    assert dead_man(tower) == ["firing"]


def test_a_monitor_that_dies_when_on_calls_clock_is_set_right_is_noticed_in_time(tower):
    configure(tower, "clock_ahead_days", 2.0)
    tower.live(1.0)
    tower.kill("monitor")
    configure(tower, "clock_ahead_days", 0.0)
    tower.live(1.5)
    assert dead_man(tower) == ["firing"]


def test_people_are_asked_once_for_each_alert(tower):
    fire(tower)
    tower.live(2.0)
    tower.set("features", "layer_fired", 0.0, layer="volume")
    tower.live(3.0)
    signals = [line["signal"] for line in tower.logged("signal") if line["layer"] == "people"]
    assert signals == ["reached", "fired", "acted", "cleared"]


def test_people_of_an_unknown_kind_are_refused(tmp_path):
    file = tmp_path / "stack.yaml"
    file.write_text("oncall: {kind: simulatd}")
    with pytest.raises(SettingsError, match=r"stack\.yaml: .*'simulatd' .*oncall\.kind"):
        read_settings(file)

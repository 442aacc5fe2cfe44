"""The live timeline: a line for what is worth knowing, silence for the rest."""

from __future__ import annotations

import io

import msgspec
from rich.console import Console

from chaos.domain.change import AddDataToxic
from chaos.domain.event import (
    Action,
    Alert,
    Alias,
    Applied,
    Contention,
    Effect,
    Event,
    Exit,
    Lag,
    Partition,
    Phase,
    Planned,
    Reading,
    Refused,
    Saturation,
    Stall,
    Undone,
    Waiting,
)
from chaos.domain.layer import Mode
from chaos.domain.scenario import Arm
from chaos.reports.timeline import Timeline
from tests.journals import Story, signal


def lines(*events: Event, arm: Arm = Arm.DEFENDED, fault_names: bool = True) -> list[str]:
    file = io.StringIO()
    timeline = Timeline(Console(file=file, width=200, highlight=False), fault_names=fault_names)
    for event in events:
        timeline.show(event, arm, "late-partition, seed 7")
    return file.getvalue().splitlines()


def test_a_line_has_the_day_the_arm_and_who_said_what() -> None:
    (line,) = lines(signal("volume", "fired", 4.17, says="0 rows delivered"), arm=Arm.CONTROL)
    assert line == " day   4.17  control     volume       fired: 0 rows delivered"


def test_a_reason_is_given_once_though_the_layer_fires_and_acts() -> None:
    fired, acted, again = lines(
        signal("volume", "fired", 4.15, says="0 rows"),
        signal("volume", "acted", 4.15, says="0 rows"),
        signal("volume", "acted", 5.15, says="1 row"),
    )
    assert fired.endswith("fired: 0 rows")
    assert acted.endswith("acted")
    assert again.endswith("acted: 1 row")


def test_what_a_layer_says_again_and_again_is_told_now_and_then_and_anew_once_it_has_cleared() -> None:
    opened = [
        signal("breaker", "acted", 4 + nth / 100, says=f"features failed again: opened {nth} times in a row")
        for nth in range(1, 51)
    ]
    other = msgspec.structs.replace(opened[0], component="serving-b", day=4.505)
    said = lines(
        *opened,
        other,
        signal("breaker", "fired", 4.51, says="features failed again: opened 51 times in a row"),
        signal("breaker", "cleared", 4.52),
        signal("breaker", "acted", 4.53, says="features failed again: opened 2 times in a row"),
    )
    assert [line.split()[1] for line in said] == ["4.01", "4.26", "4.50", "4.51", "4.52", "4.53"]


def test_only_what_is_told_of_is_dim() -> None:
    file = io.StringIO()
    console = Console(file=file, width=200, force_terminal=True, color_system="standard", highlight=False)
    timeline = Timeline(console)
    timeline.show(signal("volume", "fired", 4.17, says="0 rows delivered"), Arm.DEFENDED)
    assert file.getvalue() == (
        "\x1b[2m day   4.17  defended    \x1b[0m\x1b[33mvolume       \x1b[0mfired: 0 rows delivered\n"
    )


def test_a_whole_arm_is_told_in_a_screen_or_so() -> None:
    said = lines(*Story().events[Arm.DEFENDED])
    assert len(said) < 25
    told = "\n".join(said)
    for words in (
        "late_partition injected",
        "late_partition takes effect",
        "volume       fired: 0 rows delivered, 4,500 acknowledged",
        "hold         acted",
        "VolumeRed (page, ML system) to data team",
        "VolumeRed acknowledged",
        "VolumeRed resolved",
        "champion is version 29 now, by canary: the first for 6.0 d",
        "late_partition undone",
        "hold         cleared",
    ):
        assert words in told


def test_readings_partitions_and_daily_reaching_are_silent() -> None:
    assert not lines(
        Reading(1.0, "good_views", 1.0, True),
        Partition(1.0, "collector", 0, 4500, "sha", "written"),
        signal("volume", "reached", 1.0),
        Phase(1.0, "observe", "late_partition"),
        Exit(1.0, "shop", 0, expected=True),
    )


def test_an_effect_is_told_when_it_begins_and_ends() -> None:
    seen = [Effect(3.5 + tick / 10, "late_partition", 2 <= tick < 5, 1.0) for tick in range(8)]
    assert [line.split("  ")[-1].split(maxsplit=1)[-1] for line in lines(*seen)] == [
        "takes effect",
        "its effect is over",
    ]


def test_an_arm_that_is_lived_through_again_is_told_from_its_beginning() -> None:
    """As by an ablation, which runs each scenario several times."""
    alert = Alert(4.0, "monitor", "a", "Red", "model", "page", "owner", "firing", 4.0)
    life = [
        Phase(0.0, "provision"),
        Effect(3.4, "late_partition", False, 0.0),
        Effect(3.6, "late_partition", True, 1.0),
        alert,
    ]
    once = lines(*life)
    assert [line.split()[-1] for line in once] == ["up", "effect", "owner"]
    assert lines(*life, *life) == once + once


def test_an_alert_is_told_once_for_each_thing_that_happens_to_it() -> None:
    alert = Alert(2.0, "monitor", "a", "Red", "model", "page", "owner", "firing", 2.0)
    acknowledged = msgspec.structs.replace(alert, acknowledged_day=2.2)
    assert len(lines(alert, alert, acknowledged, acknowledged)) == 2
    about = msgspec.structs.replace(acknowledged, about="serving-b")
    fired, told = lines(msgspec.structs.replace(alert, about="serving-b"), about)
    assert fired.endswith("Red about serving-b (page, model) to owner")
    assert told.endswith("Red about serving-b acknowledged")


def test_refusals_undos_that_fail_and_trouble_are_told() -> None:
    change = AddDataToxic("events", "x", "late", {})
    said = lines(
        Planned(3.0, "f-1", "late_partition", change),
        Refused(3.0, "f-1", "admission", "no lineage"),
        Undone(4.0, "f-1", "failed", "link gone"),
        Undone(4.0, "f-1", "left", "somebody else set it"),
        Exit(5.0, "trainer", 137, expected=False),
        Lag(6.0, "shop", 0.3, 0.5),
        Action(7.0, "oncall", "people", "runbook", "asks the data team"),
        Phase(8.0, "aborted", "good_views is 0.1"),
        signal("hold", "fired", 9.0, Mode.OBSERVE),
    )
    told = "\n".join(said)
    assert "admission    refuses late_partition: no lineage" in told
    assert "UNDO FAILED: link gone" in told
    assert "left as it is: somebody else set it" in told
    assert "trainer      ended by itself with code 137" in told
    assert "is 0.30 d late" in told
    assert "asks the data team" in told
    assert "aborted: good_views is 0.1" in told
    assert "fired (observes)" in told


def test_a_model_that_goes_back_is_told_and_a_daily_promotion_is_not() -> None:
    flips = [
        Alias(1.3, "registry", "champion", 21, 20, "orchestrator"),
        Alias(2.3, "registry", "champion", 22, 21, "orchestrator"),
        Alias(2.6, "registry", "champion", 21, 22, "canary"),
        Alias(2.7, "registry", "challenger", None, 22, "canary"),
    ]
    back, away = lines(*flips)
    assert "champion is version 21 now, by canary: back from version 22" in back
    assert "challenger is taken away, by canary" in away


def test_a_pause_of_promotions_is_counted_from_where_the_looking_began() -> None:
    beginning = Phase(31.0, "provision")
    flips = [Alias(day, "registry", "champion", int(day), 20, "canary") for day in (31.3, 34.3)]
    _, told = lines(beginning, *flips)
    assert told.endswith("champion is version 34 now, by canary: the first for 3.0 d")


def test_faults_can_be_left_unnamed_for_a_game_day() -> None:
    change = AddDataToxic("events", "x", "late", {})
    said = lines(
        Planned(3.0, "f-1", "late_partition", change),
        Applied(3.0, "f-1"),
        Effect(4.0, "late_partition", True, 1.0),
        fault_names=False,
    )
    assert len(said) == 2
    assert "late_partition" not in "\n".join(said)


def test_a_machine_that_is_busy_is_told_and_not_again_and_again() -> None:
    shares = {1.0: 0.8, 1.1: 0.7, 1.9: 0.7, 2.05: 0.6}
    said = lines(
        Stall(0.5, "shop", 41.7),
        Waiting(0.7, "serving-a", 6.25, 0.25),
        Waiting(0.8, "serving-a", 1.0, 0.25),
        *(Contention(day, share, 0.1) for day, share in shares.items()),
        *(Saturation(day, "shop", share + 0.3, 0.1) for day, share in shares.items()),
    )
    assert [line.split(maxsplit=3)[3] for line in said] == [
        "shop         stood still for 42 ms: the machine is busy",
        "serving-a    waits 6.2 ms a turn for a processor: the machine is busy",
        "others       took 80% of the processors: the machine is busy",
        "others       took 60% of the processors: the machine is busy",
        "shop         had work for 100% of the time: the machine is too slow for the load",
        "shop         had work for 90% of the time: the machine is too slow for the load",
    ]

import asyncio
import json

import pytest

from reference_stack.layers.contract import GREEN, Decision, Hook, Mode, red
from reference_stack.orchestrator import promotions
from reference_stack.orchestrator.ledger import Ledger
from reference_stack.ports import NotFound, TimedOut, Unreachable
from reference_stack.settings import LayerSettings
from tests.reference_stack.features.test_aside import NoParameters


class Picky:
    """Objects to what was trained the day before yesterday, or earlier."""

    name = "picky"
    hook = Hook.ADMISSION
    Parameters = NoParameters

    def __init__(self, parameters):
        pass

    def decide(self, evidence):
        return red("old") if evidence.age_days > 1.5 else GREEN


def red_between(from_day, to_day):
    return lambda _cycle, day: {"volume": "0 of 4500 rows"} if from_day <= day < to_day else {}


def test_a_day_goes_through_every_step_once_and_replaces_the_champion(office):
    office.start()
    office.until(0.9)
    assert office.upstream.steps(0) == ["deliver", "check", "build", "train"]
    assert office.upstream.asked[0][2] >= 0.02
    assert office.champion() == 1
    office.until(1.9)
    assert office.upstream.steps(1) == ["deliver", "check", "build", "train"]
    assert office.champion() == 2
    assert office.alias("previous") == 1
    assert asyncio.run(office.registry.version(2)).snapshot == "s1"
    assert (office.gauge("cycles_total"), office.gauge("cycle_alive_day") > 1.02) == (2, True)


def test_a_stack_that_starts_at_noon_waits_for_the_next_morning(office):
    office.until(3.5)
    office.start()
    office.until(3.99)
    assert office.upstream.asked == []
    office.until(4.5)
    assert office.upstream.steps(4) == ["deliver", "check", "build", "train"]


def test_delivery_waits_until_the_partition_is_missing(office):
    office.upstream.arrives_day = {0: 0.1, 1: 9.0}
    office.start()
    office.until(0.9)
    check = next(day for step, _, day in office.upstream.asked if step == "check")
    assert 0.1 <= check < 0.12
    office.until(1.9)
    check = next(day for step, cycle, day in office.upstream.asked if (step, cycle) == ("check", 1))
    assert 1.15 <= check < 1.17
    assert 10 <= office.upstream.steps(1).count("deliver") <= 15


def test_a_red_gate_holds_the_champion_and_a_green_one_lets_go_on_the_same_day(office):
    office.start()
    office.until(0.9)
    office.upstream.red = red_between(1.0, 1.5)
    office.until(1.4)
    assert office.champion() == 1
    assert office.gauge("held_cycles") == 1
    assert office.ask("status")[1]["held_cycles"] == 1
    assert "build" not in office.upstream.steps(1)
    office.until(1.8)
    assert office.champion() == 2
    assert office.gauge("held_cycles") == 0
    assert office.outcomes()[-7:] == [
        (1, "check", "held"),
        (1, "check", "done"),
        (1, "build", "done"),
        (1, "train", "done"),
        (1, "admit", "done"),
        (1, "canary", "done"),
        (1, "promote", "done"),
    ]


def test_what_arrives_late_is_taken_in_while_retraining_is_held(office):
    office.upstream.red = red_between(0.0, 0.4)
    office.start()
    office.until(0.9)
    assert office.upstream.steps(0) == [*["deliver", "check"] * 5, "build", "train"]
    assert [day for step, _, day in office.upstream.asked if step == "deliver"] == pytest.approx(
        [0.02, 0.12, 0.22, 0.32, 0.42], abs=0.02
    )


def test_a_step_that_is_given_up_while_retraining_is_held_is_told(office, broken):
    office.upstream.red = red_between(0.0, 9.0)
    office.upstream.breaks = broken("deliver", 0.3, 0.5)
    office.start()
    office.until(0.9)
    assert office.outcomes().count((0, "check", "held")) == 1
    assert (0, "deliver", "failed") in office.outcomes()
    assert (office.gauge("cycle_failed"), office.gauge("held_cycles")) == (0, 1)


def test_holds_on_for_as_long_as_a_gate_is_red_and_is_overdue_from_the_third_cycle(office):
    office.start()
    office.until(0.9)
    office.upstream.red = red_between(1.0, 8.3)
    office.until(2.95)
    assert office.gauge("held_cycles") == 2
    assert office.gauge("hold_overdue") == 0
    office.until(3.3)
    assert office.gauge("held_cycles") == 3
    assert office.gauge("hold_overdue") == 1
    office.until(8.2)
    assert office.champion() == 1
    assert office.gauge("held_cycles") == 8
    office.until(8.9)
    assert office.champion() == 2
    assert office.gauge("hold_overdue") == 0


def test_a_day_that_is_begun_anew_after_it_was_let_go_is_counted_when_it_is_held_again(office):
    office.start()
    office.until(0.9)
    office.upstream.red = red_between(1.0, 1.3)
    office.until(1.5)
    assert (office.champion(), office.gauge("held_cycles")) == (2, 0)
    office.upstream.red = red_between(1.5, 9.0)
    office.ask("purge", days=[0], by="ann")
    office.until(1.9)
    assert office.gauge("held_cycles") == 1
    office.until(3.3)
    assert (office.gauge("held_cycles"), office.gauge("hold_overdue")) == (3, 1)


def test_a_day_that_is_begun_anew_while_it_is_held_is_counted_once(office):
    office.start()
    office.until(0.9)
    office.upstream.red = red_between(1.0, 9.0)
    office.until(1.5)
    office.ask("purge", days=[0], by="ann")
    office.until(1.9)
    assert office.outcomes().count((1, "deliver", "started")) == 2
    assert office.gauge("held_cycles") == 1


def test_a_day_that_never_comes_to_its_check_ends_no_hold(office, broken):
    office.start()
    office.until(0.9)
    office.upstream.red = red_between(1.0, 9.0)
    office.upstream.breaks = broken("deliver", 2.0, 3.0)
    office.until(2.9)
    assert (office.gauge("held_cycles"), office.gauge("cycle_failed")) == (1, 1)
    office.until(3.9)
    assert (office.gauge("held_cycles"), office.gauge("cycle_failed")) == (2, 0)


def test_with_hold_off_it_trains_on_what_is_there(office):
    office.layers = {}
    office.upstream.red = red_between(0.0, 9.0)
    office.start()
    office.until(0.9)
    assert office.champion() == 1


def test_a_blocked_challenger_leaves_the_champion(office):
    office.start()
    office.until(0.9)
    office.upstream.blocked = {"evaluation": "below popularity"}
    office.until(1.9)
    assert office.champion() == 1
    assert "evaluation" in office.logged("cycle")[-1]["says"]
    assert office.upstream.steps(1).count("train") == 1
    assert office.ask("status")[1]["step"] == "done"


def test_a_step_that_breaks_is_tried_again(office, broken):
    office.upstream.breaks = broken("build", 0.0, 0.05)
    office.start()
    office.until(0.9)
    assert office.champion() == 1
    assert (0, "build", "error") in office.outcomes()
    assert (0, "build", "failed") not in office.outcomes()


def test_a_step_given_up_goes_on_later_from_where_it_stood(office, broken):
    office.upstream.breaks = broken("train", 0.0, 0.4)
    office.start()
    office.until(0.3)
    assert office.gauge("cycle_failed") == 1
    office.until(0.9)
    assert office.champion() == 1
    assert office.gauge("cycle_failed") == 0
    assert office.upstream.steps(0).count("build") == 1


def test_a_cycle_that_never_succeeds_ends_when_the_next_is_due(office, broken):
    office.upstream.breaks = broken("train", 0.0, 1.1)
    office.start()
    office.until(1.9)
    assert (0, "train", "abandoned") in office.outcomes()
    assert (1, "promote", "done") in office.outcomes()
    assert office.champion() == 1


def late(office, broken):
    """A day whose version is trained when the next day's cycle is about to begin."""
    office.upstream.breaks = broken("train", 0.0, 0.62)
    office.upstream.train_s = 0.45
    office.start()


def test_a_version_that_was_trained_late_is_promoted_while_the_next_is_made(office, broken):
    late(office, broken)
    office.until(1.9)
    done = office.outcomes()
    assert done.index((1, "deliver", "started")) < done.index((0, "promote", "done"))
    assert done.index((0, "promote", "done")) < done.index((1, "promote", "done"))
    assert (0, "admit", "abandoned") not in done
    first, second = office.logged("alias")
    assert (first["version"], second["version"]) == (1, 2)
    assert 1.02 < first["day"] < 1.3


def test_what_is_carried_over_the_day_outlives_a_restart(office, broken):
    late(office, broken)
    while not office.folder.exists("carried.json") or office.folder.read("carried.json") == b"null":
        office.until(office.machine.day() + 0.01)
    office.machine.end("orchestrator")
    office.start()
    office.until(1.9)
    assert [line["version"] for line in office.logged("alias")] == [1, 2]
    assert office.folder.read("carried.json") == b"null"


def test_what_is_refused_is_not_asked_again(office, broken, refusal):
    office.upstream.breaks = broken("build", 0.0, 0.9, refusal)
    office.start()
    office.until(0.9)
    assert office.upstream.steps(0) == ["deliver", "check", "build"]
    office.until(1.9)
    assert office.champion() == 1


def test_a_step_that_is_refused_is_a_failure_until_it_is_done(office, broken, refusal):
    """Else no version is made, day after day, and nobody is told."""
    office.upstream.breaks = broken("train", 1.0, 2.9, refusal)
    office.start()
    seen = {}
    for day in (0.9, 1.9, 2.02, 2.9, 3.9):
        office.until(day)
        seen[day] = office.gauge("cycle_failed")
    assert seen == {0.9: 0.0, 1.9: 1.0, 2.02: 1.0, 2.9: 1.0, 3.9: 0.0}
    assert office.champion() == 2


def test_a_refused_step_is_a_failure_for_a_restarted_orchestrator_too(office, broken, refusal):
    office.upstream.breaks = broken("train", 1.0, 2.9, refusal)
    office.start()
    office.until(1.9)
    office.machine.end("orchestrator")
    office.start()
    office.until(1.95)
    assert office.gauge("cycle_failed") == 1.0


def test_a_restart_in_the_middle_of_a_cycle_goes_on_and_makes_one_version(office):
    office.upstream.train_s = 0.2
    office.start()
    office.until(0.1)
    assert office.upstream.steps(0) == ["deliver", "check", "build", "train"]
    office.machine.end("orchestrator")
    office.start()
    office.until(0.9)
    assert office.upstream.steps(0) == ["deliver", "check", "build", "train", "train"]
    assert office.champion() == 1


def test_held_cycles_survive_a_restart(office):
    office.upstream.red = red_between(0.0, 9.0)
    office.start()
    office.until(1.5)
    office.machine.end("orchestrator")
    office.start()
    office.until(2.5)
    assert office.gauge("held_cycles") == 3


@pytest.mark.parametrize("restart_day", [3.5, 4.05], ids=["held", "the next day's partition is waited for"])
def test_a_hold_is_told_by_who_begins_anew_before_the_gates_are_asked_again(office, restart_day):
    told = ("hold_overdue", 'layer_fired{layer="hold"}')
    office.upstream.red = red_between(0.0, 4.5)
    office.upstream.arrives_day = {4: 9.0}
    office.start()
    office.until(restart_day)
    assert [office.gauge(name) for name in told] == [1.0, 1.0]
    asked = len(office.upstream.asked)
    office.machine.end("orchestrator")
    office.start()
    office.until(restart_day + 0.001)
    assert "check" not in [step for step, _, _ in office.upstream.asked[asked:]]
    assert [office.gauge(name) for name in told] == [1.0, 1.0]
    office.until(4.8)
    assert [office.gauge(name) for name in told] == [0.0, 0.0]
    office.machine.end("orchestrator")
    office.start()
    office.until(4.9)
    assert [office.gauge(name) or 0.0 for name in told] == [0.0, 0.0]


def test_days_missed_are_not_made_up_for(office):
    office.start()
    office.until(0.5)
    office.machine.end("orchestrator")
    office.until(3.5)
    office.start()
    office.until(3.9)
    assert [cycle for cycle, step, state in office.outcomes() if state == "started"] == [0, 3]
    assert office.champion() == 2


def test_a_second_orchestrator_without_the_lease_does_nothing(office):
    office.start()
    office.until(0.01)
    office.start("second")
    office.until(2.9)
    assert office.upstream.steps(0) == ["deliver", "check", "build", "train"]
    assert [line["held"] for line in office.logged("lease") if line["component"] == "second"] == [False]


def test_the_second_takes_over_when_the_lease_has_run_out(office):
    office.start()
    office.until(0.01)
    office.start("second")
    office.until(0.3)
    office.machine.end("orchestrator")
    office.until(1.9)
    assert office.champion() == 2
    assert {line["component"] for line in office.logged("cycle") if line["cycle"] == 1} == {"second"}


def test_a_zombie_stands_down_once_another_has_its_name(office):
    office.start("zombie", instance="orchestrator")
    office.until(0.5)
    office.machine.process("zombie").pause()
    office.start("orchestrator")
    office.until(1.01)
    office.machine.process("zombie").resume()
    office.until(2.9)
    assert {line["component"] for line in office.logged("cycle") if line["cycle"] >= 1} == {"orchestrator"}
    assert office.logged("lease")[-1] | {"day": 0} == {
        "event": "lease",
        "component": "zombie",
        "held": False,
        "superseded": True,
        "day": 0,
    }


def test_who_stood_still_while_another_led_and_ended_goes_on_where_that_one_stopped(office):
    office.upstream.train_s = 0.3
    office.start()
    office.until(1.2)
    assert office.upstream.steps(1)[-1] == "train"
    office.machine.process("orchestrator").pause()
    office.start("second")
    office.until(3.5)
    office.machine.end("second")
    office.until(4.01)
    office.machine.process("orchestrator").resume()
    office.until(4.9)
    assert office.upstream.steps(3) == office.upstream.steps(4) == ["deliver", "check", "build", "train"]
    assert (1, "train", "abandoned") not in office.outcomes()
    assert (office.champion(), office.alias("previous")) == (5, 4)


def test_people_promote_and_roll_back_by_the_same_door(office):
    office.start()
    office.until(1.5)
    assert office.ask("promote", version=1, by="ann") == (
        200,
        {"refused_by": "", "says": "version 1 is champion", "previous": 2},
    )
    assert office.champion() == 1
    assert office.alias("previous") == 2
    assert office.logged("alias")[-1]["by"] == "ann"


def test_the_door_refuses_a_version_that_is_not_there(office):
    office.start()
    office.until(0.5)
    status, reply = office.ask("promote", version=7, by="ann")
    assert (status, reply["refused_by"]) == (200, "registry")
    assert office.champion() == 1


def test_promoting_the_champion_again_changes_nothing(office):
    office.start()
    office.until(1.5)
    office.ask("promote", version=2, by="ann")
    assert (office.champion(), office.alias("previous")) == (2, 1)
    assert len(office.logged("alias")) == 2


def test_pushes_a_setting_to_those_that_have_it(office):
    office.start()
    office.until(0.5)
    status, reply = office.ask("push", key="explore_share", value=0.5, by="ann")
    assert (status, reply) == (200, {"refused_by": "", "says": "set on features, trainer"})
    process = office.machine.process("features")
    assert process.server.component.settings.explore_share == 0.5
    assert office.logged("push")[-1]["took"] == ["features", "trainer"]


def test_a_push_names_who_refused(office):
    office.start()
    office.until(0.5)
    assert office.ask("push", key="refresh_days", value="many", by="ann")[1]["refused_by"] == "features"
    assert office.ask("push", key="nothing", value=1, by="ann")[1]["refused_by"] == "orchestrator"
    reply = office.ask("push", key="refresh_days", value=1, by="ann", components=["shop"])[1]
    assert reply["refused_by"] == "orchestrator"
    office.machine.end("trainer")
    reply = office.ask("push", key="refresh_days", value=6, by="ann", components=["trainer"])[1]
    assert reply["refused_by"] == "trainer"


def test_a_roll_back_goes_to_the_version_before_and_never_back_again(office):
    office.start()
    office.until(1.9)
    assert office.champion() == 2
    status, reply = office.ask("roll_back", by="ml")
    assert (status, reply["refused_by"], office.champion()) == (200, "", 1)
    status, reply = office.ask("roll_back", by="ml")
    assert reply["refused_by"] == "registry"
    assert "no version to go back to" in reply["says"]
    assert office.champion() == 1
    office.until(2.9)
    assert office.champion() == 3  # the next day's version is another one


def test_a_roll_back_throws_out_nothing_that_became_champion_meanwhile(office, monkeypatch):
    """Whoever goes back from version 4 looks at version 3 for so long that version 5 is promoted."""
    office.start()
    office.until(3.9)
    look = promotions.Promotions.objection

    async def slowly(self, version: int) -> str:
        if version == 3:
            await office.orchestrators["orchestrator"].runtime.until(4.9)
        return await look(self, version)

    monkeypatch.setattr(promotions.Promotions, "objection", slowly)
    replies: list[tuple[int, bytes]] = []
    office.machine.request("orchestrator", "roll_back", b'{"by": "ml"}', lambda *got: replies.append(got))
    office.until(4.95)
    ((status, reply),) = replies
    assert (status, json.loads(reply)["refused_by"]) == (200, "")
    assert json.loads(reply)["says"].startswith("version 5 is champion already")
    assert (office.champion(), office.alias("previous"), office.alias("rolled_back")) == (5, 3, 4)
    assert office.logged("alias")[-1]["version"] == 5
    assert (office.ask("roll_back", by="ml")[1]["refused_by"], office.champion()) == ("", 3)


@pytest.mark.parametrize("how", ["the layer objects", "the registry breaks off"])
def test_a_version_that_could_not_be_left_may_be_gone_back_to(office, monkeypatch, how):
    admission = LayerSettings(use="reference_stack.layers.admission:Admission", mode=Mode.OFF)
    office.layers = {**office.layers, "admission": admission}
    office.start()
    office.until(2.9)
    assert office.champion() == 3
    with monkeypatch.context() as patched:
        if how == "the layer objects":  # the scripted model is none that can be read
            office.ask("configure", key="layers.admission.mode", value="enforce")
        else:
            flip = office.registry.set_alias

            async def breaks(alias: str, version: int) -> None:
                if alias == "champion":
                    raise Unreachable("on purpose")
                await flip(alias, version)

            patched.setattr(office.registry, "set_alias", breaks)
        _, reply = office.ask("roll_back", by="ml")
        assert reply["refused_by"] == ("admission" if how == "the layer objects" else "registry")
        assert (office.champion(), office.alias("rolled_back")) == (3, None)
    office.ask("configure", key="layers.admission.mode", value="off")
    office.until(3.9)
    assert office.champion() == 4
    _, reply = office.ask("roll_back", by="ml")
    assert (reply["refused_by"], office.champion()) == ("", 3)


def test_a_roll_back_of_which_nobody_heard_is_not_turned_back(office, monkeypatch):
    admission = LayerSettings(use="reference_stack.layers.admission:Admission", mode=Mode.OFF)
    office.layers = {**office.layers, "admission": admission}
    office.start()
    office.until(2.9)
    flip = office.registry.set_alias
    with monkeypatch.context() as patched:

        async def unheard(alias: str, version: int) -> None:
            await flip(alias, version)
            if alias == "champion":
                raise TimedOut("on purpose")

        patched.setattr(office.registry, "set_alias", unheard)
        assert office.ask("roll_back", by="ml")[1]["refused_by"] == "registry"
    office.ask("configure", key="layers.admission.mode", value="enforce")  # it objects to any scripted model
    office.until(2.92)
    assert (office.champion(), office.alias("rolled_back"), office.gauge("champion_version")) == (2, 3, 2.0)
    office.ask("configure", key="layers.admission.mode", value="off")
    _, reply = office.ask("roll_back", by="ml")
    assert "no version to go back to" in reply["says"]  # never to the one that was left


@pytest.mark.parametrize("ends", [True, False], ids=["ends", "goes on"])
@pytest.mark.parametrize("first_lost", ["[1,2,3,2]", "[1,2,2]"], ids=["the way back", "what was left"])
def test_who_cannot_note_what_was_left_notes_it_later(office, monkeypatch, first_lost, ends):
    """Version 3 is left; version 4, made of day 2, has to be left for what it was made of."""
    office.start()
    office.until(2.9)
    write = office.folder.write
    with monkeypatch.context() as patched:

        def full(name: str, data: bytes) -> None:
            if name == "promoted.json" and data.decode() == first_lost:
                raise OSError("no space left on device")
            write(name, data)

        patched.setattr(office.folder, "write", full)
        assert office.ask("roll_back", by="ml")[0] == 500
    if ends:
        office.machine.end("orchestrator")
        office.start()
    office.until(3.9)
    assert (office.champion(), office.alias("previous")) == (4, 2)
    office.ask("purge", days=[2], by="ann")
    assert office.champion() == 2


def test_a_way_back_that_was_taken_excuses_no_later_flip(office):
    admission = LayerSettings(use="reference_stack.layers.admission:Admission", mode=Mode.OFF)
    office.layers = {**office.layers, "admission": admission}
    office.start()
    office.until(2.9)
    assert office.ask("roll_back", by="ml")[1]["refused_by"] == ""
    assert office.ask("promote", version=3, by="ann")[1]["refused_by"] == ""
    office.ask("configure", key="layers.admission.mode", value="enforce")  # it objects to any scripted model
    asyncio.run(office.registry.set_alias("champion", 2))
    office.until(3.01)
    assert office.champion() == 3


def test_half_a_promotion_leaves_a_way_back(office, monkeypatch):
    office.start()
    office.until(2.9)
    flip = office.registry.set_alias
    with monkeypatch.context() as patched:

        async def breaks(alias: str, version: int) -> None:
            if alias == "champion":
                raise Unreachable("on purpose")
            await flip(alias, version)

        patched.setattr(office.registry, "set_alias", breaks)
        assert office.ask("promote", version=1, by="ann")[1]["refused_by"] == "registry"
    assert (office.champion(), office.alias("previous")) == (3, 3)
    _, reply = office.ask("roll_back", by="ml")
    assert (reply["refused_by"], office.champion()) == ("", 2)


def test_what_was_left_because_it_was_bad_is_not_gone_back_to_later(office):
    """3 and 4 are left, each on its day; then a promotion breaks off half way."""
    office.start()
    for day in (2.9, 3.9):
        office.until(day)
        assert office.ask("roll_back", by="ml")[1]["refused_by"] == ""
    assert (office.champion(), office.alias("rolled_back")) == (2, 4)
    asyncio.run(office.registry.set_alias("previous", 2))
    assert (office.ask("roll_back", by="ml")[1]["refused_by"], office.champion()) == ("", 1)


def test_a_promotion_of_what_is_not_there_moves_no_alias(office):
    office.start()
    office.until(2.9)
    assert office.ask("promote", version=99, by="ann")[1]["refused_by"] == "registry"
    assert (office.champion(), office.alias("previous")) == (3, 2)


def test_what_was_made_of_days_that_are_put_aside_is_left_for_good(office):
    """Version 2 is made of day 0, version 3 of day 1."""
    office.start()
    office.until(2.9)
    office.upstream.train_s = 0.5
    office.ask("purge", days=[0, 1], by="ann")
    assert (office.champion(), office.alias("rolled_back"), office.alias("previous")) == (1, 3, 3)
    assert office.ask("roll_back", by="ml")[1]["refused_by"] == "registry"
    asyncio.run(office.registry.set_alias("previous", 1))  # as a promotion that broke off leaves it
    assert office.ask("roll_back", by="ml")[1]["refused_by"] == "registry"
    assert office.champion() == 1


def test_what_was_made_of_days_that_are_put_aside_is_not_gone_back_to_from_a_sound_champion(office):
    """Version 2 is made of day 0, version 3 of day 1."""
    office.start()
    office.until(2.9)
    office.upstream.train_s = 0.5
    office.ask("purge", days=[0], by="ann")
    assert (office.champion(), office.alias("previous")) == (3, 1)
    assert office.ask("roll_back", by="ml")[1]["refused_by"] == ""
    assert office.champion() == 1


def test_a_challenger_that_does_as_well_is_promoted_after_its_stage(office):
    office.with_canary({})
    office.start()
    office.until(1.2)
    assert (office.champion(), office.alias("challenger"), office.routes_canary()) == (1, 2, True)
    office.until(1.9)
    assert (office.champion(), office.alias("challenger"), office.routes_canary()) == (2, None, False)
    assert [state for cycle, step, state in office.outcomes() if (cycle, step) == (1, "canary")] == [
        "begun",
        "done",
    ]


def test_a_challenger_that_does_worse_is_taken_back_and_its_cycle_is_over(office):
    office.with_canary({2: 0.0})
    office.start()
    office.until(1.9)
    assert (office.champion(), office.alias("challenger"), office.routes_canary()) == (1, None, False)
    assert office.logged("cycle")[-1]["says"].startswith("taken back: 0 of")
    assert office.outcomes().count((1, "canary", "done")) == 1
    assert office.ask("status")[1]["step"] == "done"
    office.until(2.9)
    assert office.champion() == 3


class Patient:
    """A layer for which no stage is ever long enough."""

    name = "patient"
    hook = Hook.CANARY
    Parameters = NoParameters

    def __init__(self, parameters):
        pass

    def decide(self, evidence):
        return Decision(fired=False, acts=False, says="", detail={"done": 0.0})


@pytest.mark.parametrize(("mode", "champion"), [(Mode.OFF, 2), (Mode.OBSERVE, 2), (Mode.ENFORCE, 1)])
def test_a_layer_that_only_observes_does_not_prolong_the_stage_of_one_that_enforces(office, mode, champion):
    office.with_canary({})
    office.layers = {**office.layers, "patient": LayerSettings(use=f"{__name__}:Patient", mode=mode)}
    office.start()
    office.until(1.9)
    assert office.champion() == champion


def test_a_stage_goes_on_where_it_was_after_a_restart(office):
    office.with_canary({})
    office.start()
    office.until(1.2)
    office.machine.end("orchestrator")
    office.start()
    office.until(1.35)
    assert (office.champion(), office.routes_canary()) == (2, False)
    assert office.outcomes().count((1, "canary", "begun")) == 1


def test_a_stage_over_midnight_goes_on_and_the_next_waits_for_its_turn(office, broken):
    office.with_canary({})
    office.upstream.breaks = broken("train", 0.9, 1.85)
    office.start()
    office.until(2.1)
    assert (office.champion(), office.alias("challenger")) == (1, 2)
    office.until(2.25)
    assert (office.champion(), office.alias("challenger")) == (2, 3)
    office.until(3.9)
    assert [line for line in office.outcomes() if line[1] == "canary" and line[0] > 0] == [
        (cycle, "canary", state) for cycle in (1, 2, 3) for state in ("begun", "done")
    ]


def test_a_stage_over_midnight_ends_when_days_are_put_aside(office, broken):
    """Version 2 stands its stage, and is made of day 0."""
    office.with_canary({})
    office.upstream.breaks = broken("train", 0.9, 1.85)
    office.start()
    office.until(2.015)
    assert (office.alias("challenger"), office.routes_canary()) == (2, True)
    office.until(2.03)
    office.upstream.train_s = 0.1
    office.ask("purge", days=[0], by="ann")
    assert (office.champion(), office.alias("challenger"), office.routes_canary()) == (1, None, False)
    office.until(2.9)
    assert (office.champion(), office.alias("previous")) == (3, 1)


@pytest.mark.parametrize("ends", [True, False], ids=["ends", "goes on"])
def test_who_cannot_drop_what_is_carried_when_days_are_put_aside_does_so_later(
    office, broken, monkeypatch, ends
):
    """Version 2 stands its stage over midnight, and is made of day 0."""
    office.with_canary({})
    office.upstream.breaks = broken("train", 0.9, 1.85)
    office.start()
    office.until(2.03)
    assert office.alias("challenger") == 2
    write, failed = office.folder.write, []

    def full(name: str, data: bytes) -> None:
        if name == "carried.json" and not failed:
            failed.append(name)
            if ends:
                office.machine.end("orchestrator")
            raise OSError("no space left on device")
        write(name, data)

    monkeypatch.setattr(office.folder, "write", full)
    assert office.ask("purge", days=[0], by="ann")[0] != 200
    if ends:
        office.start()
    office.until(2.9)
    assert [line["version"] for line in office.logged("alias")] == [1, 3]
    assert (office.alias("challenger"), office.routes_canary()) == (None, False)


def test_a_stage_ends_when_its_day_is_begun_anew(office):
    office.with_canary({})
    office.start()
    office.until(1.1)
    assert (office.alias("challenger"), office.routes_canary()) == (2, True)
    office.upstream.train_s = 0.3
    office.ask("purge", days=[0], by="ann")
    office.until(1.3)
    assert (office.champion(), office.alias("challenger"), office.routes_canary()) == (1, None, False)


def test_a_version_of_days_ago_is_not_carried_on(office, broken):
    office.with_canary({})
    office.upstream.breaks = broken("train", 0.9, 1.85)
    office.start()
    office.until(1.97)
    assert office.alias("challenger") == 2
    office.machine.end("orchestrator")
    office.until(4.1)
    office.start()
    office.until(4.9)
    assert (1, "canary", "abandoned") in office.outcomes()
    assert (office.champion(), office.alias("previous"), office.alias("challenger")) == (3, 1, None)


def test_what_is_carried_over_the_day_outlives_a_disk_that_is_full_for_a_moment(office, broken, monkeypatch):
    office.with_canary({})
    office.upstream.breaks = broken("train", 0.9, 1.85)
    office.start()
    office.until(2.1)
    write, failed = office.folder.write, []

    def full(name: str, data: bytes) -> None:
        if name == "carried.json" and not failed:
            failed.append(name)
            raise OSError("no space left on device")
        write(name, data)

    monkeypatch.setattr(office.folder, "write", full)
    office.until(2.9)
    assert failed
    assert (office.champion(), office.alias("previous"), office.alias("challenger")) == (3, 2, None)


class Never(Picky):
    """Objects to every version."""

    name = "never"

    def decide(self, evidence):
        return red(f"version {evidence.version}")


def test_a_version_that_is_not_admitted_ends_its_cycle_and_does_not_serve(office):
    use = "tests.reference_stack.orchestrator.test_component:Never"
    office.layers = {**office.layers, "never": LayerSettings(use=use)}
    office.start()
    office.until(0.9)
    assert (office.outcomes().count((0, "admit", "done")), office.champion()) == (1, None)
    assert office.logged("cycle")[-1]["says"].startswith("not admitted: version 1")
    assert office.ask("status")[1]["step"] == "done"


def test_an_alias_flipped_past_the_door_is_rolled_back_to_what_was_promoted(office):
    office.start()
    office.until(2.9)
    assert office.champion() == 3
    office.ask("promote", version=1, by="somebody")
    _, reply = office.ask("roll_back", by="ml")
    assert reply["refused_by"] == ""
    assert office.champion() == 3


def test_a_version_whose_examination_breaks_does_not_end_the_audit(office, monkeypatch):
    def breaks(*_args, **_more):
        raise ZeroDivisionError("on purpose")

    office.layers = {**office.layers, "picky": LayerSettings(use=f"{__name__}:Picky")}
    office.start()
    office.until(1.1)
    with monkeypatch.context() as patched:
        patched.setattr(promotions, "examine", breaks)
        asyncio.run(office.registry.set_alias("champion", 1))
        office.until(1.35)
    told = [line for line in office.logged("error") if line["where"] == "audit"]
    assert {line["kind"] for line in told} == {"ZeroDivisionError"}
    assert (len(told) >= 2, office.alias("previous")) == (True, 1)
    office.until(1.48)
    assert (office.champion(), office.alias("previous")) == (1, 2)  # looked at, and taken for the champion


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.OBSERVE, Mode.ENFORCE])
@pytest.mark.parametrize("error", [NotFound, Unreachable])
def test_a_version_that_cannot_be_looked_at_is_kept_back_only_where_a_layer_enforces(
    office, monkeypatch, mode, error
):
    async def breaks(_version):
        raise error("no artifact")

    office.layers = {**office.layers, "picky": LayerSettings(use=f"{__name__}:Picky", mode=mode)}
    monkeypatch.setattr(office.registry, "artifact", breaks)
    office.start()
    office.until(0.9)
    assert office.champion() == (None if mode is Mode.ENFORCE else 1)
    refused = office.ask("promote", version=1, by="ann")[1]["refused_by"]
    assert refused == ("registry" if mode is Mode.ENFORCE else "")
    told = [(line["where"], line["kind"]) for line in office.logged("error")]
    assert told == [("admission", error.__name__)] * (2 if mode is Mode.OBSERVE else 0)
    assert office.ask("promote", version=7, by="ann")[1]["says"].endswith("no version 7")


def test_an_examination_that_breaks_stops_no_promotion_where_layers_only_observe(office, monkeypatch):
    def breaks(*_args, **_more):
        raise ZeroDivisionError("on purpose")

    office.layers = {**office.layers, "picky": LayerSettings(use=f"{__name__}:Picky", mode=Mode.OBSERVE)}
    monkeypatch.setattr(promotions, "examine", breaks)
    office.start()
    office.until(1.9)
    assert (office.champion(), office.alias("previous")) == (2, 1)
    assert {line["where"] for line in office.logged("error")} == {"admission"}


def flipped(office, mode):
    """Version 1 is made champion past a door whose layer objects to it, while version 3 is."""
    office.layers = {**office.layers, "picky": LayerSettings(use=f"{__name__}:Picky", mode=mode)}
    office.start()
    office.until(2.5)
    asyncio.run(office.registry.set_alias("champion", 1))
    office.until(2.8)


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.OBSERVE])
def test_what_is_flipped_past_a_door_where_nobody_enforces_is_admitted_by_nobody(office, mode):
    flipped(office, mode)
    assert (office.champion(), office.alias("previous")) == (1, 2)
    assert (office.gauge("champion_version"), Ledger(office.folder).admitted()) == (3, 3)
    assert Ledger(office.folder).promoted() == [1, 2, 3]


def test_a_layer_that_only_observes_looks_once_at_what_was_flipped_and_says_so(office):
    flipped(office, Mode.OBSERVE)

    def said():
        return [line["signal"] for line in office.logged("signal") if line["signal"] != "reached"]

    reached = 'layer_reached_total{layer="picky"}'
    assert (said(), office.gauge(reached)) == (["fired", "would_have_acted"], 4)  # three cycles, and this
    office.ask("promote", version=3, by="ann")
    office.until(2.92)
    assert said()[2:] == ["cleared"]
    asyncio.run(office.registry.set_alias("champion", 1))
    office.until(3.01)
    assert said()[3:] == ["fired", "would_have_acted"]


def test_cycles_that_a_person_has_paused_are_not_held_for_the_data(office):
    """Paused on days 1 to 3, red from day 4 on: that is the first cycle that is held while red, not the fourth."""
    office.upstream.red = red_between(3.97, 9.0)
    office.start()
    office.until(0.9)
    office.ask("configure", key="paused", value=True)
    office.until(3.9)
    assert office.gauge("held_cycles") == 0
    assert "held" in [state for cycle, _, state in office.outcomes() if cycle == 2]
    office.ask("configure", key="paused", value=False)
    office.until(4.9)
    assert office.gauge("held_cycles") == 1
    assert office.gauge("hold_overdue") == 0
    office.until(5.9)
    assert office.gauge("held_cycles") == 2


def test_retraining_is_held_while_a_person_pauses_it(office):
    office.start()
    office.until(0.9)
    office.ask("configure", key="paused", value=True)
    office.until(2.9)
    assert office.champion() == 1
    office.ask("configure", key="paused", value=False)
    office.until(3.9)
    assert (office.champion() or 0) > 1


def test_a_refusal_can_be_seen_though_a_sound_version_is_looked_at_just_after(office):
    """The monitor looks each 1/24 day."""
    office.layers = {**office.layers, "picky": LayerSettings(use=f"{__name__}:Picky")}
    office.start()
    office.until(2.9)
    assert office.ask("promote", version=1, by="a script")[1]["refused_by"] == "admission"
    assert office.ask("promote", version=3, by="ann")[1]["refused_by"] == ""
    office.until(2.99)
    assert office.gauge('layer_fired{layer="picky"}') == 1.0
    office.until(3.9)
    assert office.champion() == 4
    assert office.gauge('layer_fired{layer="picky"}') == 0.0

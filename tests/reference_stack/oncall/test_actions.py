"""Actions of the runbook in a whole stack in virtual time: done by the doors, said, and released."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reference_stack.layers.people import People
from reference_stack.oncall.actions import ACTIONS
from reference_stack.virtual import factory

RUNBOOK = """
runbook:
  - {{alert: volume, says: "acts", actions: [{actions}]}}
  - {{says: "looks at {{about}}"}}
"""
ALERT = {
    "alertname": "volume",
    "category": "ML system",
    "severity": "page",
    "about": "serving-b",
    "layer": "",
}


class Stack:
    """A stack of one day whose on-call is told of one alert."""

    def __init__(
        self,
        folder: Path,
        actions: str,
        people: str = "enforce",
        text: str = RUNBOOK,
        instead: tuple[str, ...] = (),
        own: str = "",
    ) -> None:
        runbook = folder / "runbook.yaml"
        runbook.write_text(text.format(actions=actions))
        oncall = {"runbook": str(runbook), "acknowledge_from_days": 0.1, "acknowledge_to_days": 0.1}
        layer = {"mode": people, "parameters": {"instead": list(instead)}}
        settings = {"oncall": oncall, "layers": {"people": layer, **({"own": {"use": own}} if own else {})}}
        self.target = factory(seed=1, day_seconds=1.0, days=3.0, settings=settings, root=folder / "root")
        self.lines: list[dict] = []
        self.target.on_log(lambda _component, line: self.lines.append(json.loads(line)))

    def live(self, day: float) -> None:
        self.target.advance(day, lambda: False)

    def tell(self, status: str, about: str = "serving-b") -> None:
        item = {
            "status": status,
            "labels": {**ALERT, "about": about},
            "annotations": {},
            "startsAt": "",
            "fingerprint": f"volume {about}",
        }
        hook = {
            "version": "4", "groupKey": "", "status": status, "receiver": "ml", "groupLabels": {},
            "commonLabels": {}, "commonAnnotations": {}, "externalURL": "", "alerts": [item],
        }  # fmt: skip
        self.target.request("oncall", "page", json.dumps(hook).encode(), lambda *_: None)

    def actions(self) -> list[tuple[str, str]]:
        """What on-call did."""
        mine = [line for line in self.lines if line["event"] == "action" and line["component"] == "oncall"]
        return [(line["action"], line["says"]) for line in mine]


LASTING = RUNBOOK.replace("]}}", "], lasts_days: 0.5}}", 1)


@pytest.fixture
def stack(tmp_path):
    made: list[Stack] = []

    def make(*args: str, **kwargs) -> Stack:
        made.append(Stack(tmp_path, *args, **kwargs))
        return made[-1]

    yield make
    for each in made:
        each.target.close()


@pytest.mark.parametrize(
    ("action", "component", "key", "during", "after"),
    [
        ("hold_retraining", "orchestrator", "paused", True, False),
        ("drain", "shop", "drained", ["serving-b"], []),
        ("switch_to_rules", "serving-a", "rules", True, False),
    ],
)
def test_an_action_lasts_until_the_alert_is_resolved(stack, action, component, key, during, after):
    k9s = stack(action)
    k9s.live(0.1)
    k9s.tell("firing")
    k9s.live(0.15)
    assert k9s.target.setting(component, key) == after
    k9s.live(0.25)
    assert k9s.target.setting(component, key) == during
    k9s.tell("resolved")
    k9s.live(0.3)
    assert k9s.target.setting(component, key) == after
    assert [name for name, _ in k9s.actions()] == ["acknowledge", action, f"release {action}"]


def test_a_build_goes_back_to_the_released_one_on_every_replica(stack):
    k9s = stack("roll_back_build")
    k9s.live(0.1)
    k9s.target.configure("serving-b", "build", "2026.2")
    k9s.tell("firing")
    k9s.live(0.15)
    assert k9s.target.setting("serving-b", "build") == "2026.2"
    k9s.live(0.4)
    assert [k9s.target.setting(name, "build") for name in ("serving-a", "serving-b")] == ["2026.1"] * 2
    assert "roll_back_build" in [name for name, _ in k9s.actions()]


def test_what_lasts_outlives_the_alert_and_a_restart_of_on_call(stack):
    k9s = stack("hold_retraining", "enforce", LASTING)
    k9s.live(0.1)
    k9s.tell("firing")
    k9s.live(0.25)
    k9s.tell("resolved")
    k9s.live(0.3)
    k9s.target.kill("oncall")
    k9s.target.start("oncall")
    k9s.live(0.7)
    assert k9s.target.setting("orchestrator", "paused") is True
    k9s.live(0.8)
    assert k9s.target.setting("orchestrator", "paused") is False


def test_what_lasts_is_not_ended_by_an_earlier_alert_of_the_same_kind(stack):
    """Resolved on day 0.3 and again on 0.6: what lasts half a day ends on day 1.1, not on 0.8."""
    k9s = stack("hold_retraining", "enforce", LASTING)
    for day, status in ((0.1, "firing"), (0.3, "resolved"), (0.4, "firing"), (0.6, "resolved")):
        k9s.live(day)
        k9s.tell(status)
    k9s.live(1.05)
    assert k9s.target.setting("orchestrator", "paused") is True
    k9s.live(1.15)
    assert k9s.target.setting("orchestrator", "paused") is False
    assert [name for name, _ in k9s.actions()].count("release hold_retraining") == 1


def test_a_replica_comes_back_though_another_one_is_still_drained(stack):
    k9s = stack("drain")
    k9s.live(0.1)
    k9s.tell("firing", "serving-a")
    k9s.tell("firing", "serving-b")
    k9s.live(0.3)
    assert k9s.target.setting("shop", "drained") == ["serving-a", "serving-b"]
    k9s.tell("resolved", "serving-a")
    k9s.live(0.4)
    assert k9s.target.setting("shop", "drained") == ["serving-b"]


@pytest.mark.parametrize("together", [("serving-a", "serving-b"), ("serving-b", "serving-a")])
def test_two_replicas_that_are_drained_and_come_back_at_once_do_so_both(stack, together):
    k9s = stack("drain")
    k9s.target.link("oncall-shop").shape(lambda plan: plan.replace(down_ms=plan.down_ms + 20.0))
    k9s.live(0.1)
    for about in together:
        k9s.tell("firing", about)
    k9s.live(0.5)
    assert sorted(k9s.target.setting("shop", "drained")) == ["serving-a", "serving-b"]
    for about in together:
        k9s.tell("resolved", about)
    k9s.live(1.0)
    assert k9s.target.setting("shop", "drained") == []


LINKS = {"hold_retraining": "oncall-orchestrator", "drain": "oncall-shop"}
SETTINGS = {"hold_retraining": ("orchestrator", "paused"), "drain": ("shop", "drained")}


@pytest.mark.parametrize("action", LINKS)
def test_what_cannot_be_released_when_it_is_time_is_released_when_somebody_answers(stack, action):
    k9s = stack(action)
    k9s.live(0.1)
    k9s.tell("firing")
    k9s.live(0.3)
    assert k9s.target.setting(*SETTINGS[action])
    mend = k9s.target.link(LINKS[action]).shape(lambda plan: plan.replace(refused=True))
    k9s.tell("resolved")
    k9s.live(1.0)
    assert k9s.target.setting(*SETTINGS[action])
    mend()
    k9s.live(1.2)
    assert not k9s.target.setting(*SETTINGS[action])
    said = [says for name, says in k9s.actions() if name == f"release {action}"]
    assert len(said) == 2
    assert said[0].startswith("no answer: ")


@pytest.mark.parametrize("config", ["off", "enforce"])
@pytest.mark.parametrize("away", [("serving-b",), ("serving-a", "serving-b")])
def test_what_is_pushed_is_released_everywhere_though_replicas_were_away_then(stack, config, away):
    k9s = stack("switch_to_rules")
    k9s.target.configure("orchestrator", "layers.config.mode", config)
    k9s.live(0.1)
    k9s.tell("firing")
    k9s.live(0.5)
    assert k9s.target.setting("serving-a", "rules") is k9s.target.setting("serving-b", "rules") is True
    links = [k9s.target.link(f"orchestrator-{name}") for name in away]
    mends = [link.shape(lambda plan: plan.replace(refused=True)) for link in links]
    k9s.tell("resolved")
    k9s.live(1.0)
    for mend in mends:
        mend()
    k9s.live(1.5)
    assert k9s.target.setting("serving-a", "rules") is k9s.target.setting("serving-b", "rules") is False


def test_what_was_pushed_to_some_before_one_did_not_answer_is_released_too(stack):
    k9s = stack("switch_to_rules")
    k9s.target.configure("orchestrator", "layers.config.mode", "off")
    mend = k9s.target.link("orchestrator-serving-b").shape(lambda plan: plan.replace(refused=True))
    k9s.live(0.1)
    k9s.tell("firing")
    k9s.live(0.5)
    assert k9s.target.setting("serving-a", "rules") is True
    mend()
    k9s.tell("resolved")
    k9s.live(1.0)
    assert k9s.target.setting("serving-a", "rules") is False


def test_what_is_still_to_be_released_is_released_though_the_clock_is_set_back_meanwhile(stack):
    k9s = stack("hold_retraining")
    k9s.target.configure("oncall", "clock_ahead_days", 1.0)
    k9s.live(0.1)
    k9s.tell("firing")
    k9s.live(0.3)
    mend = k9s.target.link("oncall-orchestrator").shape(lambda plan: plan.replace(refused=True))
    k9s.tell("resolved")
    k9s.live(0.4)
    k9s.target.configure("oncall", "clock_ahead_days", 0.0)
    mend()
    k9s.live(0.6)
    assert k9s.target.setting("orchestrator", "paused") is False


@pytest.mark.parametrize("restarts", [False, True])
def test_an_action_whose_reply_does_not_come_is_released_too(stack, restarts):
    """The orchestrator hears it, and nobody hears the orchestrator; on-call may end before it gives up."""
    k9s = stack("hold_retraining")
    k9s.live(0.1)
    mend = k9s.target.link("oncall-orchestrator").shape(lambda plan: plan.replace(lost_down=True))
    k9s.tell("firing")
    k9s.live(0.3)
    assert k9s.target.setting("orchestrator", "paused") is True
    if restarts:
        k9s.target.kill("oncall")
        k9s.target.start("oncall")
    k9s.live(1.0)
    mend()
    k9s.tell("resolved")
    k9s.live(1.3)
    assert k9s.target.setting("orchestrator", "paused") is False


def test_what_was_being_done_when_the_alert_was_resolved_and_on_call_ended_is_released(stack):
    k9s = stack("hold_retraining")
    k9s.live(0.1)
    mend = k9s.target.link("oncall-orchestrator").shape(lambda plan: plan.replace(lost_down=True))
    k9s.tell("firing")
    k9s.live(0.3)
    k9s.tell("resolved")
    k9s.live(0.31)
    k9s.target.kill("oncall")
    mend()
    k9s.target.start("oncall")
    k9s.live(0.6)
    assert k9s.target.setting("orchestrator", "paused") is False


def late(plan):
    """A reply that is a tenth of a day under way."""
    return plan.replace(down_ms=plan.down_ms + 100.0)


def test_what_lasts_does_so_too_where_the_alert_was_resolved_before_it_was_done(stack):
    k9s = stack("hold_retraining", text=LASTING)
    k9s.target.link("oncall-orchestrator").shape(late)
    k9s.live(0.1)
    k9s.tell("firing")
    k9s.live(0.25)
    k9s.tell("resolved")
    k9s.live(0.7)
    assert k9s.target.setting("orchestrator", "paused") is True
    k9s.live(0.85)
    assert k9s.target.setting("orchestrator", "paused") is False


def test_what_was_being_done_about_an_alert_that_was_over_is_released_after_a_restart(stack):
    """It was resolved while the action before was under way, and on-call ends in the middle of the next."""
    k9s = stack("roll_back, hold_retraining")
    k9s.target.link("oncall-orchestrator").shape(late)
    k9s.live(0.1)
    k9s.tell("firing")
    k9s.live(0.25)
    k9s.tell("resolved")
    k9s.live(0.45)
    assert k9s.target.setting("orchestrator", "paused") is True
    k9s.target.kill("oncall")
    k9s.target.start("oncall")
    k9s.live(0.8)
    assert k9s.target.setting("orchestrator", "paused") is False


def test_what_was_still_to_be_done_is_done_after_a_restart_and_what_was_begun_is_not_done_twice(stack):
    k9s = stack("roll_back, hold_retraining")
    k9s.target.link("oncall-orchestrator").shape(late)
    k9s.live(0.1)
    k9s.tell("firing")
    k9s.live(0.25)
    k9s.target.kill("oncall")
    k9s.target.start("oncall")
    k9s.live(0.8)
    assert k9s.target.setting("orchestrator", "paused") is True
    assert [name for name, _ in k9s.actions()] == ["acknowledge", "hold_retraining"]
    k9s.target.kill("oncall")
    k9s.target.start("oncall")
    k9s.tell("resolved")
    k9s.live(1.1)
    assert k9s.target.setting("orchestrator", "paused") is False
    assert [name for name, _ in k9s.actions()][2:] == ["release hold_retraining"]


def test_what_was_being_done_when_the_alert_came_again_and_on_call_ended_is_released_with_that_one(stack):
    k9s = stack("hold_retraining")
    k9s.target.link("oncall-orchestrator").shape(late)
    k9s.live(0.1)
    k9s.tell("firing")
    k9s.live(0.22)
    k9s.tell("resolved")
    k9s.tell("firing")
    k9s.live(0.25)
    k9s.target.kill("oncall")
    k9s.target.start("oncall")
    k9s.live(0.28)
    assert k9s.target.setting("orchestrator", "paused") is True
    k9s.tell("resolved")
    k9s.live(0.6)
    assert k9s.target.setting("orchestrator", "paused") is False


def test_what_is_just_being_done_about_another_alert_is_not_ended_with_an_earlier_one(stack):
    k9s = stack("hold_retraining")
    k9s.target.link("oncall-orchestrator").shape(late)
    k9s.live(0.1)
    k9s.tell("firing", "serving-a")
    k9s.live(0.4)
    k9s.tell("firing", "serving-b")
    k9s.live(0.55)
    k9s.tell("resolved", "serving-a")
    k9s.live(1.0)
    assert k9s.target.setting("orchestrator", "paused") is True
    k9s.tell("resolved", "serving-b")
    k9s.live(1.3)
    assert k9s.target.setting("orchestrator", "paused") is False


def test_shoppers_are_not_sent_to_a_drained_replica(stack):
    k9s = stack("drain")
    k9s.live(0.1)
    k9s.tell("firing")
    k9s.live(0.6)
    asked = {
        row["replica"]
        for line in k9s.lines
        if line["event"] == "views" and line["start_day"] >= 0.3
        for row in line["rows"]
    }
    assert asked == {"serving-a"}


def test_a_refused_action_is_said_too_and_the_next_one_is_taken(stack):
    k9s = stack("roll_back, hold_retraining")
    # Nothing was promoted yet, and nothing came before: there is no version to go back to.
    k9s.live(0.02)
    k9s.tell("firing")
    k9s.live(0.5)
    (_, _), (name, says), (second, _) = k9s.actions()
    assert (name, second) == ("roll_back", "hold_retraining")
    assert says.startswith("not done: registry refused") or says.startswith("version ")


def test_where_layers_kept_everything_out_there_is_nothing_to_put_aside(stack):
    k9s = stack("quarantine_source, purge")
    k9s.live(0.1)
    k9s.tell("firing")
    k9s.live(0.3)
    assert k9s.actions()[1:] == [
        ("quarantine_source", "not done: nothing was built of rows of a source that a layer leaves out"),
        ("purge", "not done: no day is named, and no layer acts on one"),
    ]


def test_what_people_do_instead_of_the_runbook_is_released_too(stack):
    k9s = stack("hold_retraining", instead=("switch_to_rules", "swich_to_rules"))
    k9s.live(0.1)
    k9s.tell("firing")
    k9s.live(0.3)
    assert k9s.target.setting("serving-a", "rules") is True
    assert k9s.target.setting("orchestrator", "paused") is False
    k9s.tell("resolved")
    k9s.live(0.5)
    assert k9s.target.setting("serving-a", "rules") is False
    # Whoever answers by popularity is told of that as well, so not every acknowledgement is of this alert.
    done = [(name, says) for name, says in k9s.actions() if name != "acknowledge"]
    assert [name for name, _ in done] == ["switch_to_rules", "swich_to_rules", "release switch_to_rules"]
    assert done[1][1] == "not done: there is no such action; there is switch_to_rules"


class Own(People):
    """People of a team's own."""

    name = "own"


@pytest.mark.parametrize("people", ["off", "observe"])
def test_what_people_would_do_instead_is_not_done_by_others_who_answer(stack, people):
    own = "tests.reference_stack.oncall.test_actions:Own"
    k9s = stack("hold_retraining", people, instead=("switch_to_rules",), own=own)
    k9s.live(0.1)
    k9s.tell("firing")
    k9s.live(0.3)
    assert k9s.target.setting("serving-a", "rules") is False
    assert k9s.target.setting("orchestrator", "paused") is True


def test_without_people_nothing_is_done(stack):
    k9s = stack("hold_retraining", "off")
    k9s.live(0.1)
    k9s.tell("firing")
    k9s.live(0.8)
    assert k9s.actions() == []
    assert k9s.target.setting("orchestrator", "paused") is False


def test_every_action_is_explained():
    for name, action in ACTIONS.items():
        assert action.take.__doc__, name

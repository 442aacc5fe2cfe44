"""Layers overridden by hand: who and why is written down, and the end comes by itself."""

from __future__ import annotations

import json

import pytest

KEY = "layers.people.mode"


def configure(tower, value: object, **more: object) -> int:
    """The status of the answer of on-call."""
    body = json.dumps({"key": KEY, "value": value, **more}).encode()
    statuses: list[int] = []
    tower.machine.request("oncall", "configure", body, lambda status, _: statuses.append(status))
    tower.live(tower.machine.day() + 0.01)
    return statuses[0]


def mode(tower) -> str:
    answers: list[bytes] = []
    body = json.dumps({"key": KEY}).encode()
    tower.machine.request("oncall", "setting", body, lambda _, answer: answers.append(answer))
    tower.live(tower.machine.day() + 0.01)
    return str(json.loads(answers[0])["value"])


def audit(tower) -> list[tuple[str, str, str]]:
    return [(line["by"], line["action"], line["says"]) for line in tower.logged("action")]


def test_an_override_is_written_down_and_expires(tower):
    tower.live(1.0)
    assert configure(tower, "off", by="ann", why="too loud", until_day=2.0) == 200
    assert mode(tower) == "off"
    tower.live(2.1)
    assert mode(tower) == "enforce"
    assert audit(tower) == [
        ("ann", "override", f"{KEY} from enforce to off until day 2: too loud"),
        ("ann", "override expired", f"{KEY} is enforce again"),
    ]


def test_a_second_override_moves_the_end_and_not_what_is_gone_back_to(tower):
    tower.live(1.0)
    configure(tower, "off", by="ann", until_day=2.0)
    configure(tower, "observe", by="ben", until_day=3.0)
    tower.live(2.5)
    assert mode(tower) == "observe"
    tower.live(3.1)
    assert mode(tower) == "enforce"
    assert [action for _, action, _ in audit(tower)] == ["override", "override", "override expired"]


def test_what_was_changed_since_is_left_alone(tower):
    tower.live(1.0)
    configure(tower, "off", by="ann", until_day=2.0)
    configure(tower, "observe")
    tower.live(2.5)
    assert mode(tower) == "observe"
    assert [action for _, action, _ in audit(tower)] == ["override"]


def test_without_a_name_nothing_is_written_down_as_an_override(tower):
    tower.live(1.0)
    assert configure(tower, "off") == 200
    assert audit(tower) == []


@pytest.mark.parametrize("more", [{"until_day": 3.0}, {"by": "ann", "until_day": 0.5}])
def test_an_end_needs_a_name_and_must_be_to_come(tower, more):
    tower.live(1.0)
    assert configure(tower, "off", **more) == 400
    assert mode(tower) == "enforce"

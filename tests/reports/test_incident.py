"""The incident record tells what the journals know, and leaves to people what only they can say."""

from __future__ import annotations

from dataclasses import replace

from chaos.domain.event import Action
from chaos.domain.scenario import Arm, Hole
from chaos.reports.incident import FOR_PEOPLE, TO_FILL, incident, record_of
from tests.journals import Story, Told, quiet
from tests.scoring.test_contamination import purge, spoilt
from tests.scoring.test_standing import DETECTED, standing


def record(*holes: Hole) -> str:
    daily = [Action(day + 0.1, "trainer", "trainer", "save", f"checkpoint of {day}") for day in range(14)]
    held = Action(4.6, "oncall", "ml", "hold_retraining", "retraining is held")
    story = Story().add(Arm.DEFENDED, held, *daily)
    return incident(record_of(story.score(), holes, story.journals()[Arm.DEFENDED]))


def section(text: str, heading: str) -> str:
    return text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def test_the_timeline_tells_the_fault_the_layers_and_the_people_in_order() -> None:
    told = section(record(), "Timeline")
    words = ("injected", "volume", "retraining is held", "undone")
    places = [told.index(word) for word in words]
    assert places == sorted(places)


def test_triage_layers_holes_and_actions() -> None:
    text = record(Hole(layer="people", set={"muted": ["hold"]}, by="ann", why="too loud"))
    assert "| VolumeRed | ML system | page | data team | 4.20 | 4.45 |" in section(text, "Triage")
    assert "- hold: contained, fired on day 4.20, acted on day 4.20" in section(text, "Layers and holes")
    assert "- hole in people: muted = ['hold'], by ann: too loud" in section(text, "Layers and holes")
    assert "| 4.60 | ml | hold_retraining | retraining is held |" in section(text, "Actions taken")
    assert "checkpoint of" not in section(text, "Actions taken")
    assert "missed" not in section(text, "Layers and holes")


def test_on_a_stack_that_stands_every_layer_that_spoke_is_told_of() -> None:
    story = Story(Told(expect=DETECTED))
    text = incident(record_of(standing(story), [], story.journals()[Arm.DEFENDED]))
    lines = section(text, "Layers and holes").strip().splitlines()
    assert "- volume: fired on day 4.17, acted on day 4.17" in lines
    assert "- hold: fired on day 4.20, acted on day 4.20" in lines


def test_what_altered_data_got_into_is_told_by_arm() -> None:
    story = spoilt(Arm.CONTROL).add(Arm.CONTROL, purge(6.1))
    text = incident(record_of(story.score(), [], story.journals()[Arm.DEFENDED]))
    lines = section(text, "What altered and missing data got into").strip().splitlines()
    (line,) = [line for line in lines if line.startswith("- control: ")]
    assert line.startswith("- control: partitions of day 5 (of unknown sources) came altered; ")
    assert "; day 5 purged by day 6.10, and contaminated version 26 answered, " in line
    assert line.endswith("contaminated snapshot s6 served after it")
    (other,) = [line for line in lines if line.startswith("- undefended: ")]
    assert "absent when they were due" in other
    assert other.endswith("; nothing was purged")


def test_where_nothing_was_altered_or_missing_nothing_is_told() -> None:
    story = Story(replace(quiet(false_alarms=0), arms=(Arm.DEFENDED,)))
    text = incident(record_of(story.score(), [], story.journals()[Arm.DEFENDED]))
    assert "What altered and missing data got into" not in text


def test_what_only_people_can_say_is_never_invented() -> None:
    text = record()
    for heading in FOR_PEOPLE:
        assert section(text, heading).strip() == f"_{TO_FILL}_"


def test_what_people_wrote_stays_when_the_record_is_written_anew() -> None:
    story = Story()
    told = record_of(story.score(), [], story.journals()[Arm.DEFENDED])
    first = incident(told)
    assert incident(told, first) == first
    people = first.replace(f"## Root cause\n\n_{TO_FILL}_", "## Root cause\n\nA hung uploader.")
    anew = incident(told, people.replace("# Incident record", "# Old record"))
    assert section(anew, "Root cause").strip() == "A hung uploader."
    assert anew.startswith("# Incident record")


def test_a_heading_that_people_have_added_to_keeps_what_is_below_it() -> None:
    story = Story()
    told = record_of(story.score(), [], story.journals()[Arm.DEFENDED])
    people = incident(told).replace(
        f"## Root cause\n\n_{TO_FILL}_", "## Root cause (agreed)\n\nA hung uploader."
    )
    assert incident(told, people) == people

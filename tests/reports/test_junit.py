"""JUnit: failed is a failure, void is an error, and neither is ever green."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from chaos.domain.event import Phase
from chaos.domain.scenario import Arm
from chaos.domain.verdict import NotRun, Results, Unfinished, Verdict
from chaos.reports.junit import junit, write_junit
from tests.journals import Story, Told, quiet, results_of, without


def tree(results: Results) -> ElementTree.Element:
    return ElementTree.fromstring(junit(results))


def test_each_verdict_has_its_own_mark() -> None:
    trials = [
        Story().score(),
        Story(without(Told(), "hold")).score(),
        Story(Told(bites=False)).score(),
        Story(quiet()).score(),
    ]
    root = tree(results_of(*trials))
    suites = {suite.get("name"): suite for suite in root.findall("testsuite")}
    late = suites["late-partition"]
    assert (late.get("tests"), late.get("failures"), late.get("errors")) == ("3", "1", "1")
    assert (suites["quiet"].get("tests"), suites["quiet"].get("failures")) == ("1", "0")
    marks = [[child.tag for child in case] for case in late.findall("testcase")]
    assert marks == [["system-out"], ["failure"], ["error"]]


def test_the_reasons_are_in_the_text() -> None:
    root = tree(results_of(Story(without(Told(), "hold")).score()))
    failure = root.find(".//failure")
    assert failure is not None
    assert "not armed: hold" in failure.get("message", "")
    assert "passed: detected" in (failure.text or "")


def test_a_run_without_a_trial_is_an_error() -> None:
    assert tree(results_of()).find(".//error") is not None


def test_every_trial_that_did_not_pass_is_marked() -> None:
    for told in (Told(), without(Told(), "hold"), Told(bites=None)):
        trial = Story(told).score()
        marked = tree(results_of(trial)).find(".//failure") is not None or "<error" in junit(
            results_of(trial)
        )
        assert marked is (trial.verdict is not Verdict.PASSED)


def test_what_the_target_cannot_run_is_skipped() -> None:
    lacking = [NotRun(scenario="wrong-alias", needs=["registry"])]
    root = tree(results_of(Story().score()).model_copy(update={"not_run": lacking}))
    skipped = root.find(".//skipped")
    assert skipped is not None
    assert skipped.get("message") == "the target lacks registry"


def test_characters_that_xml_cannot_hold_do_not_break_it(tmp_path: Path) -> None:
    story = Story().add(Arm.BARE, Phase(5.0, "aborted", "bad \x00\x1b[31m <&> byte"))
    path = tmp_path / "new" / "junit.xml"
    write_junit(results_of(story.score()), path)
    error = ElementTree.parse(path).find(".//error")
    assert error is not None
    assert "<&> byte" in error.get("message", "")


def test_what_has_not_ended_is_an_error_and_nothing_is_green() -> None:
    cut = [Unfinished(scenario="late-partition", seed=9), Unfinished(scenario="other", seed=1)]
    root = tree(results_of(Story().score()).model_copy(update={"unfinished": cut}))
    errors = [
        (case.get("classname"), case.get("name"))
        for case in root.iter("testcase")
        if case.find("error") is not None
    ]
    assert errors == [("late-partition", "seed 9"), ("other", "seed 1")]
    assert len(list(root.iter("testcase"))) == 3

"""JUnit XML for CI: a trial is a test case, failed is a failure, and void an error: never green."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from chaos.domain.verdict import Results, TrialResult, Verdict
from chaos.whole import write_whole

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(results: Results) -> str:
    """The XML document: a suite per scenario, a case per seed; what was not run is skipped.

    Trials that have not ended are errors: a run that is killed leaves no document that is all green.
    """
    suites = ElementTree.Element("testsuites", name="mlchaos")
    names = [trial.scenario for trial in results.trials] + [one.scenario for one in results.unfinished]
    for name in dict.fromkeys(names):
        trials = [trial for trial in results.trials if trial.scenario == name]
        _suite(suites, name, trials, [one.seed for one in results.unfinished if one.scenario == name])
    if results.not_run:
        suite = ElementTree.SubElement(suites, "testsuite", name="not run")
        for lacking in results.not_run:
            case = ElementTree.SubElement(suite, "testcase", name=lacking.scenario, classname="not_run")
            ElementTree.SubElement(case, "skipped", message=lacking.why)
        _count(suite)
    if results.verdict is Verdict.VOID and suites.find(".//error") is None:
        suite = ElementTree.SubElement(suites, "testsuite", name="mlchaos")
        case = ElementTree.SubElement(suite, "testcase", name="run", classname="mlchaos")
        why = "not every trial could be read" if results.trials else "no trial was run"
        ElementTree.SubElement(case, "error", message=f"void: {why}", type="void")
        _count(suite)
    ElementTree.indent(suites)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"
    )


def write_junit(results: Results, path: Path) -> None:
    """Write the XML document, making its folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, junit(results))


def _suite(
    suites: ElementTree.Element, name: str, trials: Sequence[TrialResult], unfinished: Sequence[int]
) -> None:
    suite = ElementTree.SubElement(suites, "testsuite", name=name)
    for seed in unfinished:
        case = ElementTree.SubElement(suite, "testcase", name=f"seed {seed}", classname=name)
        ElementTree.SubElement(case, "error", message="void: the run has not got to its end", type="void")
    for trial in trials:
        case = ElementTree.SubElement(suite, "testcase", name=f"seed {trial.seed}", classname=name)
        lines = _clean("\n".join(f"{r.verdict.value}: {r.about}: {r.says}" for r in trial.reasons))
        if trial.verdict is Verdict.PASSED:
            ElementTree.SubElement(case, "system-out").text = lines
            continue
        kind = "failure" if trial.verdict is Verdict.FAILED else "error"
        why = "; ".join(f"{r.about}: {r.says}" for r in trial.reasons if r.verdict is trial.verdict)
        message = _clean(f"{trial.verdict.value}: {why or 'nothing was measured'}")
        ElementTree.SubElement(case, kind, message=message, type=trial.verdict.value).text = lines
    _count(suite)


def _count(suite: ElementTree.Element) -> None:
    for attribute, path in (
        ("tests", "testcase"),
        ("failures", "testcase/failure"),
        ("errors", "testcase/error"),
        ("skipped", "testcase/skipped"),
    ):
        suite.set(attribute, str(len(suite.findall(path))))


def _clean(text: str) -> str:
    """Without the control characters that no XML document may hold."""
    return _NOT_XML.sub("�", text)

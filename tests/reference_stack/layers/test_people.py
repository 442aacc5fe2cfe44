from reference_stack.layers.evidence import Page
from reference_stack.layers.people import People, PeopleParameters


def page(**fields: str) -> Page:
    given = {
        "name": "volume",
        "category": "ML system",
        "severity": "page",
        "layer": "volume",
        "about": "features",
    }
    return Page(day=3.0, **(given | fields))


def decide(evidence: Page, **parameters):
    return People(PeopleParameters(**parameters)).decide(evidence)


def test_an_alert_is_answered_and_named():
    decision = decide(page())
    assert decision.acts
    assert decision.says == "answers volume about features"


def test_a_muted_alert_is_read_by_nobody():
    assert not decide(page(), muted=("volume",)).acts
    assert decide(page(name="burn"), muted=("volume",)).acts


def test_a_severity_that_nobody_answers():
    assert not decide(page(severity="ticket"), severities=("page",)).acts
    assert decide(page(severity="ticket")).acts

import pytest

from reference_stack.layers.evidence import Page
from reference_stack.layers.people import RUNBOOK, People, PeopleParameters


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


@pytest.mark.parametrize(("category", "step"), RUNBOOK)
def test_every_category_has_its_step(category, step):
    decision = decide(page(category=category))
    assert decision.acts
    assert decision.says == step.format(about="features")


def test_an_unknown_category_is_looked_at_all_the_same():
    assert decide(page(category="weather")).says == "looks at features"


def test_a_muted_alert_is_read_by_nobody():
    assert not decide(page(), muted=("volume",)).acts
    assert decide(page(name="burn"), muted=("volume",)).acts


def test_a_severity_that_nobody_answers():
    assert not decide(page(severity="ticket"), severities=("page",)).acts
    assert decide(page(severity="ticket")).acts

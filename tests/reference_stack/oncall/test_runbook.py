"""The runbook that teams edit: which entry an alert finds, and what is wrong with a file."""

import re
from pathlib import Path

import pytest

from reference_stack.monitor.routing import read_routing
from reference_stack.monitor.rules import RULES
from reference_stack.oncall.actions import ACTIONS
from reference_stack.oncall.runbook import read_runbook
from reference_stack.settings import SettingsError


def labels(**fields: str) -> dict[str, str]:
    given = {"alertname": "volume", "category": "ML system", "severity": "page", "about": "features"}
    return given | {"layer": "volume"} | fields


def step(text: str, tmp_path: Path, **fields: str) -> str:
    file = tmp_path / "runbook.yaml"
    file.write_text(text)
    page = read_runbook(str(file), ACTIONS).page(labels(**fields))
    return "" if page is None else page.step(labels(**fields))


def test_the_first_entry_that_fits_is_taken_and_what_is_left_out_fits_any(tmp_path):
    text = """
runbook:
  - {alert: volume, severity: ticket, says: first}
  - {alert: volume, about: features, says: "second, about {about}"}
  - {category: ML system, says: third}
"""
    assert step(text, tmp_path) == "second, about features"
    assert step(text, tmp_path, severity="ticket") == "first"
    assert step(text, tmp_path, about="collector") == "third"
    assert step(text, tmp_path, alertname="burn", category="software") == ""


def test_an_alert_that_is_about_nothing_is_called_by_its_layer_or_else_by_its_name(tmp_path):
    text = "runbook: [{says: 'looks at {about}'}]"
    assert step(text, tmp_path, about="", layer="drift") == "looks at drift"
    assert step(text, tmp_path, about="", layer="", alertname="engagement") == "looks at engagement"


def test_the_stack_has_a_page_for_every_alert_rule():
    runbook = read_runbook("", ACTIONS)
    for rule in RULES:
        found = labels(alertname=rule.name, category=rule.category, severity=rule.severity)
        page = runbook.page(found)
        assert page is not None
        assert page.step(found)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "runbook: [{says: x, actions: [rol_back]}]",
            "there is no action 'rol_back' (did you mean 'roll_back'?)",
        ),
        (
            "runbook: [{says: x}, {says: x, category: modl}]",
            "runbook.1.category: there is no category 'modl' (did you mean 'model'?)",
        ),
        (
            "runbook: [{says: x, severity: critical}]",
            "runbook.0.severity: there is no severity 'critical'; there are page, ticket",
        ),
        ("runbook: [{says: x, actoins: []}]", "actoins"),
        ("runbook: [{actions: []}]", "says"),
        ("{}", "runbook"),
    ],
)
def test_a_wrong_file_is_named_with_the_field(tmp_path, text, says):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        read_runbook(str(file), ACTIONS)
    assert str(file) in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(("kind", "reads"), [("runbook", read_runbook), ("routing", read_routing)])
def test_what_the_documentation_shows_can_be_read(tmp_path, kind, reads):
    text = (Path(__file__).parents[3] / "docs" / "people.md").read_text()
    (block,) = re.findall(rf"^```yaml\n# a {kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    file = tmp_path / "shown.yaml"
    file.write_text(block)
    assert reads(str(file), ACTIONS) if kind == "runbook" else reads(str(file))


def test_every_action_is_documented():
    text = (Path(__file__).parents[3] / "docs" / "people.md").read_text()
    for action in ACTIONS:
        assert f"| `{action}` |" in text


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"none\.yaml"):
        read_runbook(str(tmp_path / "none.yaml"), ACTIONS)

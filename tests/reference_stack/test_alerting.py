"""The words of alerts are those that the rules use."""

from reference_stack.alerting import CATEGORIES, SEVERITIES
from reference_stack.monitor.rules import RULES


def test_every_rule_uses_a_known_category_and_severity():
    assert {rule.category for rule in RULES} == set(CATEGORIES)
    assert {rule.severity for rule in RULES} <= set(SEVERITIES)

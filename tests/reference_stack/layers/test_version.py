from __future__ import annotations

import pytest

from reference_stack.layers.contract import GREEN
from reference_stack.layers.evidence import Census
from reference_stack.layers.version import Version, VersionParameters

RUNNING = {"serving-b": "2018.4", "serving-a": "2026.1"}


@pytest.mark.parametrize(("days", "acts"), [(0.0, False), (0.2, False), (0.21, True)])
def test_replicas_may_differ_for_as_long_as_a_rollout_takes(days, acts):
    decision = Version(VersionParameters()).decide(Census("build", RUNNING, days))
    assert decision.acts is acts
    if acts:
        assert decision.says == "build differs: serving-a 2026.1, serving-b 2018.4"
    else:
        assert decision == GREEN

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.campaign import keep_data
from chaos.domain.scenario import Arm
from chaos.domain.verdict import Verdict
from tests.journals import Story

KEPT, THINNED = {"logs", "registry", "collector"}, {"logs", "registry"}


def left(keep: str, verdict: Verdict, folder: Path) -> set[str]:
    """What of an arm's folder is there after a trial has ended with that verdict."""
    story = Story()
    root = folder / Arm.DEFENDED.value / "stack"
    for name in KEPT:
        (root / name).mkdir(parents=True)
    keep_data(keep, folder, story.plan, story.score().model_copy(update={"verdict": verdict}))
    return {path.name for path in root.iterdir()}


@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("keep", ["never", "failed", "always"])
def test_whose_data_is_kept(keep: str, verdict: Verdict, tmp_path: Path) -> None:
    looked_at = keep == "always" or (keep == "failed" and verdict is not Verdict.PASSED)
    assert left(keep, verdict, tmp_path) == (KEPT if looked_at else THINNED)

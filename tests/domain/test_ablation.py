"""When a table of ablations passes: what it takes to call a layer decisive."""

from __future__ import annotations

import pytest

from chaos.domain.ablation import Ablation, AblationRow, Counts
from chaos.domain.verdict import Verdict


def row(failed: int, passed: int = 0, void: int = 0, complete: int = 5) -> AblationRow:
    return AblationRow(
        scenario="late",
        without=["hold"],
        counts=Counts(passed=passed, failed=failed, void=void),
        complete=Counts(passed=complete, failed=5 - complete, void=0),
        passes=complete == 5,
        fails_on=["contained"],
        not_failed=[],
    )


def table(*rows: AblationRow, undecided: tuple[str, ...] = ()) -> Ablation:
    return Ablation(mlchaos="0", target="t", rows=list(rows), undecided=list(undecided))


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (row(5), Verdict.PASSED),
        (row(4, passed=1), Verdict.PASSED),
        (row(4, void=1), Verdict.PASSED),
        (row(3, passed=2), Verdict.FAILED),
        (row(0, passed=5), Verdict.FAILED),
        (row(0, void=5), Verdict.VOID),
        (row(5, complete=0), Verdict.VOID),
        (row(5, complete=4), Verdict.VOID),
    ],
)
def test_a_row(found: AblationRow, verdict: Verdict) -> None:
    assert found.verdict is verdict


def test_all_rows_together_must_fail_nearly_always() -> None:
    assert table(row(99, passed=1)).verdict is Verdict.PASSED
    assert table(row(5), row(4, passed=1)).verdict is Verdict.FAILED
    assert table(row(5), row(3, passed=2)).verdict is Verdict.FAILED


def test_what_was_not_told_is_no_pass() -> None:
    assert table(row(5), undecided=("other",)).verdict is Verdict.VOID
    assert table().verdict is Verdict.VOID
    assert table(row(5), row(5, complete=0)).verdict is Verdict.VOID
    assert table(row(5, complete=0), row(0, passed=5)).verdict is Verdict.FAILED

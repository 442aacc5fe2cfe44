from __future__ import annotations

import pytest

from chaos.domain.verdict import EXIT_CODES, Verdict, combine

P, F, V = Verdict.PASSED, Verdict.FAILED, Verdict.VOID


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [([], V), ([P, P], P), ([P, V], V), ([V, P, F], F), ([F, V], F), ([V], V)],
)
def test_failed_comes_before_void_before_passed_and_nothing_is_void(
    verdicts: list[Verdict], expected: Verdict
) -> None:
    assert combine(verdicts) is expected


def test_only_what_passed_ends_with_nought() -> None:
    assert EXIT_CODES == {P: 0, F: 1, V: 2}

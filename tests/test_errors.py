from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from chaos.catalogue import UnknownName
from chaos.domain.source import build, read_source
from chaos.domain.target import TargetSpec
from chaos.errors import ChangeRefused, ChaosError, InvalidInput, Problem, hint, nearest
from tests.harness import TARGET


def test_a_name_that_is_not_there_is_told_which_was_meant_or_all_there_are() -> None:
    assert hint(nearest("late", ["backlog", "late_partition"])) == " (did you mean 'late_partition'?)"
    assert nearest("xyz", ["backlog", "late_partition"]) is None
    assert hint(None, ["one"]) == "; there is one"
    assert hint(None, ["one", "two"]) == "; there are one, two"
    assert hint(None) == ""


@pytest.mark.parametrize(
    "error",
    [
        InvalidInput([Problem("a.yaml", 3, "days", "is too long"), Problem("b.yaml", None, "", "is empty")]),
        ChangeRefused("admission", "no lineage"),
        UnknownName("fault", "latncy", "latency"),
    ],
    ids=str,
)
def test_an_error_of_a_worker_process_says_the_same_here(error: ChaosError) -> None:
    there = pickle.loads(pickle.dumps(error))
    assert (type(there), str(there), vars(there)) == (type(error), str(error), vars(error))


def test_the_beginning_of_a_name_is_near_enough_for_a_key_too(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(TARGET.replace("capabilities:", "caps:", 1))
    with pytest.raises(InvalidInput, match=r"caps: there is no such key \(did you mean 'capabilities'\?\)"):
        build(TargetSpec, read_source(file))

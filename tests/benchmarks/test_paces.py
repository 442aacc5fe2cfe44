from __future__ import annotations

from benchmarks.paces import PACES, default_scenarios, head, table
from tests.journals import Story, Told, without


def test_trials_that_agree_at_all_paces_and_one_that_does_not() -> None:
    passed = Story(Told()).score()
    unseen = Story(without(Told(), "volume", "hold")).score()

    (same,) = table({1.0: [passed], 60.0: [passed]})
    (other,) = table({1.0: [passed], 60.0: [unseen]})

    assert same.agrees
    assert str(same).endswith("| passed (volume) | passed (volume) |")
    assert not other.agrees
    assert "**no**" in str(other)


def test_another_first_layer_is_told_and_is_no_other_verdict() -> None:
    passed = Story(Told()).score()
    first, *others = passed.faults
    assert first.detection is not None
    later = first.model_copy(update={"detection": first.detection.model_copy(update={"layer": "freshness"})})
    (row,) = table({1.0: [passed], 60.0: [passed.model_copy(update={"faults": [later, *others]})]})

    assert row.agrees
    assert str(row).endswith("| passed (volume) | passed (freshness) | another first layer")


def test_a_trial_that_one_pace_lacks_does_not_agree() -> None:
    (row,) = table({1.0: [Story(Told()).score()], 2.0: []})

    assert not row.agrees
    assert row.told[2.0] == "not run"


def test_scenarios_of_overload_are_left_out_and_others_are_not() -> None:
    names = default_scenarios()

    assert "late-partition" in names
    assert "surge" not in names
    assert "retry-storm" not in names
    assert len(names) > 30


def test_the_head_names_the_paces() -> None:
    assert head(PACES).splitlines()[0] == "| trial | 1 s a day | 2 s a day | 60 s a day |"

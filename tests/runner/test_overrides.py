from __future__ import annotations

import pytest

from chaos.app import Wanted, make_catalogue, options_of
from chaos.domain.layer import Mode
from chaos.domain.scenario import Arm
from chaos.errors import UsageError
from chaos.runner.check import texts_of
from chaos.runner.overrides import parse_overrides


def test_a_hole_for_the_whole_run_and_for_a_span() -> None:
    whole, span = parse_overrides(["freshness", "hold@5d..8d"], []).holes
    assert (whole.layer, whole.mode, whole.from_) == ("freshness", Mode.OFF, None)
    assert (span.layer, span.from_, span.until) == ("hold", 5.0, 8.0)


def test_what_was_asked_for_can_be_typed_again() -> None:
    overrides = parse_overrides(["freshness", "hold@5d..8.5d"], ["layer.*.mode=observe"])
    wanted = Wanted(("late-partition",), "mine.yaml", (1, 2), (Arm.DEFENDED, Arm.CONTROL), overrides, 2.0)
    words = options_of(wanted)
    assert words == [
        *("--target", "mine.yaml", "--arms", "defended,control"),
        *("--hole", "freshness", "--hole", "hold@5d..8.5d"),
        *("--set", "layer.*.mode=observe", "--day-seconds", "2"),
    ]
    assert options_of(Wanted(("late-partition",), "k9s")) == ["--target", "k9s"]
    fine = Wanted(
        (), "k9s", overrides=parse_overrides(["hold@10.12345678d..270h"], []), day_seconds=1.23456789
    )
    assert options_of(fine)[3:] == ["hold@10.12345678d..11.25d", "--day-seconds", "1.23456789"]


@pytest.mark.parametrize(
    "text", ["", "hold@", "hold@5d", "hold@5..8", "hold@8d..5d", "Hold", "hold@.5d..2d", "hold@1.2.3d..5d"]
)
def test_a_hole_that_cannot_be_read(text: str) -> None:
    with pytest.raises(UsageError):
        parse_overrides([text], [])


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("0.5", 0.5), ("true", True), ("observe", "observe"), ("1d", "1d")],
)
def test_settings_are_read_as_scalars(text: str, value: object) -> None:
    (setting,) = parse_overrides([], [f"layer.freshness.warn_days={text}"]).settings
    assert setting.scalar == value


def test_a_faults_bare_number_is_on_the_clock_in_its_name() -> None:
    days, ms = parse_overrides([], ["fault.a.held_days=7", "fault.b.delay_ms=50"]).settings
    assert (days.for_fault({}), ms.for_fault({})) == ("7d", "50ms")


def test_what_is_text_to_a_fault_stays_text_though_it_looks_like_a_number() -> None:
    (setting,) = parse_overrides([], ["fault.old_image.build=2018.10"]).settings
    assert setting.for_fault({"build": str}) == "2018.10"
    assert setting.for_fault({}) == 2018.1


def test_several_names_have_commas_between_them() -> None:
    one, two = parse_overrides(
        [], ["fault.a.components=serving-a", "fault.b.components=serving-a, serving-b"]
    ).settings
    assert one.for_fault({"components": list}) == ["serving-a"]
    assert two.for_fault({"components": list}) == ["serving-a", "serving-b"]
    of_a_fault = texts_of("slow_inference", make_catalogue())
    assert of_a_fault["components"] is list


@pytest.mark.parametrize("text", ["", "x", "layer.a=1", "link.a.b=1", "layer.a.b"])
def test_a_setting_that_cannot_be_read(text: str) -> None:
    with pytest.raises(UsageError):
        parse_overrides([], [text])


def test_names_may_hold_digits() -> None:
    found = parse_overrides(["skew_2@1d..2.5d"], ["fault.late_2.held_days=3"])
    assert [hole.layer for hole in found.holes] == ["skew_2"]
    assert [setting.name for setting in found.settings] == ["late_2"]

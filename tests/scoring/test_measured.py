"""What was not measured, or was measured of something else, is no reason to pass."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from chaos.domain.change import AddDataToxic
from chaos.domain.event import (
    Alert,
    Applied,
    Effect,
    Event,
    Exit,
    Phase,
    Planned,
    Prepared,
    Reading,
    Refused,
    Undone,
    Views,
)
from chaos.domain.layer import Mode
from chaos.domain.plan import PlannedFault, PlannedHole
from chaos.domain.scenario import Arm, Harm, Kind
from chaos.domain.verdict import TrialResult, Verdict
from chaos.scoring.arms import FaultSpan, view_of
from chaos.scoring.recovery import recovery_of, time_left
from chaos.scoring.steady import steady_before
from tests.journals import DAYS, FAULT, INJECT, LAYERS, UNDO, Story, Told, quiet, signal, without

WITH_LAYERS = (Arm.DEFENDED, Arm.CONTROL)


def says(trial: TrialResult, verdict: Verdict = Verdict.VOID) -> list[str]:
    return [reason.says for reason in trial.reasons if reason.verdict is verdict]


def moved(story: Story, arm: Arm, days: float) -> Story:
    """The injection, its effect and its undo so much later in one arm."""

    def later(event: Event) -> Event:
        if isinstance(event, (Planned, Prepared, Applied, Effect)):
            return structs.replace(event, day=event.day + days)
        if isinstance(event, Phase) and event.phase in ("inject", "observe"):
            return structs.replace(event, day=event.day + days)
        return event

    return story.change(arm, later)


# --- injected --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arm", [Arm.DEFENDED, Arm.UNDEFENDED])
def test_a_fault_that_was_never_injected_was_not_withstood(arm: Arm) -> None:
    """As one that waits for an action that a layer has put an end to."""
    of_it = (Planned, Prepared, Applied)
    story = Story().drop(arm, lambda event: isinstance(event, of_it))
    story.drop(arm, lambda event: isinstance(event, Phase) and event.phase in ("inject", "observe"))
    trial = story.score()
    assert trial.verdict is Verdict.VOID
    assert f"{FAULT} was not injected in the {arm.value} arm" in says(trial)


def test_delays_count_from_the_effect_in_the_arm_itself() -> None:
    """Where a fault waits for an action it begins on another day in each arm."""
    assert Story().score().faults[0].effective_day == pytest.approx(4.2)
    trial = moved(Story(), Arm.UNDEFENDED, 3.0).score()
    (fault,) = trial.faults
    assert fault.effective_day == pytest.approx(4.2)
    assert fault.detection is not None
    assert fault.detection.delay_days == pytest.approx(0.0)
    late = Story().change(Arm.DEFENDED, _half_a_day_later)
    (fault,) = late.score().faults
    assert fault.detection is not None
    assert fault.detection.delay_days == pytest.approx(0.47)
    (fault,) = moved(late, Arm.UNDEFENDED, 3.0).score().faults
    assert fault.detection is not None
    assert fault.detection.delay_days == pytest.approx(0.47)


def _half_a_day_later(event: Event) -> Event:
    spoke = getattr(event, "layer", None) in ("volume", "freshness", "hold") and 4 < event.day < 5
    return structs.replace(event, day=event.day + 0.5) if spoke else event


@pytest.mark.parametrize(
    "arms", [(Arm.DEFENDED, Arm.CONTROL, Arm.UNDEFENDED), (Arm.DEFENDED, Arm.UNDEFENDED)]
)
def test_an_effect_is_told_by_the_twin_without_the_fault_or_not_at_all(arms: tuple[Arm, ...]) -> None:
    story = Story(Told(arms=arms))
    (effect,) = [reason for reason in story.score().reasons if reason.about == "effect"]
    if Arm.CONTROL in arms:
        assert effect.verdict is Verdict.PASSED
        assert effect.says.endswith("(defended arm)")
    else:
        assert effect.verdict is Verdict.VOID
        assert effect.says.endswith("cannot be compared: nothing was run in the bare arm")


def test_nothing_was_prevented_where_nothing_would_have_bitten() -> None:
    trial = Story(Told(bites=False)).score()
    assert not trial.faults[0].prevented
    assert {row.outcome for row in trial.layers} & {"prevented"} == set()


def test_a_component_that_ended_by_itself_is_named_with_its_last_error() -> None:
    story = Story().add(Arm.DEFENDED, Exit(6.0, "features", 1, expected=False, says="KeyError: price"))
    lost = "the defended arm lost features on day 6.00 (it ended by itself with code 1: KeyError: price)"
    assert any(lost in one for one in says(story.score()))


# --- holes -----------------------------------------------------------------------------------------------


def test_a_hole_that_something_else_has_closed_is_void() -> None:
    story = Story()
    hole = PlannedHole(layer="burn", key="mode", value="off", from_day=3.0, until_day=7.0)
    for index, arm in enumerate(story.plan.arms):
        if arm.arm.has_layers:
            story.plan.arms[index] = arm.model_copy(update={"holes": [hole]})
    assert story.score().verdict is Verdict.PASSED
    trial = story.add(Arm.CONTROL, Undone(7.0, "hole_burn_mode_3-1", "left")).score()
    assert trial.verdict is Verdict.VOID
    assert "the hole in burn was closed in the control arm before its time" in says(trial)


def test_a_hole_that_is_open_to_the_end_does_not_close_another_one_of_its_layer() -> None:
    story = Story()
    holes = [
        PlannedHole(layer="burn", key="mode", value="off", from_day=3.0, until_day=7.0),
        PlannedHole(layer="burn", key="objective", value=0.5, from_day=3.0, until_day=None),
    ]
    for index, arm in enumerate(story.plan.arms):
        if arm.arm.has_layers:
            story.plan.arms[index] = arm.model_copy(update={"holes": holes})
    for arm in WITH_LAYERS:
        story.add(
            arm, Undone(7.0, "hole_burn_mode_3-1", "undone"), Undone(DAYS, "hole_burn_objective_4-2", "left")
        )
    assert story.score().verdict is Verdict.PASSED


def test_a_hole_that_is_open_to_the_end_is_closed_with_the_components() -> None:
    """Real components have ended by then: none is left that could hold what the hole has set."""
    story = Story()
    hole = PlannedHole(layer="burn", key="mode", value="off", from_day=3.0, until_day=None)
    for index, arm in enumerate(story.plan.arms):
        if arm.arm.has_layers:
            story.plan.arms[index] = arm.model_copy(update={"holes": [hole]})
    for arm in (Arm.DEFENDED, Arm.CONTROL):
        story.add(arm, Undone(DAYS, "hole_burn_mode_3-1", "left"))
    assert story.score().verdict is Verdict.PASSED


# --- harm ------------------------------------------------------------------------------------------------


def defaulted(story: Story, since: float, until: float) -> Story:
    def change(event: Event) -> Event:
        if isinstance(event, Views) and since <= event.start_day < until:
            rows = [structs.replace(row, defaulted=round(0.6 * row.n)) for row in event.rows]
            return structs.replace(event, rows=rows)
        return event

    return story.change(Arm.DEFENDED, change)


def test_a_platform_that_stays_broken_sets_no_measure_of_its_own() -> None:
    while_open = defaulted(Story(), INJECT, UNDO).score().harm.by_arm[Arm.DEFENDED][Harm.DEFECTIVE_VIEWS]
    to_the_end = defaulted(Story(), INJECT, DAYS).score().harm.by_arm[Arm.DEFENDED][Harm.DEFECTIVE_VIEWS]
    assert while_open
    assert to_the_end == while_open


# --- claims that could not fail --------------------------------------------------------------------------


def test_without_a_fault_a_budget_is_of_all_harm() -> None:
    told = Told(kind=Kind.DEMONSTRATION, faults=False, expect={"budgets": {"error_views": 60}})
    assert Story(told).score().verdict is Verdict.PASSED
    story = Story(told)
    for arm in Arm:
        story.change(
            arm,
            lambda event: (
                structs.replace(event, rows=[structs.replace(row, errors=row.n) for row in event.rows])
                if isinstance(event, Views)
                else event
            ),
        )
    trial = story.score()
    assert [reason.verdict for reason in trial.reasons if reason.about == "budget error_views"] == [
        Verdict.FAILED
    ]


def test_a_refusal_of_a_benign_change_is_a_false_alarm() -> None:
    story = Story(quiet())
    change = AddDataToxic("events", "mlchaos_added_column", "added_column", {})
    story.add(
        Arm.DEFENDED,
        Planned(4.0, f"{FAULT}-9", FAULT, change),
        Refused(4.0, f"{FAULT}-9", "schema", "a column that nobody knows"),
    )
    trial = story.score()
    assert trial.verdict is Verdict.FAILED
    assert any("1 false alarm" in one and "schema on day 4.00" in one for one in says(trial, Verdict.FAILED))


@pytest.mark.parametrize(("until", "count"), [(1.5, 0), (3.0, 1)])
def test_what_fires_as_it_is_brought_up_is_a_false_alarm_where_it_goes_on(until: float, count: int) -> None:
    story = Story(quiet())
    story.add(Arm.DEFENDED, signal("burn", "fired", 0.9), signal("burn", "cleared", until))
    rows = {row.layer: row for row in story.score().layers}
    assert rows["burn"].false_alarms == count


@pytest.mark.parametrize("spans", [((0.0, None),), ((0.0, 5.0), (5.0, DAYS)), ((1.0, None),)])
def test_a_quiet_run_with_every_layer_off_by_holes_is_void(
    spans: tuple[tuple[float, float | None], ...],
) -> None:
    story = Story(quiet())
    for index, arm in enumerate(story.plan.arms):
        holes = [
            PlannedHole(layer=name, key="mode", value=Mode.OFF.value, from_day=start, until_day=end)
            for name in arm.layers
            for start, end in spans
        ]
        story.plan.arms[index] = arm.model_copy(update={"holes": holes})
    trial = story.score()
    if spans[0][0] == 0.0:
        assert trial.verdict is Verdict.VOID
        assert "no layer was armed that could have raised one" in says(trial)
    else:
        assert "no layer was armed that could have raised one" not in says(trial)


def test_an_alert_fails_a_quiet_run_of_a_target_without_layers() -> None:
    story = Story(without(quiet(), *LAYERS))
    page = Alert(5.0, "pager", "1", "OvenSlow", "site", "page", "bakers", "firing", 5.0)
    trial = story.add(Arm.DEFENDED, page).score()
    assert trial.verdict is Verdict.FAILED
    assert any("1 false alarm " in one and "OvenSlow" in one for one in says(trial, Verdict.FAILED))


# --- times -----------------------------------------------------------------------------------------------


def test_a_reading_after_the_injection_is_not_of_before_it() -> None:
    """Periodic readings a moment after one that the injection asks for are of another time."""
    story = Story()
    for arm in (Arm.DEFENDED, Arm.UNDEFENDED):
        story.add(arm, *(Reading(INJECT, probe, 1.0, True) for probe in ("good_views", "model_age")))
        story.add(arm, *(Reading(INJECT + 0.01, probe, 0.5, False) for probe in ("good_views", "model_age")))
    trial = story.score()
    (before,) = [reason for reason in trial.reasons if reason.about == "steady state before"]
    assert before.verdict is Verdict.PASSED


def overlapping(second: tuple[float, float]) -> tuple[Story, PlannedFault]:
    """The story with another fault, undone in time."""
    story = Story()
    other = PlannedFault(key="other", fault=FAULT, parameters={}, inject_day=second[0], undo_day=second[1])
    for index, arm in enumerate(story.plan.arms):
        if arm.faults:
            story.plan.arms[index] = arm.model_copy(update={"faults": [*arm.faults, other]})
    change = AddDataToxic("events", "mlchaos_other", "other", {})
    story.add(
        Arm.DEFENDED,
        Planned(second[0], "other-8", "other", change),
        Applied(second[0], "other-8"),
        Undone(second[1], "other-8", "undone"),
    )
    return story, other


@pytest.mark.parametrize(
    ("second", "over"),
    [
        ((8.0, 11.5), 11.5),
        ((8.5, 11.5), 11.5),
        ((8.502, 11.5), 11.5),  # of real processes: just after the undo
        ((5.0, 6.0), 8.5),
        ((9.0, 11.5), 8.5),
    ],
)
def test_nobody_recovers_while_another_fault_is_open(second: tuple[float, float], over: float) -> None:
    story, _ = overlapping(second)
    view = view_of(story.journals()[Arm.DEFENDED])
    span = view.span(FAULT)
    assert span is not None
    held, recovery = recovery_of(view, span)
    next_day = 9.0 if second[0] > over else DAYS
    assert time_left(view, span) == pytest.approx(next_day - over)
    if recovery is not None:
        assert recovery.day - recovery.delay_days == pytest.approx(over)
    assert (recovery is None) == (not held.ok)


def test_a_fault_that_was_refused_was_never_open() -> None:
    story, _ = overlapping((8.0, 11.5))
    story.drop(Arm.DEFENDED, lambda event: isinstance(event, Applied) and event.id == "other-8")
    story.add(Arm.DEFENDED, Refused(8.0, "other-8", "schema", "no"), Phase(11.5, "undo", "other"))
    view = view_of(story.journals()[Arm.DEFENDED])
    span = view.span(FAULT)
    assert span is not None
    assert time_left(view, span) == pytest.approx(DAYS - UNDO)


def test_a_fault_beside_it_that_was_not_undone_leaves_nothing_to_recover_from() -> None:
    story, _ = overlapping((8.0, 11.5))
    story.drop(Arm.DEFENDED, lambda event: isinstance(event, Undone) and event.id == "other-8")
    view = view_of(story.journals()[Arm.DEFENDED])
    span = view.span(FAULT)
    assert span is not None
    assert recovery_of(view, span)[0].says == "other was not undone"
    assert recovery_of(view, replace(span, undo_failed="gone"))[0].ok is None


def test_what_comes_after_the_first_of_two_injections_is_not_of_before_it() -> None:
    story, _ = overlapping((10.0, 11.0))
    story.add(
        Arm.DEFENDED, *(Reading(INJECT + 0.01, probe, 0.5, False) for probe in ("good_views", "model_age"))
    )
    view = view_of(story.journals()[Arm.DEFENDED])
    assert steady_before(view).ok is True


@pytest.mark.parametrize(
    ("second", "first_day", "last_day"), [((5.0, 11.5), 3.5, 11.5), ((2.0, 3.0), 2.0, 8.5)]
)
def test_an_arm_s_faults_begin_with_the_first_and_end_with_the_last(
    second: tuple[float, float], first_day: float, last_day: float
) -> None:
    story, _ = overlapping(second)
    view = view_of(story.journals()[Arm.DEFENDED])
    assert (view.first_injection, view.last_undo) == (first_day, last_day)


# --- spans -----------------------------------------------------------------------------------------------


def span_of(story: Story) -> FaultSpan:
    found = view_of(story.journals()[Arm.DEFENDED]).span(FAULT)
    assert found is not None
    return found


def test_a_fault_lasts_from_the_first_of_its_changes_that_was_asked_for_to_the_last_that_was_undone() -> None:
    """Each is planned before it is made: what looks at a request speaks before it is answered."""
    change = AddDataToxic("events", "mlchaos_other", "other", {})
    story = Story().change(
        Arm.DEFENDED, lambda one: structs.replace(one, day=3.6) if isinstance(one, Applied) else one
    )
    story.add(Arm.DEFENDED, Planned(3.7, f"{FAULT}-2", FAULT, change), Applied(3.8, f"{FAULT}-2"))
    story.add(Arm.DEFENDED, Undone(8.7, f"{FAULT}-2", "undone"))
    span = span_of(story)
    assert (span.injected_day, span.undone_day) == (span.start, span.end) == (3.5, 8.7)


def test_a_change_that_was_refused_neither_begins_nor_ends_a_fault_of_which_another_was_made() -> None:
    change = AddDataToxic("events", "mlchaos_other", "other", {})
    story = Story()
    story.add(Arm.DEFENDED, Planned(3.4, f"{FAULT}-2", FAULT, change))
    story.add(Arm.DEFENDED, Refused(3.45, f"{FAULT}-2", "schema", "no"), Undone(3.46, f"{FAULT}-2", "left"))
    story.add(Arm.DEFENDED, Undone(9.0, f"{FAULT}-2", "left"))
    span = span_of(story)
    assert (span.injected_day, span.undone_day, span.refused) == (3.5, 8.5, ())

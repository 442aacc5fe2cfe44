"""Each kind of harm, on both sides of its definition."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from chaos.domain.change import Change, Configure, Promote, Push, RunImage, SetAlias
from chaos.domain.event import (
    Alias,
    Applied,
    Event,
    Partition,
    PartitionRef,
    Phase,
    Planned,
    Prepared,
    Refused,
    Snapshot,
    Version,
    ViewRow,
    Views,
)
from chaos.domain.layer import Mode, Stage
from chaos.domain.plan import PlannedLayer
from chaos.domain.scenario import Arm, Harm
from chaos.domain.target import DataLink
from chaos.domain.verdict import Reason, Verdict
from chaos.scoring.arms import ArmView, view_of
from chaos.scoring.harm import NORMAL_AGE_DAYS, harm_of, quality_days, quality_pct_days, worst_segments
from chaos.scoring.lineage import defective_builds, defective_from, why_defective
from tests.journals import EXPECT, FAULT, Story, Told, late, quiet, rows, signal, without


def views(story: Story, arm: Arm = Arm.DEFENDED) -> ArmView:
    return view_of(story.journals()[arm])


def harm(story: Story, kind: Harm, arm: Arm = Arm.DEFENDED) -> float | None:
    return harm_of(views(story, arm), views(story, Arm.CONTROL))[kind]


def reason(story: Story, about: str) -> Reason:
    return next(one for one in story.score().reasons if one.about == about)


# --- defective views -------------------------------------------------------------------------------------


def test_versions_trained_without_a_partition_then_due_are_defective() -> None:
    undefended = views(Story(), Arm.UNDEFENDED)
    assert sorted(defective_from(undefended)) == [24, 25, 26, 27, 28]
    assert why_defective(undefended, 25) == "trained without the partitions of day 3, 4"
    assert why_defective(undefended, 23) == ""
    # From day 4.45, when version 24 was promoted, to 9.45: five days of 600 views.
    assert harm(Story(), Harm.DEFECTIVE_VIEWS, Arm.UNDEFENDED) == 3000


def test_versions_of_a_fault_free_arm_are_clean() -> None:
    for arm in (Arm.DEFENDED, Arm.CONTROL, Arm.BARE):
        assert harm(Story(), Harm.DEFECTIVE_VIEWS, arm) == 0


def test_what_served_before_the_scenario_is_clean() -> None:
    story = Story().drop(Arm.UNDEFENDED, lambda event: isinstance(event, Version))
    assert harm(story, Harm.DEFECTIVE_VIEWS, Arm.UNDEFENDED) == 0


def test_a_partition_that_is_not_what_was_written_makes_a_version_defective() -> None:
    def altered(event: Event) -> Event:
        if not (isinstance(event, Version) and event.version == 26):
            return event
        refs = [replace_sha(ref) if ref.partition_day == 5 else ref for ref in event.partitions]
        return msgspec.structs.replace(event, partitions=refs)

    def replace_sha(ref: PartitionRef) -> PartitionRef:
        return msgspec.structs.replace(ref, sha256="other", rows=9000)

    control = views(Story().change(Arm.CONTROL, altered), Arm.CONTROL)
    assert list(defective_from(control)) == [26]
    assert why_defective(control, 26) == "trained on altered data of day 5"


def test_a_partition_that_nobody_saw_being_written_is_not_called_altered() -> None:
    story = Story().drop(Arm.CONTROL, lambda event: isinstance(event, Partition))
    assert defective_from(views(story, Arm.CONTROL)) == {}


def flipped(version: int, day: float = 5.0) -> Story:
    id = f"{FAULT}-9"
    return Story().add(
        Arm.DEFENDED,
        Planned(day, id, FAULT, SetAlias("champion", version)),
        Prepared(day, id, None),
        Applied(day, id),
        Alias(day, "registry", "champion", version, 23, "mlchaos"),
    )


def test_a_version_that_the_fault_put_in_service_is_defective_from_then_on() -> None:
    story = flipped(11)
    story.change(Arm.DEFENDED, rows(lambda row: msgspec.structs.replace(row, version=11), 5.0, 6.0))
    assert defective_from(views(story)) == {11: 5.0}
    assert why_defective(views(story), 11) == "put in service by the fault"
    assert harm(story, Harm.DEFECTIVE_VIEWS) == 600


def test_a_version_that_was_in_service_anyway_was_not_put_there_by_the_fault() -> None:
    assert defective_from(views(flipped(23))) == {}


def imaged(build: str) -> Story:
    """An image that answers as `build` takes the place of serving-a's from day 5 to 6."""
    id = f"{FAULT}-9"
    story = Story().add(
        Arm.DEFENDED,
        Planned(5.0, id, FAULT, RunImage("serving-a", "stack:old")),
        Prepared(5.0, id, None),
        Applied(5.0, id),
    )
    return story.change(Arm.DEFENDED, rows(lambda row: msgspec.structs.replace(row, build=build), 5.0, 6.0))


def test_what_a_build_answers_that_an_image_of_the_fault_brought_is_defective() -> None:
    assert defective_builds(views(imaged("b0"))) == {"b0": (5.0, 8.5)}
    assert harm(imaged("b0"), Harm.DEFECTIVE_VIEWS) == 600


def test_an_image_that_answers_as_the_build_that_was_there_is_no_harm() -> None:
    assert defective_builds(views(imaged("b1"))) == {}


def test_failed_views_are_not_answered_by_anything() -> None:
    story = Story().change(Arm.UNDEFENDED, rows(lambda row: msgspec.structs.replace(row, errors=2), 5.0, 6.0))
    assert harm(story, Harm.DEFECTIVE_VIEWS, Arm.UNDEFENDED) == 3000 - 240
    assert harm(story, Harm.ERROR_VIEWS, Arm.UNDEFENDED) == 240


@pytest.mark.parametrize(("start", "end", "count"), [(4.0, 5.0, 120), (1.0, 2.0, 0), (10.0, 11.0, 0)])
def test_replaced_feature_values_count_while_the_fault_lasts(start: float, end: float, count: int) -> None:
    change = rows(lambda row: msgspec.structs.replace(row, defaulted=1), start, end)
    for arm in (Arm.DEFENDED, Arm.CONTROL):
        assert harm(Story().change(arm, change), Harm.DEFECTIVE_VIEWS, arm) == count


def test_a_newcomer_without_features_is_no_defect() -> None:
    change = rows(lambda row: msgspec.structs.replace(row, defaulted=int(row.segment == 0)), 4.0, 5.0)
    # 24 of the 3,000 views of the fault's span.
    assert harm(Story().change(Arm.DEFENDED, change), Harm.DEFECTIVE_VIEWS) == 0


def test_where_many_are_newcomers_every_day_they_are_no_defect_either() -> None:
    everywhere = rows(lambda row: msgspec.structs.replace(row, defaulted=int(row.segment == 0)), 0.0, 14.0)
    assert harm(Story().change(Arm.DEFENDED, everywhere), Harm.DEFECTIVE_VIEWS) == 0
    more = rows(lambda row: msgspec.structs.replace(row, defaulted=4), 4.0, 9.0)
    found = harm(Story().change(Arm.DEFENDED, everywhere).change(Arm.DEFENDED, more), Harm.DEFECTIVE_VIEWS)
    assert found is not None
    assert found > 4 * 4 * 120


# --- counts ----------------------------------------------------------------------------------------------


def test_error_slow_and_abandoned_views_are_counted() -> None:
    change = rows(lambda row: msgspec.structs.replace(row, errors=1, slow=2, abandoned=3), 2.0, 3.0)
    story = Story().change(Arm.DEFENDED, change)
    assert harm(story, Harm.ERROR_VIEWS) == 120
    assert harm(story, Harm.SLOW_VIEWS) == 240
    assert harm(story, Harm.ABANDONED_VIEWS) == 14 * 120 + 240


def test_without_views_nothing_of_them_is_measured() -> None:
    story = Story().drop(Arm.DEFENDED, lambda event: isinstance(event, Views))
    found = harm_of(views(story), views(story, Arm.CONTROL))
    for kind in (
        Harm.DEFECTIVE_VIEWS,
        Harm.ERROR_VIEWS,
        Harm.SLOW_VIEWS,
        Harm.ABANDONED_VIEWS,
        Harm.STALE_DAYS,
        Harm.QUALITY_PCT_DAYS,
    ):
        assert found[kind] is None


def test_an_arm_cut_short_has_no_numbers() -> None:
    found = harm_of(views(Story().cut(Arm.DEFENDED, 10.0)), None)
    assert set(found) == set(Harm)
    assert set(found.values()) == {None}


def test_the_worst_segment_is_the_one_with_most_harm_for_its_views() -> None:
    def worse(row: ViewRow) -> ViewRow:
        slow = {2: 1, 3: 2}.get(row.segment, 0)
        return msgspec.structs.replace(row, slow=slow, n=row.n * 10 if row.segment == 3 else row.n)

    story = Story().change(Arm.DEFENDED, rows(worse, 0.0, 14.0))
    worst = worst_segments(views(story), views(story, Arm.CONTROL))
    slow = worst[Harm.SLOW_VIEWS]
    assert slow is not None
    assert (slow.segment, slow.value) == (2, 14 * 24)
    assert worst[Harm.ERROR_VIEWS] is None
    assert worst[Harm.STALE_DAYS] is None


# --- age -------------------------------------------------------------------------------------------------


def test_a_model_held_for_days_is_stale_and_a_daily_one_is_not() -> None:
    assert harm(Story(), Harm.STALE_DAYS, Arm.CONTROL) == 0
    stale = harm(Story(), Harm.STALE_DAYS)
    # Version 23 of day 3.2 answers until day 9.45: a triangle from age 1.5 to 6.25.
    assert stale == pytest.approx((6.25 - NORMAL_AGE_DAYS) ** 2 / 2, rel=0.03)


def test_what_has_neither_versions_nor_snapshots_has_no_age() -> None:
    story = Story().drop(Arm.DEFENDED, lambda event: isinstance(event, (Version, Snapshot, Alias)))
    story.change(Arm.DEFENDED, rows(lambda row: msgspec.structs.replace(row, version=0), 0.0, 14.0))
    assert harm(story, Harm.STALE_DAYS) is None


def test_old_features_are_stale_even_with_a_fresh_model() -> None:
    story = Story().drop(Arm.CONTROL, lambda event: isinstance(event, Snapshot) and event.day > 5)
    stale = harm(story, Harm.STALE_DAYS, Arm.CONTROL)
    assert stale == pytest.approx((14 - 4.16 - NORMAL_AGE_DAYS) ** 2 / 2, rel=0.03)


def test_the_age_of_what_was_there_before_counts_from_day_0() -> None:
    story = Story().drop(Arm.CONTROL, lambda event: isinstance(event, Version | Snapshot))
    assert harm(story, Harm.STALE_DAYS, Arm.CONTROL) == pytest.approx(
        (14 - NORMAL_AGE_DAYS) ** 2 / 2, rel=0.03
    )


# --- events ----------------------------------------------------------------------------------------------


def test_late_events_are_not_lost_and_undelivered_ones_are() -> None:
    assert harm(Story(), Harm.LOST_EVENTS) == 0
    story = Story().drop(
        Arm.DEFENDED,
        lambda event: (
            isinstance(event, Partition) and event.partition_day == 5 and event.state == "delivered"
        ),
    )
    assert harm(story, Harm.LOST_EVENTS) == 4500


def test_rows_missing_from_a_delivery_are_lost_and_doubled_ones_are_not() -> None:
    def rows_of(count: int) -> Callable[[Event], Event]:
        def apply(event: Event) -> Event:
            mine = isinstance(event, Partition) and event.partition_day == 5 and event.state == "delivered"
            return msgspec.structs.replace(event, rows=count) if mine else event

        return apply

    assert harm(Story().change(Arm.DEFENDED, rows_of(4000)), Harm.LOST_EVENTS) == 500
    assert harm(Story().change(Arm.DEFENDED, rows_of(9000)), Harm.LOST_EVENTS) == 0


def test_a_partition_not_yet_due_at_the_end_is_not_lost() -> None:
    late = Partition(13.8, "collector", 13, 4500, "sha13", "written")
    early = msgspec.structs.replace(late, day=13.2)
    assert harm(Story().add(Arm.DEFENDED, late), Harm.LOST_EVENTS) == 0
    assert harm(Story().add(Arm.DEFENDED, early), Harm.LOST_EVENTS) == 4500


def test_without_partitions_loss_is_not_measured() -> None:
    story = Story().drop(Arm.DEFENDED, lambda event: isinstance(event, Partition))
    assert harm(story, Harm.LOST_EVENTS) is None


# --- blocks ----------------------------------------------------------------------------------------------


def test_blocks_count_in_the_control_arm_and_before_the_fault() -> None:
    block = (signal("hold", "acted", 2.0), signal("hold", "cleared", 4.0))
    assert harm(Story().add(Arm.CONTROL, *block), Harm.FALSE_BLOCK_DAYS, Arm.CONTROL) == 2.0
    # In the defended arm the fault begins on day 3.5; what is blocked after that is not false.
    assert harm(Story().add(Arm.DEFENDED, *block), Harm.FALSE_BLOCK_DAYS) == 1.5
    assert harm(Story(), Harm.FALSE_BLOCK_DAYS) == 0


def test_days_blocked_by_two_layers_count_once_and_detectors_block_nothing() -> None:
    story = Story().add(
        Arm.CONTROL,
        signal("hold", "acted", 2.0),
        signal("hold", "cleared", 4.0),
        signal("evaluation", "acted", 3.0),
        signal("evaluation", "cleared", 4.5),
        signal("volume", "acted", 6.0),
    )
    assert harm(story, Harm.FALSE_BLOCK_DAYS, Arm.CONTROL) == 2.5


# --- quality ---------------------------------------------------------------------------------------------


def test_quality_is_the_loss_against_control_over_a_week_from_the_injection() -> None:
    # 12% from day 4.5 to 9.5, of a window from 3.5 to 10.5.
    assert harm(Story(), Harm.QUALITY_PCT_DAYS, Arm.UNDEFENDED) == pytest.approx(60.0)
    assert harm(Story(), Harm.QUALITY_PCT_DAYS, Arm.CONTROL) == 0
    after = rows(lambda row: msgspec.structs.replace(row, served_value=0.0), 11.0, 14.0)
    story = Story().change(Arm.UNDEFENDED, after)
    assert harm(story, Harm.QUALITY_PCT_DAYS, Arm.UNDEFENDED) == pytest.approx(60.0)


def test_quality_counts_what_was_served_against_the_best_of_the_same_views() -> None:
    fewer = rows(
        lambda row: msgspec.structs.replace(row, n=1, served_value=row.served_value / 5, best_value=1.0),
        0.0,
        14.0,
    )
    assert harm(Story().change(Arm.BARE, fewer), Harm.QUALITY_PCT_DAYS, Arm.BARE) == pytest.approx(
        0.0, abs=1e-9
    )


def test_quality_needs_the_control_arm_and_a_view_each_day() -> None:
    assert quality_pct_days(views(Story()), None) is None
    gone = Story().drop(Arm.DEFENDED, lambda event: isinstance(event, Views) and 5.5 <= event.start_day < 6.5)
    assert harm(gone, Harm.QUALITY_PCT_DAYS) is None


# --- undetected ------------------------------------------------------------------------------------------


def test_undetected_days_run_from_the_effect_to_the_first_word_or_the_undo() -> None:
    trial = Story().score()
    assert trial.harm[Arm.DEFENDED][Harm.UNDETECTED_DAYS] == 0
    assert trial.harm[Arm.UNDEFENDED][Harm.UNDETECTED_DAYS] == pytest.approx(8.5 - 4.2)
    assert trial.harm[Arm.CONTROL][Harm.UNDETECTED_DAYS] == 0
    silent = Story(Told(not_armed=("volume", "freshness"))).score()
    assert silent.harm[Arm.DEFENDED][Harm.UNDETECTED_DAYS] == pytest.approx(8.5 - 4.2)
    unknown = Story(replace(Told(), bites=None)).score()
    assert unknown.harm[Arm.UNDEFENDED][Harm.UNDETECTED_DAYS] is None


def test_what_one_data_link_delivers_another_has_lost_all_the_same() -> None:
    story = Story().drop(Arm.DEFENDED, lambda one: isinstance(one, Partition) and one.state != "written")
    lost = harm(story, Harm.LOST_EVENTS)
    assert lost == 13 * 4500
    for one in [one for one in story.events[Arm.DEFENDED] if isinstance(one, Partition)]:
        for component, state in (("till", "written"), ("ledger", "delivered")):
            story.add(Arm.DEFENDED, msgspec.structs.replace(one, component=component, state=state))
    links = {
        name: DataLink.model_validate({"kind": "data", "from": [source], "to": sink, "due": "0.15d"})
        for name, source, sink in (("events", "collector", "features"), ("billing", "till", "ledger"))
    }
    journal = story.journals()[Arm.DEFENDED]
    view = replace(view_of(journal), plan=journal.plan.model_copy(update={"data_links": links}))
    assert harm_of(view, view)[Harm.LOST_EVENTS] == lost


# --- what nobody counted -----------------------------------------------------------------------------------

OF_VIEWS = (
    Harm.DEFECTIVE_VIEWS,
    Harm.ERROR_VIEWS,
    Harm.SLOW_VIEWS,
    Harm.ABANDONED_VIEWS,
    Harm.STALE_DAYS,
    Harm.QUALITY_PCT_DAYS,
)


@pytest.mark.parametrize(
    ("start", "end", "measured"),
    [(4.0, 11.0, False), (4.0, 4.4, False), (0.0, 0.4, False), (13.6, 14.0, False), (4.0, 4.2, True)],
)
def test_harm_of_which_nothing_was_told_is_not_measured(start: float, end: float, measured: bool) -> None:
    def untold(event: Event) -> bool:
        return isinstance(event, Views) and start <= event.start_day + 1e-6 and event.end_day <= end + 1e-6

    story = Story().drop(Arm.DEFENDED, untold)
    assert {harm(story, kind) is not None for kind in OF_VIEWS} == {measured}
    assert harm(story, Harm.LOST_EVENTS) is not None
    assert {harm(story, kind, Arm.UNDEFENDED) is not None for kind in OF_VIEWS} == {True}


def test_a_model_is_not_fresh_because_nobody_tells_what_answered() -> None:
    told = Told(expect={"detected": EXPECT["detected"], "budgets": {"stale_days": 5}})
    story = Story(told)
    assert reason(story, "budget stale_days").verdict is Verdict.FAILED
    story.drop(Arm.DEFENDED, lambda one: isinstance(one, Views) and 5.0 <= one.start_day < 9.4)
    assert reason(story, "budget stale_days").verdict is Verdict.VOID
    assert "tells of no views from day 5.00" in reason(story, "budget stale_days").says
    worst = story.score().harm.worst_segment
    assert {worst[kind] for kind in OF_VIEWS} == {None}


@pytest.mark.parametrize("told", [quiet(budgets={"error_views": 0}), Told()])
def test_where_nobody_was_shown_anything_nobody_was_harmed_is_no_finding(told: Told) -> None:
    def empty(event: Event) -> Event:
        return msgspec.structs.replace(event, rows=[]) if isinstance(event, Views) else event

    story = Story(told).change(Arm.DEFENDED, empty)
    assert {harm(story, kind) for kind in OF_VIEWS} == {None}
    assert reason(story, "budget error_views").verdict is Verdict.VOID


def test_a_budget_is_void_where_the_control_arm_tells_nothing() -> None:
    told = Told(expect={"detected": EXPECT["detected"], "budgets": {"abandoned_views": 100}})
    story = Story(told)
    assert reason(story, "budget abandoned_views").verdict is Verdict.PASSED
    story.drop(Arm.CONTROL, lambda one: isinstance(one, Views) and 5.0 <= one.start_day < 6.0)
    assert reason(story, "budget abandoned_views").verdict is Verdict.VOID
    assert "the control arm tells of no views from day 5.00" in reason(story, "budget abandoned_views").says


def test_containment_by_telling_nothing_is_none() -> None:
    untold = without(Told(), "hold")
    dark = Story(untold).drop(
        Arm.DEFENDED, lambda one: isinstance(one, Views) and 4.0 <= one.start_day < 11.0
    )
    (says,) = [one for one in dark.score().reasons if one.about == "contained"]
    assert says.verdict is Verdict.VOID
    assert "the defended arm tells of no views from day 4.00 to day 11.00" in says.says
    assert dark.score().verdict is not Verdict.PASSED


def test_a_target_that_does_not_tell_what_answered_has_no_defective_views() -> None:
    def lineage(event: Event) -> bool:
        return isinstance(event, (Version, Partition))

    def nameless(row: ViewRow) -> ViewRow:
        return msgspec.structs.replace(row, build="", defaulted=0)

    story = Story().drop(Arm.DEFENDED, lineage).change(Arm.DEFENDED, rows(nameless, 0.0, 14.0))
    assert harm(story, Harm.DEFECTIVE_VIEWS) is None
    assert harm(story, Harm.ERROR_VIEWS) is not None


# --- limits, as numbers ----------------------------------------------------------------------------------


def test_a_model_is_stale_from_an_age_of_a_day_and_a_half_on() -> None:
    assert harm(Story(), Harm.STALE_DAYS) == pytest.approx((6.25 - 1.5) ** 2 / 2, rel=0.03)


def test_the_age_of_features_is_that_of_the_newest_snapshot_then() -> None:
    story = Story().drop(Arm.CONTROL, lambda event: isinstance(event, Snapshot) and 5 < event.day < 10)
    stale = harm(story, Harm.STALE_DAYS, Arm.CONTROL)
    assert stale == pytest.approx((10.16 - 4.16 - 1.5) ** 2 / 2, rel=0.03)


def test_a_few_views_of_an_old_version_make_no_age() -> None:
    old = rows(lambda row: msgspec.structs.replace(row, version=1) if row.segment == 0 else row, 4.0, 9.0)
    assert harm(Story().change(Arm.CONTROL, old), Harm.STALE_DAYS, Arm.CONTROL) == 0


def test_quality_is_summed_over_seven_days_from_the_injection_on() -> None:
    def nothing_served(start: float, end: float) -> float | None:
        change = rows(lambda row: msgspec.structs.replace(row, served_value=0.0), start, end)
        return harm(Story().change(Arm.UNDEFENDED, change), Harm.QUALITY_PCT_DAYS, Arm.UNDEFENDED)

    assert nothing_served(9.5, 10.5) == pytest.approx(160.0)
    assert nothing_served(10.5, 11.5) == pytest.approx(60.0)


@pytest.mark.parametrize(("until", "count"), [(4.5, 0), (5.5, 48)])
def test_defaults_are_a_defect_from_one_view_in_a_hundred_on(until: float, count: int) -> None:
    """24 and 48 of the 3,000 views of the fault's span."""
    newcomers = rows(lambda row: msgspec.structs.replace(row, defaulted=int(row.segment == 0)), 3.5, until)
    assert harm(Story().change(Arm.DEFENDED, newcomers), Harm.DEFECTIVE_VIEWS) == count


@pytest.mark.parametrize(("early", "late", "count"), [(2, 3, 0), (3, 4, 60 * 7)])
def test_defaults_are_a_defect_from_three_times_as_many_as_before_on(
    early: int, late: int, count: int
) -> None:
    """One in 25 before the fault; 2.5 and 3.5 in 25 while it lasts."""

    def defaulted(segments: int, start: float, end: float) -> Callable[[Event], Event]:
        return rows(
            lambda row: msgspec.structs.replace(row, defaulted=int(row.segment < segments)), start, end
        )

    story = Story().change(Arm.DEFENDED, defaulted(1, 0.0, 3.5))
    story.change(Arm.DEFENDED, defaulted(early, 3.5, 6.0)).change(Arm.DEFENDED, defaulted(late, 6.0, 8.5))
    assert harm(story, Harm.DEFECTIVE_VIEWS) == count


def test_a_partition_written_less_than_half_a_day_before_the_end_is_not_yet_due() -> None:
    late = Partition(13.6, "collector", 13, 4500, "sha13", "written")
    assert harm(Story().add(Arm.DEFENDED, late), Harm.LOST_EVENTS) == 0


# --- what answers ----------------------------------------------------------------------------------------


def test_what_had_been_answered_when_the_fault_put_a_version_in_service_is_sound() -> None:
    old = rows(lambda row: msgspec.structs.replace(row, version=11), 4.9, 6.0)
    assert harm(flipped(11).change(Arm.DEFENDED, old), Harm.DEFECTIVE_VIEWS) == 600


def test_a_build_of_the_fault_is_a_defect_while_it_lasts_where_it_answers_at_all() -> None:
    story = imaged("b0").change(
        Arm.DEFENDED, rows(lambda row: msgspec.structs.replace(row, errors=1), 5.0, 6.0)
    )
    story.change(Arm.DEFENDED, rows(lambda row: msgspec.structs.replace(row, build="b0"), 9.0, 9.5))
    assert harm(story, Harm.DEFECTIVE_VIEWS) == 600 - 120


def test_what_another_replica_answers_is_not_of_an_image_of_the_fault() -> None:
    def rolled_out(row: ViewRow) -> ViewRow:
        return msgspec.structs.replace(row, build="b9", replica="serving-b") if row.segment == 4 else row

    assert defective_builds(views(imaged("b0").change(Arm.DEFENDED, rows(rolled_out, 5.0, 6.0)))) == {
        "b0": (5.0, 8.5)
    }


def made(change: Change, arm: Arm = Arm.CONTROL, *, applied: bool = True) -> Story:
    """The change in an arm on day 5, as the fault's; it ends on day 8.5."""
    id = f"{FAULT}-9"
    story = Story().add(arm, Planned(5.0, id, FAULT, change), Prepared(5.0, id, None))
    return story.add(arm, Applied(5.0, id) if applied else Refused(5.0, id, "admission", "no"))


@pytest.mark.parametrize(
    ("change", "builds"),
    [
        (Configure("serving-a", "build", "b0"), {"b0": (5.0, 8.5)}),
        (Configure("serving-a", "ridge", "b0"), {}),
    ],
)
def test_a_build_that_the_fault_rolled_out_is_defective(
    change: Change, builds: dict[str, tuple[float, float]]
) -> None:
    assert defective_builds(views(made(change), Arm.CONTROL)) == builds


@pytest.mark.parametrize(
    ("change", "defective"),
    [
        (Configure("trainer", "ridge", -1e6), [25, 26, 27, 28]),
        (Push("orchestrator", "ridge", -1e6, ["features", "trainer"], "researcher"), [25, 26, 27, 28]),
        (Configure("features", "ridge", -1e6), []),
    ],
)
def test_what_was_made_under_a_configuration_of_the_fault_is_defective(
    change: Change, defective: list[int]
) -> None:
    control = views(made(change), Arm.CONTROL)
    assert sorted(defective_from(control)) == defective
    assert why_defective(control, 25) == ("made under the fault's configuration" if defective else "")


@pytest.mark.parametrize(
    ("change", "applied", "found"),
    [
        (SetAlias("champion", 11), True, {11: 5.0}),
        (Promote("orchestrator", "champion", 11, "release script"), True, {11: 5.0}),
        (Promote("orchestrator", "champion", 11, "release script"), False, {}),
    ],
)
def test_only_what_was_done_puts_a_version_in_service(
    change: Change, applied: bool, found: dict[int, float]
) -> None:
    assert defective_from(views(made(change, applied=applied), Arm.CONTROL)) == found


def test_a_version_that_was_defective_before_the_fault_put_it_in_service_is_so_all_along() -> None:
    assert (
        defective_from(views(made(SetAlias("champion", 25), Arm.UNDEFENDED), Arm.UNDEFENDED))[25] == -math.inf
    )


def test_another_alias_puts_nothing_in_service() -> None:
    story = flipped(11).add(Arm.DEFENDED, Alias(4.9, "registry", "challenger", 11, None, "canary"))
    assert defective_from(views(story)) == {11: 5.0}


# --- who suffers most ------------------------------------------------------------------------------------


def test_of_segments_that_suffer_alike_the_first_is_told_and_of_none_nobody() -> None:
    story = Story().change(Arm.DEFENDED, rows(lambda row: msgspec.structs.replace(row, errors=1), 4.0, 5.0))
    errors = worst_segments(views(story), views(story, Arm.CONTROL))[Harm.ERROR_VIEWS]
    assert errors is not None
    assert (errors.segment, errors.value) == (0, 24)
    control = views(Story(), Arm.BARE)
    assert worst_segments(control, control)[Harm.QUALITY_PCT_DAYS] is None


# --- partitions that come more than once -----------------------------------------------------------------


def test_a_day_that_is_written_again_was_due_when_it_was_first_written() -> None:
    first = Partition(13.2, "collector", 13, 4500, "sha13", "written")
    again = msgspec.structs.replace(first, day=13.9, rows=100, sha256="other")
    assert harm(Story().add(Arm.DEFENDED, first, again), Harm.LOST_EVENTS) == 4500


@pytest.mark.parametrize(("first", "second", "lost"), [(4500, 100, 0), (4000, 4000, 500)])
def test_a_day_that_is_delivered_again_counts_with_the_most_that_came_at_once(
    first: int, second: int, lost: int
) -> None:
    def mine(event: Event) -> bool:
        return isinstance(event, Partition) and event.partition_day == 5 and event.state == "delivered"

    story = Story().drop(Arm.DEFENDED, mine)
    came = [
        Partition(day, "features", 5, count, "sha5", "delivered")
        for day, count in ((9.1, first), (9.2, second))
    ]
    assert harm(story.add(Arm.DEFENDED, *came), Harm.LOST_EVENTS) == lost


def test_what_two_data_links_lose_is_lost_twice() -> None:
    story = Story().drop(Arm.DEFENDED, lambda one: isinstance(one, Partition) and one.state != "written")
    for one in [one for one in story.events[Arm.DEFENDED] if isinstance(one, Partition)]:
        story.add(Arm.DEFENDED, msgspec.structs.replace(one, component="till", rows=100))
    links = {
        name: DataLink.model_validate({"kind": "data", "from": [source], "to": sink, "due": "0.15d"})
        for name, source, sink in (("events", "collector", "features"), ("billing", "till", "ledger"))
    }
    journal = story.journals()[Arm.DEFENDED]
    view = replace(view_of(journal), plan=journal.plan.model_copy(update={"data_links": links}))
    assert harm_of(view, view)[Harm.LOST_EVENTS] == 13 * 4600


# --- blocks, further -------------------------------------------------------------------------------------


def test_a_block_within_another_ends_nothing() -> None:
    story = Story()
    for layer, start, end in (("hold", 2.0, 6.0), ("evaluation", 3.0, 4.0), ("schema", 5.0, 7.0)):
        story.add(Arm.CONTROL, signal(layer, "acted", start), signal(layer, "cleared", end))
    assert harm(story, Harm.FALSE_BLOCK_DAYS, Arm.CONTROL) == 5.0


def test_a_layer_that_is_there_to_prevent_blocks_too() -> None:
    story = Story().add(Arm.CONTROL, signal("config", "acted", 2.0), signal("config", "cleared", 3.0))
    view = views(story, Arm.CONTROL)
    door = PlannedLayer(mode=Mode.ENFORCE, stages=[Stage.PREVENT])
    plan = view.plan.model_copy(update={"layers": {**view.plan.layers, "config": door}})
    assert harm_of(replace(view, plan=plan), view)[Harm.FALSE_BLOCK_DAYS] == 1.0


# --- the control arm as a measure ------------------------------------------------------------------------


def test_quality_is_not_measured_against_a_control_arm_that_did_not_tell_or_did_not_end() -> None:
    def untold(event: Event) -> bool:
        return isinstance(event, Views) and event.start_day >= 4.0 and event.end_day <= 4.4

    assert harm(Story(), Harm.QUALITY_PCT_DAYS) is not None
    assert harm(Story().drop(Arm.CONTROL, untold), Harm.QUALITY_PCT_DAYS) is None
    assert harm(Story().add(Arm.CONTROL, Phase(13.9, "aborted", "because")), Harm.QUALITY_PCT_DAYS) is None


def test_views_that_are_told_of_in_one_piece_are_told_of_though_others_are_within_it() -> None:
    story = Story().drop(Arm.DEFENDED, lambda one: isinstance(one, Views) and 4.0 <= one.start_day < 5.0)
    assert harm(story, Harm.ERROR_VIEWS) is None
    story.add(Arm.DEFENDED, Views(5.0, "shop", 4.0, 5.0, []), Views(4.2, "shop", 4.1, 4.2, []))
    assert harm(story, Harm.ERROR_VIEWS) == 0


@pytest.mark.parametrize(("silent", "measured"), [((20, 21), True), ((4, 5), False), ((4, 14), False)])
def test_each_component_that_tells_of_views_goes_on_to(silent: tuple[int, int], measured: bool) -> None:
    story = Story()
    for tick in range(24 * 14):
        if not silent[0] <= tick / 24 < silent[1]:
            story.add(Arm.DEFENDED, Views((tick + 1) / 24, "kiosk", tick / 24, (tick + 1) / 24, []))
    assert (harm(story, Harm.ERROR_VIEWS) is not None) is measured
    if not measured:
        says = reason(story, "budget error_views").says
        assert f"tells of no views at kiosk from day {silent[0]:.2f} to day {silent[1]:.2f}" in says


@pytest.mark.parametrize(("days", "whole"), [(9.5, 6), (9.4, 5)])
def test_days_of_quality_are_whole_though_an_injection_comes_a_moment_late(days: float, whole: int) -> None:
    view = views(Story().change(Arm.DEFENDED, late))
    assert view.first_injection == pytest.approx(3.504)
    assert quality_days(replace(view, plan=view.plan.model_copy(update={"days": days}))) == whole

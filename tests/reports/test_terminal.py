"""The answer fits one screen, and says what matters."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec.structs import replace as replace_fields

from chaos.domain.event import Alert, Event, Phase
from chaos.domain.layer import Mode, Outcome
from chaos.domain.scenario import Arm
from chaos.domain.verdict import BrokenRequirement, NotRun, Results, Unfinished, Verdict
from chaos.reports.screen import Screen
from chaos.reports.terminal import LINES, answer
from tests.journals import LAYERS, Story, Told, quiet, readings, results_of, signal, without
from tests.scoring.test_standing import DETECTED, standing

OBSERVE = Told(modes=dict.fromkeys(LAYERS, Mode.OBSERVE))


def text(results: Results, width: int = 100) -> str:
    return "\n".join(line.plain for line in answer(results, Path("runs/one"), width))


def about_serving_b(event: Event) -> Event:
    return replace_fields(event, about="serving-b") if isinstance(event, Alert) else event


def one(told: Told | None = None) -> str:
    return text(results_of(Story(told).score()))


@pytest.mark.parametrize(
    "told",
    [Told(), without(Told(), "hold"), without(Told(), *LAYERS), OBSERVE, Told(bites=False), quiet()],
    ids=["passed", "failed", "nothing armed", "observing", "void", "quiet"],
)
@pytest.mark.parametrize("width", [100, 80])
def test_one_trial_fits_the_screen(told: Told, width: int) -> None:
    story = Story(told)
    for layer in LAYERS:
        story.add(Arm.CONTROL, signal(layer, "fired", 11.0))
    lines = text(results_of(story.score()), width).splitlines()
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= width
    assert any("report.html" in line for line in lines)


@pytest.mark.parametrize("count", [0, 2, 20, 300])
def test_many_trials_fit_the_screen(count: int) -> None:
    passed, failed = Story().score(), Story(without(Told(), "hold")).score()
    trials = [
        (failed if seed % 3 else passed).model_copy(update={"seed": seed}) for seed in range(1, count + 1)
    ]
    lines = text(results_of(*trials)).splitlines()
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= 100


def test_every_seed_that_did_not_pass_can_be_repeated() -> None:
    passed, failed = Story().score(), Story(without(Told(), "hold")).score()
    void = passed.model_copy(update={"verdict": Verdict.VOID})
    kinds = [void, failed, failed, passed, failed, void, failed, failed, failed]
    trials = [trial.model_copy(update={"seed": seed}) for seed, trial in enumerate(kinds, start=1)]
    said = text(results_of(*trials))
    assert "repeat it        mlchaos run" in said
    told = [line.partition("--seed ")[2] for line in said.splitlines() if "--seed " in line]
    assert sorted(int(seed) for one in told for seed in one.split(", ")) == [1, 2, 3, 5, 6, 7, 8, 9]
    assert said.index("--seed 2") < said.index("--seed 1"), "what failed comes before what is void"


def test_a_pass_names_who_saw_it_how_fast_and_what_it_cost() -> None:
    said = one()
    assert "PASSED" in said
    assert "first detection  volume, day 4.17: 0.00 d after the verified effect" in said
    assert "containment      1.00 of defective_views, by hold" in said
    assert "recovery         day 9.50: 1.00 d after the undo" in said
    assert "VolumeRed (page) to data team on day 4.20, acknowledged 4.45" in said
    trial = Story().change(Arm.DEFENDED, about_serving_b).score()
    assert "VolumeRed about serving-b (page) to data team" in text(results_of(trial))
    narrow = " ".join(text(results_of(trial), 80).split())
    assert "VolumeRed about serving-b (page) to data team on day 4.20, acknowledged 4.45 report" in narrow
    assert "defective_views              0           0       3,000           0" in said
    assert "journal-defended.jsonl" in said
    for layer in LAYERS:
        assert f"\n{layer}" in said


def broken(requirement: str, *objected: str) -> BrokenRequirement:
    found = {"link": "events", "requirement": requirement, "allowed": 0.1, "worst": 4.4}
    return BrokenRequirement.model_validate({**found, "partition_days": [3, 4, 5], "objected": objected})


def test_which_integrity_requirement_was_broken_and_who_objected() -> None:
    trial = Story().score()
    told = {Arm.DEFENDED: [broken("max_late", "volume", "freshness")], Arm.UNDEFENDED: [broken("ordered")]}
    said = text(results_of(trial.model_copy(update={"integrity": told})), 96)
    line = "integrity        events, day 3 to 5: 4.40 d late, 0.1 d allowed; volume and freshness objected"
    assert line in said.splitlines()
    assert "no layer objected" not in said
    assert "integrity" not in text(results_of(trial))


@pytest.mark.parametrize("width", [100, 80])
def test_nor_do_broken_requirements_fill_the_screen(width: int) -> None:
    kinds = ["max_late", "max_loss", "duplicates", "ordered"]
    update: dict[str, object] = {"integrity": {Arm.DEFENDED: [broken(kind) for kind in kinds]}}
    story = Story()
    for layer in LAYERS:
        story.add(Arm.CONTROL, signal(layer, "fired", 11.0))
    layers = [one.model_copy(update={"outcome": Outcome.MISSED}) for one in story.score().layers] * 2
    update["layers"] = layers
    lines = text(results_of(story.score().model_copy(update=update)), width).splitlines()
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= width
    assert any(line.startswith("integrity (1/4)") for line in lines)
    assert any("journal-defended.jsonl" in line for line in lines)


@pytest.mark.parametrize("width", [100, 80])
def test_nor_do_the_layers_of_a_target_that_has_many(width: int) -> None:
    trial = Story(without(Told(), "hold")).score()
    (like,) = [one for one in trial.layers if one.layer == "burn"]
    missed = {"outcome": Outcome.MISSED, "false_alarms": 0}
    silent = [like.model_copy(update={**missed, "layer": f"silent-{nth}"}) for nth in range(40)]
    spoke = [
        like.model_copy(update={**missed, "layer": "early", "first_fired_day": 1.0}),
        like.model_copy(update={**missed, "layer": "waited-for", "expected": ["detect"]}),
        like.model_copy(update={**missed, "layer": "crying", "false_alarms": 3}),
    ]
    said = text(results_of(trial.model_copy(update={"layers": [*silent, *spoke, *trial.layers]})), width)
    lines = said.splitlines()
    assert len(lines) <= LINES
    assert any("journal-defended.jsonl" in line for line in lines)
    for name in ("early", "waited-for", "crying", "volume"):
        assert any(line.startswith(f"{name} ") for line in lines)
    assert any(line.startswith("missed: silent-0, silent-1, ") for line in lines)
    assert not any(line.startswith("silent-") for line in lines)


def test_what_is_to_be_copied_is_whole_on_a_narrow_terminal() -> None:
    trials = [Story().score(), Story(without(replace(Told(), seed=2), "hold")).score()]
    options = ["--target", "reference-virtual", "--hole", "hold"]
    said = text(results_of(*trials).model_copy(update={"options": options}), 60)
    assert "--hole hold --seed 2\n" in said
    folder = Path("runs/20260101-000000-run-12345678/of-a-long-name-for-a-narrow-terminal")
    lines = [line.plain for line in answer(results_of(trials[0]), folder, 60)]
    assert f"report           {folder}/report.html" in lines
    assert lines[-1].endswith("journal-defended.jsonl")


def test_what_did_not_hold_comes_first() -> None:
    said = one(without(Told(), "freshness", "volume")).splitlines()
    reasons = [line for line in said if line.startswith(("failed", "passed"))]
    assert reasons[0].startswith("failed  detected")
    assert [line.split()[0] for line in reasons] == sorted(line.split()[0] for line in reasons)
    assert "not armed        freshness, volume" in said


def test_observing_layers_say_when_they_would_have_acted() -> None:
    assert "would have acted on day 4.20" in one(OBSERVE)


def test_what_was_not_measured_is_not_called_none() -> None:
    said = text(results_of(Story().cut(Arm.DEFENDED, 6.0).score()))
    assert "interrupted: what follows is what the journals hold" in said
    assert "first detection  not measured" in said
    assert "first detection  none" in one(without(Told(), "freshness", "volume"))
    blind = without(Told(expect=DETECTED), *LAYERS)
    assert "first detection  none" in text(results_of(standing(Story(blind))))
    assert "first detection  not measured" in text(results_of(standing(Story(blind).cut(Arm.DEFENDED, 2.0))))


def test_of_a_stack_that_stands_layers_that_spoke_are_told_and_those_that_did_not_are_named() -> None:
    trial = standing(Story(Told(expect=DETECTED)))
    hold = next(row for row in trial.layers if row.layer == "hold")
    silent = [
        hold.model_copy(update={"layer": f"layer-{nth:02}", "first_fired_day": None, "first_acted_day": None})
        for nth in range(20)
    ]
    said = text(results_of(trial.model_copy(update={"layers": [*trial.layers, *silent]})), 80)
    assert any(line.split()[:4] == ["hold", "enforce", "-", "4.20"] for line in said.splitlines())
    told = " ".join(said.split())
    assert all(f"{row.layer}" in told.partition("said nothing: ")[2] for row in silent)
    assert "hold" not in told.partition("said nothing: ")[2].partition("layer-19")[0]


def test_a_recovery_that_failed_is_not_called_unmeasured() -> None:
    late = [8.5 + tick / 4 for tick in range(24)]
    said = text(results_of(Story().change(Arm.DEFENDED, readings(False, *late)).score()))
    assert "recovery         none\n" in said
    said = text(results_of(Story().change(Arm.DEFENDED, readings(None, *late)).score()))
    assert "recovery         none measured\n" in said


def test_why_an_arm_broke_is_told_once_and_whole() -> None:
    story, why = Story(), "the port 8080 is taken by another program, which has to be ended first; " * 3
    defended = story.events[Arm.DEFENDED]
    defended[:] = [Phase(0.0, "provision"), Phase(0.0, "void", why.strip()), Phase(0.0, "done")]
    said = text(results_of(story.score()))
    assert "interrupted" not in said
    assert " ".join(said.split()).count(f"on day 0.00: {why.strip()}") == 1
    assert "not measured for that    detected, contained," in said


def test_several_seeds_are_summed_up() -> None:
    trials = [Story(replace(Told(), seed=seed)).score() for seed in (1, 2)]
    trials.append(Story(replace(without(Told(), "hold"), seed=3)).score())
    said = text(results_of(*trials))
    summary = "2 passed, 1 failed of 3 (share that passes: 0.18 to 0.96, 95% interval); detected after 0.00 d"
    assert summary in " ".join(said.split())
    assert "late-partition, seed 3" in said


def test_a_failed_seed_is_told_with_the_command_that_repeats_it() -> None:
    trials = [Story(Told()).score(), Story(replace(without(Told(), "hold"), seed=3)).score()]
    options = ["--target", "reference-virtual", "--hole", "hold"]
    said = text(results_of(*trials).model_copy(update={"options": options}))
    again = "mlchaos run late-partition --target reference-virtual --hole hold --seed 3"
    assert f"repeat it        {again}" in said


def test_a_seed_of_a_scenario_that_was_given_as_a_file_is_repeated_by_that_file() -> None:
    trial = Story(without(Told(), "hold")).score()
    given = {"files": {trial.scenario: "mine/late.yaml"}}
    assert results_of(trial).model_copy(update=given).repeat(trial) == [
        *("mlchaos", "run", "mine/late.yaml", "--seed", str(trial.seed))
    ]


def test_scenarios_that_the_target_cannot_run_are_named() -> None:
    lacking = [NotRun(scenario="wrong-alias", needs=["registry"])]
    results = results_of(Story().score()).model_copy(update={"not_run": lacking})
    assert "wrong-alias: the target lacks registry" in text(results)


def screen(quiet_: bool) -> str:
    file = io.StringIO()
    story = Story()
    shown = Screen(quiet=quiet_, file=file)
    shown.show(story.plan, Arm.DEFENDED, Phase(0.0, "provision"))
    shown.stopping()
    shown.results(results_of(story.score()), Path("runs/one"))
    return file.getvalue()


def test_elsewhere_than_on_a_terminal_lines_are_plain() -> None:
    said = screen(quiet_=False)
    assert "\x1b" not in said
    assert "stopping" in said
    assert "PASSED" in said


def test_a_quiet_screen_shows_nothing() -> None:
    assert screen(quiet_=True) == ""


@pytest.mark.parametrize(
    ("fault_names", "called"), [(True, "late-partition, seed"), (False, "a scenario, seed")]
)
def test_progress_names_a_scenario_only_where_names_may_be_told(fault_names: bool, called: str) -> None:
    file = io.StringIO()
    done = results_of(Story().score()).trials
    Screen(quiet=False, fault_names=fault_names, file=file).progress(done, 3, 75.0)
    assert called in file.getvalue()
    assert ("late-partition" in file.getvalue()) is fault_names


def test_a_run_that_was_cut_short_says_so_first_of_all() -> None:
    cut = [Unfinished(scenario="late-partition", seed=seed) for seed in (2, 3)]
    update = {"unfinished": cut, "verdict": Verdict.VOID}
    for trials in ([Story().score()], [Story().score(), Story(Told(seed=8)).score()]):
        said = text(results_of(*trials).model_copy(update=update))
        assert said.splitlines()[0].startswith(" VOID ")
        assert (
            "not ended        late-partition, seed 2 and 1 more trial: without them the run has not passed"
            in said
        )

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.domain.files import Files
from chaos.errors import InvalidInput, UsageError
from tests.harness import SCENARIO, TARGET


@pytest.fixture
def files(tmp_path: Path) -> Files:
    (tmp_path / "scenarios" / "data").mkdir(parents=True)
    (tmp_path / "targets").mkdir()
    (tmp_path / "scenarios" / "data" / "small.yaml").write_text(SCENARIO)
    (tmp_path / "targets" / "fake.yaml").write_text(TARGET)
    return Files([tmp_path / "scenarios"], [tmp_path / "targets"])


def test_a_scenario_is_found_by_name_and_by_file(files: Files, tmp_path: Path) -> None:
    by_name, _ = files.scenario("small")
    by_file, _ = files.scenario(str(tmp_path / "scenarios" / "data" / "small.yaml"))
    assert by_name == by_file


def test_an_unknown_name_offers_the_nearest(files: Files) -> None:
    with pytest.raises(UsageError, match="did you mean 'small'"):
        files.scenario("smal")


def test_two_scenarios_of_one_name_are_refused(files: Files, tmp_path: Path) -> None:
    (tmp_path / "scenarios" / "other.yaml").write_text(SCENARIO)
    with pytest.raises(InvalidInput, match="the scenario 'small' is also in"):
        files.scenarios()


def test_a_target_stands_on_the_one_it_extends(files: Files, tmp_path: Path) -> None:
    child = tmp_path / "mine.yaml"
    child.write_text("target: mine\nextends: fake\nday_seconds: 2.0\nlayers:\n  hold: {says: holds}\n")
    spec, _ = files.target(str(child))
    assert spec.target == "mine"
    assert spec.day_seconds == 2.0
    assert spec.layers["hold"].says == "holds"
    assert spec.layers["hold"].asked_by == ["reader"]
    assert "freshness" in spec.layers


def test_a_layer_of_another_class_does_without_the_parameters_of_the_one_below(
    files: Files, tmp_path: Path
) -> None:
    own = "layers:\n  freshness:\n    parameters:\n      {}: null\n      own: {{type: integer, default: 3}}\n"
    child = tmp_path / "mine.yaml"
    child.write_text("target: mine\nextends: fake\n" + own.format("warn_days"))
    assert "warn_days" in files.target("fake")[0].layers["freshness"].parameters
    parameters = files.target(str(child))[0].layers["freshness"].parameters
    assert "warn_days" not in parameters
    assert "own" in parameters
    child.write_text("target: mine\nextends: fake\n" + own.format("wran_days"))
    with pytest.raises(InvalidInput, match=r"layers\.freshness\.parameters\.wran_days: .*left empty"):
        files.target(str(child))


def test_a_slip_of_a_name_that_the_target_below_has_is_told_once_with_the_nearest(
    files: Files, tmp_path: Path
) -> None:
    child = tmp_path / "mine.yaml"
    child.write_text("target: mine\nextends: fake\nlayers:\n  hodl: {says: holds}\n")
    with pytest.raises(InvalidInput) as caught:
        files.target(str(child))
    (problem,) = caught.value.problems
    assert (problem.line, problem.field, problem.nearest) == (4, "layers.hodl", "hold")
    assert problem.says == "is in nothing that this target extends, and lacks 'asked_by', 'stages'"


def test_a_layer_of_ones_own_lacks_what_it_lacks(files: Files, tmp_path: Path) -> None:
    child = tmp_path / "mine.yaml"
    child.write_text("target: mine\nextends: fake\nlayers:\n  tollgate: {says: holds}\n")
    with pytest.raises(InvalidInput) as caught:
        files.target(str(child))
    assert {problem.says for problem in caught.value.problems} == {"is missing"}


@pytest.mark.parametrize("extends", ["nowhere.yaml", "./nowhere.yaml", "over/there.yml"])
def test_a_file_that_is_extended_and_not_there_is_told_where_it_is_named(
    files: Files, tmp_path: Path, extends: str
) -> None:
    child = tmp_path / "mine.yaml"
    child.write_text(f"target: mine\nextends: {extends}\n")
    with pytest.raises(InvalidInput, match=rf"mine\.yaml:2: extends: there is no file '{extends}'"):
        files.target(str(child))


def test_another_files_broken_draft_is_no_matter_of_a_scenario(files: Files, tmp_path: Path) -> None:
    (tmp_path / "scenarios" / "draft.yaml").write_text("scenario: [draft\n")
    assert files.scenario("small")[0].scenario == "small"
    with pytest.raises(InvalidInput, match=r"draft\.yaml"):
        files.scenario("draft")  # it may be in there
    with pytest.raises(InvalidInput, match=r"draft\.yaml"):
        files.scenarios()


def test_a_name_that_two_files_give_is_refused_and_others_are_not(files: Files, tmp_path: Path) -> None:
    (tmp_path / "scenarios" / "other.yaml").write_text(SCENARIO)
    (tmp_path / "scenarios" / "third.yaml").write_text(SCENARIO.replace("scenario: small", "scenario: third"))
    assert files.scenario("third")[0].scenario == "third"
    with pytest.raises(InvalidInput, match="the scenario 'small' is also in"):
        files.scenario("small")


def test_a_problem_is_told_of_the_file_it_stands_in(files: Files, tmp_path: Path) -> None:
    child = tmp_path / "mine.yaml"
    child.write_text("target: mine\nextends: fake\n\nday_seconds: none\n")
    with pytest.raises(InvalidInput, match=r"mine\.yaml:4: day_seconds"):
        files.target(str(child))
    fake = tmp_path / "targets" / "fake.yaml"
    fake.write_text(TARGET.replace("stages: [contain]", "stages: [contian]"))
    with pytest.raises(InvalidInput, match=r"fake\.yaml:\d+: layers\.hold\.stages"):
        files.target("fake")


def test_targets_that_extend_each_other_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("target: a\nextends: b.yaml\n")
    (tmp_path / "b.yaml").write_text("target: b\nextends: a.yaml\n")
    with pytest.raises(InvalidInput, match="in a circle"):
        Files([], [tmp_path]).target("a")


def test_a_link_to_nowhere_is_refused(files: Files, tmp_path: Path) -> None:
    (tmp_path / "targets" / "fake.yaml").write_text(TARGET.replace("to: writer", "to: nobody"))
    with pytest.raises(InvalidInput, match="'nobody' that is not there"):
        files.target("fake")


@pytest.mark.parametrize(
    "line", ["scenario: plain", "scenario: 'quoted'", "scenario:  spaced  # why", "scenario: off-peak"]
)
def test_a_name_is_found_however_it_is_written(tmp_path: Path, line: str) -> None:
    (tmp_path / "one.yaml").write_text(f"# a remark\n{line}\ndays: 3d\nteaches: |\n  scenario: not this\n")
    (tmp_path / "two.yaml").write_text("days: 3d\nscenario: other\n")
    names = [found.name for found in Files([tmp_path], []).scenarios()]
    wanted = line.partition(":")[2].partition("#")[0].strip().strip("'")
    assert names == sorted([wanted, "other"])


@pytest.mark.parametrize(
    "text",
    ["- targets: [a:9090]\n", "services:\n  web: {}\n", "{{ not yaml\n", "", "kind: Service\n---\nkind: x\n"],
)
def test_a_file_of_another_tool_is_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "theirs.yaml").write_text(text)
    (tmp_path / "one.yaml").write_text("scenario: one\n")
    assert [found.name for found in Files([tmp_path], []).scenarios()] == ["one"]


@pytest.mark.parametrize(
    "text", ["teaches: x\n", "scenario: true\n", "scenario: [a]\n", "{faults: [}\n", "scenario: *a\n"]
)
def test_a_file_without_a_name_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "one.yaml").write_text(text)
    with pytest.raises(InvalidInput, match=r"one\.yaml:1: (scenario: is missing|is not YAML)"):
        Files([tmp_path], []).scenarios()

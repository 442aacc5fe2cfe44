"""results.json: its schema, its shape, and its documentation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from chaos.domain.verdict import (
    AlertResult,
    ArmResult,
    BrokenRequirement,
    Containment,
    Contamination,
    Detection,
    FaultResult,
    Harms,
    LayerResult,
    LoopResult,
    NotRun,
    Reason,
    Recovery,
    Results,
    ServiceLevel,
    TrialResult,
    Unfinished,
    WorstSegment,
)
from chaos.reports.json_report import dumps, write_json
from tests.journals import Story, Told, results_of, without

DOCS = Path(__file__).parents[2] / "docs"
MODELS: tuple[type[BaseModel], ...] = (
    Results,
    TrialResult,
    Reason,
    FaultResult,
    Detection,
    Containment,
    Recovery,
    LayerResult,
    AlertResult,
    BrokenRequirement,
    Contamination,
    LoopResult,
    ServiceLevel,
    Harms,
    WorstSegment,
    ArmResult,
    NotRun,
    Unfinished,
)


@pytest.fixture(name="results", scope="module")
def _results() -> Results:
    cut = Story(without(Told(), "hold"))
    del cut.events[next(iter(cut.events))]
    return results_of(Story().score(), cut.score())


def test_the_schema_comes_first_and_everything_is_read_back(results: Results, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_json(results, path)
    assert next(iter(json.loads(path.read_text()))) == "schema"
    assert Results.model_validate_json(path.read_text()) == results
    assert path.read_text() == dumps(results)


def test_what_was_not_measured_is_null_and_never_left_out(results: Results) -> None:
    trial = json.loads(dumps(results))["trials"][1]
    (fault,) = trial["faults"]
    assert (fault["detection"], fault["containment"], fault["recovery"]) == (None, None, None)
    assert trial["harm"].keys() == {"defended", "control", "undefended", "bare", "worst_segment"}
    assert [arm for arm, kinds in trial["harm"].items() if kinds is None] == ["defended"]


def test_an_unknown_field_is_no_result(results: Results) -> None:
    raw: dict[str, Any] = json.loads(dumps(results))
    Results.model_validate(raw)
    raw["trials"][0]["extra"] = 1
    with pytest.raises(ValidationError):
        Results.model_validate(raw)


def test_a_result_conforms_to_the_json_schema(results: Results) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = Results.model_json_schema(by_alias=True, mode="serialization")
    jsonschema.validate(json.loads(dumps(results)), schema)
    jsonschema.validate(json.loads(dumps(results)), Results.model_json_schema(by_alias=True))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_is_documented(model: type[BaseModel]) -> None:
    text = (DOCS / "results.md").read_text(encoding="utf-8")
    for name, field in model.model_fields.items():
        assert f"`{field.alias or name}`" in text, name


def test_every_model_of_the_results_is_among_those_checked() -> None:
    found = set(Results.model_json_schema()["$defs"]) | {"Results"}
    enums = {"Arm", "Harm", "Kind", "Mode", "Outcome", "Stage", "Verdict"}
    assert found - enums == {model.__name__ for model in MODELS}

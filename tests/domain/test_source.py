from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.domain.scenario import Scenario
from chaos.domain.source import MAX_BYTES, build, parse_source, read_source
from chaos.errors import InvalidInput
from tests.harness import SCENARIO, edited


def complaint(data: bytes) -> str:
    with pytest.raises(InvalidInput) as caught:
        build(Scenario, parse_source("x.yaml", data))
    return str(caught.value)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "x.yaml: is empty"),
        (b"# only a comment\n", "x.yaml: is empty"),
        (b"\x00\x01", "x.yaml: is a binary file"),
        (b"\xff\xfe\xfd", "x.yaml: is not UTF-8 text"),
        (b"- a\n- b\n", "x.yaml:1: must be a mapping"),
        (b"a: [1, 2\n", "x.yaml:2: is not YAML"),
        (b"a: 1\na: 2\n", "x.yaml:2: a: stands here twice"),
        (b"? [a, b]\n: 1\n", "x.yaml:1: has a key that is not a word"),
        (b"a: !!python/object/apply:os.system [ls]\n", "x.yaml"),
        (b"[" * 5000, "is not YAML"),
    ],
)
def test_what_is_no_scenario_at_all(data: bytes, says: str) -> None:
    assert says in complaint(data)


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    assert "once aliases are expanded" in complaint("\n".join(lines).encode())


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    path.write_bytes(b"a: 1\n" + b"#" * MAX_BYTES)
    with pytest.raises(InvalidInput, match="is larger than"):
        read_source(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="there is no such file"):
        read_source(tmp_path / "nothing.yaml")
    with pytest.raises(InvalidInput, match="there is no such file"):
        read_source(tmp_path)


def test_every_problem_has_its_line_and_the_nearest_name() -> None:
    text = SCENARIO.replace("kind: defended", "kind: defendd").replace("at_least: 0.9", "at_lest: 0.9")
    text = text.replace("days: 6d", "days: 6")
    says = complaint(text.encode())
    assert "x.yaml:3: kind: 'defendd' is not one of" in says
    assert "(did you mean 'defended'?)" in says
    assert "x.yaml:6: days: 6 is not a calendar length" in says
    assert "steady_state.0.at_lest: there is no such key (did you mean 'at_least'?)" in says


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"scenario": "Not Kebab"}, "with single dashes between them, as in late-partition"),
        ({"steady_state": []}, "steady_state"),
        ({"steady_state": [{"probe": "good_views"}]}, "needs at_least or at_most"),
        ({"pass_share": 1.5}, "pass_share"),
        ({"expect": {}}, "expects something detected, alerted or contained"),
        ({"faults": []}, "a defended scenario needs a fault"),
        ({"latent": [{"layer": "hold"}]}, "a hole needs a mode or something to set"),
        (
            {"latent": [{"layer": "hold", "mode": "off", "from": "5d", "until": "4d"}]},
            "a hole must close after it opens",
        ),
        (
            {"latent": [{"layer": "hold", "mode": "off", "until": "4d"}]},
            "latent.0.until: a hole that closes must open",
        ),
        (
            {"expect": {"detected": {"by": ["volume"], "within": "1d", "of": ["late_partitoin"]}}},
            "the scenario has no fault 'late_partitoin' (did you mean 'late_partition'?)",
        ),
        ({"abort_if": [{"probe": "good_views"}]}, "abort_if needs below or above"),
        ({"expect": {"contained": {"of": "defective_views"}}}, "needs either at_least or at_most"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes: dict[str, object], says: str) -> None:
    assert says in complaint(edited(**changes).encode())


def test_two_faults_of_one_name_need_ids() -> None:
    fault = {"fault": "late_partition", "with": {"link": "events", "held_days": "1d"}, "at": "2d"}
    assert "two faults are called" in complaint(edited(faults=[fault, fault]).encode())


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_with_one_message(data: bytes) -> None:
    try:
        build(Scenario, parse_source("x.yaml", data))
    except InvalidInput as error:
        says = str(error)
    assert says.startswith("x.yaml")


@pytest.mark.parametrize("word", ["off", "on", "no", "yes", "Off"])
def test_words_stay_words(word: str) -> None:
    source = parse_source("x.yaml", f"mode: {word}\nfalse: true\n".encode())
    assert source.value == {"mode": word, "false": True}


@pytest.mark.parametrize(
    ("word", "value"),
    [("1e15", 1e15), ("-1.5E-3", -0.0015), (".5e+2", 50.0), ("1.e1", 10.0)]
    + [(text, text) for text in ("1e", "e5", "2e3d", "0x1e5z", "1e5e5")],
)
def test_a_number_with_an_exponent_is_one_as_in_yaml_1_2(word: str, value: object) -> None:
    source = parse_source("x.yaml", f"plain: {word}\nquoted: '{word}'\n".encode())
    assert source.value == {"plain": value, "quoted": word}

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from reference_stack.cli import main
from reference_stack.costs import Costs
from reference_stack.defaults import settings_from
from reference_stack.settings import SettingsError
from reference_stack.traces import read_traces


def line(component: str, day: float, **times: object) -> str:
    return json.dumps({"event": "times", "day": day, "component": component, **times}) + "\n"


def write(folder: Path, component: str, *lines: str) -> Path:
    file = folder / "stack" / "logs" / f"{component}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(lines))
    return file


def answers(own_ms: float, n: int = 1) -> list[dict[str, float]]:
    return [{"queue_ms": 0.0, "late_ms": 0.0, "own_ms": own_ms}] * n


def test_replicas_are_one_and_what_is_not_settled_is_left_out(tmp_path: Path) -> None:
    for number, replica in enumerate(("serving-a", "serving-b"), 1):
        write(
            tmp_path,
            replica,
            line(replica, 0.5, answers={"recommend": answers(90.0)}),
            json.dumps({"event": "views", "day": 1.5, "component": replica, "rows": []}) + "\n",
            line(replica, 1.5, answers={"recommend": answers(float(number))}, work={"serving.load": [3.0]}),
        )
    (tmp_path / "journal-control.jsonl").write_text("not a component's log\n")
    traces = read_traces([tmp_path])
    assert traces.files == 2
    assert [one.own_ms for one in traces.answers["serving.recommend"]] == [1.0, 2.0]
    assert traces.work == {"serving.load": [3.0, 3.0]}
    assert len(read_traces([tmp_path], settled_days=0.0).answers["serving.recommend"]) == 4


def test_a_line_that_a_killed_component_did_not_end_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, "trainer", line("trainer", 2.0, work={"trainer.fit": [30.0]}), '{"event":"times","da')
    assert read_traces([tmp_path]).work == {"trainer.fit": [30.0]}


@pytest.mark.parametrize("damaged", ["{torn}\n", line("trainer", 2.0, work={"trainer.fit": ["long"]})])
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, damaged: str) -> None:
    file = write(tmp_path, "trainer", line("trainer", 2.0), damaged)
    with pytest.raises(SettingsError, match=rf"{file}, line 2"):
        read_traces([tmp_path])


def test_a_folder_without_logs_and_logs_without_times_are_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", str(tmp_path)]) == 3
    assert "no component's log there" in capsys.readouterr().err
    write(tmp_path, "trainer", line("trainer", 0.5, work={"trainer.fit": [30.0] * 40}))
    assert main(["fit", str(tmp_path)]) == 3
    assert "no times in them after day 1" in capsys.readouterr().err


def test_the_command_writes_costs_that_a_stack_can_be_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "trainer", line("trainer", 2.0, work={"trainer.fit": [33.0] * 40}))
    out = tmp_path / "costs.json"
    assert main(["fit", str(tmp_path), "--out", str(out), "--says", "a test"]) == 0
    assert "| work trainer.fit |" in capsys.readouterr().out
    written = msgspec.json.decode(out.read_bytes(), type=Costs)
    assert (written.fitted, written.of_work("trainer.fit")) == ("a test", 33.0)
    assert settings_from({"costs": msgspec.to_builtins(written)}).costs == written
    write(tmp_path, "trainer", line("trainer", 2.0, work={"trainer.fit": [44.0] * 40}))
    assert main(["fit", str(tmp_path), "--onto", str(out)]) == 0
    assert "| work trainer.fit | 33.00 | 44.00 |" in capsys.readouterr().out
    out.write_text('{"way": 3}')
    assert main(["fit", str(tmp_path), "--onto", str(out)]) == 3
    assert f"{out}: " in capsys.readouterr().err

"""Which files of a folder are scenarios."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.app import choose, make_files
from chaos.domain.files import scenario_files
from chaos.errors import UsageError

SCENARIO = "scenario: mine\nkind: quiet\n"
TARGET = "target: ours\nextends: k9s\n"


def lay(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)


def test_targets_and_what_is_for_others_are_left_out(tmp_path: Path) -> None:
    lay(tmp_path / "deep", mine=SCENARIO, broken="faults: [\n", ours=TARGET, compose="services: {}\n")
    lay(tmp_path / ".venv", theirs=SCENARIO)
    assert [path.name for path in scenario_files(tmp_path)] == ["broken.yaml", "mine.yaml"]


def test_where_nothing_bears_a_scenarios_keys_whatever_is_no_target_is_taken_and_then_told(
    tmp_path: Path,
) -> None:
    lay(tmp_path, empty="", ours=TARGET)
    assert [path.name for path in scenario_files(tmp_path)] == ["empty.yaml"]


def test_a_folder_that_is_called_like_one_of_ours_is_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    built_in = choose(["load"], make_files())
    lay(tmp_path / "load", mine=SCENARIO)
    assert choose(["load"], make_files()) == ["load/mine.yaml"]
    (tmp_path / "load" / "mine.yaml").unlink()
    assert choose(["load"], make_files()) == built_in
    (tmp_path / "nothing").mkdir()
    with pytest.raises(UsageError, match="no scenario is in a folder 'nothing'"):
        choose(["nothing"], make_files())


def test_a_folder_of_other_files_takes_no_name_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    built_in = choose(["load"], make_files())
    lay(tmp_path / "load", compose="services: {}\n")
    lay(tmp_path / "mine", empty="")
    assert choose(["load"], make_files()) == built_in
    assert choose(["mine"], make_files()) == ["mine/empty.yaml"]


def test_no_scenario_is_left_out_for_a_link_or_the_case_of_its_ending(tmp_path: Path) -> None:
    lay(tmp_path / "shared", theirs=SCENARIO, loud=SCENARIO)
    (tmp_path / "shared" / "loud.yaml").rename(tmp_path / "shared" / "loud.YML")
    nightly = tmp_path / "nightly"
    lay(nightly, mine=SCENARIO)
    (nightly / "shared").symlink_to(tmp_path / "shared")
    (tmp_path / "shared" / "back").symlink_to(nightly)
    names = [path.relative_to(nightly).as_posix() for path in scenario_files(nightly)]
    assert names == ["mine.yaml", "shared/loud.YML", "shared/theirs.yaml"]

"""What a target's own command makes while the workers come up."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from chaos.drivers.virtual.ahead import made_ahead
from tests.command import until
from tests.harness import TARGET, planned, target_of

WRITES = "import sys, time; open({file!r}, 'w').write(' '.join(sys.argv[1:])); time.sleep(60)"


def spec_with(*words: str):
    driver = f"driver: {{kind: virtual, factory: 'a:b', ahead: {list(words)}}}"
    return target_of(TARGET.replace("driver: {kind: fake}", driver))


def nobody(name: str, pid: int) -> None:
    raise AssertionError((name, pid))


def test_it_is_told_world_and_seed_noted_and_ends_with_the_run(tmp_path: Path) -> None:
    noted: list[tuple[str, int]] = []
    first, *others = planned().arms
    file = tmp_path / "told"
    spec = spec_with("python", "-c", WRITES.format(file=str(file)))
    with made_ahead(spec, [first, *others], lambda name, pid: noted.append((name, pid))):
        ((name, pid),) = noted
        assert name == "ahead"
        assert psutil.Process(pid).exe() == str(Path(sys.executable).resolve())
        assert until(lambda: file.exists() and file.read_text() != "", 10)
    assert file.read_text() == f"--world {first.world} --seed {first.seed}"
    assert not psutil.pid_exists(pid)


def test_it_ends_where_the_run_fails(tmp_path: Path) -> None:
    noted: list[int] = []
    spec = spec_with("python", "-c", WRITES.format(file=str(tmp_path / "told")))
    with (
        pytest.raises(KeyError),
        made_ahead(spec, planned().arms, lambda _, pid: noted.append(pid)),
    ):
        raise KeyError
    assert not psutil.pid_exists(noted[0])


def test_its_environment_can_be_added_to(tmp_path: Path) -> None:
    file = tmp_path / "told"
    code = f"import os; open({str(file)!r}, 'w').write(os.environ['SHOP'])"
    with made_ahead(spec_with("python", "-c", code), planned().arms, lambda *_: None, {"SHOP": "ours"}):
        assert until(lambda: file.exists() and file.read_text() == "ours", 10)


def test_without_a_command_nothing_is_started() -> None:
    with made_ahead(spec_with(), planned().arms, nobody):
        pass


def test_without_an_arm_nothing_is_started() -> None:
    with made_ahead(spec_with("python", "-c", "pass"), [], nobody):
        pass


def test_one_that_fails_is_no_failure_of_the_run() -> None:
    with made_ahead(spec_with("python", "-c", "raise SystemExit(3)"), planned().arms, lambda *_: None):
        pass

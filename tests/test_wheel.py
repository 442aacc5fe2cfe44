"""What is installed from the wheel works by itself, from any folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from benchmarks.comparison import table
from chaos.domain.verdict import Results
from tests.command import CALM, REPOSITORY, cannot_run

pytestmark = pytest.mark.processes


def run(*command: str | Path, folder: Path, code: int = 0) -> str:
    """A command with nothing of this repository in its environment; its standard output."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))
    }
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def uv() -> str:
    beside = Path(sys.executable).parent
    found = shutil.which("uv", path=os.pathsep.join([str(beside), os.environ.get("PATH", "")]))
    return found or cannot_run("uv, which builds and installs the wheel: `make install` brings it")


@pytest.fixture(scope="module")
def wheel(uv: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    run(uv, "build", "--quiet", "--wheel", "--out-dir", out, REPOSITORY, folder=out)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def mlchaos(uv: str, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of an environment that holds the wheel, what it asks for, and nothing of the repository.

    What it asks for is what `make install` has just brought, so that it comes from the installer's cache.
    """
    environment = tmp_path_factory.mktemp("environment") / "venv"
    run(uv, "venv", "--quiet", "--python", sys.executable, environment, folder=environment.parent)
    run(
        *(uv, "pip", "install", "--quiet", "--compile-bytecode"),
        *("--constraint", REPOSITORY / "constraints.txt"),
        *("--python", environment / "bin" / "python", wheel),
        folder=environment.parent,
    )
    return environment / "bin" / "mlchaos"


def test_scenarios_and_targets_travel_in_the_wheel(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for kind in ("scenarios", "targets"):
        here = sorted(str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / kind).rglob("*.yaml"))
        there = sorted(name.removeprefix("chaos/builtin/") for name in names if name.endswith(".yaml"))
        assert [name for name in there if name.startswith(kind)] == here
    assert not [name for name in names if name.startswith(("tests", "benchmarks"))]


def test_data_files_of_the_packages_travel_too(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for package in ("chaos", "reference_stack"):
        for path in (REPOSITORY / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith("."):
                assert str(path.relative_to(REPOSITORY)) in names


def test_it_is_the_wheel_that_runs(mlchaos: Path, tmp_path: Path) -> None:
    script = "import chaos, reference_stack; print(chaos.__file__); print(reference_stack.__file__)"
    for line in run(mlchaos.parent / "python", "-c", script, folder=tmp_path).splitlines():
        assert Path(line).is_relative_to(mlchaos.parent.parent)


def test_the_main_job_from_another_folder_and_what_virtual_time_says_of_it(
    mlchaos: Path, tmp_path: Path
) -> None:
    assert "late-partition" in run(mlchaos, "list", "scenarios", folder=tmp_path)
    (tmp_path / "calm.yaml").write_text(CALM)
    assert "'calm' is valid" in run(mlchaos, "validate", "calm.yaml", folder=tmp_path)
    live = main_job(mlchaos, tmp_path / "live", "--target", "reference-local", "--rerun-void", "3")
    pace = f"{live.day_seconds:g}"
    virtual = main_job(
        *(mlchaos, tmp_path / "virtual", "--target", "reference-virtual", "--day-seconds", pace)
    )
    rows = table(live.trials, virtual.trials)
    assert any(row.agrees for row in rows)
    assert [str(row) for row in rows if row.agrees is False] == []


def main_job(mlchaos: Path, out: Path, *options: str) -> Results:
    assert "PASSED" in run(mlchaos, "run", "late-partition", *options, "--out", out, folder=out.parent)
    assert (out / "report.html").is_file()
    return Results.model_validate_json((out / "results.json").read_text())

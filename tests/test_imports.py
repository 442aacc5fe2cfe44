from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import LATE, REPOSITORY

HEAVY = (
    "aiohttp",
    "altair",
    "docker",
    "gevent",
    "jinja2",
    "locust",
    "mlflow",
    "numpy",
    "pandas",
    "pyarrow",
    "sklearn",
    "starlette",
    "uvicorn",
)
LOOK = """
import json, sys
from chaos.cli import main
sys.argv[0] = "mlchaos"
try:
    main()
except SystemExit as ended:
    code = ended.code
sys.stderr.write(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def imported_by(folder: Path, *arguments: str) -> tuple[int, list[str]]:
    """The exit code of a whole process, and the packages that it had imported at its end."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    code, packages = json.loads(done.stderr.splitlines()[-1])
    return code, packages


@pytest.mark.parametrize(
    "arguments",
    [
        ["validate", str(LATE)],
        ["list"],
        ["show", "late-partition"],
        ["plan", "late-partition"],
        ["schema", "results"],
        ["--help"],
        ["run", "--help"],
        ["run", "late-partition", "--hole", "nothing"],
    ],
    ids=" ".join,
)
def test_what_only_looks_imports_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    code, packages = imported_by(tmp_path, *arguments)
    assert code == (3 if "nothing" in arguments else 0)
    assert "chaos" in packages
    assert [name for name in packages if name in HEAVY] == []
    assert "reference_stack" not in packages


def test_validate_of_files_alone_does_without_a_command_line(tmp_path: Path) -> None:
    code, packages = imported_by(tmp_path, "validate", str(LATE))
    assert code == 0
    assert "typer" not in packages
    code, packages = imported_by(tmp_path, "validate", str(LATE), "--target", "reference-local")
    assert code == 0
    assert "typer" in packages


def test_a_target_file_is_read_and_what_it_names_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "trap.py").write_text("raise SystemExit('imported')\n")
    (tmp_path / "mine.yaml").write_text(
        'target: mine\nextends: reference-virtual\ndriver: {factory: "trap:factory"}\n'
    )
    for command in (["validate", "mine.yaml"], ["plan", "late-partition", "--target", "mine.yaml"]):
        code, packages = imported_by(tmp_path, *command)
        assert code == 0
        assert "trap" not in packages


@pytest.mark.parametrize(
    "line",
    [
        "import time; time.time()",
        "from time import monotonic",
        "import time; time.sleep(1)",
        "import asyncio; asyncio.sleep(1)",
        "import gevent; gevent.sleep(1)",
        "import random",
        "import uuid",
        "import os; os.urandom(1)",
        "from datetime import datetime; datetime.now()",
        "import numpy as np; np.random.default_rng()",
    ],
)
@pytest.mark.parametrize(
    ("file", "refused"),
    [
        ("chaos/runner/execute.py", True),
        ("reference_stack/serving/component.py", True),
        ("chaos/clock.py", False),
        ("reference_stack/runtime.py", False),
    ],
)
def test_the_rule_against_clocks_sleep_and_chance_has_teeth(file: str, refused: bool, line: str) -> None:
    command = [sys.executable, "-m", "ruff", "check", "--select", "TID251", "--stdin-filename", file, "-"]
    done = subprocess.run(
        command, cwd=REPOSITORY, input=line + "\n", check=False, capture_output=True, text=True
    )
    assert ("TID251" in done.stdout) is refused, done.stdout + done.stderr

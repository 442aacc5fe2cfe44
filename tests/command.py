"""The command `mlchaos` as a test calls it: in this process, or as one of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from chaos import cli

REPOSITORY = Path(__file__).parent.parent
SCENARIOS = REPOSITORY / "scenarios"
LATE = SCENARIOS / "data" / "late-partition.yaml"

CALM = """
scenario: calm
kind: quiet
teaches: nothing happens, and nobody may cry
source: tests
days: 2d
steady_state:
  - probe: good_views
    at_least: 0.9
expect:
  false_alarms: 0
"""


@dataclass(frozen=True)
class Outcome:
    """What came of a command."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


def in_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """`command("run", "x.yaml")`: `chaos.cli.main` with these arguments, in this process."""

    def command(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["mlchaos", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Outcome(ended.value.code, said.out, said.err)

    return command


def cannot_run(why: str) -> NoReturn:
    """End a test that lacks something: skipped by name, and failed in CI, where nothing may be lacking."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(why)


def program(name: str) -> str:
    """Where a program is that a test needs."""
    return shutil.which(name) or cannot_run(f"{name} is not there")


def real_toxiproxy() -> str:
    """The program of a real Toxiproxy."""
    found = os.environ.get("TOXIPROXY_SERVER") or shutil.which("toxiproxy-server")
    return found or cannot_run(
        "no real Toxiproxy: TOXIPROXY_SERVER is not set and toxiproxy-server is not on PATH"
    )


def begin(
    *arguments: object,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    prelude: str = "",
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[str]:
    """`mlchaos …` as a process of its own, in a folder; `prelude` is code that runs in it first."""
    # As at a terminal: what a script has put in the background would ignore Ctrl-C.
    heeds = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    script = f"{heeds}\n{prelude}\nimport sys; from chaos.cli import main; sys.argv[0] = 'mlchaos'; main()"
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **(environment or {})},
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def complete(process: subprocess.Popen[str], *, seconds: float = 120) -> Outcome:
    """Wait for its end."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"still running after {seconds} s: {out}{err}") from None
    return Outcome(process.returncode, out, err)


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether it comes true in time."""
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(0.05)
    return True

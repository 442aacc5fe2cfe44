"""What is left of a run on real processes when its runner, its guardian or the user ends it in the middle."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil
import pytest

from chaos.domain.event import Applied, Header, Phase, Undone
from chaos.journal import Journal, read
from chaos.runner.undo import find_undos
from tests.command import Outcome, begin, complete, until

pytestmark = pytest.mark.processes

# Loose bounds: what is tested here does not depend on whether the machine keeps up.
SCENARIO = """
scenario: cut-short
kind: defended
teaches: whatever happens to the runner, nothing of the run stays behind
source: tests
days: 20d
steady_state:
  - probe: views_per_day
    with: {over: 1d}
    at_least: 1
faults:
  - fault: late_partition
    with: {link: events, held_days: 12d}
    at: 1.5d
  - fault: latency
    with: {link: serving-features, delay_ms: 20ms}
    at: 1.6d
    for: 12d
expect:
  detected: {by: [freshness], within: 1d}
"""
UP_SECONDS = 300.0
GONE_SECONDS = 5.0


@dataclass
class Run:
    """A run in the middle of its fault, with everything that it has started."""

    process: subprocess.Popen[str]
    folder: Path
    started: list[psutil.Process]
    ports: list[int]
    guardian: psutil.Process

    @property
    def trial(self) -> Path:
        return self.folder / "cut-short-1"

    def journal(self) -> Journal:
        return read(self.trial / "journal-defended.jsonl")

    def alive(self) -> list[str]:
        found = []
        for process in self.started:
            with suppress(psutil.NoSuchProcess):
                if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(f"{process.pid} {' '.join(process.cmdline())[:120]}")
        return found

    def gone(self) -> bool:
        return not self.alive() and not any(answers(port) for port in self.ports)


def answers(port: int) -> bool:
    with socket.socket() as caller:
        caller.settimeout(0.5)
        return caller.connect_ex(("127.0.0.1", port)) == 0


def applied(journal: Path) -> int:
    with suppress(OSError):
        return journal.read_bytes().count(b'"event":"applied"')
    return 0


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    (tmp_path / "cut-short.yaml").write_text(SCENARIO)
    folder = tmp_path / "run"
    process = begin("run", "cut-short.yaml", "--day-seconds", "1", "--out", folder, folder=tmp_path)
    started: list[psutil.Process] = []
    try:
        journal = folder / "cut-short-1" / "journal-defended.jsonl"
        until(lambda: applied(journal) == 2 or process.poll() is not None, UP_SECONDS)
        if applied(journal) != 2:
            process.kill()
            pytest.fail(f"the faults were never applied: {process.communicate()}")
        runner = psutil.Process(process.pid)
        started += recorded(folder)
        started += [child for one in [runner, *started] for child in one.children(recursive=True)]
        (guardian,) = [child for child in runner.children() if "chaos.runner.guardian" in child.cmdline()]
        listening = {
            connection.laddr.port
            for one in started
            for connection in one.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
        assert len(listening) > 20  # ten components and the proxies of their links
        yield Run(process, folder, started, sorted(listening), guardian)
    finally:
        for one in [*started, process]:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        process.communicate()


class _Process(msgspec.Struct):
    pid: int
    name: str


def recorded(folder: Path) -> list[psutil.Process]:
    """The processes of the run's own record that are alive."""
    found = []
    for line in (folder / "processes.jsonl").read_bytes().splitlines():
        with suppress(psutil.NoSuchProcess):
            entry = msgspec.json.decode(line, type=_Process)
            if entry.name != "runner":
                found.append(psutil.Process(entry.pid))
    return found


def mlchaos(run: Run, *arguments: object) -> Outcome:
    return complete(begin(*arguments, folder=run.folder.parent))


def assert_settled(run: Run) -> None:
    """Nothing is left but readable journals, which say that the run was interrupted."""
    assert not (run.folder / "warmup").exists()
    assert find_undos(run.trial / "defended" / "undo.jsonl").undos == []
    journal = run.journal()
    assert isinstance(journal.header, Header)
    assert not journal.torn
    assert journal.interrupted
    assert "interrupted" in [phase.phase for phase in journal.of(Phase)]
    report = mlchaos(run, "report", run.folder)
    assert (report.code, report.err) == (0, "")
    assert "VOID" in report.out
    assert "interrupted" in report.out
    assert "interrupted" in (run.folder / "report.html").read_text()
    assert mlchaos(run, "recover", run.folder).out == "nothing to recover\n"


def test_a_killed_runner_leaves_nothing_behind(run: Run) -> None:
    run.process.send_signal(signal.SIGKILL)
    assert until(run.gone, GONE_SECONDS), run.alive()
    assert until(lambda: not run.guardian.is_running(), GONE_SECONDS)
    assert_settled(run)


def test_ctrl_c_undoes_and_takes_down(run: Run) -> None:
    run.process.send_signal(signal.SIGINT)
    outcome = complete(run.process, seconds=60)
    assert outcome.code == 130
    assert "Traceback" not in outcome.err
    assert run.gone(), run.alive()
    undone = run.journal().of(Undone)
    assert [entry.outcome for entry in undone] == ["undone", "undone"]
    assert [entry.id for entry in undone] == [entry.id for entry in reversed(run.journal().of(Applied))]
    assert_settled(run)


def test_a_second_ctrl_c_leaves_what_is_left_to_the_guardian(run: Run) -> None:
    def ends() -> bool:
        run.process.send_signal(signal.SIGINT)
        return run.process.poll() is not None

    assert until(ends, GONE_SECONDS)
    assert run.process.returncode != 0
    assert until(lambda: not run.guardian.is_running(), GONE_SECONDS)
    assert run.gone(), run.alive()
    assert find_undos(run.trial / "defended" / "undo.jsonl").undos == []
    assert not (run.folder / "warmup").exists()


def test_recover_cleans_up_where_the_guardian_was_killed_too(run: Run) -> None:
    still = mlchaos(run, "recover", run.folder)
    assert (still.code, "still running; left alone" in still.out) == (0, True)
    assert not run.gone()
    run.guardian.kill()
    run.process.send_signal(signal.SIGKILL)
    assert run.process.wait(GONE_SECONDS) == -signal.SIGKILL
    recovered = mlchaos(run, "recover", run.folder.parent)
    assert recovered.code == 0
    assert "settled 2 undos" in recovered.out
    assert until(run.gone, GONE_SECONDS), run.alive()
    assert_settled(run)

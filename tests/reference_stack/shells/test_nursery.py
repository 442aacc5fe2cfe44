"""A warm parent below the first: components start, end and are missed as if they were the first one's own."""

import os
import select
import signal
import sys
from pathlib import Path

import msgspec
import psutil
import pytest

from reference_stack.settings import StackSettings
from reference_stack.shells.nursery import Nursery
from reference_stack.shells.parental import StackError
from reference_stack.shells.processes import Children

pytestmark = pytest.mark.processes

SCRIPT = """
import signal, sys
from reference_stack.settings import read_settings
from reference_stack.shells.processes import Body, run_nursery

def live(name, settings):
    open(settings.root + "/" + name, "w").close()
    return 7 if name == "brief" else signal.pause() or 0

sys.exit(run_nursery(read_settings, lambda name, settings, file: Body(run=lambda: live(name, settings))))
"""


@pytest.fixture
def nursery(tmp_path: Path):
    script = tmp_path / "nursery.py"
    script.write_text(SCRIPT)
    made = Nursery([sys.executable, str(script)])
    yield made
    made.close()


@pytest.fixture
def settings(tmp_path: Path) -> tuple[StackSettings, Path]:
    found = StackSettings(root=str(tmp_path))
    file = tmp_path / "settings.json"
    file.write_bytes(msgspec.json.encode(found))
    (tmp_path / "logs").mkdir()
    return found, file


def started(nursery: Nursery, file: Path) -> int:
    nursery.ask("lasting", file)
    return nursery.pid("lasting")


def await_exits(nursery: Nursery) -> list[tuple[str, int]]:
    ended = nursery.exits()
    while not ended:
        assert select.select([nursery.said], [], [], 20.0)[0], "nothing is said"
        ended = nursery.exits()
    return [(gone.exit, gone.code) for gone in ended]


def test_a_component_is_started_and_its_end_is_told(nursery, settings) -> None:
    pid = started(nursery, settings[1])
    assert psutil.Process(pid).is_running()
    os.kill(pid, signal.SIGKILL)
    assert await_exits(nursery) == [("lasting", -signal.SIGKILL)]
    nursery.ask("brief", settings[1])
    nursery.pid("brief")
    assert await_exits(nursery) == [("brief", 7)]


def test_what_cannot_be_started_is_an_error(nursery, settings, tmp_path) -> None:
    nursery.ask("lasting", tmp_path / "missing.json")
    with pytest.raises(StackError, match=r"missing\.json"):
        nursery.pid("lasting")


def test_a_nursery_that_dies_takes_its_components_along(nursery, settings) -> None:
    pid = started(nursery, settings[1])
    os.kill(psutil.Process(pid).ppid(), signal.SIGKILL)
    assert await_exits(nursery) == [("lasting", -signal.SIGKILL)]
    with pytest.raises(StackError, match="its nursery has ended"):
        started(nursery, settings[1])
    if sys.platform == "linux":
        psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=20.0)
        assert not psutil.pid_exists(pid)


@pytest.fixture
def own_signals():
    """What a parent sets for its whole process is put back."""
    before = signal.getsignal(signal.SIGCHLD)
    yield
    signal.signal(signal.SIGCHLD, before)
    os.close(signal.set_wakeup_fd(-1))


def test_children_of_both_kinds_are_handled_alike(nursery, settings, own_signals) -> None:
    ends: list[str] = []
    children = Children(
        lambda _name, _settings, _file: pytest.fail("not to be forked here"),
        lambda gone: ends.append(gone.exit),
        {"lasting": nursery, "other": nursery},
    )
    pids = children.start(["lasting", "other"], *settings)
    assert list(pids) == ["lasting", "other"]
    with pytest.raises(StackError, match="runs already"):
        children.start(["other"], *settings)
    children.end(["other"], signal.SIGTERM)
    assert (ends, children.pids) == (["other"], {"lasting": pids["lasting"]})
    children.end(["lasting"], signal.SIGTERM)
    assert children.pids == {}
    os.close(children.wakeup)

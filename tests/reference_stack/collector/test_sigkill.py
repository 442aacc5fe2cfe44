"""A real process on a real disk, killed in the middle of its work."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reference_stack.collector.component import Collector
from reference_stack.collector.log import EventLog
from reference_stack.folders import DirectoryFolder
from reference_stack.messages import AcknowledgedRequest
from reference_stack.settings import CollectorSettings
from reference_stack.telemetry import Telemetry

pytestmark = pytest.mark.processes

WRITER = """
import asyncio, itertools, sys
from reference_stack.collector.component import Collector
from reference_stack.folders import DirectoryFolder
from reference_stack.messages import ViewEvents
from reference_stack.settings import CollectorSettings, LayerSettings
from reference_stack.telemetry import Telemetry

class Noon:
    day_seconds = 1.0
    def day(self): return 3.5

root, life = sys.argv[1:]
layers = {"schema": LayerSettings(use="reference_stack.layers.schema:Schema")}
voice = Telemetry("collector", Noon(), lambda line: None)
collector = Collector(Noon(), voice, CollectorSettings(), layers, "b",
                      folder=DirectoryFolder(root + "/own"), outbox=DirectoryFolder(root + "/outbox"))

async def work():
    for number in itertools.count():
        reply = await collector.collect(ViewEvents(
            view=f"{life}-{number}", recommendation="r", customer=1, segment=1, shard=1, day=3.5, version=1,
            fallback="", products=[1, 2], positions=[1, 2], clicked=[0, 0], dwell_s=[None, None],
            prices=[0.0, None], categories=[1, 2], sources=[0, 1], ages_days=[1.0, 2.0]))
        if reply.accepted == 2:
            print(f"{life}-{number}", flush=True)

asyncio.run(work())
"""


class Noon:
    day_seconds = 1.0

    def day(self) -> float:
        return 3.5


def one_life(root: Path, life: int, views: int) -> list[str]:
    """Views acknowledged by a collector that was killed some time after the `views`-th of them."""
    command = [sys.executable, "-c", WRITER, str(root), str(life)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        promised = [child.stdout.readline().strip() for _ in range(views)]
        child.send_signal(signal.SIGKILL)
        promised += [line.strip() for line in child.stdout if line.endswith("\n")]
    assert child.returncode == -signal.SIGKILL
    return promised


def test_what_was_acknowledged_before_a_sigkill_is_there_after_it(tmp_path: Path) -> None:
    promised = [view for life, views in enumerate((1, 40, 170)) for view in one_life(tmp_path, life, views)]
    assert len(promised) > 200
    own = DirectoryFolder(tmp_path / "own")
    # a line that the kill has torn, as it would lie there
    own.append("log/day=3.jsonl", b'{"view":"torn","recomm')
    voice = Telemetry("collector", Noon(), lambda line: None)
    collector = Collector(
        Noon(), voice, CollectorSettings(), {}, "b", folder=own, outbox=DirectoryFolder(tmp_path / "outbox")
    )
    found = EventLog(own).read(3)["event_id"]
    assert len(found) == len(set(found))
    assert {f"{view}:{slot}" for view in promised for slot in (1, 2)} <= set(found)
    reply = asyncio.run(collector.acknowledged(AcknowledgedRequest(partition_day=3)))
    assert reply.rows == len(found)

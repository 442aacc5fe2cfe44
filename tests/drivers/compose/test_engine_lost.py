"""An engine that stops answering in the middle: found out, asked no more, and what is left is said."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from chaos.clock import WallClock
from chaos.drivers.compose import driver, stack
from chaos.drivers.compose.driver import ComposeDriver
from chaos.drivers.compose.stack import Containers
from chaos.engine import NoEngine, mark
from chaos.errors import ArmFailed, LeftBehind
from chaos.runner import remains
from chaos.runner.remains import RECORD, ProcessRecord, is_closed
from tests.command import in_process, until

SOON_SECONDS = 10.0


class Events:
    """An engine's events, which end when the engine does."""

    def __init__(self) -> None:
        self.gone = threading.Event()

    def __iter__(self) -> Iterator[Mapping[str, object]]:
        for service in ("prepare", "postgres", "shop"):
            yield {
                "Action": "die",
                "Actor": {"Attributes": {"com.docker.compose.service": service, "exitCode": "137"}},
            }
        self.gone.wait(SOON_SECONDS)

    def close(self) -> None:
        self.gone.set()


class Client:
    """As much of the SDK's client as is asked here."""

    def __init__(self) -> None:
        self.stream = Events()
        self.asked = 0
        self.containers = self

    def events(self, **_: object) -> Events:
        return self.stream

    def get(self, _name: str) -> Client:
        self.asked += 1
        return self

    def close(self) -> None:
        pass


def no_engine(_timeout_s: float = 0.0) -> Client:
    raise NoEngine("no container engine answers")


def watched(client: Client) -> Containers:
    return Containers(client, "run", {"shop": "run-shop-1", "features": "run-features-1"})  # type: ignore[arg-type]


def test_an_engine_that_ends_is_asked_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "connect", lambda _timeout: Client())
    client = Client()
    containers = watched(client)
    assert until(lambda: "shop" not in containers.pids, SOON_SECONDS)
    # What ends when its work is done is not missed.
    assert [(one.component, one.code) for one in containers.ended()] == [("postgres", -9), ("shop", -9)]
    containers.container("features")
    client.stream.gone.set()
    assert until(lambda: containers.lost, SOON_SECONDS)
    with pytest.raises(ArmFailed, match=r"the container engine does not answer any more \(it ended"):
        containers.container("features")
    with pytest.raises(ArmFailed, match="does not answer any more"):
        containers.ended()
    assert client.asked == 1


def test_an_engine_that_hangs_is_found_by_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "connect", no_engine)
    monkeypatch.setattr(stack, "PULSE_SECONDS", 0.01)
    containers = watched(Client())
    assert until(lambda: containers.lost, SOON_SECONDS)
    with pytest.raises(ArmFailed, match="does not answer any more"):
        containers.tell("pause", "features")
    containers.close()


def test_no_longer_listening_is_not_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "connect", no_engine)
    containers = watched(Client())
    containers.close()
    assert not until(lambda: containers.lost, 0.1)


def test_a_driver_that_cannot_clean_up_says_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "connect", Client)
    made = ComposeDriver(tmp_path, WallClock(), tmp_path / "c.yml", lambda _name, _pid: None)
    monkeypatch.setattr(driver, "connect", no_engine)
    with pytest.raises(LeftBehind, match="containers are left: no container engine answers") as caught:
        made.close()
    assert str(caught.value).endswith(f"mlchaos recover {tmp_path}")
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("error", [None, ArmFailed("void"), LeftBehind("containers")])
def test_the_record_stays_open_for_recover_where_something_is_left(
    error: Exception | None, tmp_path: Path
) -> None:
    record = ProcessRecord(tmp_path)
    record.note("runner", 1)
    record.close_after(type(error) if error else None, error, None)
    assert is_closed(tmp_path) is not isinstance(error, LeftBehind)


def test_a_run_whose_engine_is_gone_keeps_no_other_from_being_recovered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(remains, "connect", no_engine)
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "c"):
        run = tmp_path / "runs" / name
        run.mkdir(parents=True)
        (run / RECORD).touch()
        if name != "b":
            mark(run, f"mlchaos-{name}")
    outcome = in_process(monkeypatch, capsys)("recover")
    assert outcome.out.splitlines() == [
        "runs/b: ended 0 processes and containers, settled 0 undos",
        "runs/a: not recovered: no container engine answers",
        "runs/c: not recovered: no container engine answers",
    ]
    assert outcome.code == 4
    assert outcome.err == "mlchaos: 2 runs are not recovered; try again when what stood in the way is gone\n"
    assert [is_closed(tmp_path / "runs" / name) for name in ("a", "b", "c")] == [False, True, False]

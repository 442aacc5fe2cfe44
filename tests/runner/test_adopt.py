"""A stack that stands, taken over for a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.domain.event import Alert, Event, Views
from chaos.drivers.fake import FakeTarget, silent
from chaos.runner.adopt import AdoptingDriver
from tests.harness import TARGET, planned, target_of


def alert(name: str, id: str, day: float, state: str) -> Alert:
    return Alert(day, "alertmanager", id, name, "", "page", "ml", state, day)  # type: ignore[arg-type]


@pytest.mark.parametrize("watchdog", ["", "Watchdog"])
def test_what_was_last_heard_of_the_watchdog_is_handed_on_and_nothing_else_from_before(
    tmp_path: Path, watchdog: str
) -> None:
    spec = target_of(TARGET + f"alerting: {{watchdog: {watchdog!r}}}\n")
    standing = FakeTarget(planned().arms[0], spec, lambda _event: None, silent)
    standing.said = {
        Alert: [
            alert("Watchdog", "w", 0.1, "firing"),
            alert("SiteErrors", "e", 0.2, "firing"),
            alert("Watchdog", "w", 0.3, "resolved"),
        ],
        Views: [Views(0.5, "shop", 0.4, 0.5, [])],
    }
    came: list[Event] = []
    listeners: list[object] = []
    driver = AdoptingDriver(standing, lambda: None, listeners.append)
    adopted = driver.start(standing.plan, spec, tmp_path, came.append)
    assert came == ([alert("Watchdog", "w", 0.3, "resolved")] if watchdog else [])
    assert listeners == [came.append]
    adopted.close()
    assert listeners[1:] == [None]


def test_whoever_takes_a_stack_over_knows_what_runs_of_it_and_how_it_is_set(tmp_path: Path) -> None:
    standing = FakeTarget(planned().arms[0], target_of(), lambda _event: None, silent, down={"writer"})
    adopted = AdoptingDriver(standing, lambda: None, lambda _listener: None).start(
        standing.plan, standing.spec, tmp_path, lambda _event: None
    )
    assert [adopted.running(one) for one in ("writer", "reader")] == [False, True]
    assert adopted.setting("reader", "layers.hold.mode") == "enforce"

"""The census: what runs on each replica, as they say it themselves when they are scraped."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from reference_stack.monitor.board import Board
from reference_stack.monitor.set_back import earlier
from reference_stack.settings import REPLICAS

PROMOTED = "orchestrator"


def take_census(board: Board, fresh: Collection[str]) -> dict[str, dict[str, str]]:
    """By `build`, `configuration` and `model`: who runs what, of those that were heard of lately.

    Of the model, the orchestrator counts too: it says which version it has promoted.
    """
    found: dict[str, dict[str, str]] = {"build": {}, "configuration": {}, "model": {}}
    for about, metric, label in (("build", "build", "build"), ("configuration", "running", "configuration")):
        for component, value, on in board.labelled(metric, label):
            if on and component in REPLICAS and component in fresh:
                found[about][component] = value
    for component, metric in (
        (PROMOTED, "champion_version"),
        *((name, "model_version") for name in REPLICAS),
    ):
        version = board.value(component, metric)
        if version is not None and component in fresh:
            found["model"][component] = f"{version:.0f}"
    return found


class Differences:
    """Since when what runs has not been the same everywhere."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def set_back(self, day: float, back_days: float) -> None:
        """The calendar has been set back to `day`."""
        self._since = {about: earlier(since, day, back_days) for about, since in self._since.items()}

    def days(self, about: str, running: Mapping[str, str], day: float) -> float:
        """For how long that has been so by now; 0 where all run the same."""
        if len(set(running.values())) < 2:
            self._since.pop(about, None)
            return 0.0
        return day - self._since.setdefault(about, day)

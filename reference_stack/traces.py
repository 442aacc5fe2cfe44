"""The times that live components left in their logs (`shells/tracing.py`), read back from a run's folders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from reference_stack.costs import kind_of
from reference_stack.settings import SettingsError
from reference_stack.shells.live import LOGS
from reference_stack.shells.tracing import EVENT, AnswerTime, CallTime, Times

SETTLED_DAYS = 1.0
"""What a component measures before this day is left out: processes that have just started are slow once."""


class _Line(msgspec.Struct):
    event: str = ""
    day: float = 0.0
    component: str = ""


@dataclass(frozen=True)
class Traces:
    """All samples of some logs: calls by `link/operation`, answers by `component.operation`, work by name.

    Replicas are one component.
    """

    files: int = 0
    calls: dict[str, list[CallTime]] = field(default_factory=lambda: defaultdict(list))
    answers: dict[str, list[AnswerTime]] = field(default_factory=lambda: defaultdict(list))
    work: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def read_traces(folders: Sequence[Path], settled_days: float = SETTLED_DAYS) -> Traces:
    """The samples in the logs anywhere below some folders: `*.jsonl` in a folder named `logs`.

    Raises SettingsError for a folder without any, and for a line that cannot be read, naming file and line.
    """
    files = [file for folder in folders for file in _logs(folder)]
    traces = Traces(files=len(files))
    for file in files:
        for component, times in _times(file, settled_days):
            for key, calls in times.calls.items():
                traces.calls[key] += calls
            for operation, answers in times.answers.items():
                traces.answers[f"{kind_of(component)}.{operation}"] += answers
            for what, work in times.work.items():
                traces.work[what] += work
    return traces


def _logs(folder: Path) -> Iterable[Path]:
    found = sorted(file for file in folder.rglob("*.jsonl") if file.parent.name == LOGS)
    if not found:
        raise SettingsError(f"{folder}: no component's log there (*.jsonl in a folder {LOGS!r})")
    return found


def _times(file: Path, settled_days: float) -> Iterator[tuple[str, Times]]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                return  # torn: the component was killed while it wrote
            try:
                head = msgspec.json.decode(line, type=_Line)
                if head.event == EVENT and head.day >= settled_days:
                    yield head.component, msgspec.json.decode(line, type=Times)
            except msgspec.DecodeError as error:
                raise SettingsError(f"{file}, line {number}: {error}") from error

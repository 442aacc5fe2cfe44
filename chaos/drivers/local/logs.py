"""Follows the JSON log files of a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from chaos.domain.event import Observed
from chaos.drivers.observed import read_line


class LogTail:
    """Reads whole new lines of every `*.jsonl` in a folder; half a line waits for its other half."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._offsets: dict[Path, int] = {}

    def poll(self) -> Iterator[Observed]:
        """The events written since the last look. Raises MalformedLog."""
        for path in sorted(self._folder.glob("*.jsonl")):
            offset = self._offsets.get(path, 0)
            if path.stat().st_size <= offset:
                continue
            with path.open("rb") as file:
                file.seek(offset)
                data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            self._offsets[path] = offset + len(whole)
            for line in whole.splitlines():
                event = read_line(line)
                if event is not None:
                    yield event

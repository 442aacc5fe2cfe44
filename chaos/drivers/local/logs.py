"""Follows the JSON log files of a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from chaos.domain.event import Observed
from chaos.drivers.observed import LogReader

LOOK_FOR_FILES_EVERY = 25


class LogTail:
    """Reads whole new lines of every `*.jsonl` in a folder; half a line waits for its other half.

    Files stay open, since a look costs one read each; new ones are looked for at every 25th look.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[Path, BinaryIO] = {}
        self._halves: dict[Path, bytes] = {}
        self.reader = LogReader()
        self._looks = 0

    def poll(self) -> Iterator[Observed]:
        """The events written since the last look. Raises MalformedLog."""
        if self._looks % LOOK_FOR_FILES_EVERY == 0:
            self._find()
        self._looks += 1
        for path, file in self._files.items():
            data = file.read()
            if not data:
                continue
            whole, _, half = (self._halves.pop(path, b"") + data).rpartition(b"\n")
            if half:
                self._halves[path] = half
            for line in whole.splitlines():
                event = self.reader.read(line)
                if event is not None:
                    yield event

    def rest(self) -> Iterator[Observed]:
        """Everything up to now, in new files too."""
        self._looks = 0
        yield from self.poll()

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _find(self) -> None:
        for path in sorted(self._folder.glob("*.jsonl")):
            if path not in self._files:
                self._files[path] = path.open("rb", buffering=0)

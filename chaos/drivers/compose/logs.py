"""Follows the standard output of containers, through their restarts."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from chaos.domain.event import Observed
from chaos.drivers.observed import LogReader
from chaos.errors import ArmFailed, told

if TYPE_CHECKING:
    from docker import DockerClient

LOOK_AGAIN_SECONDS = 0.2
LAST_WORDS_SECONDS = 10.0


class ContainerLogs:
    """One thread for each component; whole lines are kept in `<folder>/<component>.jsonl` as they come."""

    def __init__(self, client: DockerClient, containers: Mapping[str, str], folder: Path) -> None:
        self._client = client
        self.reader = LogReader()
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._ending = threading.Event()
        self._failures: queue.Queue[str] = queue.Queue()
        self._failed = False
        self._threads = [
            threading.Thread(
                target=self._follow,
                args=(container, folder / f"{name}.jsonl"),
                daemon=True,
                name=f"log-{name}",
            )
            for name, container in containers.items()
        ]
        for thread in self._threads:
            thread.start()

    def poll(self) -> Iterator[Observed]:
        """The events said since the last look. Raises MalformedLog, or ArmFailed: no engine any more."""
        while not self._lines.empty():
            event = self.reader.read(self._lines.get())
            if event is not None:
                yield event
        if not self._failures.empty():
            raise ArmFailed(self._failures.get())

    def rest(self) -> Iterator[Observed]:
        """Everything up to the end of the containers, which have been stopped.

        Raises MalformedLog, and ArmFailed where the engine does not tell all of it.
        """
        self._ending.set()
        for thread in self._threads:
            thread.join(LAST_WORDS_SECONDS)
            if thread.is_alive():
                self._fail(f"the engine has not told the whole {thread.name} within {LAST_WORDS_SECONDS:g} s")
        yield from self.poll()

    def close(self) -> None:
        """Follow no more."""
        self._ending.set()

    def _follow(self, container: str, kept: Path) -> None:
        """Whatever ends it early is told: a component whose log nobody follows would look well."""
        try:
            with kept.open("ab") as file:
                self._follow_into(file, container, _Bookmark())
        except OSError as error:  # the engine's are told where they come up
            self._fail(f"the log of {kept.stem} cannot be written: {error.strerror or error}")
        except Exception as error:  # noqa: BLE001 (likewise)
            self._fail(f"the log of {kept.stem} cannot be followed: {told(error)}")

    def _follow_into(self, file: BinaryIO, container: str, read: _Bookmark) -> None:
        while True:
            # Asked before the look, so that what is said until the end is not missed.
            ending = self._ending.is_set()
            for text in self._said(container, read, last=ending):
                file.write(text + b"\n")
                file.flush()
                self._lines.put(text)
            if ending:
                return
            self._ending.wait(LOOK_AGAIN_SECONDS)

    def _said(self, container: str, read: _Bookmark, *, last: bool) -> Iterator[bytes]:
        """The lines that were not read before, until the container ends."""
        import requests
        from docker.errors import DockerException, NotFound
        from urllib3.exceptions import HTTPError

        try:
            found = self._client.containers.get(container)
            read.open(str(found.id))
            said = found.logs(
                stream=True, follow=True, stderr=False, timestamps=True, since=_seconds(read.last)
            )
            for stamp, text in _lines(said):
                if read.is_new(stamp):
                    yield text
        except NotFound:  # replaced by another of its name, or removed
            return
        except (DockerException, requests.RequestException, HTTPError, OSError) as error:
            if last or not self._ending.is_set():  # else there is another look
                self._fail(f"the container engine does not answer any more ({error})")

    def _fail(self, says: str) -> None:
        """Tell it, once for all: the others stop for want of the same engine, or because this one did."""
        if not self._failed:
            self._failed = True
            self._failures.put(says)
        self._ending.set()


@dataclass
class _Bookmark:
    """How far a container's log is read: to the line stamped `last`; no stamp was above `newest`.

    Stamps are of the engine's wall clock, which may step back: within one look the log's own order counts.
    """

    container: str = ""
    last: str = ""
    newest: str = ""
    _again: bool = False
    _met: bool = False

    def open(self, container: str) -> None:
        """A look begins; what comes first may have been read before, unless it is another container's log."""
        if container != self.container:
            self.container, self.last, self.newest = container, "", ""
        self._again, self._met = bool(self.last), False

    def is_new(self, stamp: str) -> bool:
        """Whether the next line of this look was not read before; it is now."""
        if self._again:
            self._met = self._met or stamp == self.last
            if stamp == self.last or (not self._met and stamp <= self.newest):
                return False
            self._again = False
        self.last, self.newest = stamp, max(self.newest, stamp)
        return True


def _lines(entries: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    """Whole lines, each with its stamp. The engine keeps a long one in pieces of 16 KiB, and stamps each."""
    pieces: list[bytes] = []
    stamp = b""
    for entry in entries:
        said, _, text = entry.partition(b" ")
        stamp = stamp if pieces else said
        pieces.append(text)
        if text.endswith(b"\n"):
            yield stamp.decode(), b"".join(pieces)[:-1]
            pieces = []


def _seconds(stamp: str) -> float | None:
    """A stamp of the engine, RFC 3339 with nanoseconds, in seconds since 1970, a little early."""
    if not stamp:
        return None
    return datetime.fromisoformat(f"{stamp[:19]}+00:00").timestamp()

"""Follows the standard output of containers, through their restarts."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from chaos.domain.event import Observed
from chaos.drivers.observed import read_line
from chaos.errors import ArmFailed

if TYPE_CHECKING:
    from docker import DockerClient

LOOK_AGAIN_SECONDS = 0.2
LAST_WORDS_SECONDS = 10.0


class ContainerLogs:
    """One thread for each component; whole lines are kept in `<folder>/<component>.jsonl` as they come."""

    def __init__(self, client: DockerClient, containers: Mapping[str, str], folder: Path) -> None:
        self._client = client
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._ending = threading.Event()
        self._failures: queue.SimpleQueue[str] = queue.SimpleQueue()
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
            event = read_line(self._lines.get())
            if event is not None:
                yield event
        if not self._failures.empty():
            raise ArmFailed(self._failures.get())

    def rest(self) -> Iterator[Observed]:
        """Everything up to the end of the containers, which have been stopped."""
        self._ending.set()
        for thread in self._threads:
            thread.join(LAST_WORDS_SECONDS)
        yield from self.poll()

    def close(self) -> None:
        """Follow no more."""
        self._ending.set()

    def _follow(self, container: str, kept: Path) -> None:
        last = ""
        with kept.open("ab") as file:
            while True:
                # Asked before the look, so that what is said until the end is not missed.
                ending = self._ending.is_set()
                last = self._follow_once(container, last, file)
                if ending:
                    return
                self._ending.wait(LOOK_AGAIN_SECONDS)

    def _follow_once(self, container: str, last: str, file: BinaryIO) -> str:
        """Hand on the lines after the stamp `last` until the container ends; the newest stamp."""
        import requests
        from docker.errors import DockerException, NotFound
        from urllib3.exceptions import HTTPError

        half = b""
        try:
            said = self._client.containers.get(container).logs(
                stream=True, follow=True, stderr=False, timestamps=True, since=_seconds(last)
            )
            for chunk in said:
                *lines, half = (half + chunk).split(b"\n")
                for line in lines:
                    stamp, _, text = line.partition(b" ")
                    if stamp.decode() > last:
                        last = stamp.decode()
                        file.write(text + b"\n")
                        file.flush()
                        self._lines.put(text)
        except NotFound:  # replaced by another of its name, or removed
            return last
        except (DockerException, requests.RequestException, HTTPError, OSError) as error:
            if not self._ending.is_set():
                self._failures.put(f"the container engine does not answer any more ({error})")
                self._ending.set()
        return last


def _seconds(stamp: str) -> float | None:
    """A stamp of the engine, RFC 3339 with nanoseconds, in seconds since 1970, a little early."""
    if not stamp:
        return None
    return datetime.fromisoformat(f"{stamp[:19]}+00:00").timestamp()

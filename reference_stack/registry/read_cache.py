"""A cache in front of MLflow for what replicas ask all the time: what an alias names, what a version is.

MLflow spends 5 to 8 ms of CPU on such a question, and two replicas that follow two aliases ask it 100 times a
day; with days of a second that is most of a core. Every write passes through the same process, so the answer
given before holds until one does that could change it: what is written of runs, experiments and artifacts is
nothing that an alias or a version's entry depends on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_CACHED = ("/api/2.0/mlflow/registered-models/alias", "/api/2.0/mlflow/model-versions/get")
_ANSWERS = (200, 400, 404)
_READS = ("GET", "HEAD", "OPTIONS")
_APART = (
    "/api/2.0/mlflow/runs/",
    "/api/2.0/mlflow/experiments/",
    "/api/2.0/mlflow-artifacts/",
)
"""Writes below these change no answer that is kept."""
_MOST = 1000


class ReadCache:
    """An ASGI application around another: repeats its answers to two kinds of GET until they may change.

    The guard against foreign hosts looks at the Host header: only who was let in once gets a repetition.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._answers: dict[tuple[str, bytes], list[Message]] = {}
        self._admitted: set[bytes] = set()
        self._writes = 0
        """Counts up when a write begins and when it is answered: a read that spans either is not kept."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
        elif scope["method"] not in _READS and not scope["path"].startswith(_APART):
            await self._write(scope, receive, send)
        elif scope["method"] == "GET" and scope["path"] in _CACHED:
            await self._read(scope, receive, send)
        else:
            await self._application(scope, receive, send)

    async def _write(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._forget()

        async def settle(message: Message) -> None:
            # Whoever has the reply to a write must not be told what was true before it.
            self._forget()
            await send(message)

        try:
            await self._application(scope, receive, settle)
        finally:
            self._forget()

    async def _read(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = next((value for name, value in scope["headers"] if name == b"host"), b"")
        key = (scope["path"], scope["query_string"])
        known = self._answers.get(key)
        if known is not None and host in self._admitted:
            for message in known:
                await send(message)
            return
        heard: list[Message] = []
        writes = self._writes

        async def keep(message: Message) -> None:
            heard.append(dict(message))
            await send(message)

        await self._application(scope, receive, keep)
        if not heard or heard[0].get("status") not in _ANSWERS:
            return
        if len(self._admitted) + len(self._answers) >= _MOST:
            self._answers.clear()
            self._admitted.clear()
        self._admitted.add(host)
        if not heard[-1].get("more_body", False) and writes == self._writes:
            self._answers[key] = heard

    def _forget(self) -> None:
        self._writes += 1
        self._answers.clear()

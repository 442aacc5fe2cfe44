"""A cache in front of MLflow for what replicas ask all the time: what an alias names, what a version is.

MLflow spends 5 to 8 ms of CPU on such a question, and two replicas that follow two aliases ask it 100 times a
day; with days of a second that is most of a core. Every write passes through the same process, so the answer
given before holds until one does that could change it: what is written of runs, experiments and artifacts is
nothing that an alias or a version's entry depends on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple

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


class _Asked(NamedTuple):
    """A question that is under way, and its answer, or None where it is not one to be repeated."""

    writes: int
    answer: asyncio.Future[list[Message] | None]


class ReadCache:
    """An ASGI application around another: repeats its answers to two kinds of GET until they may change.

    The guard against foreign hosts looks at the Host header: only who was let in once gets a repetition.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._answers: dict[tuple[str, bytes], list[Message]] = {}
        self._admitted: set[bytes] = set()
        self._under_way: dict[tuple[str, bytes], _Asked] = {}
        self._writes = 0
        """Counts up when a write is answered: a read that spans that is not kept."""

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
        settled = False

        async def settle(message: Message) -> None:
            # Whoever has the reply to a write must not be told what was true before it.
            nonlocal settled
            if not settled:
                settled = True
                self._forget()
            await send(message)

        try:
            await self._application(scope, receive, settle)
        finally:
            if not settled:
                self._forget()

    async def _read(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = next((value for name, value in scope["headers"] if name == b"host"), b"")
        key = (scope["path"], scope["query_string"])
        known = self._answers.get(key)
        asked = self._under_way.get(key)
        if known is None and asked is not None and asked.writes == self._writes:
            # Somebody has asked just that, and nothing was written since.
            known = await asked.answer
        if known is None or host not in self._admitted:
            await self._ask(key, host, scope, receive, send)
            return
        for message in known:
            await send(message)

    async def _ask(
        self, key: tuple[str, bytes], host: bytes, scope: Scope, receive: Receive, send: Send
    ) -> None:
        heard: list[Message] = []
        asked = self._under_way[key] = _Asked(self._writes, asyncio.get_running_loop().create_future())

        async def keep(message: Message) -> None:
            heard.append(dict(message))
            await send(message)

        good = False
        try:
            await self._application(scope, receive, keep)
            good = bool(heard) and heard[0].get("status") in _ANSWERS
        finally:
            whole = good and not heard[-1].get("more_body", False)
            asked.answer.set_result(heard if whole else None)
            if self._under_way.get(key) is asked:
                del self._under_way[key]
        if good:
            self._keep(key, host, heard if whole and asked.writes == self._writes else None)

    def _keep(self, key: tuple[str, bytes], host: bytes, answer: list[Message] | None) -> None:
        if len(self._admitted) + len(self._answers) >= _MOST:
            self._answers.clear()
            self._admitted.clear()
        self._admitted.add(host)
        if answer is not None:
            self._answers[key] = answer

    def _forget(self) -> None:
        self._writes += 1
        self._answers.clear()

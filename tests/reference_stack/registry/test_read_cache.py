from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from reference_stack.registry.read_cache import ReadCache

ALIAS = "/api/2.0/mlflow/registered-models/alias"


class Store:
    """An application with one value: GET tells it, POST sets it to the query. `gate` holds requests up."""

    def __init__(self) -> None:
        self.value = b"1"
        self.status = 200
        self.asked = 0
        self.gate: Callable[[str, str], Awaitable[None]] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        if scope["method"] == "POST":
            await self._wait(scope, "before")
            self.value = scope["query_string"]
            await self._wait(scope, "after")
            seen = b"ok"
        else:
            seen = self.value
            await self._wait(scope, "after")
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": seen[:1], "more_body": True})
        await send({"type": "http.response.body", "body": seen[1:]})

    async def _wait(self, scope: Any, moment: str) -> None:
        if self.gate is not None:
            await self.gate(scope["method"], moment)


async def ask(
    cache: ReadCache, method: str = "GET", query: bytes = b"", path: str = ALIAS, host: bytes = b"a"
) -> bytes:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query,
        "headers": [(b"host", host)],
    }
    await cache(scope, receive, send)
    return b"".join(message.get("body", b"") for message in sent)


def test_an_answer_is_repeated_until_something_is_written() -> None:
    async def scenario() -> None:
        store = Store()
        cache = ReadCache(store)
        assert [await ask(cache) for _ in range(3)] == [b"1"] * 3
        assert store.asked == 1
        await ask(cache, "POST", b"27")
        assert [await ask(cache) for _ in range(3)] == [b"27"] * 3
        assert store.asked == 3

    asyncio.run(scenario())


@pytest.mark.parametrize("other", [{"query": b"other"}, {"path": "/api/2.0/mlflow/model-versions/get"}])
def test_another_question_has_its_own_answer(other: dict[str, Any]) -> None:
    async def scenario() -> None:
        store = Store()
        cache = ReadCache(store)
        await ask(cache)
        await ask(cache, **other)
        assert store.asked == 2

    asyncio.run(scenario())


def test_a_host_is_let_in_before_it_gets_a_repetition() -> None:
    async def scenario() -> None:
        store = Store()
        cache = ReadCache(store)
        for host in (b"a", b"b", b"a", b"b"):
            assert await ask(cache, host=host) == b"1"
        assert store.asked == 2
        store.status = 403
        for _ in range(2):
            await ask(cache, host=b"foreign")
        assert store.asked == 4

    asyncio.run(scenario())


def test_writes_of_runs_and_artifacts_leave_answers_alone() -> None:
    async def scenario() -> None:
        store = Store()
        cache = ReadCache(store)
        await ask(cache)
        for path in ("runs/create", "runs/log-batch", "experiments/create"):
            await ask(cache, "POST", b"9", path=f"/api/2.0/mlflow/{path}")
        await ask(cache, "PUT", b"9", path="/api/2.0/mlflow-artifacts/artifacts/1/x/model.bin")
        assert (await ask(cache), store.asked) == (b"1", 5)
        await ask(cache, "POST", b"9", path="/api/2.0/mlflow/model-versions/create")
        assert await ask(cache) == b"9"

    asyncio.run(scenario())


def test_other_paths_and_failures_are_not_kept() -> None:
    async def scenario() -> None:
        store = Store()
        cache = ReadCache(store)
        for _ in range(2):
            await ask(cache, path="/api/2.0/mlflow/runs/get")
        assert store.asked == 2
        store.status = 503
        for _ in range(2):
            await ask(cache)
        assert store.asked == 4

    asyncio.run(scenario())


def test_who_knows_that_a_write_is_done_is_not_told_what_was_before() -> None:
    async def scenario() -> None:
        store = Store()
        cache = ReadCache(store)
        read_may_end, written = asyncio.Event(), asyncio.Event()

        async def gate(method: str, moment: str) -> None:
            if method == "GET":
                written.set()
                await read_may_end.wait()

        store.gate = gate
        slow = asyncio.create_task(ask(cache))
        await written.wait()
        await ask(cache, "POST", b"2")
        read_may_end.set()
        assert await slow == b"1"  # it began before the write
        assert await ask(cache) == b"2"

    asyncio.run(scenario())


def test_a_read_within_a_write_is_forgotten_when_the_write_is_answered() -> None:
    async def scenario() -> None:
        store = Store()
        cache = ReadCache(store)
        begun, go = asyncio.Event(), asyncio.Event()

        async def gate(method: str, moment: str) -> None:
            if method == "POST" and moment == "before":
                begun.set()
                await go.wait()

        store.gate = gate
        write = asyncio.create_task(ask(cache, "POST", b"2"))
        await begun.wait()
        assert await ask(cache) == b"1"
        go.set()
        await write
        assert await ask(cache) == b"2"

    asyncio.run(scenario())


def test_who_asks_the_same_at_the_same_time_shares_an_answer_unless_something_was_written() -> None:
    async def scenario() -> None:
        store = Store()
        cache = ReadCache(store)
        go, reads = asyncio.Event(), 0

        async def gate(method: str, moment: str) -> None:
            nonlocal reads
            if method == "GET":
                reads += 1
                await go.wait()

        await ask(cache, query=b"lets the host in")
        store.gate = gate
        before = [asyncio.create_task(ask(cache)) for _ in range(3)]
        await asyncio.sleep(0)
        await ask(cache, "POST", b"2")
        after = [asyncio.create_task(ask(cache)) for _ in range(3)]
        await asyncio.sleep(0)
        go.set()
        assert await asyncio.gather(*before) == [b"1"] * 3
        assert await asyncio.gather(*after) == [b"2"] * 3
        assert reads == 2

    asyncio.run(scenario())


def test_a_question_that_breaks_is_asked_again_by_whoever_shared_it() -> None:
    async def scenario() -> None:
        store = Store()
        cache = ReadCache(store)
        await ask(cache, query=b"lets the host in")
        go, reads = asyncio.Event(), 0

        async def gate(method: str, moment: str) -> None:
            nonlocal reads
            reads += 1
            if reads == 1:
                await go.wait()
                raise OSError("broken")

        store.gate = gate
        first, second = (asyncio.create_task(ask(cache)) for _ in range(2))
        await asyncio.sleep(0)
        go.set()
        with pytest.raises(OSError, match="broken"):
            await first
        assert await second == b"1"

    asyncio.run(scenario())


def test_a_write_has_its_reply_and_one_that_breaks_has_changed_who_knows_what() -> None:
    async def scenario() -> None:
        store = Store()
        cache = ReadCache(store)
        assert await ask(cache) == b"1"
        assert await ask(cache, "POST", b"2") == b"ok"
        assert await ask(cache) == b"2"

        async def breaks(method: str, moment: str) -> None:
            if (method, moment) == ("POST", "after"):
                raise OSError("broken")

        store.gate = breaks
        with pytest.raises(OSError, match="broken"):
            await ask(cache, "POST", b"3")
        assert await ask(cache) == b"3"

    asyncio.run(scenario())


def test_an_answer_that_was_cut_short_is_not_repeated() -> None:
    async def scenario() -> None:
        asked = 0

        async def cut_short(scope: Any, receive: Any, send: Any) -> None:
            nonlocal asked
            asked += 1
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"1", "more_body": True})

        cache = ReadCache(cut_short)
        for _ in range(2):
            assert await ask(cache) == b"1"
        assert asked == 2

    asyncio.run(scenario())


def test_only_whole_answers_to_get_over_http_are_repeated() -> None:
    async def scenario() -> None:
        store = Store()
        cache = ReadCache(store)
        await ask(cache)
        for _ in range(2):
            await ask(cache, "HEAD")
        assert store.asked == 3
        passed: list[str] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            passed.append(scope["type"])

        await ReadCache(application)({"type": "lifespan"}, ask, ask)  # type: ignore[arg-type]
        assert passed == ["lifespan"]

    asyncio.run(scenario())


def test_answers_that_nobody_asks_for_again_are_dropped_in_the_end() -> None:
    async def scenario() -> None:
        store = Store()
        cache = ReadCache(store)
        for number in range(2500):
            await ask(cache, query=b"%d" % number)
        assert store.asked == 2500
        await ask(cache, query=b"2499")
        assert store.asked == 2500
        await ask(cache, query=b"0")
        assert store.asked == 2501

    asyncio.run(scenario())

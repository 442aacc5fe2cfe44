"""What each toxic does with chunks, to the byte and the moment: on a clock that moves only when it is waited."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest

from chaos.proxies.network.chunk import Chunk
from chaos.proxies.network.toxic import Checked, Toxic
from chaos.proxies.network.toxics.bandwidth import Bandwidth
from chaos.proxies.network.toxics.latency import Latency
from chaos.proxies.network.toxics.limit_data import LimitData
from chaos.proxies.network.toxics.reset_peer import ResetPeer
from chaos.proxies.network.toxics.slicer import Slicer
from chaos.proxies.network.toxics.slow_close import SlowClose
from chaos.proxies.network.toxics.timeout import Timeout


class Bench:
    """A stub with chunks that come at known seconds; each wait takes `late_s` longer than it should.

    From `removed_s` on the toxic is being removed.
    """

    def __init__(
        self,
        *chunks: tuple[float, bytes],
        end_s: float = 1e9,
        late_s: float = 0.0,
        removed_s: float = math.inf,
    ) -> None:
        self.rng = random.Random(4)
        self.passed_bytes = 0
        self.sent: list[tuple[float, bytes]] = []
        self.how = "returned"
        self._to_come = [Chunk(data, at) for at, data in chunks]
        self._end_s = end_s
        self._now_s = 0.0
        self._late_s = late_s
        self._removed_s = removed_s

    def through(self, toxic: Toxic) -> Bench:
        with pytest.raises(StopIteration):
            toxic.pipe(self).send(None)
        return self

    def moments_ms(self) -> list[float]:
        return [round(1000 * at, 6) for at, _ in self.sent]

    def now(self) -> float:
        return self._now_s

    def __aiter__(self) -> Bench:
        return self

    async def __anext__(self) -> Chunk:
        if (chunk := await self.take()) is None:
            raise StopAsyncIteration
        return chunk

    async def take(self, within_s: float | None = None) -> Chunk | None:
        if self._now_s >= self._removed_s:
            return None
        comes_s = self._to_come[0].at if self._to_come else self._end_s
        if within_s is not None and comes_s > self._now_s + within_s:
            self._now_s += within_s
            return None
        self._now_s = max(self._now_s, comes_s)
        return self._to_come.pop(0) if self._to_come else None

    async def wait(self, seconds: float) -> bool:
        return await self.wait_until(self._now_s + seconds)

    async def wait_until(self, moment: float) -> bool:
        if moment > self._now_s:
            self._now_s = max(self._now_s, min(moment + self._late_s, self._removed_s))
        return self._now_s >= self._removed_s

    def send(self, chunk: Chunk) -> None:
        if chunk.data:
            self.passed_bytes += len(chunk.data)
            self.sent.append((self._now_s, chunk.data))

    def close(self) -> None:
        self.how = "closed"

    def reset(self) -> None:
        self.how = "reset"


def test_bandwidth_counts_thousands_of_bytes_and_cuts_by_the_tenth_of_a_second() -> None:
    done = Bench((0.0, b"x" * 2_500), (10.0, b"y" * 400)).through(Bandwidth(rate=10))
    assert [len(data) for _, data in done.sent] == [1_000, 1_000, 500, 400]
    assert done.moments_ms() == [100.0, 200.0, 250.0, 10_040.0]


def test_bandwidth_takes_a_timers_lateness_off_what_comes_next() -> None:
    chunks = [(0.0, b"x" * 500)] * 100
    done = Bench(*chunks, late_s=0.004).through(Bandwidth(rate=100))
    assert done.sent[-1][0] == pytest.approx(0.5, abs=0.005)


def test_latency_counts_from_when_a_chunk_came_in_whatever_else_has_kept_it() -> None:
    late = Bench((0.0, b"a"), (0.01, b"b"), (0.02, b"c"), late_s=0.05).through(Latency(latency=30))
    assert late.moments_ms() == [80.0, 80.0, 80.0], "what is due already waits no more"
    on_time = Bench((0.0, b"a"), (0.01, b"b")).through(Latency(latency=30))
    assert on_time.moments_ms() == [30.0, 40.0]


def test_jitter_goes_to_both_sides_and_a_delay_below_zero_is_none() -> None:
    chunks = [(float(number), b"x") for number in range(400)]
    delays_ms = [at % 1000 for at in Bench(*chunks).through(Latency(latency=30, jitter=10)).moments_ms()]
    assert (min(delays_ms), max(delays_ms)) == (20.0, 39.0)
    assert Bench((1.0, b"x")).through(Latency(latency=-500)).moments_ms() == [1_000.0]


@pytest.mark.parametrize(("limit", "sent"), [(0, []), (4, [b"abc", b"d"]), (6, [b"abc", b"def"])])
def test_limit_data_closes_with_the_byte_that_reaches_it(limit: int, sent: list[bytes]) -> None:
    done = Bench((0.0, b"abc"), (1.0, b"def"), (2.0, b"ghi")).through(LimitData(bytes=limit))
    assert [data for _, data in done.sent] == sent
    assert done.now() < 2.0, "it does not wait for one byte more"


def test_reset_peer_waits_for_the_first_chunk_then_its_milliseconds() -> None:
    done = Bench((2.0, b"a"), (2.1, b"b")).through(ResetPeer(timeout=250))
    assert (done.sent, done.how, done.now()) == ([], "reset", 2.25)


def test_slow_close_holds_the_end_for_its_milliseconds_and_no_data() -> None:
    done = Bench((0.0, b"a"), (0.5, b"b"), end_s=1.0).through(SlowClose(delay=250))
    assert (done.moments_ms(), done.now()) == ([0.0, 500.0], 1.25)


@pytest.mark.parametrize(("timeout_ms", "over_s"), [(400, 1.0), (200, 0.2), (0, 9.0), (-5, 9.0)])
def test_a_timeout_is_counted_from_the_last_chunk(timeout_ms: int, over_s: float) -> None:
    done = Bench((0.3, b"a"), (0.6, b"b"), end_s=9.0).through(Timeout(timeout=timeout_ms))
    assert (done.sent, done.now()) == ([], over_s)


def sizes(done: Bench) -> Sequence[int]:
    return [len(data) for _, data in done.sent]


def test_slices_are_about_their_size_and_each_is_followed_by_its_microseconds() -> None:
    data = bytes(range(256)) * 40
    even = Bench((0.0, data)).through(Slicer(average_size=640, delay=1_500))
    assert sizes(even) == [640] * 16
    assert even.moments_ms() == [1.5 * number for number in range(16)]
    uneven = Bench((0.0, data)).through(Slicer(average_size=640, size_variation=100))
    assert b"".join(piece for _, piece in uneven.sent) == data
    assert len(set(sizes(uneven))) > 4
    assert 640 < max(sizes(uneven)) <= 640 + 100
    assert min(sizes(uneven)) >= (640 + 100) // 2 - 100


@pytest.mark.parametrize(
    ("most", "beyond"),
    [
        (Bandwidth(rate=0), Bandwidth(rate=-1)),
        (Bandwidth(rate=92_233_720_368_547_758), Bandwidth(rate=92_233_720_368_547_759)),
        (Latency(jitter=2**62 - 1), Latency(jitter=2**62)),
        (Slicer(average_size=1), Slicer(average_size=0)),
        (Slicer(average_size=7, size_variation=7), Slicer(average_size=7, size_variation=8)),
        (Slicer(average_size=7, size_variation=-6), Slicer(average_size=7, size_variation=-7)),
    ],
)
def test_what_would_end_the_real_server_is_refused_and_nothing_short_of_it(
    most: Checked, beyond: Checked
) -> None:
    assert most.refusal() is None
    assert beyond.refusal()


@pytest.mark.parametrize(
    ("toxic", "before"),
    [
        (Bandwidth(rate=10), [1_000, 1_000]),
        (Bandwidth(rate=0), []),
        (Slicer(average_size=1_000, delay=80_000), [1_000, 1_000, 1_000]),
        (Latency(latency=1_000), []),
    ],
)
def test_what_a_removed_toxic_held_goes_out_whole_and_once(toxic: Toxic, before: list[int]) -> None:
    data = bytes(range(250)) * 32
    done = Bench((0.0, data), removed_s=0.22).through(toxic)
    assert sizes(done) == [*before, len(data) - sum(before)]
    assert b"".join(piece for _, piece in done.sent) == data
    assert done.sent[-1][0] == 0.22

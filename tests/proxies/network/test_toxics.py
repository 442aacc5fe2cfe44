"""What each toxic does, on both servers; where they differ the test says how.

Lower bounds on time are exact, upper bounds generous: the machine may be busy.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from chaos.drivers.toxiproxy import Toxic

Pair = Callable[..., tuple[socket.socket, socket.socket]]
SLACK_S = 1.5
# The clocks of two processes and a timer's granularity.
EARLY_S = 0.002


class Watch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def took(self, at_least_s: float, slack_s: float = SLACK_S) -> bool:
        took_s = time.monotonic() - self._began
        assert at_least_s - EARLY_S <= took_s <= at_least_s + slack_s, took_s
        return True


def read_exactly(sock: socket.socket, size: int) -> bytes:
    got = bytearray()
    while len(got) < size and (data := sock.recv(65_536)):
        got += data
    return bytes(got)


def ended(sock: socket.socket) -> str:
    """How a connection ends: FIN or RST, once what it still brings has been read."""
    try:
        while sock.recv(65_536):
            pass
    except ConnectionResetError:
        return "RST"
    return "FIN"


def silent(sock: socket.socket, for_s: float = 0.2) -> bool:
    """Whether nothing comes for a while."""
    before = sock.gettimeout()
    sock.settimeout(for_s)
    try:
        sock.recv(1)
    except TimeoutError:
        return True
    finally:
        sock.settimeout(before)
    return False


# noop


def test_noop_passes_everything(pair: Pair) -> None:
    client, behind = pair(Toxic("noop"))
    behind.sendall(b"x")
    assert client.recv(1) == b"x"


# latency


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_latency_delays_data_of_its_direction_only(pair: Pair, stream: str) -> None:
    client, behind = pair(Toxic("latency", {"latency": 400}, stream))
    slow, fast = (
        ((client, behind), (behind, client)) if stream == "upstream" else ((behind, client), (client, behind))
    )
    watch = Watch()
    fast[0].sendall(b"x")
    assert fast[1].recv(1) == b"x"
    assert watch.took(0.0, 0.39)
    watch = Watch()
    slow[0].sendall(b"x")
    assert slow[1].recv(1) == b"x"
    assert watch.took(0.4)


def test_latency_does_not_delay_connecting(server: Any, echo: Any, connect: Any) -> None:
    listen = server.proxy(
        echo, Toxic("latency", {"latency": 5_000}), Toxic("latency", {"latency": 5_000}, "upstream")
    )
    watch = Watch()
    connect(listen)
    assert watch.took(0.0)


def test_two_latencies_add_up(pair: Pair) -> None:
    client, behind = pair(
        Toxic("latency", {"latency": 100}, name="a"), Toxic("latency", {"latency": 150}, name="b")
    )
    watch = Watch()
    behind.sendall(b"x")
    assert client.recv(1) == b"x"
    assert watch.took(0.25)


def test_latency_keeps_order_and_delays_chunks_side_by_side(pair: Pair) -> None:
    client, behind = pair(Toxic("latency", {"latency": 100, "jitter": 50}))
    watch = Watch()
    for number in range(100):
        behind.sendall(number.to_bytes(1, "big"))
    assert read_exactly(client, 100) == bytes(range(100))
    assert watch.took(0.05)


def test_latency_does_not_cap_throughput(pair: Pair) -> None:
    client, behind = pair(Toxic("latency", {"latency": 200}))
    watch = Watch()
    behind.sendall(b"x" * 8_000_000)
    assert len(read_exactly(client, 8_000_000)) == 8_000_000
    assert watch.took(0.2)


@pytest.mark.parametrize(
    "attributes", [{"latency": 0, "jitter": -5_000}, {"latency": -5_000}, {"latency": -60, "jitter": 50}]
)
def test_latency_below_zero_is_none(pair: Pair, attributes: dict[str, int]) -> None:
    client, behind = pair(Toxic("latency", attributes))
    watch = Watch()
    behind.sendall(b"x")
    assert client.recv(1) == b"x"
    assert watch.took(0.0)


def test_jitter_stays_within_its_bounds(pair: Pair) -> None:
    client, behind = pair(Toxic("latency", {"latency": 30, "jitter": 20}))
    for _ in range(15):
        watch = Watch()
        behind.sendall(b"x")
        assert client.recv(1) == b"x"
        assert watch.took(0.01)


def test_removing_latency_flushes_at_once(server: Any, pair: Pair) -> None:
    client, behind = pair(Toxic("latency", {"latency": 60_000}))
    behind.sendall(b"a")
    behind.sendall(b"b")
    assert silent(client)
    watch = Watch()
    server.client.remove_toxic("p", "latency_downstream")
    assert read_exactly(client, 2) == b"ab"
    behind.sendall(b"c")
    assert client.recv(1) == b"c"
    assert watch.took(0.0)


# bandwidth


def test_bandwidth_of_100_takes_two_seconds_for_200_kb(pair: Pair) -> None:
    client, behind = pair(Toxic("bandwidth", {"rate": 100}))
    watch = Watch()
    behind.sendall(b"x" * 200_000)
    first = client.recv(65_536)
    # A slice of rate × 100 bytes, or several where this reader was kept waiting.
    assert len(first) in {10_000, 20_000, 30_000}
    assert watch.took(0.1)
    assert len(read_exactly(client, 200_000 - len(first))) == 200_000 - len(first)
    # The last piece of each chunk comes when its own share of time is over, not a full slice later.
    assert watch.took(2.0 - 0.1)


def test_bandwidth_carries_its_error_over(pair: Pair) -> None:
    client, behind = pair(Toxic("bandwidth", {"rate": 100}))
    watch = Watch()
    for _ in range(100):
        behind.sendall(b"x" * 500)
        read_exactly(client, 500)
    # A timer that is late by a millisecond a message would add a tenth of a second.
    assert watch.took(0.5 - 0.01)


@pytest.mark.parametrize("removal", ["remove_toxic", "reset"])
def test_bandwidth_of_zero_stalls_until_it_is_removed(server: Any, pair: Pair, removal: str) -> None:
    client, behind = pair(Toxic("bandwidth"))
    behind.sendall(b"held")
    assert silent(client, 0.4)
    if removal == "reset":
        server.client.reset()
    else:
        server.client.remove_toxic("p", "bandwidth_downstream")
    assert read_exactly(client, 4) == b"held"


def test_bandwidth_can_be_raised(server: Any, pair: Pair) -> None:
    client, behind = pair(Toxic("bandwidth", {"rate": 1}))
    behind.sendall(b"x" * 30_000)
    client.recv(1)
    watch = Watch()
    server.client.update_toxic("p", "bandwidth_downstream", {"rate": 1_000_000})
    assert len(read_exactly(client, 29_999)) == 29_999
    assert watch.took(0.0)


# slow_close


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_slow_close_delays_the_end_and_no_data(pair: Pair, stream: str) -> None:
    client, behind = pair(Toxic("slow_close", {"delay": 300}, stream))
    source, sink = (client, behind) if stream == "upstream" else (behind, client)
    source.sendall(b"data")
    assert read_exactly(sink, 4) == b"data"
    watch = Watch()
    source.close()
    assert sink.recv(1) == b""
    assert watch.took(0.3)


def test_slow_close_of_the_other_direction_delays_nothing(pair: Pair) -> None:
    client, behind = pair(Toxic("slow_close", {"delay": 60_000}, "downstream"))
    watch = Watch()
    client.close()
    assert behind.recv(1) == b""
    assert watch.took(0.0)


def test_updating_slow_close_restarts_its_wait(server: Any, pair: Pair) -> None:
    client, behind = pair(Toxic("slow_close", {"delay": 60_000}))
    behind.close()
    assert silent(client)
    watch = Watch()
    server.client.update_toxic("p", "slow_close_downstream", {"delay": 300})
    assert client.recv(1) == b""
    assert watch.took(0.3)


def test_removing_slow_close_closes_at_once(server: Any, pair: Pair) -> None:
    client, behind = pair(Toxic("slow_close", {"delay": 60_000}))
    behind.close()
    assert silent(client)
    watch = Watch()
    server.client.remove_toxic("p", "slow_close_downstream")
    assert client.recv(1) == b""
    assert watch.took(0.0)


# timeout


def test_timeout_drops_data_and_closes_after_silence(pair: Pair) -> None:
    client, behind = pair(Toxic("timeout", {"timeout": 300}))
    watch = Watch()
    behind.sendall(b"lost")
    assert ended(client) == "FIN"
    assert watch.took(0.3)


def test_each_chunk_resets_the_timeout(pair: Pair) -> None:
    client, behind = pair(Toxic("timeout", {"timeout": 1_000}))
    watch = Watch()
    for _ in range(3):
        assert silent(client)  # which is also how the time between chunks passes
        behind.sendall(b"lost")
    assert client.recv(1) == b""
    assert watch.took(0.6 + 1.0)


@pytest.mark.parametrize("removal", ["remove_toxic", "reset"])
def test_a_timeout_of_zero_never_closes_but_its_removal_does(server: Any, pair: Pair, removal: str) -> None:
    client, behind = pair(Toxic("timeout"))
    behind.sendall(b"lost")
    assert silent(client, 0.4)
    watch = Watch()
    if removal == "reset":
        server.client.reset()
    else:
        server.client.remove_toxic("p", "timeout_downstream")
    assert ended(client) == "FIN"
    assert watch.took(0.0)


def test_an_end_passes_a_timeout(pair: Pair) -> None:
    client, behind = pair(Toxic("timeout"))
    behind.close()
    assert client.recv(1) == b""


def test_removing_a_timeout_that_spared_a_connection(server: Any, pair: Pair) -> None:
    client, behind = pair(Toxic("timeout", toxicity=0.0))
    behind.sendall(b"a")
    assert client.recv(1) == b"a"
    server.client.remove_toxic("p", "timeout_downstream")
    if server.kind == "real":
        # It closes connections that the toxic never held.
        assert client.recv(1) == b""
        return
    behind.sendall(b"b")
    assert client.recv(1) == b"b"


# reset_peer


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
@pytest.mark.parametrize("timeout_ms", [0, 200])
def test_reset_peer_resets_both_ends_after_the_first_chunk(pair: Pair, stream: str, timeout_ms: int) -> None:
    client, behind = pair(Toxic("reset_peer", {"timeout": timeout_ms}, stream))
    watch = Watch()
    (client if stream == "upstream" else behind).sendall(b"x")
    assert ended(client) == "RST"
    assert ended(behind) == "RST"
    assert watch.took(timeout_ms / 1000)


def test_reset_peer_resets_after_an_end(pair: Pair) -> None:
    client, behind = pair(Toxic("reset_peer", {"timeout": 100}, "upstream"))
    client.shutdown(socket.SHUT_WR)
    assert ended(client) == "RST"
    assert ended(behind) == "RST"


def test_reset_peer_leaves_an_idle_connection_alone(pair: Pair) -> None:
    client, _ = pair(Toxic("reset_peer"))
    assert silent(client, 0.4)


def test_reset_peer_added_to_a_live_connection(server: Any, pair: Pair) -> None:
    client, behind = pair()
    behind.sendall(b"x")
    assert client.recv(1) == b"x"
    server.client.add_toxic("p", Toxic("reset_peer"))
    behind.sendall(b"x")
    assert ended(client) == server.either(embedded="RST", real="FIN")


def test_reset_peer_that_spares_a_connection(server: Any, pair: Pair) -> None:
    client, behind = pair(Toxic("reset_peer", toxicity=0.0))
    behind.sendall(b"x")
    assert client.recv(1) == b"x"
    behind.close()
    assert ended(client) == server.either(embedded="FIN", real="RST")


def test_removing_reset_peer_before_it_struck(server: Any, pair: Pair) -> None:
    client, behind = pair(Toxic("reset_peer"))
    server.client.remove_toxic("p", "reset_peer_downstream")
    behind.sendall(b"x")
    assert client.recv(1) == b"x"


def test_removing_reset_peer_during_its_wait(server: Any, pair: Pair) -> None:
    client, behind = pair(Toxic("reset_peer", {"timeout": 2_000}))
    behind.sendall(b"x")
    assert silent(client)
    watch = Watch()
    server.client.remove_toxic("p", "reset_peer_downstream")
    # The real server answers only when the wait is over; both have reset by the time they answer.
    assert watch.took(server.either(embedded=0.0, real=1.5))
    assert ended(client) == "RST"


# slicer


def test_slicer_cuts_and_delays(pair: Pair) -> None:
    client, behind = pair(Toxic("slicer", {"average_size": 50, "size_variation": 20, "delay": 20_000}))
    watch = Watch()
    data = bytes(range(250)) * 4
    behind.sendall(data)
    got, sizes = bytearray(), []
    while len(got) < len(data):
        part = client.recv(65_536)
        sizes.append(len(part))
        got += part
    assert bytes(got) == data
    # Halving stops at average + variation, and moves a middle by at most the variation; a busy
    # reader may find several slices at once, never a part of one.
    assert min(sizes) <= 70
    assert len(sizes) >= 8
    assert watch.took((len(sizes) - 1) * 0.02 * 0.9, 10.0)


def test_slicer_delay_is_in_microseconds(pair: Pair) -> None:
    client, behind = pair(Toxic("slicer", {"average_size": 10, "delay": 1_000}))
    watch = Watch()
    behind.sendall(b"x" * 1_000)
    assert read_exactly(client, 1_000) == b"x" * 1_000
    assert watch.took(0.1, 2.0)  # 128 slices of 7 or 8 bytes, a millisecond after each


def test_an_interrupted_slicer_sends_the_rest_whole(server: Any, pair: Pair) -> None:
    client, behind = pair(Toxic("slicer", {"average_size": 10, "delay": 60_000_000}))
    behind.sendall(b"x" * 1_000)
    assert len(client.recv(65_536)) <= 10
    assert silent(client)
    server.client.remove_toxic("p", "slicer_downstream")
    assert len(read_exactly(client, 1_000 - 9)) >= 1_000 - 10


# limit_data


def test_limit_data_closes_as_soon_as_the_limit_is_reached(pair: Pair) -> None:
    client, behind = pair(Toxic("limit_data", {"bytes": 10}))
    behind.sendall(b"0123456")
    assert read_exactly(client, 7) == b"0123456"
    assert silent(client)
    behind.sendall(b"789")
    assert read_exactly(client, 3) == b"789"
    assert ended(client) == "FIN"


def test_limit_data_cuts_what_goes_beyond(pair: Pair) -> None:
    client, behind = pair(Toxic("limit_data", {"bytes": 10}))
    behind.sendall(b"x" * 100_000)
    assert read_exactly(client, 100_000) == b"x" * 10


def test_limit_data_of_zero_closes_at_the_first_chunk(pair: Pair) -> None:
    client, behind = pair(Toxic("limit_data"))
    assert silent(client)
    behind.sendall(b"x")
    assert client.recv(1) == b""


def test_limit_data_counts_from_when_it_was_added(server: Any, pair: Pair) -> None:
    client, behind = pair()
    behind.sendall(b"before")
    assert read_exactly(client, 6) == b"before"
    server.client.add_toxic("p", Toxic("limit_data", {"bytes": 3}))
    behind.sendall(b"after")
    assert read_exactly(client, 5) == b"aft"


def test_limit_data_keeps_its_count_over_an_update(server: Any, pair: Pair) -> None:
    client, behind = pair(Toxic("limit_data", {"bytes": 10}))
    behind.sendall(b"x" * 6)
    assert read_exactly(client, 6) == b"x" * 6
    server.client.update_toxic("p", "limit_data_downstream", {"bytes": 8})
    behind.sendall(b"y" * 6)
    assert read_exactly(client, 6) == b"yy"


def test_limit_data_can_be_started_again(server: Any, pair: Pair) -> None:
    client, behind = pair(Toxic("limit_data", {"bytes": 10}))
    behind.sendall(b"x" * 6)
    assert read_exactly(client, 6) == b"x" * 6
    server.client.remove_toxic("p", "limit_data_downstream")
    server.client.add_toxic("p", Toxic("limit_data", {"bytes": 10}))
    behind.sendall(b"y" * 20)
    assert read_exactly(client, 20) == b"y" * 10


# toxicity


def test_toxicity_is_rolled_per_connection_and_direction(server: Any, echo: Any, connect: Any) -> None:
    listen = server.proxy(echo, Toxic("limit_data", {"bytes": 1}, toxicity=0.5))
    hit = 0
    for _ in range(60):
        client = connect(listen)
        client.sendall(b"xy")
        hit += read_exactly(client, 2) == b"x"
    assert 10 <= hit <= 50


def test_toxicity_is_rolled_again_on_every_update(server: Any, pair: Pair) -> None:
    client, behind = pair(Toxic("bandwidth", toxicity=1.0))
    behind.sendall(b"a")
    assert silent(client)
    server.client.update_toxic("p", "bandwidth_downstream", toxicity=0.0)
    assert client.recv(1) == b"a"
    behind.sendall(b"b")
    assert client.recv(1) == b"b"
    server.client.update_toxic("p", "bandwidth_downstream", toxicity=1.0)
    behind.sendall(b"c")
    assert silent(client)
    server.client.remove_toxic("p", "bandwidth_downstream")
    assert client.recv(1) == b"c"


def test_toxics_work_in_order(pair: Pair) -> None:
    # The limit sits behind the slicer: were it in front, the slicer would still see one chunk of 10.
    client, behind = pair(Toxic("limit_data", {"bytes": 10}), Toxic("timeout", {"timeout": 200}))
    behind.sendall(b"x" * 100)
    assert ended(client) == "FIN"

from __future__ import annotations

import pytest

from reference_stack.shop.http import BadReply, parse_head


def test_heads_are_read() -> None:
    assert parse_head(b"HTTP/1.1 200 OK\r\ncontent-length: 12") == (200, 12, True, None)
    assert parse_head(b"HTTP/1.1 429 \r\nContent-Length:0\r\nConnection: close") == (429, 0, False, None)
    assert parse_head(b"HTTP/1.0 500 x\r\nContent-Length: 3") == (500, 3, False, None)


@pytest.mark.parametrize(
    ("says", "server_ms"), [(b"total;dur=1.250", 1.25), (b"cache;desc=hit", None), (b"total;dur=soon", None)]
)
def test_what_the_other_end_took_is_read_where_it_says_so(says: bytes, server_ms: float | None) -> None:
    head = b"HTTP/1.1 200 OK\r\nserver-timing: " + says + b"\r\ncontent-length: 3"
    assert parse_head(head).server_ms == server_ms


@pytest.mark.parametrize(
    "head",
    [b"", b"SSH-2.0", b"HTTP/1.1 OK", b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK\r\nContent-Length: x"],
)
def test_other_heads_are_refused(head: bytes) -> None:
    with pytest.raises(BadReply):
        parse_head(head)

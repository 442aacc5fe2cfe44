from __future__ import annotations

import pytest

from reference_stack.shop.http import BadReply, parse_head


def test_heads_are_read() -> None:
    assert parse_head(b"HTTP/1.1 200 OK\r\ncontent-length: 12") == (200, 12, True)
    assert parse_head(b"HTTP/1.1 429 \r\nContent-Length:0\r\nConnection: close") == (429, 0, False)
    assert parse_head(b"HTTP/1.0 500 x\r\nContent-Length: 3") == (500, 3, False)


@pytest.mark.parametrize(
    "head",
    [b"", b"SSH-2.0", b"HTTP/1.1 OK", b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK\r\nContent-Length: x"],
)
def test_other_heads_are_refused(head: bytes) -> None:
    with pytest.raises(BadReply):
        parse_head(head)

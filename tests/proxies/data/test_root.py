"""Whoever finds the data proxy's port has no other files copied than those of the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.clock import WallClock
from chaos.proxies.data.server import ApiError, DataProxy, LinkRequest


@pytest.mark.parametrize(
    ("source", "sink", "refused"),
    [
        ("run/out", "run/in", ""),
        ("secrets", "run/in", "secrets"),
        ("run/out", "elsewhere", "elsewhere"),
        ("run/../secrets", "run/in", "secrets"),
        ("run", "run/in", "run"),
        ("run/link", "run/in", "link"),
    ],
)
def test_links_stay_below_the_root(tmp_path: Path, source: str, sink: str, refused: str) -> None:
    for name in ("run", "secrets"):
        (tmp_path / name).mkdir()
    (tmp_path / "run" / "link").symlink_to(tmp_path / "secrets")
    proxy = DataProxy(WallClock(), tmp_path / "run")
    request = LinkRequest("events", str(tmp_path / source), str(tmp_path / sink))
    if not refused:
        assert proxy.create(request).name == "events"
        return
    with pytest.raises(ApiError, match=f"{refused} is not below .*run$") as caught:
        proxy.create(request)
    assert caught.value.status == 400
    assert proxy.states() == {}


def test_without_a_root_it_links_what_it_is_told_to(tmp_path: Path) -> None:
    made = DataProxy(WallClock()).create(LinkRequest("events", str(tmp_path / "a"), str(tmp_path / "b")))
    assert made.sink == str(tmp_path / "b")

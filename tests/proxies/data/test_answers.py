"""What the data proxy answers, asked without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from chaos.proxies.data.server import ApiError, DataProxy
from tests.clocks import ManualClock


def ask(proxy: DataProxy, method: str, path: str, body: object = None) -> tuple[int, Any]:
    return proxy.answer(method, path.split("/"), msgspec.json.encode(body))


def link(tmp_path: Path, name: str, day_seconds: float) -> dict[str, object]:
    source, sink = (str(tmp_path / name / folder) for folder in ("out", "in"))
    return {"name": name, "source": source, "sink": sink, "day_seconds": day_seconds}


def test_days_are_counted_in_each_links_own_seconds_from_its_beginning(tmp_path: Path) -> None:
    clock = ManualClock(500.0)
    proxy = DataProxy(clock)
    for name, day_seconds in (("slow", 8.0), ("quick", 0.5)):
        assert ask(proxy, "POST", "links", link(tmp_path, name, day_seconds))[0] == 201
        clock.now_s += 3.0
        late = {"type": "late", "parameters": {"held_days": 1.0}}
        assert ask(proxy, "POST", f"links/{name}/toxics", late)[0] == 200
        (tmp_path / name / "out" / "day=1.parquet").write_bytes(b"1")
        proxy.link(name).watch()
    for seconds, held in ((0.25, ["quick", "slow"]), (0.25, ["slow"]), (4.25, ["slow"]), (0.25, [])):
        clock.now_s += seconds
        for name in ("slow", "quick"):
            proxy.link(name).watch()
        links = ask(proxy, "GET", "links")[1]
        assert [name for name, state in links.items() if state.held] == held


def test_a_reset_takes_the_toxics_off_all_links_and_a_deleted_link_hands_nothing_on(tmp_path: Path) -> None:
    proxy = DataProxy(ManualClock())
    for name in ("one", "two"):
        ask(proxy, "POST", "links", link(tmp_path, name, 1.0))
        for toxic in ("a", "b"):
            late = {"type": "late", "name": toxic, "parameters": {"held_days": 1.0}}
            assert ask(proxy, "POST", f"links/{name}/toxics", late)[1].name == toxic
        (tmp_path / name / "out" / "day=1.parquet").write_bytes(b"1")
        proxy.link(name).watch()
        assert ask(proxy, "GET", f"links/{name}/delivered") == (200, {})
    assert ask(proxy, "DELETE", "links/one") == (204, None)
    assert ask(proxy, "POST", "reset") == (204, None)
    assert ask(proxy, "GET", "links/two/toxics") == (200, [])
    assert ask(proxy, "GET", "links/two/delivered") == (200, {"day=1.parquet": 1})
    assert list((tmp_path / "one" / "in").iterdir()) == []
    with pytest.raises(ApiError) as caught:
        ask(proxy, "GET", "links/one")
    assert caught.value.status == 404


def test_a_toxic_of_one_name_is_there_once(tmp_path: Path) -> None:
    proxy = DataProxy(ManualClock())
    ask(proxy, "POST", "links", link(tmp_path, "one", 1.0))
    late = {"type": "late", "parameters": {"held_days": 1.0}}
    assert ask(proxy, "POST", "links/one/toxics", late)[1].name == "late", "its type is its name"
    for body, status in (
        (late, 409),
        ({"type": "lat"}, 400),
        ({"type": "drop", "parameters": {"share": 2}}, 400),
    ):
        with pytest.raises(ApiError) as caught:
            ask(proxy, "POST", "links/one/toxics", body)
        assert caught.value.status == status
    with pytest.raises(ApiError) as caught:
        ask(proxy, "POST", "links", link(tmp_path, "one", 1.0))
    assert caught.value.status == 409

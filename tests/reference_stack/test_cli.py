"""The stack's own command: the whole of it, and what it refuses."""

import json
import select
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import msgspec
import psutil
import pytest

from reference_stack.live import read_changes, with_addresses
from reference_stack.settings import COMPONENTS, SettingsError
from reference_stack.shells.live import write_origin
from reference_stack.shells.processes import components_of
from reference_stack.wiring import LINKS

LIMIT_S = 60.0


def _run(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "reference_stack", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _post(address: str, operation: str, body: object) -> dict:
    request = urllib.request.Request(
        f"http://{address}/{operation}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.loads(response.read())


def test_settings_are_changes_to_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("seed: 7\nlayers: {hold: {mode: observe}}\nserving: {max_products: 90}\n")
    settings = read_changes(file)
    assert settings.seed == 7
    assert settings.serving.max_products == 90
    assert settings.layers["hold"].mode == "observe"
    assert settings.layers["hold"].use
    assert len(settings.layers) > 1


def test_a_small_number_in_json_is_a_number(tmp_path: Path) -> None:
    """As YAML 1.1 it would be text: 1e-6 has no point."""
    file = tmp_path / "settings.json"
    given = {"layers": {"skew": {"parameters": {"tolerance": 1e-6}}}}
    file.write_bytes(msgspec.json.encode(given))
    assert b"1e-06" in file.read_bytes() or b"1e-6" in file.read_bytes()
    assert read_changes(file).layers["skew"].parameters["tolerance"] == 1e-6


def test_further_changes_come_on_top_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("seed: 7\nshop: {surge: 2.0}\n")
    more = '{"day_seconds": 30, "shop": {"attempts": 3}}\n{"day_seconds": 4.0, "seed": 8}\n\n'
    settings = read_changes(file, more)
    assert (settings.seed, settings.day_seconds) == (8, 4.0)
    assert (settings.shop.surge, settings.shop.attempts) == (2.0, 3)
    assert read_changes(file, "\n").seed == 7
    for wrong in ("[1]", '{"seed": 1'):
        with pytest.raises(SettingsError, match="the further changes"):
            read_changes(file, wrong)


@pytest.mark.parametrize("text", ["seed: many", "sped: 1", "[1]", "a: b: c"])
def test_settings_that_cannot_be_used_name_the_file(tmp_path: Path, text: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=r"settings\.yaml"):
        read_changes(file)


def test_links_are_direct_where_none_is_named(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(f"root: {tmp_path}\nlinks: {{shop-collector: '127.0.0.1:9'}}\n")
    settings = with_addresses(read_changes(file))
    assert sorted(settings.addresses) == sorted(COMPONENTS)
    assert len(set(settings.addresses.values())) == len(COMPONENTS)
    assert sorted(settings.links) == sorted(LINKS)
    assert settings.links["shop-collector"] == "127.0.0.1:9"
    assert settings.links["serving-features"] == settings.addresses["features"]
    assert settings.inbox == str(tmp_path / "outbox")
    assert components_of(settings)[:2] == ["registry", "shop"]


@pytest.mark.processes
@pytest.mark.parametrize("arguments", [["up"], ["serve", "collector"]])
def test_bad_settings_are_an_exit_code(tmp_path: Path, arguments: list[str]) -> None:
    process = _run(*arguments, "--settings", str(tmp_path / "none.yaml"))
    _, said = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 3
    assert b"none.yaml" in said


@pytest.mark.processes
def test_one_component_in_the_foreground(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(f"root: {tmp_path}\n")
    settings = with_addresses(read_changes(file))
    file.write_bytes(msgspec.json.encode(settings))
    write_origin(tmp_path, time.monotonic())
    process = _run("serve", "collector", "--settings", str(file))
    try:
        _await(lambda: _get(settings.addresses["collector"], "health"))
        key = {"key": "close_days", "value": 0.01}
        assert _post(settings.addresses["collector"], "configure", key) == {"previous": 0.005}
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0
    assert "configured" in [json.loads(line)["event"] for line in said.splitlines()]


@pytest.mark.processes
def test_the_whole_stack_comes_up_from_nothing_works_and_goes_away(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(f"root: {tmp_path / 'stack'}\nday_seconds: 10.0\n")
    process = _run("up", "--settings", str(file), "--timeout", str(LIMIT_S))
    try:
        readable, _, _ = select.select([process.stdout], [], [], LIMIT_S)
        assert readable, "no ready line"
        ready = json.loads(process.stdout.readline())
        assert sorted(ready["pids"]) == sorted(COMPONENTS)
        serving = ready["addresses"]["serving-a"]
        # There was no warm-up, so there is no model yet: all slots are filled at random.
        _post(serving, "configure", {"key": "explore_share", "value": 1.0})
        reply = _post(serving, "recommend", {"view": "v", "customer": 1, "segment": 0})
        assert len(reply["slate"]) == 10
        why = _await(lambda: _get(serving, f"explain/{reply['recommendation']}"))
        assert why["slate"] == reply["slate"]
        parent = psutil.Process(ready["pids"]["collector"]).parent()
        _, said = process.communicate(timeout=LIMIT_S)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, said
    assert not parent.is_running()
    for pid in ready["pids"].values():
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def _get(address: str, path: str) -> dict | None:
    try:
        with urllib.request.urlopen(f"http://{address}/{path}", timeout=5) as response:
            return json.loads(response.read())
    except OSError:
        return None


def _await(found):
    deadline = time.monotonic() + LIMIT_S
    while not (value := found()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)
    return value

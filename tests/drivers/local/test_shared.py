"""What all arms of a run share, where something of it is lost: the warm-up and the proxies."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.clock import WallClock
from chaos.domain.target import TargetSpec
from chaos.drivers.local import stack as stack_module
from chaos.drivers.local.driver import LocalDriver
from chaos.drivers.local.stack import Ended
from chaos.errors import ArmFailed, LeftBehind
from chaos.processes import Known
from chaos.runner.imports import as_here
from tests.command import until
from tests.harness import TARGET, planned, target_of

pytestmark = pytest.mark.processes

# Its first warm-up ends half way.
COMMAND = """
import pathlib, sys

if sys.argv[1] == "parent":
    print('{"ready": true}', flush=True)
    sys.stdin.read()
else:
    out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
    if out.exists():
        sys.exit(f"{out} is not empty")
    out.mkdir()
    (out / "half").touch()
    tried = pathlib.Path(__file__).with_name("tried")
    if not tried.exists():
        tried.touch()
        sys.exit("killed in the middle")
"""


@pytest.fixture
def spec(tmp_path: Path) -> TargetSpec:
    command = tmp_path / "shop.py"
    command.write_text(COMMAND)
    folders = "{folders: {events: {source: out, sink: in}}}"
    local = f"{{kind: local, command: [python, {command}], settings: {folders}}}"
    return target_of(TARGET.replace("{kind: fake}", local))


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[LocalDriver]:
    driver = LocalDriver(tmp_path, WallClock(), lambda _name, _pid: None, ours=as_here())
    yield driver
    driver.close()


def test_a_warm_up_that_failed_is_no_obstacle_to_the_next_one(driver: LocalDriver, spec: TargetSpec) -> None:
    plan = planned().arms[0]
    with pytest.raises(ArmFailed, match=r"^the warm-up failed: killed in the middle$"):
        driver._warm_up(plan, spec)
    assert (driver._warm_up(plan, spec) / "half").exists()


def test_a_proxy_that_has_ended_is_told_once_and_the_next_arm_has_another(
    driver: LocalDriver, spec: TargetSpec
) -> None:
    driver._shared(spec)
    assert driver._ended_beside() == []
    os.kill(driver._proxies["network proxy"], signal.SIGKILL)
    told: list[Ended] = []
    assert until(lambda: bool(told.extend(driver._ended_beside()) or told), 5.0)
    assert told == [Ended("network proxy", -signal.SIGKILL)]
    assert driver._ended_beside() == []
    _, network = driver._shared(spec)
    assert network.proxies() == {}


def test_a_parent_that_hung_is_not_asked_by_the_next_arm(
    driver: LocalDriver, spec: TargetSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung, _ = driver._shared(spec)
    with monkeypatch.context() as patch:
        patch.setattr(stack_module, "UP_SECONDS", 0.2)
        with pytest.raises(ArmFailed, match="stack said nothing"):
            hung.down()
    another, _ = driver._shared(spec)
    assert another is not hung
    assert driver._shared(spec)[0] is another


def test_all_is_ended_where_a_component_survives(
    driver: LocalDriver, spec: TargetSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver._shared(spec)
    programs = list(driver._programs)
    with monkeypatch.context() as patch:
        patch.setattr(stack_module, "kill", lambda _family: [Known("shop", 7, 0.0)])
        with pytest.raises(LeftBehind, match=r"still there, though killed: shop \(7\)"):
            driver.close()
    assert [one.name for one in programs if one.code is None] == []


def test_a_link_with_a_components_name_has_a_port_of_its_own(driver: LocalDriver, spec: TargetSpec) -> None:
    links = {**spec.links, "writer": spec.links["wire"]}
    spec = spec.model_copy(update={"links": links})
    _, network = driver._shared(spec)
    addresses, opened = driver._open_links(spec, network)
    assert sorted(opened) == ["wire", "writer"]
    assert {proxy.upstream for proxy in network.proxies().values()} == {addresses["writer"]}
    assert len({*addresses.values(), *opened.values()}) == 4


def test_a_package_in_the_working_directory_is_not_taken_for_ours(
    driver: LocalDriver, spec: TargetSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "chaos").mkdir()
    (tmp_path / "chaos" / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    _, network = driver._shared(spec)
    assert network.proxies() == {}

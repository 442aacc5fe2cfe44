"""Ports are free, apart, and none that an outgoing connection could take."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from chaos.drivers.local import ports
from chaos.drivers.local.ports import HOST, LOWEST, free_addresses
from chaos.errors import ArmFailed


def numbers(addresses: dict[str, str]) -> list[int]:
    return [int(address.rpartition(":")[2]) for address in addresses.values()]


def test_ports_are_free_apart_and_below_those_of_outgoing_connections() -> None:
    found = numbers(free_addresses([f"link-{n}" for n in range(60)]))

    assert len(set(found)) == 60
    with (
        socket.create_server((HOST, 0)) as server,
        socket.create_connection(server.getsockname()) as outgoing,
    ):
        assert max(found) < outgoing.getsockname()[1]
    for port in found:
        socket.create_server((HOST, port)).close()


def test_a_port_in_use_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "range").write_text(f"{LOWEST + 1001}\t60999\n")
    monkeypatch.setattr(ports, "EPHEMERAL", tmp_path / "range")
    taken = numbers(free_addresses(["taken"]))[0]

    with socket.create_server((HOST, taken)):
        assert taken not in numbers(free_addresses([f"link-{n}" for n in range(900)]))


def test_where_no_port_is_left_the_arm_says_for_whom(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "range").write_text(f"{LOWEST + 1001}\t60999\n")
    monkeypatch.setattr(ports, "EPHEMERAL", tmp_path / "range")

    with pytest.raises(
        ArmFailed, match=f"no free port on {HOST} for link-[0-9]+ from {LOWEST} to {LOWEST + 1000}"
    ):
        free_addresses([f"link-{n}" for n in range(1100)])


@pytest.mark.parametrize("text", ["", "many few", "100 60999"])
def test_a_range_that_says_nothing_useful_falls_back(
    text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "range").write_text(text)
    monkeypatch.setattr(ports, "EPHEMERAL", tmp_path / "range")

    assert numbers(free_addresses(["one"]))[0] < ports.FIRST_EPHEMERAL

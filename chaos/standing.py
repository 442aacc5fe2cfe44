"""A standing stack: brought up, looked at, taken down by hand. Nothing is injected into it here."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import msgspec
import psutil

from chaos.domain.target import TargetSpec
from chaos.drivers.local.driver import command_of
from chaos.drivers.local.http import HttpFailed, request
from chaos.drivers.local.stack import one_thread
from chaos.errors import ArmFailed, UsageError

STATE = "standing.json"
DOWN_SECONDS = 10.0


class Standing(msgspec.Struct, frozen=True):
    """What is known of a standing stack: its process, and where everything is."""

    pid: int
    started: float
    root: str
    addresses: dict[str, str]
    health: dict[str, str]


class _Ready(msgspec.Struct):
    addresses: dict[str, str]
    root: str


def up(
    spec: TargetSpec,
    seed: int,
    world: str,
    days: float,
    day_seconds: float,
    out: Path,
    screen: TextIO,
) -> None:
    """Bring the stack up and keep it until Ctrl-C, SIGTERM or `down`. Raises UsageError or ArmFailed."""
    if spec.driver.kind != "local":
        raise UsageError(f"target {spec.target!r} cannot stand by itself; use reference-local")
    if _running(out) is not None:
        raise UsageError(f"a stack stands in {out} already; see `mlchaos stack status`")
    root = (out / "stack").resolve()
    if root.exists():
        raise UsageError(f"{root} is left from an earlier stack; remove it, or name another --out")
    out.mkdir(parents=True, exist_ok=True)
    command = command_of(spec)
    environment = {**os.environ, **one_thread()}
    warm = [*command, "warmup", "--world", world, "--seed", str(seed), "--out", str(root)]
    if subprocess.run([*warm, "--registry", "mlflow"], env=environment, check=False).returncode != 0:
        raise ArmFailed("the warm-up failed")
    settings = out / "settings.json"
    body = {"seed": seed, "world": world, "days": days, "day_seconds": day_seconds, "root": str(root)}
    settings.write_bytes(msgspec.json.encode(body))
    process = subprocess.Popen(
        [*command, "up", "--settings", str(settings)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise ArmFailed("the stack did not come up")
        ready = msgspec.json.decode(line, type=_Ready)
        health = {name: component.health for name, component in spec.components.items()}
        started = psutil.Process(process.pid).create_time()
        standing = Standing(process.pid, started, ready.root, ready.addresses, health)
        (out / STATE).write_bytes(msgspec.json.encode(standing))
        for name, address in ready.addresses.items():
            screen.write(f"{name:<14} http://{address}\n")
        screen.write(f"logs           {root / 'logs'}\nCtrl-C, or `mlchaos stack down`, ends it\n")
        screen.flush()
        with contextlib.suppress(KeyboardInterrupt):
            process.wait()
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()
        (out / STATE).unlink(missing_ok=True)


def status(out: Path) -> Iterator[str]:
    """A line for each component. Raises UsageError where no stack stands."""
    standing = _standing(out)
    for name, address in standing.addresses.items():
        try:
            request(address, "GET", standing.health.get(name, "/health"), timeout_ms=1000)
            yield f"{name:<14} up    http://{address}"
        except HttpFailed as error:
            yield f"{name:<14} down  {error}"


def down(out: Path) -> str:
    """Take a standing stack down. Raises UsageError where there is none, ArmFailed if it does not end."""
    standing = _standing(out)
    process = psutil.Process(standing.pid)
    process.send_signal(signal.SIGTERM)
    _, alive = psutil.wait_procs([process], timeout=DOWN_SECONDS)
    if alive:
        raise ArmFailed(f"the stack (process {standing.pid}) did not end in {DOWN_SECONDS:g} s")
    (out / STATE).unlink(missing_ok=True)
    return "down"


def _standing(out: Path) -> Standing:
    standing = _running(out)
    if standing is None:
        raise UsageError(f"no stack stands in {out}")
    return standing


def _running(out: Path) -> Standing | None:
    try:
        standing = msgspec.json.decode((out / STATE).read_bytes(), type=Standing)
        same = abs(psutil.Process(standing.pid).create_time() - standing.started) < 0.01
    except (OSError, msgspec.DecodeError, psutil.NoSuchProcess):
        return None
    return standing if same else None

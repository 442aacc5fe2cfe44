"""`python -m benchmarks.containers [bars] [targets]`: what the stack costs in containers.

`bars` looks at built images: how large they are, how long the stack takes to come up and to go, its memory.
`targets` runs late-partition and slow-features on all three targets, and prints rows for docs/containers.md.
It exits with 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from docker import DockerClient
from docker.errors import ImageNotFound

from benchmarks.live import MLCHAOS, Row, gauge, sampled
from chaos.app import Wanted, compose_file, make_catalogue, make_driver, make_files, plan_run
from chaos.clock import WallClock
from chaos.domain.scenario import Arm, Harm
from chaos.domain.verdict import Results
from chaos.engine import connect, containers_of, marked

BASES = ("python:3.11-slim-bookworm", "mlchaos-base:bookworm")
SCENARIOS = ("late-partition", "slow-features")
TARGETS = ("reference-virtual", "reference-local", "reference-compose")
GB = 1e9


def layers_of(client: DockerClient, image: str) -> tuple[list[str], int]:
    """An image's layers from the lowest, and its size in bytes. Raises ImageNotFound."""
    attrs = client.images.get(image).attrs
    return attrs["RootFS"]["Layers"], int(attrs["Size"])


def images() -> list[str]:
    """The images of the compose file, as they are named here, Prometheus' too."""
    command = ["docker", "compose", "--file", str(compose_file()), "--profile", "observe"]
    said = subprocess.run([*command, "config", "--images"], check=True, capture_output=True, text=True)
    return sorted(set(said.stdout.split()))


def beyond_the_base(client: DockerClient) -> Row:
    """What the images take together, with the layers of the base taken off those that begin with them."""
    below: list[str] = []
    below_size = 0
    for name in filter(None, (*BASES, os.environ.get("PYTHON_IMAGE"))):
        with contextlib.suppress(ImageNotFound):
            below, below_size = layers_of(client, name)
    total = 0
    for image in images():
        layers, size = layers_of(client, image)
        total += size - (below_size if below and layers[: len(below)] == below else 0)
    return Row(f"images together, beyond the base of {below_size / GB:.2f} GB", total / GB, "GB", 1.2)


def of_containers(client: DockerClient, run: str | None) -> list[int]:
    """The first process of each container of a run."""
    if run is None:
        return []
    return [pid for one in containers_of(client, run) if (pid := int(one.attrs["State"]["Pid"]))]


def bars(folder: Path) -> Iterator[Row]:
    """Two arms of one run: the first makes the warm-up, too, the second finds it."""
    client = connect()
    yield beyond_the_base(client)
    planned = plan_run(Wanted(("late-partition",), "reference-compose"), make_files(), make_catalogue())
    plan = next(arm for arm in planned.trials[0].arms if arm.arm is Arm.CONTROL)
    driver = make_driver(planned.spec, folder, WallClock(), lambda _name, _pid: None, lambda: False)
    try:
        for name, what in (("first", "built images, with its warm-up"), ("second", "built images")):
            (folder / name).mkdir()
            started = time.perf_counter()
            target = driver.start(plan, planned.spec, folder / name, lambda _event: None)
            yield Row(f"stack healthy from {what}", time.perf_counter() - started, "s", 25.0)
            with sampled(lambda: of_containers(client, marked(folder))) as samples:
                target.advance(5.0, lambda: False)
            started = time.perf_counter()
            target.close()
            yield Row("… taken down", time.perf_counter() - started, "s", 8.0)
            yield Row("… memory of all its containers (PSS), largest of 5 days", max(samples), "GiB", 3.0)
    finally:
        driver.close()
        client.close()


def on_target(scenario: str, target: str, folder: Path) -> str:
    """One row of the table: a scenario's four arms, from the command to the report."""
    client = connect() if target == "reference-compose" else None
    out = folder / f"{scenario}-{target}"
    command = [
        *MLCHAOS,
        "run",
        scenario,
        "--target",
        target,
        "--no-cache",
        "--json",
        "--out",
        str(out),
    ]
    started = time.perf_counter()
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def pids() -> list[int]:
        inside = [] if client is None or not out.is_dir() else of_containers(client, marked(out))
        return [run.pid, *inside]

    with sampled(pids) as samples:
        said, _ = run.communicate()
    seconds = time.perf_counter() - started
    if client is not None:
        client.close()
    results = Results.model_validate(json.loads(said))
    (trial,) = results.trials
    (fault,) = trial.faults
    seen = fault.detection
    first = "none" if seen is None else f"{seen.layer}, day {seen.day:.2f}"
    contained = make_files().scenario(scenario)[0].expect.contained
    kind = Harm.DEFECTIVE_VIEWS if contained is None else contained.of
    harm = [f"{trial.harm[arm].get(kind) or 0:,.0f}" for arm in (Arm.DEFENDED, Arm.UNDEFENDED)]
    harms = f"{harm[0]} against {harm[1]} {kind.value}"
    return (
        f"| `{scenario}` | `{target}` | {trial.verdict.value} | {first} | {harms} "
        f"| {results.day_seconds:g} s | {seconds:.0f} s | {max(samples):.2f} GiB |"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what is asked for; the exit code, 1 where a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.containers", description=__doc__)
    parser.add_argument("what", nargs="*", metavar="WHAT", help="bars, targets, or the name of a target")
    wanted = parser.parse_args(arguments).what or ["bars"]
    missed = False
    print(f"gauge {gauge():.1f} µs", flush=True)
    with tempfile.TemporaryDirectory() as name:
        if "bars" in wanted:
            for row in bars(Path(name)):
                print(row, f"  gauge {gauge():.1f}", flush=True)
                missed = missed or row.value > row.bar
        for target in TARGETS:
            if "targets" in wanted or target in wanted:
                for scenario in SCENARIOS:
                    print(on_target(scenario, target, Path(name)), flush=True)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())

"""The stack's own command, which knows nothing of any harness.

    python -m reference_stack up --settings FILE               all of it, until SIGTERM or the end of stdin
    python -m reference_stack serve COMPONENT --settings FILE  one component in the foreground
    python -m reference_stack parent                           a warm parent, told what to do by JSON lines
    python -m reference_stack warmup --world NAME --seed N --out DIR
    python -m reference_stack prepare --settings FILE [--toxiproxy HOST:PORT]
    python -m reference_stack fit FOLDER… [--out FILE]         costs of virtual time from logs of live runs
    python -m reference_stack begin --settings FILE            once all are healthy, gives the start

`prepare` and `begin` are for components in containers, each started by `serve`: what they start from, and
their start. `--changes-in NAME` names an environment variable with further settings as JSON, an object a
line. `serve` writes the component's JSON log lines to standard output. Exit codes: 0, 1 for a component that
broke, 3 for settings that cannot be used.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from reference_stack.imports import Without
from reference_stack.settings import SettingsError, StackSettings

BROKEN = 1
INVALID = 3
NURSERIES = {"registry": "reference_stack.registry.nursery", "shop": "reference_stack.shop.nursery"}


def main(arguments: Sequence[str]) -> int:
    """Run a command; the exit code."""
    pin_blas()
    if arguments[:1] == ["warmup"]:
        return _seeding(lambda: _warm_up(arguments[1:]))
    if arguments[:1] == ["fit"]:
        from reference_stack.fit import main as fit

        return fit(arguments[1:])
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return INVALID


def pin_blas() -> None:
    """One BLAS thread, which is faster on small fits, and one kernel for all processors of a family, so that
    sums come out the same; it counts when numpy is imported.
    """
    if platform.machine() in ("x86_64", "AMD64"):
        os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ.setdefault(name, "1")


def _warm_up(arguments: Sequence[str]) -> int:
    sys.meta_path.insert(0, Without("pandas", "sklearn"))
    from reference_stack.trainer.elsewhere import solving
    from reference_stack.warmup import main

    return main(arguments, solving)


def _run(options: argparse.Namespace) -> int:
    if options.command == "up":
        from reference_stack.up import up

        return up(options.settings, options.timeout)
    if options.command == "parent":
        return _parent()
    from reference_stack import live

    settings = live.read_changes(options.settings, os.environ.get(options.changes_in, ""))
    if options.command == "prepare":
        from reference_stack.containers import prepare

        return _seeding(lambda: prepare(settings, options.toxiproxy))
    if options.command == "begin":
        from reference_stack.containers import begin

        return begin(settings, options.timeout)
    return _serve(options.component, settings)


def _seeding(work: Callable[[], int]) -> int:
    """The exit code of what has a registry seeded: the process that does so has said why it could not."""
    try:
        return work()
    except ChildProcessError:
        return BROKEN


def _parent() -> int:
    from reference_stack.shells.nursery import Nursery
    from reference_stack.shells.processes import lead_group, run_parent

    # Before this process imports anything large: the nurseries do that at the same time.
    lead_group()
    nurseries = {name: Nursery([sys.executable, "-m", module]) for name, module in NURSERIES.items()}
    from reference_stack import live

    live.preload()
    return run_parent(live.read_changes, live.choose, nurseries)


def _serve(component: str, settings: StackSettings) -> int:
    from reference_stack import live
    from reference_stack.shells.live import line_sink, run_component
    from reference_stack.shells.processes import write_complete

    if component == "shop":
        from reference_stack.shop.process import command

        program = command(write_complete(settings, f"{component}-settings.json"), say=True)
        os.execv(program[0], program)
    if component == "registry":
        return live.serve_registry(settings)
    live.warm(component)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    return run_component(component, settings, live.build_live, line_sink(sys.stdout))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reference_stack", description="The shop for dogs.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start all components")
    up.add_argument("--settings", type=Path, required=True, help="YAML or JSON; see settings.py")
    up.add_argument("--timeout", type=float, default=30.0, help="seconds until all must be healthy")
    serve = commands.add_parser("serve", help="run one component in the foreground")
    serve.add_argument("component")
    prepare = commands.add_parser("prepare", help="the first 18 days, and the links in Toxiproxy")
    prepare.add_argument("--toxiproxy", metavar="HOST:PORT", help="the server that all links go through")
    begin = commands.add_parser("begin", help="give the start to components that run, once all are healthy")
    begin.add_argument("--timeout", type=float, default=120.0, help="seconds until all must be healthy")
    for one in (serve, prepare, begin):
        one.add_argument("--settings", type=Path, required=True, help="YAML or JSON; see settings.py")
        one.add_argument("--changes-in", metavar="NAME", default="", help="variable with further JSON lines")
    commands.add_parser("parent", help="fork components as JSON lines on standard input say")
    commands.add_parser("fit", help="costs of virtual time from logs of live runs", add_help=False)
    commands.add_parser("warmup", help="make the first 18 days", add_help=False)
    return parser
